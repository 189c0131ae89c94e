/**
 * LongRoPE: divisors of the frequencies, searched for each model. The reference changes from the short set to the long
 * one when a sequence outgrows pre-training, which would leave cached keys turned by the wrong angles; here, as in
 * llama.cpp and vLLM, the context that was asked for decides once.
 * @see Ding et al. 2024, arXiv:2402.13753
 */

import { FormatError } from '@steelyard/core';
import { limits, type ConfigReader } from '../config-reader.ts';
import type { Step } from '../step.ts';
import type { LongRope } from './rope-frequencies.ts';

const contextRule = { min: 1, max: limits.positions } as const;
const factorRule = { min: 1e-6, max: 1e6 } as const;
const original = { hf: 'original_max_position_embeddings', gguf: 'rope.scaling.original_context_length' };

export interface LongRopeSizes {
  readonly dims: number;
  readonly contextLength: number;
  /** From outside of the section. */
  readonly originalContext?: number | undefined;
}

/** Of a section of `config.json`. @throws FormatError when the lists do not fit the heads */
export function readLongRope(section: ConfigReader, sizes: LongRopeSizes): LongRope {
  const { dims, contextLength } = sizes;
  const list = (name: string): readonly number[] => {
    const values = section.numbers({ hf: name }, factorRule) ?? [];
    if (values.length === dims / 2) return values;
    throw new FormatError(
      `${section.fileName}: ${name} has ${values.length} entries, expected ${dims / 2}, one per pair that turns`,
    );
  };
  const fallback = sizes.originalContext ?? contextLength;
  const originalContext = section.integer(original, { ...contextRule, fallback });
  const ratio = { ...factorRule, fallback: contextLength / originalContext };
  const factor = section.number({ hf: 'factor' }, ratio);
  const attention = { min: 0, max: 1e6, fallback: attentionFactor(factor, originalContext) };
  return {
    type: 'longrope',
    originalContext,
    contextLength,
    attentionFactor: section.number({ hf: 'attention_factor' }, attention),
    shortFactors: list('short_factor'),
    longFactors: list('long_factor'),
  };
}

/** GGUF files say it by the tensors they hold. */
export function readGgufLongRope(reader: ConfigReader, contextLength: number): LongRope | undefined {
  if (reader.tensorRows('rope_factors_long.weight') === undefined) return undefined;
  const rule = { min: 0, max: 1e6, fallback: 1 };
  return {
    type: 'longrope',
    originalContext: reader.integer(original, { ...contextRule, fallback: contextLength }),
    contextLength,
    attentionFactor: reader.number({ gguf: 'rope.scaling.attn_factor' }, rule),
  };
}

/** sqrt(1 + ln(factor) / ln(original)) */
function attentionFactor(factor: number, originalContext: number): number {
  return factor <= 1 ? 1 : Math.sqrt(1 + Math.log(factor) / Math.log(originalContext));
}

/** The divisors for the context that the step is prepared for. */
export function longRopeDivisors(step: Step, rope: LongRope, dims: number): ArrayLike<number> {
  const long = (step.contextLength ?? rope.contextLength) > rope.originalContext;
  const listed = long ? rope.longFactors : rope.shortFactors;
  if (listed) return listed;
  const [short, other] = ['short', 'long'].map((name) =>
    step.readTable(`rope_factors_${name}.weight`, [dims / 2]),
  );
  return (long ? other : short) ?? [];
}
