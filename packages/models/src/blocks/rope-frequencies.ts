/** Angular frequencies of rotary position embeddings and the ways files stretch them to longer contexts. */

/** How frequencies are changed for contexts longer than those of pre-training. */
export type RopeScaling =
  | { readonly type: 'none' }
  | { readonly type: 'linear'; readonly factor: number }
  | {
      readonly type: 'llama3';
      readonly factor: number;
      readonly lowFreqFactor: number;
      readonly highFreqFactor: number;
      readonly originalContext: number;
    }
  | {
      readonly type: 'yarn';
      readonly factor: number;
      readonly originalContext: number;
      readonly betaFast: number;
      readonly betaSlow: number;
      /** Factor on sine and cosine. */
      readonly attentionFactor: number;
      /** Round the range of the ramp to whole dims. */
      readonly truncate: boolean;
      /** Of DeepSeek, whose scores have yarn's factor for this scale, squared. */
      readonly mscaleAll?: number | undefined;
      /** Of Ministral 3: how much queries grow with each stretch of the pre-training context. */
      readonly tempering?: number;
    }
  | LongRope;

/** Divisors of each frequency, one set for contexts of pre-training and one for longer ones. @see long-rope.ts */
export interface LongRope {
  readonly type: 'longrope';
  readonly originalContext: number;
  /** Positions of the model: the context that is prepared for unless a smaller one is asked for. */
  readonly contextLength: number;
  /** Factor on sine and cosine. */
  readonly attentionFactor: number;
  /** Absent in GGUF files, which keep them as tensors. */
  readonly shortFactors?: readonly number[];
  readonly longFactors?: readonly number[];
}

/** theta^(-2i / dims) for i < dims / 2, scaled, but for the divisors that files carry. @see Su et al. 2021, arXiv:2104.09864, section 3.2.2 */
export function ropeFrequencies(dims: number, theta: number, scaling: RopeScaling): Float64Array {
  const plain = Float64Array.from({ length: dims / 2 }, (_, i) => theta ** ((-2 * i) / dims));
  switch (scaling.type) {
    case 'none':
    case 'longrope':
      return plain;
    case 'linear':
      return plain.map((frequency) => frequency / scaling.factor);
    case 'llama3':
      return plain.map((frequency) => llama3(frequency, scaling));
    case 'yarn':
      return yarn(plain, dims, theta, scaling);
  }
}

/**
 * Waves longer than the pre-training context are stretched, short ones kept, those between blended.
 * @see Llama 3.1's `rope_scaling` in transformers' `modeling_rope_utils.py`
 */
function llama3(frequency: number, scaling: Extract<RopeScaling, { type: 'llama3' }>): number {
  const { factor, lowFreqFactor, highFreqFactor, originalContext } = scaling;
  const turns = (originalContext * frequency) / (2 * Math.PI);
  if (turns > highFreqFactor) return frequency;
  if (turns < lowFreqFactor) return frequency / factor;
  const keep = (turns - lowFreqFactor) / (highFreqFactor - lowFreqFactor);
  return ((1 - keep) * frequency) / factor + keep * frequency;
}

/** @see Peng et al. 2023, arXiv:2309.00071, section 3.2 ("NTK-by-parts") */
function yarn(
  plain: Float64Array,
  dims: number,
  theta: number,
  scaling: Extract<RopeScaling, { type: 'yarn' }>,
): Float64Array {
  const { factor, originalContext, betaFast, betaSlow, truncate } = scaling;
  // The dim whose wave makes `turns` turns within the pre-training context.
  const dimOf = (turns: number): number =>
    (dims * Math.log(originalContext / (turns * 2 * Math.PI))) / (2 * Math.log(theta));
  const [first, last] = [dimOf(betaFast), dimOf(betaSlow)];
  const low = Math.max(truncate ? Math.floor(first) : first, 0);
  const high = Math.min(truncate ? Math.ceil(last) : last, dims - 1);
  // A ramp of no length would divide by zero; both references widen it by a thousandth.
  const span = high === low ? 0.001 : high - low;
  return plain.map((frequency, i) => {
    const stretch = Math.min(1, Math.max(0, (i - low) / span));
    return (frequency / factor) * stretch + frequency * (1 - stretch);
  });
}

/** Yarn's default factor on attention: 0.1 ln(factor) + 1. @see arXiv:2309.00071, equation 22 */
export function yarnAttention(factor: number, mscale = 1): number {
  return factor <= 1 ? 1 : 0.1 * mscale * Math.log(factor) + 1;
}
