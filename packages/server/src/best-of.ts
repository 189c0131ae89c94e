/** `best_of`: which of several answers to one prompt the model finds likeliest, by the mean over their tokens. */

import type { GenerateEvent } from '@steelyard/engine';

/** Of one answer, over what it has shown so far. */
export class MeanLogprob {
  #sum = 0;
  #count = 0;

  add(event: GenerateEvent): void {
    if (event.type !== 'text') return;
    for (const { logprob } of event.logprobs ?? []) {
      this.#sum += logprob;
      this.#count++;
    }
  }

  /** Of an answer without tokens: the least there is, so that any other comes before it. */
  get value(): number {
    return this.#count === 0 ? -Infinity : this.#sum / this.#count;
  }
}

/**
 * Places of the `n` best of each prompt, prompts in order, the best of each first; of equals the earlier.
 * @param of answers to each prompt, which stand side by side
 */
export function best(
  answers: readonly MeanLogprob[],
  { of, n }: { readonly of: number; readonly n: number },
): readonly number[] {
  const prompts = Array.from({ length: answers.length / of }, (_, prompt) => prompt * of);
  return prompts.flatMap((first) =>
    Array.from({ length: of }, (_, i) => first + i)
      .sort((a, b) => compare(answers[b]!.value, answers[a]!.value))
      .slice(0, n),
  );
}

/** Infinities, whose difference is no number, are compared too. */
function compare(a: number, b: number): number {
  return a === b ? 0 : a - b;
}
