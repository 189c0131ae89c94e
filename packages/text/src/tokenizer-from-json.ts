/** Tokenizers from a Hugging Face folder: `tokenizer.json` with its companion files. */

import { UnsupportedError } from '@steelyard/core';
import type { Tokenizer } from './tokenizer-types.ts';

export function tokenizerFromJson(
  _tokenizerJson: Record<string, unknown>,
  _config?: Record<string, unknown>,
  _generationConfig?: Record<string, unknown>,
): Tokenizer {
  throw new UnsupportedError('tokenizer.json is not read yet');
}
