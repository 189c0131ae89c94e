/** Vectors of texts that may be longer than what a model reads at once: then the mean of their parts. */

import type { EmbeddingModel } from '@steelyard/engine';
import { chunkText } from './chunk-text.ts';

/** Tokens that one word has, without those that the tokenizer puts around every text. */
export function tokenCounter(model: EmbeddingModel): (word: string) => number {
  const around = model.tokenize('').length;
  return (word) => model.tokenize(word).length - around;
}

/** Tokens of a text that the model reads at once. */
export function roomOf(model: EmbeddingModel): number {
  return model.info.contextLength - model.tokenize('').length;
}

/** @returns vectors of length 1 */
export async function embedLong(
  model: EmbeddingModel,
  texts: readonly string[],
  signal: AbortSignal,
): Promise<Float32Array[]> {
  const tokensOf = tokenCounter(model);
  const cut = { maxTokens: roomOf(model), overlapTokens: 0 };
  const parts = texts.map((text) => chunkText(text, cut, tokensOf));
  const { vectors } = await model.embed(parts.flat(), { signal });
  let next = 0;
  return parts.map(({ length }) => {
    const own = vectors.slice(next, (next += length));
    return length === 1 ? own[0]! : mean(own);
  });
}

function mean(vectors: readonly Float32Array[]): Float32Array {
  const sum = new Float32Array(vectors[0]!.length);
  for (const vector of vectors) vector.forEach((value, i) => (sum[i]! += value));
  const norm = Math.hypot(...sum) || 1;
  return sum.map((value) => value / norm);
}
