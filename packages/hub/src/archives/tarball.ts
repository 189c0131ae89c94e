/** Unpacks the wanted files of a tar file; links, devices and names that leave the folder never are. */

import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { FormatError } from '@steelyard/core';
import { CapacityError } from '@steelyard/core';
import { formatSize, freeBytes } from '../failures.ts';
import { checkRelativePath } from '../store/safe-path.ts';

const MAX_ENTRIES = 20_000;
const MAX_RATIO = 200;
const RATIO_FROM_BYTES = 1 << 20;

export interface TarFile {
  readonly path: string;
  readonly size: number;
  /** Where it was unpacked. */
  readonly file: string;
}

/**
 * Unpacks into `folder`, which must be empty and the caller's alone.
 * @param strip leading parts of each name to drop (`package/` in npm's tarballs)
 * @throws FormatError, CapacityError when the disk cannot hold what the headers declare
 */
export async function unpackTar(
  archive: string,
  folder: string,
  label: string,
  options: { strip: number; wanted: (path: string) => boolean; signal?: AbortSignal | undefined },
): Promise<TarFile[]> {
  const { x: extract } = await import('tar');
  const packed = (await stat(archive)).size;
  const free = (await freeBytes(folder)) ?? Infinity;
  const found: TarFile[] = [];
  const state: { entries: number; bytes: number; failure?: Error } = { entries: 0, bytes: 0 };
  const admit = (name: string, type: string, size: number): boolean => {
    if (state.failure) return false;
    if (options.signal?.aborted) throw new Error('aborted');
    if (++state.entries > MAX_ENTRIES) throw new FormatError(`${label}: more than ${MAX_ENTRIES} entries`);
    if (type !== 'File' && type !== 'OldFile') return false;
    const path = name.split('/').slice(options.strip).join('/');
    if (path === '' || !options.wanted(path)) return false;
    checkRelativePath(path, label);
    state.bytes += size;
    if (state.bytes > RATIO_FROM_BYTES && state.bytes > packed * MAX_RATIO) {
      throw new FormatError(`${label}: unpacks from ${packed} bytes to more than ${MAX_RATIO} times that`);
    }
    if (state.bytes > free) {
      throw new CapacityError(
        `${label}: unpacks to ${formatSize(state.bytes)} or more, but the disk of ${folder} has ` +
          `${formatSize(free)} free; free some space`,
      );
    }
    found.push({ path, size, file: join(folder, ...path.split('/')) });
    return true;
  };
  try {
    await extract({
      file: archive,
      cwd: folder,
      strip: options.strip,
      preserveOwner: false,
      noMtime: true,
      filter: (name, entry) => {
        try {
          return admit(name, 'type' in entry ? entry.type : 'File', entry.size ?? 0);
        } catch (error) {
          // Thrown through the parser an error would be lost; it is kept and thrown at the end.
          state.failure ??= error as Error;
          return false;
        }
      },
    });
  } catch (error) {
    throw new FormatError(`${label}: not a readable tar file (${(error as Error).message})`, {
      cause: error,
    });
  }
  if (state.failure) throw state.failure;
  return found;
}
