/**
 * SentencePiece BPE (`tokenizer.ggml.model` = llama) as a tokenizer.json. The file has scores instead of merges;
 * merges are made from them as transformers does when it converts such a model.
 * @see https://github.com/google/sentencepiece
 */

import { addedTokens, modelVocabulary } from './gguf-bpe.ts';
import { FormatError } from '@steelyard/core';
import { optionalNumbers, tokenType, type GgufVocabulary, type Metadata } from './gguf-metadata.ts';
import type { Json } from './json-access.ts';

const mark = '\u2581';

/** `spacePrefix` puts a space before every piece of text, as Llama 2 does and Gemma does not. */
export function sentencePieceJson(metadata: Metadata, file: GgufVocabulary, spacePrefix: boolean): Json {
  const scores = optionalNumbers(metadata, 'tokenizer.ggml.scores', file.tokens.length);
  if (!scores) {
    throw new FormatError(
      'tokenizer.ggml.scores: got nothing, expected one score per token, which a llama tokenizer needs. Download the model again.',
    );
  }
  const vocabulary = { ...file, tokens: unescapeRuns(file) };
  const vocab = modelVocabulary(vocabulary);
  const runs = addSpaceRuns(vocabulary, vocab);
  const unknown = vocabulary.tokens.find((_, id) => vocabulary.types[id] === tokenType.unknown);
  const replace: Json = { type: 'Replace', pattern: { String: ' ' }, content: mark };
  const decoders: Json[] = [
    { type: 'Replace', pattern: { String: mark }, content: ' ' },
    { type: 'ByteFallback' },
    { type: 'Fuse' },
  ];
  if (spacePrefix) decoders.push({ type: 'Strip', content: ' ', start: 1, stop: 0 });
  return {
    added_tokens: addedTokens(vocabulary),
    normalizer: spacePrefix
      ? { type: 'Sequence', normalizers: [{ type: 'Prepend', prepend: mark }, replace] }
      : replace,
    pre_tokenizer: null,
    decoder: { type: 'Sequence', decoders },
    model: {
      type: 'BPE',
      vocab,
      merges: mergesFromScores(vocab, (id) => (runs.has(id) ? Infinity : scores[id]!)),
      unk_token: unknown ?? null,
      fuse_unk: true,
      byte_fallback: true,
    },
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
function addSpaceRuns({ tokens, types }: GgufVocabulary, vocab: Record<string, number>): Set<number> {
  const runs = new Set<number>();
  for (let id = 0; id < tokens.length; id++) {
    const token = tokens[id]!;
    if (types[id] !== tokenType.userDefined || !/^\u2581+$/.test(token)) continue;
    vocab[token] = id;
    runs.add(id);
  }
  return runs;
}

/** Every way to cut a token into two known tokens, best score first; ties keep the order of the vocabulary. */
function mergesFromScores(
  vocab: Record<string, number>,
  scoreOf: (id: number) => number,
): [string, string][] {
  const merges: { pair: [string, string]; score: number }[] = [];
  for (const token of Object.keys(vocab).sort((a, b) => vocab[a]! - vocab[b]!)) {
    const score = scoreOf(vocab[token]!);
    const local: [string, string][] = [];
    for (let cut = 1; cut < token.length; cut++) {
      const code = token.charCodeAt(cut);
      // Not between the halves of one character.
      if (code >= 0xdc00 && code < 0xe000) continue;
      const left = token.slice(0, cut);
      if (vocab[left] === undefined) continue;
      const right = token.slice(cut);
      if (vocab[right] !== undefined) local.push([left, right]);
    }
    if (local.length > 1) local.sort((a, b) => vocab[a[0]]! - vocab[b[0]]! || vocab[a[1]]! - vocab[b[1]]!);
    for (const pair of local) merges.push({ pair, score });
  }
  return merges.sort((a, b) => (a.score === b.score ? 0 : b.score - a.score)).map(({ pair }) => pair);
}
