/** `npm run test:races`: the thread pool, and recorded cases of all kernels on several threads, under g++'s thread sanitizer. */

import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { buildRunner, runnerEnvironment } from '../packages/backend-cpu/scripts/build-runner.mjs';
import { findCompiler } from '../packages/backend-cpu/scripts/toolchain.mjs';
import { emulatedUnits } from '../packages/backend-cpu/scripts/units.mjs';
import { root, runNode } from './run.mjs';

async function kernels() {
  const program = await buildRunner({
    compiler: findCompiler(['g++']),
    units: emulatedUnits(),
    name: 'races',
    flags: ['-O1', '-g', '-fsanitize=thread'],
  });
  return runNode(
    ['node_modules/vitest/vitest.mjs', 'run', 'packages/backend-cpu/test/recorded-cases.test.ts'],
    {
      env: {
        ...runnerEnvironment(program, 'amx_emulated scalar'),
        TSAN_OPTIONS: 'halt_on_error=1',
        STEELYARD_RUNNER_CASES: '4',
      },
    },
  );
}

const folder = mkdtempSync(join(tmpdir(), 'steelyard-races-'));
const sources = ['test/native/thread-pool.cc', 'kernels/thread-pool.cc'].map((name) =>
  join(root, 'packages/backend-cpu', name),
);
try {
  const program = join(folder, 'thread-pool');
  const flags = ['-std=c++20', '-O1', '-g', '-fsanitize=thread', '-pthread'];
  execFileSync('g++', [...flags, ...sources, '-o', program], { stdio: 'inherit' });
  execFileSync(program, { stdio: 'inherit', env: { ...process.env, TSAN_OPTIONS: 'halt_on_error=1' } });
  console.log('no data race in the thread pool');
  process.exitCode = await kernels();
} finally {
  rmSync(folder, { recursive: true, force: true });
}
