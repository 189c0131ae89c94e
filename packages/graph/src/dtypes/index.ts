/** The list of dtypes. Adding one = its file, its line here, and a decode function in the kernels. */

import type { DTypeInfo } from './dtype.ts';
import { bf16, f16, f32, i32 } from './plain.ts';

export const dtypes = { f32, f16, i32, bf16 } as const satisfies Record<string, DTypeInfo>;
export type DType = keyof typeof dtypes;

export function dtypeInfo(name: DType): DTypeInfo {
  return dtypes[name];
}

/** Bytes that `elements` (a whole number of blocks) take. */
export function byteLength(dtype: DType, elements: number): number {
  const { blockSize, blockBytes } = dtypes[dtype];
  return (elements / blockSize) * blockBytes;
}

export * from './dtype.ts';
export * from './float-conversion.ts';
