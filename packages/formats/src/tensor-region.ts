/** Tensors as ranges of a byte source, checked for size, bounds and overlap. */

import { FormatError } from '@steelyard/core';
import { byteLength, dtypeInfo, type DType, type TensorData } from '@steelyard/graph';
import type { ByteSource } from './model-file.ts';
import { shown } from './shown.ts';

/** More dims than any published model has. */
export const MAX_DIMS = 8;

/** Bytes of a tensor. @throws FormatError when the elements are not a safe integer or a row splits a block */
export function checkedByteLength(
  file: string,
  name: string,
  dtype: DType,
  shape: readonly number[],
): number {
  let elements = 1;
  for (const dim of shape) {
    elements *= dim;
    if (!Number.isSafeInteger(dim) || dim < 0 || elements > Number.MAX_SAFE_INTEGER) {
      throw new FormatError(
        `${file}: tensor ${shown(name)} has shape [${shape.join(', ')}], expected at most 2^53 elements; the file is damaged`,
      );
    }
  }
  const { blockSize } = dtypeInfo(dtype);
  const row = shape.at(-1) ?? 1;
  if (row % blockSize !== 0) {
    throw new FormatError(
      `${file}: tensor ${shown(name)} has rows of ${row} elements, expected a multiple of ${blockSize}, the block size of ${dtype}; the file is damaged`,
    );
  }
  return byteLength(dtype, elements);
}

/** The tensor at `offset` of `source`, whose bytes are read when they are asked for. */
export function tensorRegion(
  source: ByteSource,
  dtype: DType,
  shape: readonly number[],
  offset: number,
  length: number,
): TensorData {
  return {
    dtype,
    shape,
    byteLength: length,
    ...(source.path !== undefined && { region: { path: source.path, offset, length } }),
    bytes: () => source.read(offset, length),
  };
}

/** @throws FormatError naming the first two tensors that share bytes */
export function refuseOverlaps(
  file: string,
  ranges: readonly { name: string; start: number; end: number }[],
): void {
  const sorted = [...ranges].sort((a, b) => a.start - b.start || a.end - b.end);
  sorted.forEach((range, i) => {
    const before = sorted[i - 1];
    if (before && range.start < before.end) {
      throw new FormatError(
        `${file}: tensors ${shown(before.name)} (bytes ${before.start} to ${before.end}) and ${shown(range.name)} (${range.start} to ${range.end}) overlap, expected each to have bytes of its own; the file is damaged`,
      );
    }
  });
}
