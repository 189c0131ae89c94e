/** Byte-level BPE (`tokenizer.ggml.model` = gpt2) as a tokenizer.json. */

import { FormatError } from '@steelyard/core';
import { optionalStrings, tokenType, type GgufVocabulary, type Metadata } from './gguf-metadata.ts';
import type { PreTokenizerPreset } from './gguf-pre-tokenizers.ts';
import type { Json } from './json-access.ts';

export function bpeJson(metadata: Metadata, vocabulary: GgufVocabulary, preset: PreTokenizerPreset): Json {
  const merges = optionalStrings(metadata, 'tokenizer.ggml.merges');
  if (!merges) {
    throw new FormatError(
      'tokenizer.ggml.merges: got nothing, expected a list of merges, which a gpt2 tokenizer needs. Download the model again.',
    );
  }
  return {
    added_tokens: addedTokens(vocabulary),
    normalizer: preset.nfc ? { type: 'NFC' } : null,
    pre_tokenizer: { type: 'Sequence', pretokenizers: preset.steps },
    decoder: { type: 'ByteLevel' },
    model: {
      type: 'BPE',
      vocab: modelVocabulary(vocabulary),
      merges,
      ignore_merges: preset.ignoreMerges === true,
    },
  };
}

/** Tokens that are cut out of the text before the model sees it. */
export function addedTokens({ tokens, types }: GgufVocabulary): Json[] {
  const added: Json[] = [];
  for (let id = 0; id < tokens.length; id++) {
    const type = types[id];
    const special = type === tokenType.control || type === tokenType.unknown;
    if (special || type === tokenType.userDefined)
      added.push({ id, content: tokens[id], special, normalized: false });
  }
  return added;
}

/** Ids by token, of the tokens that the model itself makes. The object has no prototype: any text is a valid key. */
export function modelVocabulary({ tokens, types }: GgufVocabulary): Record<string, number> {
  const vocab = Object.create(null) as Record<string, number>;
  for (let id = 0; id < tokens.length; id++) {
    if (types[id] !== tokenType.control && types[id] !== tokenType.userDefined) vocab[tokens[id]!] = id;
  }
  return vocab;
}
