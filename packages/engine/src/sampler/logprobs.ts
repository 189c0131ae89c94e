/** Log-probabilities of a row of raw logits: natural logarithm, before bias, penalties, temperature and cuts. */

import { exponential } from '@steelyard/graph';
import { largest } from './select.ts';

export interface RowLogprobs {
  readonly logprob: number;
  /** Likeliest first. */
  readonly top: readonly { readonly id: number; readonly logprob: number }[];
}

/** log softmax of token `id`, and of the `count` likeliest tokens. */
export function rowLogprobs(logits: Float32Array, id: number, count: number): RowLogprobs {
  let max = -Infinity;
  for (let i = 0; i < logits.length; i++) if ((logits[i] as number) > max) max = logits[i] as number;
  let total = 0;
  for (let i = 0; i < logits.length; i++) total += exponential((logits[i] as number) - max);
  const shift = max + Math.log(total);
  return {
    logprob: (logits[id] as number) - shift,
    top: largest(logits, count).map((at) => ({ id: at, logprob: (logits[at] as number) - shift })),
  };
}
