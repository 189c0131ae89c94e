/** Reads little-endian values one after another, in windows, with every length checked before it is used. */

import { FormatError } from '@steelyard/core';
import type { ByteSource } from './model-file.ts';
import { isUtf8, TextList } from './text-list.ts';

const WINDOW = 1 << 20;
/** A header beyond this is refused, however large the file: sparse files are cheap to make. Published ones have 30 MB. */
const MAX_HEADER_BYTES = 256 << 20;
const UINT32 = 2 ** 32;

export class ByteCursor {
  readonly source: ByteSource;
  /** What is being read, as an error should name it. */
  field = 'header';
  #window: Uint8Array = new Uint8Array(0);
  #view = new DataView(this.#window.buffer);
  /** Byte of the source where the window begins, and of the window that is next. */
  #start = 0;
  #next = 0;
  /** What was read of windows from `#keptFrom` on, while a list is read. */
  #kept: Uint8Array[] | undefined;
  #keptFrom = 0;
  readonly #utf8 = new TextDecoder('utf-8', { ignoreBOM: true });

  constructor(source: ByteSource) {
    this.source = source;
  }

  get offset(): number {
    return this.#start + this.#next;
  }

  /** Bytes of the header that may still come. */
  get remaining(): number {
    return Math.min(this.source.size, MAX_HEADER_BYTES) - this.offset;
  }

  // `#take` may replace the view, so it is called before the view is read.
  u8 = (): number => (this.#take(1), this.#view.getUint8(this.#next - 1));
  i8 = (): number => (this.#take(1), this.#view.getInt8(this.#next - 1));
  u16 = (): number => (this.#take(2), this.#view.getUint16(this.#next - 2, true));
  i16 = (): number => (this.#take(2), this.#view.getInt16(this.#next - 2, true));
  u32 = (): number => (this.#take(4), this.#view.getUint32(this.#next - 4, true));
  i32 = (): number => (this.#take(4), this.#view.getInt32(this.#next - 4, true));
  f32 = (): number => (this.#take(4), this.#view.getFloat32(this.#next - 4, true));
  f64 = (): number => (this.#take(8), this.#view.getFloat64(this.#next - 8, true));

  /** A number when it is exact, else a bigint. */
  u64 = (): number | bigint => {
    this.#take(8);
    const value =
      this.#view.getUint32(this.#next - 4, true) * UINT32 + this.#view.getUint32(this.#next - 8, true);
    return Number.isSafeInteger(value) ? value : this.#view.getBigUint64(this.#next - 8, true);
  };

  /** A number when it is exact, else a bigint. */
  i64 = (): number | bigint => {
    this.#take(8);
    const value =
      this.#view.getInt32(this.#next - 4, true) * UINT32 + this.#view.getUint32(this.#next - 8, true);
    return Number.isSafeInteger(value) ? value : this.#view.getBigInt64(this.#next - 8, true);
  };

  /** A count or length, which must be at most `limit`. `of` goes before the field's name in an error. */
  count(limit: number, of = ''): number {
    const value = this.u64();
    if (typeof value === 'bigint' || value > limit) {
      throw new FormatError(
        `${this.source.name}: ${of}${this.field} is ${value}, expected at most ${limit}; the file is truncated or damaged, pull it again`,
      );
    }
    return value;
  }

  /** A 64-bit length and that many bytes of UTF-8, at most `limit`. */
  text(limit: number): string {
    const length = this.#passText(limit);
    return this.#utf8.decode(this.#window.subarray(this.#next - length, this.#next));
  }

  /** `count` texts, each as `text` reads it. */
  texts(count: number, limit: number): TextList {
    const [starts, ends] = [new Uint32Array(count), new Uint32Array(count)];
    const begin = this.offset;
    const kept: Uint8Array[] = (this.#kept = []);
    this.#keptFrom = this.#next;
    for (let i = 0; i < count; i++) {
      const length = this.#passText(limit);
      ends[i] = this.offset - begin;
      starts[i] = this.offset - begin - length;
    }
    this.#keep();
    this.#kept = undefined;
    const bytes = new Uint8Array(this.offset - begin);
    let at = 0;
    for (const part of kept) {
      bytes.set(part, at);
      at += part.length;
    }
    return new TextList(bytes, starts, ends);
  }

  /** Moves past a length and a text, and returns the length. The text lies in the window then. */
  #passText(limit: number): number {
    const length = this.count(Math.min(limit, Math.max(0, this.remaining - 8)), 'length of ');
    this.#take(length);
    if (!isUtf8(this.#window, this.#next - length, this.#next)) {
      throw new FormatError(
        `${this.source.name}: ${this.field} at byte ${this.offset - length} is not UTF-8, expected text; the file is damaged`,
      );
    }
    return length;
  }

  /** A copy of the next `length` bytes. */
  bytes(length: number): Uint8Array<ArrayBuffer> {
    this.#take(length);
    // Not `slice`, which gives no copy where the source gave a Buffer.
    const copy = new Uint8Array(length);
    copy.set(this.#window.subarray(this.#next - length, this.#next));
    return copy;
  }

  /** Moves past `length` bytes, which lie in the window then. */
  #take(length: number): void {
    if (this.#next + length > this.#window.length) this.#fill(length);
    this.#next += length;
  }

  #keep(): void {
    this.#kept?.push(this.#window.subarray(this.#keptFrom, this.#next));
    this.#keptFrom = 0;
  }

  #fill(length: number): void {
    const { offset, remaining } = this;
    if (length > remaining && this.source.size > MAX_HEADER_BYTES) {
      throw new FormatError(
        `${this.source.name}: ${this.field} ends at byte ${offset + length}, expected a header of at most ${MAX_HEADER_BYTES} bytes; the file is damaged`,
      );
    }
    if (length > remaining) {
      throw new FormatError(
        `${this.source.name}: ends at byte ${this.source.size}, expected ${length} bytes of ${this.field} from byte ${offset}; the file is truncated, pull it again`,
      );
    }
    this.#keep();
    this.#window = this.source.read(offset, Math.max(length, Math.min(WINDOW, remaining)));
    this.#view = new DataView(this.#window.buffer, this.#window.byteOffset, this.#window.byteLength);
    this.#start = offset;
    this.#next = 0;
  }
}
