/**
 * The part of @huggingface/tokenizers that this package uses, typed here: the library's own declarations import
 * each other without file extensions, which TypeScript does not resolve for ES modules.
 */

import { Tokenizer } from '@huggingface/tokenizers';
import type { Json } from './json-access.ts';

/** The stages of a tokenizer, in the order a text goes through them. */
export interface TokenizerStages {
  readonly normalizer: { normalize(text: string): string } | null;
  readonly pre_tokenizer: { pre_tokenize(text: string, options: { section_index: number }): string[] } | null;
  readonly model: {
    /** Tokens of words. */
    _call(words: string[]): string[];
    tokens_to_ids: Map<string, number>;
    unk_token_id?: number | undefined;
    /** Order of merges, by the JSON text of a pair. Of BPE only. */
    bpe_ranks?: ReadonlyMap<string, number>;
  };
}

export const TokenizerLibrary = Tokenizer as unknown as new (
  tokenizerJson: Json,
  config: Json,
) => TokenizerStages;
