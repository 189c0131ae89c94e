/** The list of dtypes. Adding one = its file, its line here, and a decode function in the kernels. */

import { q4_0, q4_1, q5_0, q5_1, q8_0 } from './block-quants.ts';
import { iq4_nl, iq4_xs, mxfp4 } from './codebook-quants.ts';
import type { DTypeInfo } from './dtype.ts';
import { q2_k, q3_k, q4_k, q5_k, q6_k } from './k-quants.ts';
import {
  bf16,
  bool,
  f16,
  f32,
  f4_e2m1,
  f64,
  f8_e4m3,
  f8_e5m2,
  f8_e8m0,
  i16,
  i32,
  i64,
  i8,
  u8,
} from './plain.ts';

export const dtypes = {
  f32,
  f16,
  i32,
  bf16,
  u8,
  i8,
  f64,
  i16,
  i64,
  bool,
  f8_e4m3,
  f8_e5m2,
  f4_e2m1,
  f8_e8m0,
  q4_0,
  q4_1,
  q5_0,
  q5_1,
  q8_0,
  q2_k,
  q3_k,
  q4_k,
  q5_k,
  q6_k,
  iq4_nl,
  iq4_xs,
  mxfp4,
} as const satisfies Record<string, DTypeInfo>;
export type DType = keyof typeof dtypes;

const all: readonly DTypeInfo[] = Object.values(dtypes);

export function dtypeInfo(name: DType): DTypeInfo {
  return dtypes[name];
}

/** Undefined for a ggml type number that is not supported. */
export function dtypeByGgml(type: number): DType | undefined {
  return all.find(({ ggml }) => ggml === type)?.name as DType | undefined;
}

/** Undefined for a safetensors dtype that is not supported. */
export function dtypeBySafetensors(name: string): DType | undefined {
  return all.find(({ safetensors }) => safetensors === name)?.name as DType | undefined;
}

/** Bytes that `elements` (a whole number of blocks) take. */
export function byteLength(dtype: DType, elements: number): number {
  const { blockSize, blockBytes } = dtypes[dtype];
  return (elements / blockSize) * blockBytes;
}

export * from './dtype.ts';
export * from './encode.ts';
export * from './float-conversion.ts';
