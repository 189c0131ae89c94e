/** An engine over the toy model, with a cache of a given number of pages. */

import { Engine, type EngineOptions } from '../src/engine.ts';
import { printableTokenizer } from './printable-tokenizer.ts';
import { createToy, type Toy, type ToyOptions } from './toy-model.ts';

export interface ToyEngineOptions extends ToyOptions, Partial<Omit<EngineOptions, 'memoryBytes'>> {
  /** Pages of the cache; default plenty. */
  readonly pages?: number;
  readonly eosIds?: readonly number[];
}

const BYTES_PER_TOKEN = 4;
const WEIGHT_BYTES = 4;

export async function toyEngine(options: ToyEngineOptions = {}): Promise<Toy & { engine: Engine }> {
  const { pages, eosIds, pageSize = 4, ...rest } = options;
  const toy = createToy({ ...rest, pageSize });
  const stateBytes = options.recurrent ? (options.maxSequences ?? 32) * BYTES_PER_TOKEN : 0;
  const tokenizer = printableTokenizer(toy.model.config.vocabSize, eosIds);
  const engine = await Engine.create(toy.model, () => tokenizer, toy.backend, {
    kvDType: 'f32',
    pageSize,
    ...rest,
    ...(pages !== undefined && {
      memoryBytes: WEIGHT_BYTES + stateBytes + pages * pageSize * BYTES_PER_TOKEN,
    }),
  });
  return Object.assign(toy, { engine });
}

/** Greedy answers of at most `maxTokens`. */
export function greedy(maxTokens: number) {
  return { maxTokens, sampling: { temperature: 0 } };
}

/** A prompt of `length` token ids that depends on `seed`. */
export function promptOf(seed: number, length: number): number[] {
  return Array.from({ length }, (_, i) => (seed * 31 + i * 7 + Math.floor(i / 5) * seed) % 60);
}
