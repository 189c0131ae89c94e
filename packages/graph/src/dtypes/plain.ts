/** Floats and integers: blocks of one element. */

import type { DTypeInfo } from './dtype.ts';
import { bf16ToF32, f16ToF32 } from './float-conversion.ts';

type Read = (view: DataView, at: number) => number;

function plain(
  name: string,
  code: number,
  bytes: number,
  read: Read,
  numbers: { readonly ggml?: number; readonly safetensors?: string },
): DTypeInfo {
  return {
    name,
    code,
    ...numbers,
    blockSize: 1,
    blockBytes: bytes,
    decode(src, srcOffset, out, outOffset, blocks) {
      const view = new DataView(src.buffer, src.byteOffset, src.byteLength);
      for (let i = 0; i < blocks; i++) out[outOffset + i] = read(view, srcOffset + i * bytes);
    },
  };
}

export const f32 = plain('f32', 0, 4, (v, at) => v.getFloat32(at, true), { ggml: 0, safetensors: 'F32' });
export const f16 = plain('f16', 1, 2, (v, at) => f16ToF32(v.getUint16(at, true)), {
  ggml: 1,
  safetensors: 'F16',
});
export const i32 = plain('i32', 2, 4, (v, at) => v.getInt32(at, true), { ggml: 26, safetensors: 'I32' });
export const bf16 = plain('bf16', 3, 2, (v, at) => bf16ToF32(v.getUint16(at, true)), {
  ggml: 30,
  safetensors: 'BF16',
});
