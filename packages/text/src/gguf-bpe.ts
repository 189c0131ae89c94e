/** Byte-level BPE (`tokenizer.ggml.model` = gpt2), rebuilt from GGUF metadata. */

import { FormatError } from '@steelyard/core';
import type { AddedToken } from './added-tokens.ts';
import { optionalStrings, tokenType, type GgufVocabulary, type Metadata } from './gguf-metadata.ts';
import type { PreTokenizerPreset } from './gguf-pre-tokenizers.ts';
import type { Json } from './json-access.ts';
import { readMerges, specialTexts, type ModelVocabulary } from './model-vocabulary.ts';

/** What every kind of tokenizer is rebuilt to. */
export interface RebuiltModel {
  /** The parts of a tokenizer.json other than the model and the added tokens. */
  readonly json: Json;
  readonly added: readonly AddedToken[];
  readonly vocabulary: ModelVocabulary;
}

export function byteLevelBpe(
  metadata: Metadata,
  file: GgufVocabulary,
  preset: PreTokenizerPreset,
): RebuiltModel {
  const key = 'tokenizer.ggml.merges';
  const merges = optionalStrings(metadata, key);
  if (!merges) {
    throw new FormatError(
      `${key}: got nothing, expected a list of merges, which a gpt2 tokenizer needs. Download the model again.`,
    );
  }
  const added = addedTokens(file);
  const ids = modelVocabulary(file);
  const model = {
    type: 'BPE',
    merges: readMerges(merges, ids, specialTexts(added), key),
    ignore_merges: preset.ignoreMerges === true,
  };
  return {
    json: {
      normalizer: preset.nfc ? { type: 'NFC' } : null,
      pre_tokenizer: { type: 'Sequence', pretokenizers: preset.steps },
      decoder: { type: 'ByteLevel' },
    },
    added,
    vocabulary: { model, tokens: [...file.tokens], ids },
  };
}

/** Tokens that are cut out of the text before the model sees it. */
export function addedTokens({ tokens, types }: GgufVocabulary): AddedToken[] {
  const added: AddedToken[] = [];
  for (let id = 0; id < tokens.length; id++) {
    const special = types[id] === tokenType.control || types[id] === tokenType.unknown;
    if (!special && types[id] !== tokenType.userDefined) continue;
    const whole = { lstrip: false, rstrip: false, singleWord: false, normalized: false };
    added.push({ id, content: tokens[id]!, special, ...whole });
  }
  return added;
}

/** Ids by token, of the tokens that the model itself makes. */
export function modelVocabulary({ tokens, types }: GgufVocabulary): Map<string, number> {
  const ids = new Map<string, number>();
  for (let id = 0; id < tokens.length; id++) {
    if (types[id] !== tokenType.control && types[id] !== tokenType.userDefined) ids.set(tokens[id]!, id);
  }
  return ids;
}
