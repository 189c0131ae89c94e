/** One process per data directory: PGlite is a whole database in this process, and two on the same files break them. */

import { randomUUID } from 'node:crypto';
import { link, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { RequestError } from '@steelyard/core';

/** Another living process holds the directory. */
export class InUseError extends RequestError {
  /** Its id. */
  readonly holder: number;

  constructor(directory: string, lock: string, holder: number) {
    super(
      `storage: ${directory} is in use by process ${holder}, expected no other. Stop that process, choose another ` +
        `directory, or remove ${lock} if that process is not a server.`,
    );
    this.holder = holder;
  }
}

/** Directories that this process holds. */
const held = new Set<string>();

/**
 * Holds the directory until the returned function is called or the process ends, however it ends.
 * @throws InUseError when another living process holds it
 */
export async function lockDirectory(directory: string): Promise<() => Promise<void>> {
  const path = join(directory, 'process.lock');
  const own = join(directory, `lock-${randomUUID()}`);
  await writeFile(own, String(process.pid));
  try {
    while (!(await tryLink(own, path))) await dropStale(path, directory);
  } finally {
    await rm(own, { force: true });
  }
  held.add(path);
  return async () => {
    held.delete(path);
    await rm(path, { force: true });
  };
}

async function tryLink(own: string, path: string): Promise<boolean> {
  try {
    await link(own, path);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw error;
  }
}

async function dropStale(path: string, directory: string): Promise<void> {
  const holder = await readFile(path, 'utf8').catch(() => undefined);
  if (holder === undefined) return;
  if (isHolding(Number(holder), path)) {
    throw new InUseError(directory, path, Number(holder));
  }
  // Taken aside by name first: where two processes find the same stale lock, the second must not remove the first's.
  const aside = join(directory, `lock-${randomUUID()}`);
  await rename(path, aside).catch(() => {});
  const moved = await readFile(aside, 'utf8').catch(() => holder);
  if (moved !== holder) await tryLink(aside, path);
  await rm(aside, { force: true });
}

function isHolding(pid: number, path: string): boolean {
  if (!Number.isInteger(pid) || pid <= 0) return false;
  // After a restart in a container the last server's id may be this one's.
  if (pid === process.pid) return held.has(path);
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}
