/** A file on disk as a byte source: positioned reads, nothing kept. */

import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import { basename } from 'node:path';
import { FormatError, NotFoundError } from '@steelyard/core';
import { checkRange } from '../byte-source.ts';
import type { ByteSource } from '../model-file.ts';

/** One read call handles at most this many bytes. */
const MAX_READ = 1 << 30;

/** @throws NotFoundError when the file cannot be opened */
export function fileSource(path: string): ByteSource {
  let fd: number | undefined = open(path);
  const stat = fstatSync(fd);
  if (!stat.isFile()) {
    closeSync(fd);
    throw new NotFoundError(`${path} is not a file; name a model file or its folder`);
  }
  const source: ByteSource = {
    name: basename(path),
    size: stat.size,
    path,
    read(offset, length) {
      if (fd === undefined) throw new FormatError(`${path} was closed`);
      checkRange(source, offset, length);
      const bytes = new Uint8Array(length);
      for (let done = 0; done < length;) {
        const got = readSync(fd, bytes, done, Math.min(length - done, MAX_READ), offset + done);
        if (got === 0)
          throw new FormatError(
            `${path}: ended at byte ${offset + done} while it was read; it was cut short`,
          );
        done += got;
      }
      return bytes;
    },
    close() {
      if (fd !== undefined) closeSync(fd);
      fd = undefined;
    },
  };
  return source;
}

function open(path: string): number {
  try {
    return openSync(path, 'r');
  } catch (error) {
    throw new NotFoundError(`cannot open ${path}: ${(error as Error).message}; check the path`, {
      cause: error,
    });
  }
}
