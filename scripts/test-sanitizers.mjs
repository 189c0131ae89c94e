/**
 * `npm run test:sanitizers`: the kernels built with address and undefined-behaviour checks, under the op suite.
 * Linux with g++ only: the sanitizers' libraries must be loaded before Node's own.
 */

import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { buildRunner, runnerEnvironment } from '../packages/backend-cpu/scripts/build-runner.mjs';
import { findCompiler } from '../packages/backend-cpu/scripts/toolchain.mjs';
import { emulatedUnits } from '../packages/backend-cpu/scripts/units.mjs';
import { root, runNode } from './run.mjs';

const library = (name) => {
  const path = execFileSync('g++', [`-print-file-name=${name}`], { encoding: 'utf8' }).trim();
  if (path === name) throw new Error(`g++ has no ${name}; install g++ with its sanitizer libraries`);
  return path;
};

const preload = [library('libasan.so'), library('libubsan.so')].join(' ');
const built = await runNode(['packages/backend-cpu/scripts/build.mjs', '--asan']);
const vitest = (paths, env) => runNode(['node_modules/vitest/vitest.mjs', 'run', ...paths], { env });

/** The matrix unit of x86-64 in plain C++, which Node's addon does not have. */
async function emulation() {
  const program = await buildRunner({
    compiler: findCompiler(['g++']),
    units: emulatedUnits(),
    name: 'emulated-asan',
    flags: ['-O1', '-g', '-fsanitize=address,undefined', '-fno-sanitize-recover=undefined'],
  });
  return vitest(
    ['packages/backend-cpu/test/recorded-cases.test.ts'],
    runnerEnvironment(program, 'amx_emulated', 'amx'),
  );
}

process.exitCode =
  built ||
  (await emulation()) ||
  (await vitest(['tests/ops/backends.test.ts', 'packages/backend-cpu'], {
    ...process.env,
    LD_PRELOAD: preload,
    // Node itself leaks at exit, by design; what does not fit is for the kernels to refuse.
    ASAN_OPTIONS: 'detect_leaks=0:allocator_may_return_null=1',
    STEELYARD_NATIVE: join(root, 'packages/backend-cpu/build/asan/steelyard_cpu.node'),
  }));
