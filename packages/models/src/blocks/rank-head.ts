/**
 * The head of a cross-encoder: the score of two texts that were read together, from their first token's state. Not
 * scaled; a sigmoid makes a probability of it.
 * @see Nogueira and Cho 2019, arXiv:1901.04085
 */

import type { Value } from '@steelyard/graph';
import type { Step } from '../step.ts';
import { linear } from './linear.ts';

/** [V, hidden] to [V, 1] */
export function rankHead(step: Step, hidden: Value): Value {
  const bias = 'as-stored';
  // BERT's pooler. Files whose converter left it out are refused: they give other scores.
  const pooled = step.g.tanh(linear(step, hidden, 'cls', hidden.shape[1] as number, { bias }));
  return linear(step, pooled, 'cls.output', 1, { bias });
}
