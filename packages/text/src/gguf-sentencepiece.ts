/**
 * SentencePiece BPE (`tokenizer.ggml.model` = llama) rebuilt from GGUF metadata. The file has scores where BPE has merges;
 * see `ScoreRanks` for how one stands in for the other.
 * @see https://github.com/google/sentencepiece
 */

import { FormatError } from '@steelyard/core';
import { addedTokens, modelVocabulary, type RebuiltModel } from './gguf-bpe.ts';
import {
  optionalId,
  optionalNumbers,
  tokenType,
  type GgufVocabulary,
  type Metadata,
} from './gguf-metadata.ts';
import type { Json } from './json-access.ts';
import type { ModelVocabulary } from './model-vocabulary.ts';
import { ScoreRanks } from './score-ranks.ts';

const mark = '\u2581';

/** `spacePrefix` puts a space before every piece of text, as Llama 2 does and Gemma does not. */
export function sentencePiece(metadata: Metadata, file: GgufVocabulary, spacePrefix: boolean): RebuiltModel {
  const replace: Json = { type: 'Replace', pattern: { String: ' ' }, content: mark };
  const decoders: Json[] = [
    { type: 'Replace', pattern: { String: mark }, content: ' ' },
    { type: 'ByteFallback' },
    { type: 'Fuse' },
  ];
  if (spacePrefix) decoders.push({ type: 'Strip', content: ' ', start: 1, stop: 0 });
  const { types } = file;
  const tokens = unescapeRuns(file);
  const json = {
    normalizer: spacePrefix
      ? { type: 'Sequence', normalizers: [{ type: 'Prepend', prepend: mark }, replace] }
      : replace,
    pre_tokenizer: null,
    decoder: { type: 'Sequence', decoders },
  };
  const added = addedTokens(types, (id) => tokens[id]!);
  return { json, added, vocabulary: readScores(metadata, tokens, types) };
}

function readScores(
  metadata: Metadata,
  tokens: readonly string[],
  types: ArrayLike<number>,
): ModelVocabulary {
  const scores = optionalNumbers(metadata, 'tokenizer.ggml.scores', tokens.length);
  if (!scores) {
    throw new FormatError(
      'tokenizer.ggml.scores: got nothing, expected one score per token, which a llama tokenizer needs. Download the model again.',
    );
  }
  const ids = modelVocabulary(tokens, types);
  const runs = addSpaceRuns(tokens, types, ids);
  const unknownId = optionalId(metadata, 'tokenizer.ggml.unknown_token_id', tokens.length);
  const unknown = tokens.find((_, id) => types[id] === tokenType.unknown) ?? tokens[unknownId ?? -1];
  return {
    model: {
      type: 'BPE',
      merges: [],
      unk_token: unknown ?? null,
      fuse_unk: true,
      byte_fallback: true,
    },
    size: tokens.length,
    token: (id) => tokens[id],
    ids,
    ranks: new ScoreRanks(ids, (id) => (runs.has(id) ? Infinity : scores[id]!)),
  };
}

/** Converters write user-defined runs of U+2581 as spaces; the vocabulary has them as runs of U+2581. */
function unescapeRuns({ tokens, types }: GgufVocabulary): string[] {
  const taken = new Set(tokens);
  return tokens.map((token, id) => {
    if (types[id] !== tokenType.userDefined || !token.includes(' ')) return token;
    const marked = token.replaceAll(' ', mark);
    return taken.has(marked) ? token : marked;
  });
}

/**
 * Puts user-defined runs of spaces into the vocabulary and returns their ids. Text never holds U+2581 until it is
 * normalised, so these tokens are found by merging. They come before all other merges, as SentencePiece takes
 * user-defined pieces first; the scores that converters write for them mean nothing.
 */
function addSpaceRuns(
  tokens: readonly string[],
  types: ArrayLike<number>,
  ids: Map<string, number>,
): Set<number> {
  const runs = new Set<number>();
  for (let id = 0; id < tokens.length; id++) {
    const token = tokens[id]!;
    if (types[id] !== tokenType.userDefined || !/^\u2581+$/.test(token)) continue;
    ids.set(token, id);
    runs.add(id);
  }
  return runs;
}
