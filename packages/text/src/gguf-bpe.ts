/** Byte-level BPE (`tokenizer.ggml.model` = gpt2), rebuilt from GGUF metadata. */

import { FormatError } from '@steelyard/core';
import type { AddedToken } from './added-tokens.ts';
import { optionalTexts, tokenType, type GgufVocabulary, type Metadata } from './gguf-metadata.ts';
import type { PreTokenizerPreset } from './gguf-pre-tokenizers.ts';
import type { Json } from './json-access.ts';
import { textAt } from './text-index.ts';
import { MergeRanks } from './merge-ranks.ts';
import type { ModelVocabulary } from './model-vocabulary.ts';

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
  const merges = optionalTexts(metadata, key);
  if (!merges) {
    throw new FormatError(
      `${key}: got nothing, expected a list of merges, which a gpt2 tokenizer needs. Download the model again.`,
    );
  }
  const { index, types } = file;
  const ids = new OwnIds(file);
  const ranks = new MergeRanks(
    merges,
    {
      index,
      takesPart: (id) => isOwn(types[id]),
      isSpecial: (id) => isSpecial(types[id]),
    },
    key,
  );
  return {
    json: {
      normalizer: preset.nfc ? { type: 'NFC' } : null,
      pre_tokenizer: { type: 'Sequence', pretokenizers: preset.steps },
      decoder: { type: 'ByteLevel' },
    },
    added: addedTokens(types, (id) => textAt(index.texts, id)!),
    vocabulary: {
      model: { type: 'BPE', merges: [], ignore_merges: preset.ignoreMerges === true },
      size: file.size,
      token: (id) => textAt(index.texts, id),
      ids,
      ranks,
    },
  };
}

const isSpecial = (type: number | undefined) => type === tokenType.control || type === tokenType.unknown;
/** Whether the model itself makes tokens of this type. */
const isOwn = (type: number | undefined) => type !== tokenType.control && type !== tokenType.userDefined;

/** Ids of the tokens that the model itself makes, found where the file has them. */
class OwnIds extends Map<string, number> {
  private readonly file: GgufVocabulary;
  private readonly deleted = new Set<number>();

  constructor(file: GgufVocabulary) {
    super();
    this.file = file;
  }

  override get(token: string): number | undefined {
    const id = this.file.index.find(token);
    return id !== undefined && isOwn(this.file.types[id]) && !this.deleted.has(id) ? id : undefined;
  }

  override has(token: string): boolean {
    return this.get(token) !== undefined;
  }

  override delete(token: string): boolean {
    const id = this.get(token);
    if (id !== undefined) this.deleted.add(id);
    return id !== undefined;
  }
}

/** Tokens that are cut out of the text before the model sees it. */
export function addedTokens(types: ArrayLike<number>, token: (id: number) => string): AddedToken[] {
  const added: AddedToken[] = [];
  for (let id = 0; id < types.length; id++) {
    const special = isSpecial(types[id]);
    if (!special && types[id] !== tokenType.userDefined) continue;
    const whole = { lstrip: false, rstrip: false, singleWord: false, normalized: false };
    added.push({ id, content: token(id), special, ...whole });
  }
  return added;
}

/** Ids by token, of the tokens that the model itself makes. */
export function modelVocabulary(tokens: readonly string[], types: ArrayLike<number>): Map<string, number> {
  const ids = new Map<string, number>();
  tokens.forEach((token, id) => {
    if (isOwn(types[id])) ids.set(token, id);
  });
  return ids;
}
