/**
 * `npm run test:sanitizers`: the kernels built with address and undefined-behaviour checks, under the op suite.
 * Linux with g++ only: the sanitizers' libraries must be loaded before Node's own.
 */

import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { root, runNode } from './run.mjs';

const library = (name) => {
  const path = execFileSync('g++', [`-print-file-name=${name}`], { encoding: 'utf8' }).trim();
  if (path === name) throw new Error(`g++ has no ${name}; install g++ with its sanitizer libraries`);
  return path;
};

const preload = [library('libasan.so'), library('libubsan.so')].join(' ');
const built = await runNode(['packages/backend-cpu/scripts/build.mjs', '--asan']);
process.exitCode =
  built ||
  (await runNode(
    ['node_modules/vitest/vitest.mjs', 'run', 'tests/ops/backends.test.ts', 'packages/backend-cpu'],
    {
      env: {
        ...process.env,
        LD_PRELOAD: preload,
        // Node itself leaks at exit, by design; what does not fit is for the kernels to refuse.
        ASAN_OPTIONS: 'detect_leaks=0:allocator_may_return_null=1',
        STEELYARD_NATIVE: join(root, 'packages/backend-cpu/build/asan/steelyard_cpu.node'),
      },
    },
  ));
