/** Weights converted to float32 when they are read; for vectors, which are small. */

import { dtypeInfo, elementCount, type TensorData } from '@steelyard/graph';
import type { ScaleBlocks } from './quantisation.ts';

/** `data` itself when it is float32 already. */
export function asFloat32(data: TensorData): TensorData {
  if (data.dtype === 'f32') return data;
  const count = elementCount(data.shape);
  return {
    dtype: 'f32',
    shape: data.shape,
    byteLength: 4 * count,
    bytes: () => new Uint8Array(decodeFloat32(data).buffer),
  };
}

/** A matrix with one factor for each block of its elements, multiplied out when it is read. */
export function scaledFloat32(data: TensorData, scales: TensorData, blocks: ScaleBlocks): TensorData {
  const [rows, columns] = data.shape as [number, number];
  const across = scales.shape[1] as number;
  const bytes = (): Uint8Array => {
    const values = decodeFloat32(data);
    const factors = decodeFloat32(scales);
    for (let row = 0; row < rows; row++) {
      const first = Math.floor(row / blocks.rows) * across;
      for (let i = 0; i < columns; i++) {
        const at = row * columns + i;
        values[at] = (values[at] as number) * (factors[first + Math.floor(i / blocks.columns)] as number);
      }
    }
    return new Uint8Array(values.buffer);
  };
  return { dtype: 'f32', shape: data.shape, byteLength: 4 * rows * columns, bytes };
}

/** A matrix [rows, columns] as float32 [columns, rows], each element changed when it is read. */
export function transposedFloat32(data: TensorData, change: (value: number) => number): TensorData {
  const [rows, columns] = data.shape as [number, number];
  const bytes = (): Uint8Array => {
    const values = decodeFloat32(data);
    const out = new Float32Array(values.length);
    for (let row = 0; row < rows; row++) {
      for (let i = 0; i < columns; i++) out[i * rows + row] = change(values[row * columns + i] as number);
    }
    return new Uint8Array(out.buffer);
  };
  return { dtype: 'f32', shape: [columns, rows], byteLength: 4 * rows * columns, bytes };
}

/** All elements of `data`, in memory of their own. */
export function decodeFloat32(data: TensorData): Float32Array {
  const info = dtypeInfo(data.dtype);
  const out = new Float32Array(elementCount(data.shape));
  info.decode(data.bytes(), 0, out, 0, data.byteLength / info.blockBytes);
  return out;
}
