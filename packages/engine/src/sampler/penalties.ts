/** Changes to logits before anything is cut: bias and the three penalties. */

import type { SamplingOptions } from '../types.ts';

/** What a request has seen. */
export interface TokenCounts {
  /** Occurrences in the answer, by id. */
  readonly answered: ReadonlyMap<number, number>;
  readonly prompt: ReadonlySet<number>;
}

export function changesLogits(options: SamplingOptions): boolean {
  return (
    (options.repetitionPenalty ?? 1) !== 1 ||
    (options.presencePenalty ?? 0) !== 0 ||
    (options.frequencyPenalty ?? 0) !== 0 ||
    Object.keys(options.logitBias ?? {}).length > 0
  );
}

/**
 * In place. Repetition as in Keskar et al. 2019 (arXiv:1909.05858) over prompt and answer; presence and frequency
 * as OpenAI's API documents them, over the answer.
 */
export function applyPenalties(logits: Float32Array, options: SamplingOptions, seen: TokenCounts): void {
  for (const [id, bias] of Object.entries(options.logitBias ?? {})) {
    const at = Number(id);
    if (at < logits.length) logits[at] = (logits[at] as number) + bias;
  }
  const repetition = options.repetitionPenalty ?? 1;
  if (repetition !== 1) {
    for (const id of new Set([...seen.prompt, ...seen.answered.keys()])) {
      const logit = logits[id] as number;
      logits[id] = logit > 0 ? logit / repetition : logit * repetition;
    }
  }
  const presence = options.presencePenalty ?? 0;
  const frequency = options.frequencyPenalty ?? 0;
  if (presence === 0 && frequency === 0) return;
  for (const [id, count] of seen.answered) {
    logits[id] = (logits[id] as number) - presence - frequency * count;
  }
}
