/** `npm test`: builds, runs every test, and ends with one line: N passed, N failed, N skipped. */

import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { build } from './build.mjs';
import { runNode } from './run.mjs';

await build().catch((error) => {
  console.error(error.message);
  process.exit(1);
});

const folder = mkdtempSync(join(tmpdir(), 'steelyard-test-'));
const report = join(folder, 'report.json');
const code = await runNode([
  'node_modules/vitest/vitest.mjs',
  'run',
  '--reporter=default',
  '--reporter=json',
  `--outputFile.json=${report}`,
  ...process.argv.slice(2),
]);
let counts = { numPassedTests: 0, numFailedTests: 1, numPendingTests: 0, numTodoTests: 0 };
try {
  counts = JSON.parse(readFileSync(report, 'utf8'));
} catch {
  console.error('the test run left no report');
}
rmSync(folder, { recursive: true, force: true });
// A file that fails to load has no failed test of its own; it still counts.
const failed = Math.max(counts.numFailedTests, code === 0 ? 0 : 1);
console.log(
  `${counts.numPassedTests} passed, ${failed} failed, ${counts.numPendingTests + counts.numTodoTests} skipped`,
);
process.exitCode = failed > 0 ? 1 : 0;
