/** Working memory of sampling, shared by the requests of an engine: they are sampled one after another. */

export class SamplerScratch {
  /** [vocab] logits after penalties. */
  readonly logits: Float32Array;
  /** [vocab] probabilities relative to the likeliest token's. */
  readonly weights: Float64Array;
  /** [vocab] token ids. */
  readonly ids: Uint32Array;

  constructor(vocabSize: number) {
    this.logits = new Float32Array(vocabSize);
    this.weights = new Float64Array(vocabSize);
    this.ids = new Uint32Array(vocabSize);
  }
}
