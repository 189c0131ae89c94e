/** Tokenizers rebuilt from the `tokenizer.ggml.*` metadata of a GGUF file. */

import { UnsupportedError } from '@steelyard/core';
import type { MetadataLike, Tokenizer } from './tokenizer-types.ts';

export function tokenizerFromGguf(_metadata: ReadonlyMap<string, MetadataLike>): Tokenizer {
  throw new UnsupportedError('tokenizer.ggml.* is not read yet');
}
