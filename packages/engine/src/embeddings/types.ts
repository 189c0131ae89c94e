/** Vectors of texts: what is asked, what comes back. Servers and commands know only this. */

import type { Pooling } from '@steelyard/models';
import type { ModelOrigin } from '../types.ts';

export interface EmbedOptions {
  /** Scale each vector to length 1. Default true. */
  readonly normalise?: boolean;
  /**
   * Keep only so many elements, the first, before scaling; default all. Only models trained for it (Matryoshka) keep
   * their meaning.
   */
  readonly dimensions?: number;
  readonly signal?: AbortSignal;
}

export interface Embeddings {
  /** One per text, in order. */
  readonly vectors: readonly Float32Array[];
  /** Tokens of all texts, those that the model's tokenizer adds included. */
  readonly promptTokens: number;
}

/** Facts shown by `embed`, `/v1/models` and the like. */
export interface EmbeddingInfo {
  readonly name: string;
  readonly architecture: string;
  readonly parameterCount: number;
  readonly quantisation: string;
  /** Tokens of the longest text, those that the tokenizer adds included. */
  readonly contextLength: number;
  readonly vocabSize: number;
  /** Elements of a vector. */
  readonly dimensions: number;
  readonly pooling: Pooling;
  readonly backend: string;
  /** It scores documents against a query, both read together, and makes no vectors. Default false. */
  readonly ranks?: boolean;
}

export interface Scores {
  /** How relevant each document is to the query, 0 to 1, in their order. */
  readonly scores: readonly number[];
  /** Tokens of all pairs, the query once for each document. */
  readonly promptTokens: number;
}

/** A model that turns texts into vectors, or into scores. */
export interface EmbeddingModel {
  readonly info: EmbeddingInfo;
  /**
   * Vectors of texts, or of token ids as they are. Calls that come together share steps.
   * @throws RequestError for options or ids that make no sense, and by a model that ranks; CapacityError for a text longer than the context
   */
  embed(texts: readonly (string | readonly number[])[], options?: EmbedOptions): Promise<Embeddings>;
  /**
   * Scores of documents, by models that rank; only these have it.
   * @throws CapacityError for a pair longer than the context
   */
  score?(
    query: string,
    documents: readonly string[],
    options?: { readonly signal?: AbortSignal },
  ): Promise<Scores>;
  /** Of a text with more tokens than the model reads at once, more than that, but not all. */
  tokenize(text: string): number[];
  /** As of models that write; without a template. */
  origin?(): Promise<ModelOrigin>;
  /** Ends what runs and frees all memory. */
  dispose(): Promise<void>;
}
