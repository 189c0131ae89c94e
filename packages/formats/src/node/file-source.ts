/** A file on disk as a byte source: positioned reads, nothing kept. */

import { closeSync, fstatSync, openSync, readSync, statSync } from 'node:fs';
import { basename, resolve } from 'node:path';
import { CapacityError, FormatError, NotFoundError } from '@steelyard/core';
import { checkRange } from '../byte-source.ts';
import type { ByteSource } from '../model-file.ts';

/** One read call handles at most this many bytes. */
const MAX_READ = 1 << 30;

/** @throws NotFoundError when the file cannot be opened */
export function fileSource(path: string): ByteSource {
  let fd: number | undefined = open(path);
  const source: ByteSource = {
    name: basename(path),
    size: fstatSync(fd).size,
    path: resolve(path),
    read(offset, length) {
      if (fd === undefined) throw new FormatError(`${path} was closed; open the model again`);
      checkRange(source, offset, length);
      const bytes = allocate(path, length);
      for (let done = 0; done < length;) {
        const got = readSync(fd, bytes, done, Math.min(length - done, MAX_READ), offset + done);
        if (got === 0)
          throw new FormatError(
            `${path}: ended at byte ${offset + done} while it was read; it was cut short, pull it again`,
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
    // Before it is opened, which would wait where the path is a pipe.
    if (statSync(path).isFile()) return openSync(path, 'r');
  } catch (error) {
    throw new NotFoundError(`cannot open ${path}: ${(error as Error).message}; check the path`, {
      cause: error,
    });
  }
  throw new NotFoundError(`${path} is not a file; name a model file or its folder`);
}

function allocate(path: string, length: number): Uint8Array {
  try {
    return new Uint8Array(length);
  } catch (error) {
    throw new CapacityError(
      `${path}: no room for ${length} bytes of it at once; use a backend that maps the file`,
      { cause: error },
    );
  }
}
