/** Linear layers, embeddings and the head. */

import type { Value } from '@steelyard/graph';
import type { Step } from '../step.ts';

/** Whether a layer has a bias; `as-stored`: when the file has one. */
export type Bias = boolean | 'as-stored';

export interface LinearOptions {
  readonly bias?: Bias;
  /** The weight is stored [in, out], as GPT-2's Conv1D is in its Hugging Face files. */
  readonly inOut?: boolean;
}

/** x [T, in] times weight `name` [out, in]: [T, out]. */
export function linear(step: Step, x: Value, name: string, out: number, options: LinearOptions = {}): Value {
  const { bias = false, inOut = false } = options;
  const width = x.shape[1] as number;
  const w = step.weight(`${name}.weight`, inOut ? [width, out] : [out, width]);
  const biased = bias === 'as-stored' ? step.hasWeight(`${name}.bias`) : bias;
  return step.g.matmul(x, biased ? step.weight(`${name}.bias`, [out]) : null, w, { transposed: !inOut });
}

/** Rows of the embedding table [vocab, hidden] for this step's tokens: [T, hidden]. */
export function embedTokens(step: Step, vocab: number, hidden: number): Value {
  return step.g.gather(step.weight('token_embd.weight', [vocab, hidden]), step.tokens);
}

/**
 * Logits [V, vocab] of hidden x [V, hidden] by the model's head, or by its embedding table when tied, changed by
 * `finish`. A step that wants the hidden states themselves ends with x.
 */
export function logits(
  step: Step,
  x: Value,
  vocab: number,
  tied: boolean,
  finish: (logits: Value) => Value = (y) => y,
): Value {
  if (step.output === 'hidden') {
    step.ignoreWeight('output.weight');
    return x;
  }
  if (!tied) return finish(linear(step, x, 'output', vocab));
  // Some files repeat the table under the head's name; the reference uses the embedding.
  step.ignoreWeight('output.weight');
  const table = step.weight('token_embd.weight', [vocab, x.shape[1] as number]);
  return finish(step.g.matmul(x, null, table, { transposed: true }));
}

/** cap * tanh(x / cap); x itself for a cap of 0. */
export function softCapped(step: Step, x: Value, cap: number): Value {
  const { g } = step;
  return cap > 0 ? g.scale(g.tanh(g.scale(x, { by: 1 / cap })), { by: cap }) : x;
}
