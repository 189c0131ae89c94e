/** Weights converted to float32 when they are read; for vectors, which are small. */

import { dtypeInfo, elementCount, type TensorData } from '@steelyard/graph';

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

/** All elements of `data`, in memory of their own. */
export function decodeFloat32(data: TensorData): Float32Array {
  const info = dtypeInfo(data.dtype);
  const out = new Float32Array(elementCount(data.shape));
  info.decode(data.bytes(), 0, out, 0, data.byteLength / info.blockBytes);
  return out;
}
