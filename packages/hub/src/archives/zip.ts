/** Entries of a zip file (a wheel is one). Names and sizes are checked before anything is read; nothing is unpacked. */

import { promisify } from 'node:util';
import type { Readable } from 'node:stream';
import { FormatError } from '@steelyard/core';
import yauzl, { type Entry, type ZipFile } from 'yauzl';
import { checkRelativePath } from '../store/safe-path.ts';

const MAX_ENTRIES = 20_000;
/** Weights hardly compress; beyond this an entry is a bomb. Small texts may repeat a lot. */
const MAX_RATIO = 200;
const RATIO_FROM_BYTES = 1 << 20;

export interface ZipEntry {
  readonly path: string;
  readonly size: number;
  /** Fails when more bytes come than `size`, or fewer. */
  open(): Promise<Readable>;
}

export interface ZipArchive {
  readonly entries: readonly ZipEntry[];
  close(): void;
}

const openFile = promisify<string, yauzl.Options, ZipFile>(yauzl.open);

/** @throws FormatError when it is no zip file, or a dangerous one */
export async function openZip(path: string, label: string): Promise<ZipArchive> {
  try {
    const zip = await openFile(path, { lazyEntries: true, autoClose: false, strictFileNames: true });
    try {
      return { entries: await readEntries(zip, label), close: () => zip.close() };
    } catch (error) {
      zip.close();
      throw error;
    }
  } catch (error) {
    if (error instanceof FormatError) throw error;
    throw new FormatError(`${label}: not a readable zip file (${(error as Error).message})`, {
      cause: error,
    });
  }
}

function readEntries(zip: ZipFile, label: string): Promise<ZipEntry[]> {
  if (zip.entryCount > MAX_ENTRIES) {
    throw new FormatError(`${label}: ${zip.entryCount} entries; at most ${MAX_ENTRIES} are read`);
  }
  return new Promise((resolve, reject) => {
    const entries: ZipEntry[] = [];
    zip.on('error', reject);
    zip.on('end', () => resolve(entries));
    zip.on('entry', (entry: Entry) => {
      try {
        const known = toEntry(zip, entry, label);
        if (known) entries.push(known);
        zip.readEntry();
      } catch (error) {
        reject(error instanceof Error ? error : new Error(String(error)));
      }
    });
    zip.readEntry();
  });
}

function toEntry(zip: ZipFile, entry: Entry, label: string): ZipEntry | undefined {
  const path = entry.fileName;
  if (path.endsWith('/')) return undefined;
  checkRelativePath(path, label);
  const { compressedSize, uncompressedSize } = entry;
  // The upper half of the attributes holds Unix's mode; links could point anywhere.
  if (((entry.externalFileAttributes >>> 16) & 0o170000) === 0o120000) {
    throw new FormatError(`${label}: ${path} is a symbolic link; expected plain files`);
  }
  if (uncompressedSize > RATIO_FROM_BYTES && uncompressedSize > compressedSize * MAX_RATIO) {
    throw new FormatError(
      `${label}: ${path} unpacks from ${compressedSize} to ${uncompressedSize} bytes; more than ${MAX_RATIO} times`,
    );
  }
  const openStream = promisify<Entry, Readable>((item, done) => zip.openReadStream(item, done));
  return { path, size: uncompressedSize, open: () => openStream(entry) };
}
