/** Small valid files for tests, and byte edits that make them invalid. */

import { bufferSource, ggufPieces, type GgufTensor, type TypedValue } from '@steelyard/formats';

export const METADATA: Readonly<Record<string, TypedValue>> = {
  'general.architecture': { type: 'string', value: 'llama' },
  'test.u8': { type: 'u8', value: 200 },
  'test.i8': { type: 'i8', value: -100 },
  'test.u16': { type: 'u16', value: 60_000 },
  'test.i16': { type: 'i16', value: -30_000 },
  'test.u32': { type: 'u32', value: 4_000_000_000 },
  'test.i32': { type: 'i32', value: -2_000_000_000 },
  'test.f32': { type: 'f32', value: 0.5 },
  'test.f64': { type: 'f64', value: Math.PI },
  'test.bool': { type: 'bool', value: true },
  'test.u64': { type: 'u64', value: 2n ** 63n },
  'test.i64': { type: 'i64', value: -5 },
  'test.text': { type: 'string', value: 'größer 漢字 🙂' },
  'test.strings': { type: 'array', of: 'string', value: ['a', '', 'ß'] },
  'test.ints': { type: 'array', of: 'i32', value: [1, -2, 3] },
  'test.floats': { type: 'array', of: 'f32', value: [0.25, -1] },
};

function bytes(length: number, seed: number): Uint8Array {
  return Uint8Array.from({ length }, (_, i) => (i * 31 + seed) % 251);
}

export const TENSORS: readonly GgufTensor[] = [
  { name: 'token_embd.weight', dtype: 'q8_0', shape: [3, 64], bytes: () => [bytes(204, 1)] },
  { name: 'norm.weight', dtype: 'f32', shape: [5], bytes: () => [bytes(12, 2), bytes(8, 3)] },
  { name: 'empty', dtype: 'f16', shape: [0, 4], bytes: () => [] },
];

export function concat(pieces: Iterable<Uint8Array>): Uint8Array {
  return Uint8Array.from(Buffer.concat([...pieces]));
}

export function ggufBytes(metadata = METADATA, tensors = TENSORS): Uint8Array {
  return concat(ggufPieces(metadata, tensors));
}

export function source(data: Uint8Array, name = 'model.gguf') {
  return bufferSource(name, data);
}

/** Where `text` begins in `data`. */
export function find(data: Uint8Array, text: string): number {
  const at = Buffer.from(data).indexOf(text);
  if (at < 0) throw new Error(`${text} is not in the file`);
  return at;
}

/** A copy with a little-endian integer of 4 or 8 bytes written at `at`. */
export function withInteger(data: Uint8Array, at: number, value: number | bigint, size: 4 | 8): Uint8Array {
  const copy = data.slice();
  const view = new DataView(copy.buffer);
  if (size === 4) view.setUint32(at, Number(value), true);
  else view.setBigUint64(at, BigInt(value), true);
  return copy;
}

export interface SafetensorsEntry {
  readonly dtype: unknown;
  readonly shape: unknown;
  readonly data_offsets: unknown;
}

/** A safetensors file from any header, valid or not, and `size` bytes of data. */
export function safetensorsBytes(
  header: Readonly<Record<string, unknown>> | string,
  size: number,
): Uint8Array {
  const text = Buffer.from(typeof header === 'string' ? header : JSON.stringify(header));
  const length = new Uint8Array(8);
  new DataView(length.buffer).setBigUint64(0, BigInt(text.length), true);
  return concat([length, text, bytes(size, 5)]);
}

export const SAFETENSORS: Readonly<Record<string, SafetensorsEntry>> = {
  'model.norm.weight': { dtype: 'BF16', shape: [4], data_offsets: [0, 8] },
  'lm_head.weight': { dtype: 'F32', shape: [2, 3], data_offsets: [8, 32] },
};
