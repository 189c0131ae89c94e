/** A model for vectors that people can use: tokenizer and engine behind one interface. */

import { RequestError } from '@steelyard/core';
import type { Tokenizer } from '@steelyard/text';
import type { EmbeddingEngine } from './embedding-engine.ts';
import type { TokenText } from './placed-text.ts';
import type { ModelOrigin } from '../types.ts';
import type { EmbeddingInfo, EmbeddingModel } from './types.ts';

export interface EmbeddingModelParts {
  readonly info: EmbeddingInfo;
  readonly tokenizer: Tokenizer;
  readonly engine: EmbeddingEngine;
  readonly origin?: () => Promise<ModelOrigin>;
  /** Runs once, after the engine is gone: closes files, disposes the backend. */
  readonly onDispose: () => void;
}

export function createEmbeddingModel(parts: EmbeddingModelParts): EmbeddingModel {
  const { info, tokenizer, engine, origin, onDispose } = parts;
  let disposed: Promise<void> | undefined;
  // What looks like a special token in a text to be searched is text.
  const encode = (text: string): number[] =>
    tokenizer.encode(text, { parseSpecial: false, limit: info.contextLength });
  return {
    info,
    ...(info.ranks &&
      ({
        async score(query, documents, { signal } = {}) {
          const asked = encode(query);
          const pairs = documents.map((document) => pairOf(asked, encode(document)));
          const scores = await engine.score(pairs, signal);
          const promptTokens = pairs.reduce((sum, { tokens }) => sum + tokens.length, 0);
          return { scores: scores.map(sigmoid), promptTokens };
        },
      } satisfies Pick<EmbeddingModel, 'score'>)),
    async embed(texts, options) {
      if (info.ranks) {
        throw new RequestError(
          `${info.name} scores documents against a query and makes no vectors; ask it to rerank, or use a model for embeddings`,
          'model',
        );
      }
      const ids = texts.map((text) => (typeof text === 'string' ? encode(text) : text));
      const vectors = await engine.embed(ids, options);
      return { vectors, promptTokens: ids.reduce((sum, { length }) => sum + length, 0) };
    },
    tokenize: encode,
    ...(origin && { origin }),
    dispose() {
      disposed ??= engine.dispose().then(onDispose);
      return disposed;
    },
  };
}

/** `[CLS] query [SEP] document [SEP]`: both end with the mark that their tokenizer puts there, and the first begins. */
function pairOf(query: readonly number[], document: readonly number[]): Required<TokenText> {
  return { tokens: [...query, ...document.slice(1)], second: query.length };
}

function sigmoid(x: number): number {
  return 1 / (1 + Math.exp(-x));
}
