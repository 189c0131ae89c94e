/** Shape rules shared by several ops. */

import { ShapeError } from '@steelyard/core';
import { dtypeInfo } from '../dtypes/index.ts';
import { formatType, type Dim, type Shape, type TensorType } from '../ir.ts';

/** Operand `i`, which the builder has checked to be there. */
export function operand(inputs: readonly (TensorType | null)[], i: number): TensorType {
  return inputs[i] as TensorType;
}

export function expectF32(inputs: readonly (TensorType | null)[], names: readonly string[]): void {
  names.forEach((name, i) => {
    const input = inputs[i];
    if (input && input.dtype !== 'f32') throw new ShapeError(`${name} must be f32, is ${formatType(input)}`);
  });
}

export function expectRank(name: string, type: TensorType, rank: number): void {
  if (type.shape.length !== rank) {
    throw new ShapeError(`${name} must have ${rank} dims, has ${formatType(type)}`);
  }
}

export function expectDim(name: string, got: Dim | undefined, expected: Dim | undefined): void {
  if (got !== expected) throw new ShapeError(`${name} must be ${String(expected)}, is ${String(got)}`);
}

/** A paged cache [N, Hkv, page_size, D], whose slots are a whole number of its dtype's blocks. */
export function expectCache(name: string, cache: TensorType): void {
  expectRank(name, cache, 4);
  const { blockSize } = dtypeInfo(cache.dtype);
  const dim = lastDim(name, cache);
  if (dim % blockSize !== 0) {
    throw new ShapeError(`${name} must end in a multiple of ${blockSize}, is ${formatType(cache)}`);
  }
}

/** The last dim, which must be a number. */
export function lastDim(name: string, type: TensorType): number {
  const dim = type.shape.at(-1);
  if (typeof dim !== 'number')
    throw new ShapeError(`${name} must end in a fixed dim, is ${formatType(type)}`);
  return dim;
}

/** NumPy's broadcasting; a symbol matches itself or 1. */
export function broadcastShapes(a: Shape, b: Shape): Shape {
  const rank = Math.max(a.length, b.length);
  return Array.from({ length: rank }, (_, i) => {
    const x = a[i - rank + a.length] ?? 1;
    const y = b[i - rank + b.length] ?? 1;
    if (x === y || y === 1) return x;
    if (x === 1) return y;
    throw new ShapeError(`[${a.join(', ')}] and [${b.join(', ')}] do not broadcast`);
  });
}
