/** Byte sources that need no file: a buffer, as a browser or a test has it. */

import { FormatError } from '@steelyard/core';
import type { ByteSource } from './model-file.ts';

/** Refuses a range that does not lie inside the source. */
export function checkRange(source: Pick<ByteSource, 'name' | 'size'>, offset: number, length: number): void {
  if (offset < 0 || length < 0 || offset + length > source.size) {
    throw new FormatError(
      `${source.name}: bytes ${offset} to ${offset + length} lie past the end at ${source.size}; the file is truncated, pull it again`,
    );
  }
}

export function bufferSource(name: string, bytes: Uint8Array): ByteSource {
  const source: ByteSource = {
    name,
    size: bytes.byteLength,
    read(offset, length) {
      checkRange(source, offset, length);
      return bytes.subarray(offset, offset + length);
    },
    close() {
      // Nothing is open.
    },
  };
  return source;
}
