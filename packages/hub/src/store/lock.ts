/**
 * Locks between processes: a file that names its owner. An owner that is gone (its process ended, or it has not
 * touched the file for two minutes) loses the lock to the next who asks. Locks only save work: what they guard is
 * published by atomic renames of verified files, so even a lock held twice cannot corrupt a model.
 */

import { randomBytes } from 'node:crypto';
import { link, open, readFile, rm, stat, utimes, writeFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import { abortedError, isErrorCode } from '../failures.ts';

const HEARTBEAT_MS = 15_000;
const STALE_MS = 120_000;
const POLL_MS = 100;

interface Owner {
  readonly pid: number;
  readonly host: string;
  readonly token: string;
}

export interface LockOptions {
  readonly signal?: AbortSignal | undefined;
  /** Called once, when somebody else holds the lock. */
  readonly onWait?: ((pid: number) => void) | undefined;
}

/** Runs `body` while holding the lock file at `path`, whose folder must exist. */
export async function withLock<T>(path: string, options: LockOptions, body: () => Promise<T>): Promise<T> {
  const release = await acquire(path, options);
  try {
    return await body();
  } finally {
    await release();
  }
}

async function acquire(path: string, { signal, onWait }: LockOptions): Promise<() => Promise<void>> {
  const owner: Owner = { pid: process.pid, host: hostname(), token: randomBytes(8).toString('hex') };
  let told = false;
  while (!(await tryCreate(path, owner))) {
    const holder = await readOwner(path);
    if (holder !== undefined && (await isStale(path, holder))) {
      if (await removeStale(path, owner)) continue;
    } else if (holder !== undefined && !told) {
      told = true;
      onWait?.(holder.pid);
    }
    await sleep(POLL_MS, undefined, signal ? { signal } : {}).catch(() => undefined);
    if (signal?.aborted) throw abortedError();
  }
  const heartbeat = setInterval(() => {
    const now = new Date();
    utimes(path, now, now).catch(() => undefined);
  }, HEARTBEAT_MS);
  heartbeat.unref();
  return async () => {
    clearInterval(heartbeat);
    if ((await readOwner(path))?.token === owner.token) await rm(path, { force: true });
  };
}

/** Linking a written file makes name and content appear at once; a half-written lock is never seen. */
async function tryCreate(path: string, owner: Owner): Promise<boolean> {
  const draft = `${path}.${owner.token}`;
  await writeFile(draft, JSON.stringify(owner));
  try {
    await link(draft, path);
    return true;
  } catch (error) {
    if (isErrorCode(error, 'EEXIST')) return false;
    return await createDirectly(path, owner, error);
  } finally {
    await rm(draft, { force: true });
  }
}

/** For file systems without hard links. */
async function createDirectly(path: string, owner: Owner, linkError: unknown): Promise<boolean> {
  if (!isErrorCode(linkError, 'EPERM', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS', 'EXDEV', 'EMLINK')) throw linkError;
  try {
    const file = await open(path, 'wx');
    await file.writeFile(JSON.stringify(owner)).finally(() => file.close());
    return true;
  } catch (error) {
    if (isErrorCode(error, 'EEXIST')) return false;
    throw error;
  }
}

async function readOwner(path: string): Promise<Owner | undefined> {
  try {
    const value: unknown = JSON.parse(await readFile(path, 'utf8'));
    if (isOwner(value)) return value;
  } catch (error) {
    if (isErrorCode(error, 'ENOENT')) return undefined;
    if (!(error instanceof SyntaxError)) throw error;
  }
  // Being written directly, or damaged: age decides.
  return { pid: -1, host: hostname(), token: '' };
}

function isOwner(value: unknown): value is Owner {
  if (typeof value !== 'object' || value === null) return false;
  const { pid, host, token } = value as Partial<Record<keyof Owner, unknown>>;
  return typeof pid === 'number' && typeof host === 'string' && typeof token === 'string';
}

async function isStale(path: string, owner: Owner): Promise<boolean> {
  if (owner.pid > 0 && owner.host === hostname() && !isAlive(owner.pid)) return true;
  try {
    return Date.now() - (await stat(path)).mtimeMs > STALE_MS;
  } catch {
    return false;
  }
}

/** Whether a process of this machine runs; one of another user counts. */
export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return isErrorCode(error, 'EPERM');
  }
}

/**
 * Removes the lock of an owner that is gone, and says whether it did. Waiters that see the same dead owner must not
 * remove the lock that one of them took since: only the holder of a second lock removes, and it looks again first.
 */
async function removeStale(path: string, owner: Owner): Promise<boolean> {
  const right = `${path}.stale`;
  if (!(await tryCreate(right, owner))) {
    const holder = await readOwner(right);
    if (holder !== undefined && (await isStale(right, holder))) await removeStale(right, owner);
    return false;
  }
  try {
    const holder = await readOwner(path);
    if (holder === undefined || !(await isStale(path, holder))) return false;
    await rm(path, { force: true });
    return true;
  } finally {
    await rm(right, { force: true });
  }
}
