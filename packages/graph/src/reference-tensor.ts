/** Tensors as op reference implementations see them. Contiguous, row-major, on the JavaScript heap. */

import { dtypeInfo, encode, type DType, type EncodableDType } from './dtypes/index.ts';
import { elementCount } from './ir.ts';
import type { TensorData } from './tensor-data.ts';

export class ReferenceTensor {
  readonly shape: readonly number[];
  readonly dtype: DType;
  #values: Float32Array | Int32Array | undefined;
  readonly #encoded: TensorData | undefined;
  #bytes: Uint8Array | undefined;

  private constructor(
    shape: readonly number[],
    dtype: DType,
    values: Float32Array | Int32Array | undefined,
    encoded?: TensorData,
  ) {
    this.shape = shape;
    this.dtype = dtype;
    this.#values = values;
    this.#encoded = encoded;
  }

  /** A tensor over `values`; floats of any dtype are held as float32. */
  static of(shape: readonly number[], dtype: DType, values: Float32Array | Int32Array): ReferenceTensor {
    return new ReferenceTensor(shape, dtype, values);
  }

  static zeros(shape: readonly number[], dtype: DType): ReferenceTensor {
    const n = elementCount(shape);
    return new ReferenceTensor(shape, dtype, dtype === 'i32' ? new Int32Array(n) : new Float32Array(n));
  }

  /** A weight in its published format, decoded a row at a time where that is enough. */
  static encoded(data: TensorData): ReferenceTensor {
    return new ReferenceTensor(data.shape, data.dtype, undefined, data);
  }

  /** Elements per row: the last dim. */
  get rowLength(): number {
    return this.shape.at(-1) ?? 1;
  }

  /** All elements as float32, decoded on first use. */
  get f32(): Float32Array {
    if (!this.#values && this.#encoded) {
      const { dtype, byteLength } = this.#encoded;
      const info = dtypeInfo(dtype);
      const out = new Float32Array(elementCount(this.shape));
      info.decode(this.#read(this.#encoded), 0, out, 0, byteLength / info.blockBytes);
      this.#values = out;
    }
    return this.#values as Float32Array;
  }

  get i32(): Int32Array {
    return this.#values as Int32Array;
  }

  /** Copies row `index` (over the last dim) to `out` as float32. */
  readRow(index: number, out: Float32Array): void {
    const length = this.rowLength;
    if (this.#values || !this.#encoded) {
      out.set(this.f32.subarray(index * length, (index + 1) * length));
      return;
    }
    const info = dtypeInfo(this.dtype);
    const blocks = length / info.blockSize;
    info.decode(this.#read(this.#encoded), index * blocks * info.blockBytes, out, 0, blocks);
  }

  /** The published bytes, read from the file once. */
  #read(encoded: TensorData): Uint8Array {
    this.#bytes ??= encoded.bytes();
    return this.#bytes;
  }

  /** Values, of whole blocks, as this tensor's dtype would keep them. @throws ShapeError for one that nothing encodes */
  round(values: Float32Array): Float32Array {
    if (this.dtype === 'f32') return values;
    const info = dtypeInfo(this.dtype);
    const out = new Float32Array(values.length);
    info.decode(encode(this.dtype as EncodableDType, values), 0, out, 0, values.length / info.blockSize);
    return out;
  }

  /** The same elements under another shape. */
  reshaped(shape: readonly number[]): ReferenceTensor {
    return new ReferenceTensor(shape, this.dtype, this.#values ?? this.f32);
  }
}
