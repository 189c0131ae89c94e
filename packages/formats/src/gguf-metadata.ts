/** GGUF's key-value metadata: typed values and arrays, nested at most a few deep. */

import { FormatError } from '@steelyard/core';
import type { ByteCursor } from './byte-cursor.ts';
import { valueBytes, ValueType } from './gguf-types.ts';
import type { MetadataValue, NumericArray } from './model-file.ts';

const MAX_KEY_BYTES = 65_535;
const MAX_STRING_BYTES = 64 << 20;
const MAX_ARRAY_DEPTH = 3;

export function readMetadata(cursor: ByteCursor, count: number): Map<string, MetadataValue> {
  const metadata = new Map<string, MetadataValue>();
  for (let i = 0; i < count; i++) {
    const key = cursor.text(`metadata key ${i}`, MAX_KEY_BYTES);
    if (metadata.has(key)) throw new FormatError(`${cursor.source.name}: metadata key ${key} appears twice`);
    metadata.set(key, readValue(cursor, key, cursor.u32(), 0));
  }
  return metadata;
}

function readValue(cursor: ByteCursor, key: string, type: number, depth: number): MetadataValue {
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
      return readBool(cursor, key);
    case ValueType.string:
      return cursor.text(`metadata ${key}`, MAX_STRING_BYTES);
    case ValueType.array:
      return readArray(cursor, key, depth + 1);
    case ValueType.u64:
      return cursor.u64();
    case ValueType.i64:
      return cursor.i64();
    case ValueType.f64:
      return cursor.f64();
    default:
      throw new FormatError(
        `${cursor.source.name}: metadata ${key} has value type ${type}, expected 0 to 12`,
      );
  }
}

function readBool(cursor: ByteCursor, key: string): boolean {
  const value = cursor.u8();
  if (value > 1)
    throw new FormatError(`${cursor.source.name}: metadata ${key} is bool ${value}, expected 0 or 1`);
  return value === 1;
}

function readArray(cursor: ByteCursor, key: string, depth: number): MetadataValue {
  if (depth > MAX_ARRAY_DEPTH) {
    throw new FormatError(
      `${cursor.source.name}: metadata ${key} nests arrays deeper than ${MAX_ARRAY_DEPTH}`,
    );
  }
  const type = cursor.u32();
  const size = valueBytes[type];
  if (size === undefined) {
    throw new FormatError(
      `${cursor.source.name}: metadata ${key} is an array of type ${type}, expected 0 to 12`,
    );
  }
  const count = cursor.count(
    `array length of metadata ${key}`,
    Math.floor(Math.max(0, cursor.remaining - 8) / size),
  );
  return (
    readNumbers(cursor, type, count) ??
    Array.from({ length: count }, () => readValue(cursor, key, type, depth))
  );
}

/** Arrays of fixed-size numbers as typed arrays; undefined for the rest. */
function readNumbers(cursor: ByteCursor, type: number, count: number): NumericArray | undefined {
  const of = <A extends NumericArray>(array: A, read: () => number): A => {
    for (let i = 0; i < count; i++) array[i] = read();
    return array;
  };
  switch (type) {
    case ValueType.u8:
      return cursor.bytes(count);
    case ValueType.i8:
      return of(new Int8Array(count), cursor.i8);
    case ValueType.u16:
      return of(new Uint16Array(count), cursor.u16);
    case ValueType.i16:
      return of(new Int16Array(count), cursor.i16);
    case ValueType.u32:
      return of(new Uint32Array(count), cursor.u32);
    case ValueType.i32:
      return of(new Int32Array(count), cursor.i32);
    case ValueType.f32:
      return of(new Float32Array(count), cursor.f32);
    case ValueType.f64:
      return of(new Float64Array(count), cursor.f64);
    default:
      return undefined;
  }
}
