/** Reads little-endian values one after another, in windows, with every length checked before it is used. */

import { FormatError } from '@steelyard/core';
import type { ByteSource } from './model-file.ts';

const WINDOW = 1 << 20;

export class ByteCursor {
  readonly source: ByteSource;
  #offset: number;
  #window: DataView = new DataView(new ArrayBuffer(0));
  #windowStart = 0;
  readonly #utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

  constructor(source: ByteSource, offset = 0) {
    this.source = source;
    this.#offset = offset;
  }

  get offset(): number {
    return this.#offset;
  }

  get remaining(): number {
    return this.source.size - this.#offset;
  }

  u8 = (): number => this.#at(1).getUint8(0);
  i8 = (): number => this.#at(1).getInt8(0);
  u16 = (): number => this.#at(2).getUint16(0, true);
  i16 = (): number => this.#at(2).getInt16(0, true);
  u32 = (): number => this.#at(4).getUint32(0, true);
  i32 = (): number => this.#at(4).getInt32(0, true);
  f32 = (): number => this.#at(4).getFloat32(0, true);
  f64 = (): number => this.#at(8).getFloat64(0, true);
  /** A number when it is exact, else a bigint. */
  u64 = (): number | bigint => narrow(this.#at(8).getBigUint64(0, true));
  i64 = (): number | bigint => narrow(this.#at(8).getBigInt64(0, true));

  /** A count or length, which must be at most `limit`. */
  count(field: string, limit: number): number {
    const value = this.u64();
    if (typeof value === 'bigint' || value > limit) {
      throw new FormatError(
        `${this.source.name}: ${field} is ${value}, expected at most ${limit}; the file is damaged or not what it claims to be`,
      );
    }
    return value;
  }

  /** A 64-bit length and that many bytes of UTF-8. */
  text(field: string, limit: number): string {
    const length = this.count(`length of ${field}`, Math.min(limit, Math.max(0, this.remaining - 8)));
    const view = this.#at(length);
    const bytes = new Uint8Array(view.buffer, view.byteOffset, length);
    try {
      return this.#utf8.decode(bytes);
    } catch {
      throw new FormatError(`${this.source.name}: ${field} is not valid UTF-8`);
    }
  }

  bytes(length: number): Uint8Array {
    const view = this.#at(length);
    return new Uint8Array(view.buffer, view.byteOffset, length).slice();
  }

  /** A view of the next `length` bytes; moves past them. */
  #at(length: number): DataView {
    const start = this.#offset - this.#windowStart;
    if (start < 0 || start + length > this.#window.byteLength) {
      const size = Math.max(length, Math.min(WINDOW, this.remaining));
      const bytes = this.source.read(this.#offset, size);
      this.#window = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
      this.#windowStart = this.#offset;
      this.#offset += length;
      return new DataView(bytes.buffer, bytes.byteOffset, length);
    }
    this.#offset += length;
    return new DataView(this.#window.buffer, this.#window.byteOffset + start, length);
  }
}

function narrow(value: bigint): number | bigint {
  const number = Number(value);
  return Number.isSafeInteger(number) ? number : value;
}
