/** Floats and integers: blocks of one element. */

import type { DTypeInfo } from './dtype.ts';
import { bf16ToF32, e8m0ToF32, f16ToF32, f8E4m3ToF32, f8E5m2ToF32 } from './float-conversion.ts';

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
export const u8 = plain('u8', 4, 1, (v, at) => v.getUint8(at), { safetensors: 'U8' });
export const i8 = plain('i8', 5, 1, (v, at) => v.getInt8(at), { ggml: 24, safetensors: 'I8' });
export const f64 = plain('f64', 6, 8, (v, at) => v.getFloat64(at, true), { ggml: 28, safetensors: 'F64' });
export const i16 = plain('i16', 7, 2, (v, at) => v.getInt16(at, true), { ggml: 25, safetensors: 'I16' });
export const i64 = plain('i64', 8, 8, (v, at) => Number(v.getBigInt64(at, true)), {
  ggml: 27,
  safetensors: 'I64',
});
export const bool = plain('bool', 9, 1, (v, at) => v.getUint8(at), { safetensors: 'BOOL' });
export const f8_e4m3 = plain('f8_e4m3', 10, 1, (v, at) => f8E4m3ToF32(v.getUint8(at)), {
  safetensors: 'F8_E4M3',
});
export const f8_e5m2 = plain('f8_e5m2', 11, 1, (v, at) => f8E5m2ToF32(v.getUint8(at)), {
  safetensors: 'F8_E5M2',
});
/** An exponent alone: the factor of a block of a microscaling format. */
export const f8_e8m0 = plain('f8_e8m0', 12, 1, (v, at) => e8m0ToF32(v.getUint8(at)), {
  safetensors: 'F8_E8M0',
});

/** The values of e2m1 (OCP Microscaling Formats v1.0, section 5.3.3). */
const E2M1 = [0, 0.5, 1, 1.5, 2, 3, 4, 6, 0, -0.5, -1, -1.5, -2, -3, -4, -6];

/** Two elements to a byte, the low nibble first. */
export const f4_e2m1: DTypeInfo = {
  name: 'f4_e2m1',
  code: 13,
  safetensors: 'F4',
  blockSize: 2,
  blockBytes: 1,
  decode(src, srcOffset, out, outOffset, blocks) {
    for (let i = 0; i < blocks; i++) {
      const byte = src[srcOffset + i] as number;
      out[outOffset + 2 * i] = E2M1[byte & 15] as number;
      out[outOffset + 2 * i + 1] = E2M1[byte >> 4] as number;
    }
  },
};
