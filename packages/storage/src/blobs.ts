/** Contents of files by their SHA-256, on disk. Which file refers to which content is not known here. */

import { createHash, randomUUID } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { mkdir, open, readdir, rename, rm, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { Readable } from 'node:stream';
import { CapacityError, NotFoundError } from '@steelyard/core';

export interface Blob {
  /** SHA-256 in hex. */
  readonly digest: string;
  readonly bytes: number;
}

/** Content that lies on the disk and has no name yet. */
export interface StagedBlob extends Blob {
  /** Gives it its name; safe against power loss once resolved. Content that is there already is kept. */
  commit(): Promise<void>;
  /** Forgets it; harmless after `commit`. */
  discard(): Promise<void>;
}

export interface BlobStore {
  /** Takes in content without holding it in memory. @throws CapacityError above `limit` bytes */
  stage(content: AsyncIterable<Uint8Array>, limit: number): Promise<StagedBlob>;
  /** @throws NotFoundError when there is no such content */
  read(digest: string): Promise<Readable>;
  remove(digest: string): Promise<void>;
}

/** Two levels, so that no directory grows beyond what tools list well. */
export async function openDiskBlobs(root: string): Promise<BlobStore> {
  const pathOf = (digest: string): string => join(root, digest.slice(0, 2), digest);
  const stage = await openStaging(join(root, 'staging'), async (path, digest) => {
    const target = pathOf(digest);
    const made = await mkdir(dirname(target), { recursive: true });
    await rename(path, target);
    await syncDirectory(dirname(target));
    if (made) await syncDirectory(dirname(dirname(target)));
  });
  return {
    stage,
    async read(digest) {
      const path = pathOf(digest);
      const found = await stat(path).catch(() => undefined);
      if (!found)
        throw new NotFoundError(`blobs: no content ${digest} at ${path}. Restore it from a backup.`);
      return createReadStream(path);
    },
    async remove(digest) {
      await rm(pathOf(digest), { force: true });
    },
  };
}

/**
 * Contents lie here while they arrive.
 * @param commit gives the content at a path its name, for good
 */
export async function openStaging(
  directory: string,
  commit: (path: string, digest: string) => Promise<void>,
): Promise<BlobStore['stage']> {
  await mkdir(directory, { recursive: true });
  // What a killed process left half written: no row refers to it.
  for (const name of await readdir(directory)) await rm(join(directory, name), { force: true });
  return async (content, limit) => {
    const path = join(directory, randomUUID());
    const { digest, bytes } = await write(path, content, limit);
    return {
      digest,
      bytes,
      commit: () => commit(path, digest),
      discard: () => rm(path, { force: true }),
    };
  };
}

async function write(path: string, content: AsyncIterable<Uint8Array>, limit: number): Promise<Blob> {
  const hash = createHash('sha256');
  let bytes = 0;
  const file = await open(path, 'wx', 0o600);
  try {
    for await (const chunk of content) {
      bytes += chunk.byteLength;
      if (bytes > limit) {
        throw new CapacityError(`blobs: got ${bytes} bytes or more, expected at most ${limit}. Send less.`);
      }
      hash.update(chunk);
      await file.writeFile(chunk);
    }
    await file.sync();
  } catch (error) {
    await rm(path, { force: true });
    throw error;
  } finally {
    await file.close();
  }
  return { digest: hash.digest('hex'), bytes };
}

/** A file's name is on the disk only when its directory is. Windows keeps names itself and opens no directories. */
async function syncDirectory(path: string): Promise<void> {
  if (process.platform === 'win32') return;
  const directory = await open(path, 'r');
  try {
    await directory.sync();
  } finally {
    await directory.close();
  }
}
