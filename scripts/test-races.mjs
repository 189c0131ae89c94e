/** `npm run test:races`: the thread pool of the kernels under g++'s thread sanitizer. */

import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { root } from './run.mjs';

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
} finally {
  rmSync(folder, { recursive: true, force: true });
}
