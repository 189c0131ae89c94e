/** A model for vectors that people can use: tokenizer and engine behind one interface. */

import type { Tokenizer } from '@steelyard/text';
import type { EmbeddingEngine } from './embedding-engine.ts';
import type { EmbeddingInfo, EmbeddingModel } from './types.ts';

export interface EmbeddingModelParts {
  readonly info: EmbeddingInfo;
  readonly tokenizer: Tokenizer;
  readonly engine: EmbeddingEngine;
  /** Runs once, after the engine is gone: closes files, disposes the backend. */
  readonly onDispose: () => void;
}

export function createEmbeddingModel(parts: EmbeddingModelParts): EmbeddingModel {
  const { info, tokenizer, engine, onDispose } = parts;
  let disposed: Promise<void> | undefined;
  return {
    info,
    async embed(texts, options) {
      // What looks like a special token in a text to be searched is text.
      const encode = (text: string): number[] => tokenizer.encode(text, { parseSpecial: false });
      const ids = texts.map((text) => (typeof text === 'string' ? encode(text) : text));
      const vectors = await engine.embed(ids, options);
      return { vectors, promptTokens: ids.reduce((sum, { length }) => sum + length, 0) };
    },
    tokenize: (text) => tokenizer.encode(text, { parseSpecial: false }),
    dispose() {
      disposed ??= engine.dispose().then(onDispose);
      return disposed;
    },
  };
}
