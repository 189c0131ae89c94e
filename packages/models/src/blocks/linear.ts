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
  if (step.blocks && step.hasWeight(`${name}.scales`)) return scaledLinear(step, x, name, out, bias);
  const w = step.weight(`${name}.weight`, inOut ? [width, out] : [out, width]);
  return step.g.matmul(x, biasOf(step, name, [out], bias), w, { transposed: !inOut });
}

function biasOf(step: Step, name: string, shape: readonly number[], bias: Bias): Value | null {
  const biased = bias === 'as-stored' ? step.hasWeight(`${name}.bias`) : bias;
  return biased ? step.weight(`${name}.bias`, shape) : null;
}

/** A weight with one factor for each block: an only expert, which every token has. */
function scaledLinear(step: Step, x: Value, name: string, out: number, bias: Bias): Value {
  const w = step.weight(`${name}.weight`, [1, out, x.shape[1] as number]);
  const { scales, ...blocks } = blockScales(step, name, w);
  const y = step.g.expertmatmul(x, null, w, biasOf(step, name, [1, out], bias), scales, {
    transposed: true,
    ...blocks,
  }); // [T, 1, out]
  return step.g.reshape(y, { shape: ['T', out] });
}

/** Operand `scales` of expertmatmul and its attributes, for weight w [E, out, in]; none where the file has none. */
export function blockScales(
  step: Step,
  name: string,
  w: Value,
): { scales: Value | null; blockRows: number; blockColumns: number } {
  const { rows, columns } = step.blocks ?? { rows: 0, columns: 0 };
  if (rows === 0 || !step.hasWeight(`${name}.scales`)) return { scales: null, blockRows: 0, blockColumns: 0 };
  const [count, out, depth] = w.shape as [number, number, number];
  const shape = [count, Math.ceil(out / rows), Math.ceil(depth / columns)];
  return { scales: step.weight(`${name}.scales`, shape), blockRows: rows, blockColumns: columns };
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
