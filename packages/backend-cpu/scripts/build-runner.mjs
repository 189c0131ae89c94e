/**
 * Builds test/native/run-cases.cc with the kernels: a program that runs recorded cases on machines without Node, and
 * under sanitizers that Node does not bear.
 */

import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { makeProgram } from './toolchain.mjs';
import { commonFlags } from './units.mjs';

const root = fileURLToPath(new URL('..', import.meta.url));

/** Path of the program. `name` is its folder in build/; flags go to compiler and linker both. */
export async function buildRunner({ compiler, units, name, flags }) {
  const out = join(root, 'build', name);
  const target = join(out, 'run-cases');
  const main = { name: 'run-cases', source: join(root, 'test/native/run-cases.cc'), flags: [] };
  await makeProgram({
    compiler,
    out,
    target,
    units: [...units, main],
    flags: [...commonFlags, ...flags],
    link: ['-pthread', ...flags],
  });
  return target;
}

/** Environment for test/recorded-cases.test.ts. */
export function runnerEnvironment(command, levels, absent = '') {
  return {
    ...process.env,
    STEELYARD_RUNNER: command,
    STEELYARD_RUNNER_LEVELS: levels,
    STEELYARD_RUNNER_ABSENT: absent,
  };
}
