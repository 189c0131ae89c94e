/** Writes GGUF version 3, tensor by tensor, so that a file larger than memory can be made. */

import { FormatError } from '@steelyard/core';
import { byteLength, dtypeInfo, elementCount, type DType } from '@steelyard/graph';
import { DEFAULT_ALIGNMENT, GGUF_MAGIC, ValueType } from './gguf-types.ts';

/** A metadata value with its GGUF type; arrays hold values of one type. */
export type TypedValue =
  | { readonly type: SmallNumber; readonly value: number }
  | { readonly type: 'u64' | 'i64'; readonly value: number | bigint }
  | { readonly type: 'string'; readonly value: string }
  | { readonly type: 'bool'; readonly value: boolean }
  | { readonly type: 'array'; readonly of: 'string'; readonly value: readonly string[] }
  | { readonly type: 'array'; readonly of: 'bool'; readonly value: readonly boolean[] }
  | { readonly type: 'array'; readonly of: 'u64' | 'i64'; readonly value: ArrayLike<number | bigint> }
  | { readonly type: 'array'; readonly of: SmallNumber; readonly value: ArrayLike<number> };

type SmallNumber = Exclude<keyof typeof ValueType, 'array' | 'string' | 'bool' | 'u64' | 'i64'>;

export interface GgufTensor {
  readonly name: string;
  readonly dtype: DType;
  /** Outermost first. */
  readonly shape: readonly number[];
  /** The bytes, in one or several pieces, made when their turn comes. */
  readonly bytes: () => Iterable<Uint8Array>;
}

const utf8 = new TextEncoder();

class Bytes {
  #buffer = new DataView(new ArrayBuffer(1 << 16));
  #length = 0;

  #room(bytes: number): number {
    const at = this.#length;
    this.#length += bytes;
    if (this.#length > this.#buffer.byteLength) {
      const larger = new Uint8Array(Math.max(this.#length, this.#buffer.byteLength * 2));
      larger.set(new Uint8Array(this.#buffer.buffer));
      this.#buffer = new DataView(larger.buffer);
    }
    return at;
  }

  number(type: keyof typeof ValueType, value: number | bigint | boolean): void {
    const v = Number(value);
    switch (type) {
      case 'u8':
      case 'i8':
      case 'bool':
        return this.#set(1, (at) => this.#buffer.setUint8(at, v));
      case 'u16':
      case 'i16':
        return this.#set(2, (at) => this.#buffer.setUint16(at, v, true));
      case 'u32':
      case 'i32':
        return this.#set(4, (at) => this.#buffer.setUint32(at, v, true));
      case 'f32':
        return this.#set(4, (at) => this.#buffer.setFloat32(at, v, true));
      case 'f64':
        return this.#set(8, (at) => this.#buffer.setFloat64(at, v, true));
      default:
        return this.#set(8, (at) => this.#buffer.setBigUint64(at, BigInt.asUintN(64, BigInt(value)), true));
    }
  }

  text(text: string): void {
    const bytes = utf8.encode(text);
    this.number('u64', bytes.length);
    this.#set(bytes.length, (at) => new Uint8Array(this.#buffer.buffer).set(bytes, at));
  }

  take(): Uint8Array {
    return new Uint8Array(this.#buffer.buffer, 0, this.#length);
  }

  /** `#room` may replace the buffer, so the offset comes first. */
  #set(bytes: number, write: (at: number) => void): void {
    write(this.#room(bytes));
  }
}

function writeValue(out: Bytes, entry: TypedValue): void {
  out.number('u32', ValueType[entry.type]);
  if (entry.type === 'string') return out.text(entry.value);
  if (entry.type === 'bool') return out.number('bool', entry.value);
  if (entry.type !== 'array') return out.number(entry.type, entry.value);
  out.number('u32', ValueType[entry.of]);
  out.number('u64', entry.value.length);
  if (entry.of === 'string') entry.value.forEach((text) => out.text(text));
  else
    for (let i = 0; i < entry.value.length; i++)
      out.number(entry.of, entry.value[i] as number | bigint | boolean);
}

const align = (offset: number): number => Math.ceil(offset / DEFAULT_ALIGNMENT) * DEFAULT_ALIGNMENT;

/**
 * Yields the file piece by piece.
 * @throws FormatError when a dtype has no ggml type or a tensor yields another number of bytes than its shape
 */
export function* ggufPieces(
  metadata: Readonly<Record<string, TypedValue>>,
  tensors: readonly GgufTensor[],
): Generator<Uint8Array> {
  const header = new Bytes();
  header.number('u32', GGUF_MAGIC);
  header.number('u32', 3);
  header.number('u64', tensors.length);
  header.number('u64', Object.keys(metadata).length);
  for (const [key, value] of Object.entries(metadata)) {
    header.text(key);
    writeValue(header, value);
  }
  let offset = 0;
  for (const { name, dtype, shape } of tensors) {
    const { ggml } = dtypeInfo(dtype);
    if (ggml === undefined) throw new FormatError(`tensor ${name}: GGUF has no type for ${dtype}`);
    header.text(name);
    header.number('u32', shape.length);
    for (const dim of [...shape].reverse()) header.number('u64', dim);
    header.number('u32', ggml);
    header.number('u64', offset);
    offset = align(offset + byteLength(dtype, elementCount(shape)));
  }
  const head = header.take();
  yield head;
  yield new Uint8Array(align(head.length) - head.length);
  for (const tensor of tensors) {
    const expected = byteLength(tensor.dtype, elementCount(tensor.shape));
    let written = 0;
    for (const piece of tensor.bytes()) {
      written += piece.length;
      yield piece;
    }
    if (written !== expected)
      throw new FormatError(`tensor ${tensor.name}: gave ${written} bytes, expected ${expected}`);
    yield new Uint8Array(align(written) - written);
  }
}
