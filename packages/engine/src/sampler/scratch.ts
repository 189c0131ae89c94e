/** Working memory of sampling, shared by the requests of an engine: they are sampled one after another. */

import { plainRows, ROW_BLOCK, type RowKernels } from '@steelyard/graph';

export class SamplerScratch {
  readonly rows: RowKernels;
  /** [vocab] logits after penalties. */
  readonly logits: Float32Array;
  /** [vocab] probabilities relative to the likeliest token's; where few tokens are left, of those alone. */
  readonly weights: Float64Array;
  /** Sums of blocks of weights. */
  readonly sums: Float64Array;
  /** [vocab] token ids. */
  readonly ids: Uint32Array;

  constructor(vocabSize: number, rows: RowKernels = plainRows) {
    this.rows = rows;
    this.logits = new Float32Array(vocabSize);
    this.weights = new Float64Array(vocabSize);
    this.sums = new Float64Array(Math.ceil(vocabSize / ROW_BLOCK));
    this.ids = new Uint32Array(vocabSize);
  }
}
