/** A model for vectors without weights, for tests of what stands above the engine: equal texts get equal vectors. */

import { RequestError } from '@steelyard/core';
import type { Pooling } from '@steelyard/models';
import { PooledRows } from './pool.ts';
import type { EmbeddingModel } from './types.ts';

export interface StubEmbeddingOptions {
  readonly name?: string;
  readonly pooling?: Pooling;
  /** Elements of a vector. Default 8. */
  readonly dimensions?: number;
  readonly onDispose?: () => void;
}

/** One token per word; a token's state depends on its id alone. */
export function createStubEmbeddingModel(options: StubEmbeddingOptions = {}): EmbeddingModel {
  const { name = 'stub', pooling = 'mean', dimensions = 8, onDispose } = options;
  const vocabSize = 1000;
  const tokenize = (text: string): number[] =>
    [...text.matchAll(/\S+/g)].map(([word]) =>
      [...word].reduce((id, char) => (id * 31 + (char.codePointAt(0) as number)) % vocabSize, 7),
    );
  return {
    info: {
      name,
      architecture: 'stub',
      parameterCount: 0,
      quantisation: 'f32',
      contextLength: 512,
      vocabSize,
      dimensions,
      pooling,
      backend: 'stub',
    },
    async embed(texts, { normalise = true, dimensions: kept = dimensions, signal } = {}) {
      await Promise.resolve();
      signal?.throwIfAborted();
      const ids = texts.map((text) => (typeof text === 'string' ? tokenize(text) : text));
      const empty = ids.findIndex(({ length }) => length === 0);
      if (empty >= 0) throw new RequestError(`text ${empty} has no tokens; write something`, 'input');
      const vectors = ids.map((tokens) => {
        const rows = new PooledRows(pooling, dimensions);
        for (const id of tokens)
          rows.add(Float32Array.from({ length: dimensions }, (_, i) => Math.sin(id * (i + 1))));
        return rows.vector(kept, normalise);
      });
      return { vectors, promptTokens: ids.reduce((sum, { length }) => sum + length, 0) };
    },
    tokenize,
    dispose() {
      onDispose?.();
      return Promise.resolve();
    },
  };
}
