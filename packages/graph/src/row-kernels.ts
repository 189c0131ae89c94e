/**
 * Passes over a row of logits, or over each of its weights, that sampling makes for every token. A backend may have them
 * faster; all give the same bits, so that a seed draws the same tokens everywhere.
 */

import { exponential } from './exponential.ts';

/** Weights whose sum is kept beside them. */
export const ROW_BLOCK = 256;
/** Partial sums of a block: weights of equal index modulo this are added in order, then the sums in pairs. */
const LANES = 8;

export interface RowKernels {
  /** Index of the largest value; the lowest of equals. NaN is never largest. */
  argmax(row: Float32Array): number;
  /**
   * Weights e^((row - top) * scale) [V], and the sum of each block of `ROW_BLOCK` of them; returns the sum of those.
   * @param top the largest of the row, so that no weight is above 1
   * @param sums [ceil(V / ROW_BLOCK)]
   */
  weigh(row: Float32Array, top: number, scale: number, weights: Float64Array, sums: Float64Array): number;
  /** Writes the indices of values of at least `floor`, in order, and returns how many. */
  atLeast(row: Float32Array, floor: number, ids: Uint32Array): number;
}

export const plainRows: RowKernels = {
  argmax(row) {
    let best = 0;
    while (best < row.length - 1 && Number.isNaN(row[best])) best++;
    // Read anew at every comparison: kept in a variable the value is a double, which takes a conversion each time.
    for (let i = best + 1; i < row.length; i++) {
      if ((row[i] as number) > (row[best] as number)) best = i;
    }
    return best;
  },

  weigh(row, top, scale, weights, sums) {
    const lanes = new Float64Array(LANES);
    let total = 0;
    for (let begin = 0, block = 0; begin < row.length; begin += ROW_BLOCK, block++) {
      const end = Math.min(begin + ROW_BLOCK, row.length);
      lanes.fill(0);
      for (let i = begin; i < end; i++) {
        const weight = exponential(((row[i] as number) - top) * scale);
        weights[i] = weight;
        lanes[i % LANES]! += weight;
      }
      const [a, b, c, d, e, f, g, h] = lanes as unknown as Lanes;
      const sum = a + e + (c + g) + (b + f + (d + h));
      sums[block] = sum;
      total += sum;
    }
    return total;
  },

  atLeast(row, floor, ids) {
    let count = 0;
    for (let i = 0; i < row.length; i++) if ((row[i] as number) >= floor) ids[count++] = i;
    return count;
  },
};

type Lanes = readonly [number, number, number, number, number, number, number, number];
