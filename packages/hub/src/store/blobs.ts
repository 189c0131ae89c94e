/** Contents by hash: how bytes get in, how they are seen under names, how they are checked. */

import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { copyFile, link, mkdir, open, rename, rm, stat, symlink } from 'node:fs/promises';
import { dirname, relative } from 'node:path';
import { isErrorCode } from '../failures.ts';
import { syncFolder } from './atomic-file.ts';
import type { StoreLayout } from './layout.ts';

/** Read size: large enough that hashing, not calls, bounds the speed. */
const CHUNK_BYTES = 1 << 20;

/** Whether a blob is there with its whole length. */
export async function hasBlob(layout: StoreLayout, sha256: string, size?: number): Promise<boolean> {
  const found = await sizeOf(layout.blob(sha256));
  return found !== undefined && (size === undefined || found === size);
}

/** Bytes of a file; undefined when there is none. */
export async function sizeOf(path: string): Promise<number | undefined> {
  try {
    return (await stat(path)).size;
  } catch (error) {
    if (isErrorCode(error, 'ENOENT')) return undefined;
    throw error;
  }
}

/** Moves a finished file, whose hash the caller has checked, to its place. */
export async function publishBlob(layout: StoreLayout, file: string, sha256: string): Promise<void> {
  const handle = await open(file, 'r+');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
  await rename(file, layout.blob(sha256));
  await syncFolder(layout.blobs);
}

/** Shows a blob under `path`: a hard link, else a symbolic link, else a copy. */
export async function placeBlob(layout: StoreLayout, sha256: string, path: string): Promise<void> {
  const blob = layout.blob(sha256);
  await mkdir(dirname(path), { recursive: true });
  // A model pulled again may be in use: what is right already is not touched.
  if (await isSameFile(blob, path)) return;
  await rm(path, { force: true });
  try {
    return await link(blob, path);
  } catch (error) {
    if (isErrorCode(error, 'ENOENT', 'ENOSPC')) throw error;
  }
  try {
    return await symlink(relative(dirname(path), blob), path, 'file');
  } catch (error) {
    if (isErrorCode(error, 'ENOSPC')) throw error;
  }
  const temporary = `${path}.tmp`;
  await copyFile(blob, temporary);
  await rename(temporary, path);
}

async function isSameFile(one: string, other: string): Promise<boolean> {
  const [a, b] = await Promise.all([stat(one), stat(other).catch(() => undefined)]);
  return b !== undefined && a.ino === b.ino && a.dev === b.dev && a.ino !== 0;
}

/** SHA-256 of a file's bytes, in hex. */
export async function hashFile(
  path: string,
  options: { signal?: AbortSignal | undefined; onBytes?: (count: number) => void } = {},
): Promise<string> {
  const hash = createHash('sha256');
  const stream = createReadStream(path, { highWaterMark: CHUNK_BYTES, signal: options.signal });
  for await (const chunk of stream as AsyncIterable<Buffer>) {
    hash.update(chunk);
    options.onBytes?.(chunk.length);
  }
  return hash.digest('hex');
}
