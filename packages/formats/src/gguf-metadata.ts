/** GGUF's key-value metadata: typed values and arrays, nested at most a few deep. */

import { FormatError } from '@steelyard/core';
import type { ByteCursor } from './byte-cursor.ts';
import { valueBytes, ValueType } from './gguf-types.ts';
import type { MetadataValue, NumericArray } from './model-file.ts';
import { shown } from './shown.ts';

const MAX_KEY_BYTES = 65_535;
const MAX_STRING_BYTES = 64 << 20;
const MAX_ARRAY_DEPTH = 3;
/**
 * Strings, bools, 64-bit integers and inner arrays of one file. In memory each takes many times its least size
 * in the file; the largest vocabularies have under a million with their merges.
 */
const MAX_BOXED_VALUES = 1 << 22;

export function readMetadata(cursor: ByteCursor, count: number): Map<string, MetadataValue> {
  const reader = new MetadataReader(cursor);
  const metadata = new Map<string, MetadataValue>();
  for (let i = 0; i < count; i++) {
    cursor.field = `metadata key ${i}`;
    const key = cursor.text(MAX_KEY_BYTES);
    cursor.field = `metadata ${shown(key)}`;
    if (metadata.has(key)) throw new FormatError(`${cursor.source.name}: ${cursor.field} appears twice`);
    metadata.set(key, reader.value(cursor.u32(), 0));
  }
  return metadata;
}

class MetadataReader {
  readonly #cursor: ByteCursor;
  #boxed = 0;

  constructor(cursor: ByteCursor) {
    this.#cursor = cursor;
  }

  value(type: number, depth: number): MetadataValue {
    const cursor = this.#cursor;
    switch (type) {
      case ValueType.u8:
        return cursor.u8();
      case ValueType.i8:
        return cursor.i8();
      case ValueType.u16:
        return cursor.u16();
      case ValueType.i16:
        return cursor.i16();
      case ValueType.u32:
        return cursor.u32();
      case ValueType.i32:
        return cursor.i32();
      case ValueType.f32:
        return cursor.f32();
      case ValueType.bool:
        return this.#bool();
      case ValueType.string:
        return cursor.text(MAX_STRING_BYTES);
      case ValueType.array:
        return this.#array(depth + 1);
      case ValueType.u64:
        return cursor.u64();
      case ValueType.i64:
        return cursor.i64();
      case ValueType.f64:
        return cursor.f64();
      default:
        return this.#refuse(`has value type ${type}, expected 0 to 12`);
    }
  }

  #bool(): boolean {
    const value = this.#cursor.u8();
    if (value > 1) this.#refuse(`is bool ${value}, expected 0 or 1`);
    return value === 1;
  }

  #array(depth: number): MetadataValue {
    const cursor = this.#cursor;
    if (depth > MAX_ARRAY_DEPTH) this.#refuse(`nests arrays deeper than the ${MAX_ARRAY_DEPTH} expected`);
    const type = cursor.u32();
    const size = valueBytes[type] ?? this.#refuse(`is an array of type ${type}, expected 0 to 12`);
    const count = cursor.count(Math.floor(Math.max(0, cursor.remaining - 8) / size), 'array length of ');
    // A typed array of its own would cost an inner array many times its bytes.
    const numbers = depth === 1 ? numericArray(type) : undefined;
    if (numbers) return numbers(cursor.bytes(count * size));
    this.#boxed += count;
    if (this.#boxed > MAX_BOXED_VALUES) {
      this.#refuse(`brings the values in lists to ${this.#boxed}, expected at most ${MAX_BOXED_VALUES}`);
    }
    if (depth === 1 && type === ValueType.string) return cursor.texts(count, MAX_STRING_BYTES);
    return Array.from({ length: count }, () => this.value(type, depth));
  }

  #refuse(what: string): never {
    const { source, field } = this.#cursor;
    throw new FormatError(`${source.name}: ${field} ${what}; the file is damaged`);
  }
}

/** Makes an array of fixed-size numbers of its bytes, which are little-endian as every supported machine is. */
function numericArray(type: number): ((bytes: Uint8Array<ArrayBuffer>) => NumericArray) | undefined {
  switch (type) {
    case ValueType.u8:
      return (bytes) => bytes;
    case ValueType.i8:
      return ({ buffer }) => new Int8Array(buffer);
    case ValueType.u16:
      return ({ buffer }) => new Uint16Array(buffer);
    case ValueType.i16:
      return ({ buffer }) => new Int16Array(buffer);
    case ValueType.u32:
      return ({ buffer }) => new Uint32Array(buffer);
    case ValueType.i32:
      return ({ buffer }) => new Int32Array(buffer);
    case ValueType.f32:
      return ({ buffer }) => new Float32Array(buffer);
    case ValueType.f64:
      return ({ buffer }) => new Float64Array(buffer);
    default:
      return undefined;
  }
}
