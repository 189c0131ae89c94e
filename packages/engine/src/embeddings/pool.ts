/** Hidden states of a text's tokens become one vector. */

import type { Pooling } from '@steelyard/models';

/** Takes rows [width] as steps compute them, in order, and ends with their pooled vector. */
export class PooledRows {
  readonly #pooling: Pooling;
  readonly #sum: Float64Array;
  #rows = 0;

  constructor(pooling: Pooling, width: number) {
    this.#pooling = pooling;
    this.#sum = new Float64Array(width);
  }

  add(row: Float32Array): void {
    this.#rows++;
    if (this.#pooling === 'cls' && this.#rows > 1) return;
    if (this.#pooling === 'last') this.#sum.fill(0);
    for (let i = 0; i < row.length; i++) this.#sum[i] = (this.#sum[i] as number) + (row[i] as number);
  }

  /** The first `dimensions` elements, scaled to length 1 where that is asked for. */
  vector(dimensions: number, normalise: boolean): Float32Array {
    const kept = this.#sum.subarray(0, dimensions);
    const mean = this.#pooling === 'mean' ? this.#rows : 1;
    const length = normalise ? Math.sqrt(kept.reduce((sum, x) => sum + x * x, 0)) : mean;
    // A vector of zeros has no direction, and stays as it is.
    return Float32Array.from(kept, (x) => x / (length || 1));
  }
}
