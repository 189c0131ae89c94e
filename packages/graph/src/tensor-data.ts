/** Weight bytes as a file or the program provides them; what backends load. */

import type { DType } from './dtypes/index.ts';

export interface TensorData {
  readonly dtype: DType;
  /** Row-major, outermost first: a linear layer's weight is `[out, in]` as published. */
  readonly shape: readonly number[];
  /** Size in bytes, always `elements / blockSize * blockBytes`. */
  readonly byteLength: number;
  /** Where the bytes lie on disk, so that a backend can map them instead of copying. */
  readonly region?: FileRegion;
  /**
   * The same tensor as its rows (dim 0), each with a region of its own: experts that a file holds one by one.
   * Then `region` is absent.
   */
  readonly parts?: readonly TensorData[];
  /** The bytes, read now. The caller must not modify them. */
  bytes(): Uint8Array;
}

/** A range of bytes in a file. */
export interface FileRegion {
  readonly path: string;
  readonly offset: number;
  readonly length: number;
}
