/**
 * Writes a GGUF file again with all its weights in float32, decoded from the published blocks: the same function with
 * nothing left to round, so that two programs can be held to each other closely.
 */

import { closeSync, openSync, writeSync } from 'node:fs';
import { ggufPieces, TextList } from '../packages/formats/dist/index.js';
import { dtypeInfo } from '../packages/graph/dist/index.js';

/** Elements decoded at once. */
const PIECE = 1 << 22;
/** Metadata of llama.cpp's that is float32 even where its value is whole; a reader keeps no types of numbers. */
const FLOATS = /freq_base|epsilon|factor|softcapping|scale/;
const ARRAYS = new Map([
  [Int8Array, 'i8'],
  [Uint8Array, 'u8'],
  [Int16Array, 'i16'],
  [Uint16Array, 'u16'],
  [Int32Array, 'i32'],
  [Uint32Array, 'u32'],
  [Float32Array, 'f32'],
  [Float64Array, 'f64'],
]);

export function writeWidened(file, out) {
  const metadata = Object.fromEntries([...file.metadata].map(([key, value]) => [key, typed(key, value)]));
  metadata['general.file_type'] = { type: 'u32', value: 0 };
  const tensors = [...file.tensors].map(([name, data]) => ({
    name,
    dtype: 'f32',
    shape: data.shape,
    bytes: () => decoded(data),
  }));
  const fd = openSync(out, 'w');
  for (const piece of ggufPieces(metadata, tensors)) {
    for (let at = 0; at < piece.length;) at += writeSync(fd, piece, at);
  }
  closeSync(fd);
}

function* decoded({ dtype, bytes: read }) {
  const { blockSize, blockBytes, decode } = dtypeInfo(dtype);
  const bytes = read();
  const step = Math.floor(PIECE / blockSize);
  const blocks = bytes.length / blockBytes;
  for (let at = 0; at < blocks; at += step) {
    const count = Math.min(step, blocks - at);
    const values = new Float32Array(count * blockSize);
    decode(bytes, at * blockBytes, values, 0, count);
    yield new Uint8Array(values.buffer);
  }
}

function typed(key, value) {
  if (typeof value === 'string') return { type: 'string', value };
  if (typeof value === 'boolean') return { type: 'bool', value };
  if (typeof value === 'bigint') return { type: value < 0n ? 'i64' : 'u64', value };
  if (typeof value === 'number') return { type: numberType(key, value), value };
  if (value instanceof TextList) return { type: 'array', of: 'string', value: [...value] };
  if (!Array.isArray(value)) return { type: 'array', of: ARRAYS.get(value.constructor), value };
  if (value.every((item) => typeof item === 'boolean')) return { type: 'array', of: 'bool', value };
  throw new Error(`metadata ${key}: an array of mixed values cannot be written`);
}

function numberType(key, value) {
  if (FLOATS.test(key) || !Number.isInteger(value)) return 'f32';
  return value < 0 ? 'i32' : 'u32';
}
