import { describe, expect, it } from 'vitest';
import { tokenizerFromGguf } from './tokenizer-from-gguf.ts';

/** A vocabulary of `[UNK]`, `[CLS]`, `[SEP]` and the words given; ids follow. */
function encode(words: readonly string[], text: string, more: Record<string, boolean> = {}): number[] {
  const tokens = ['[UNK]', '[CLS]', '[SEP]', ...words];
  const metadata = new Map<string, string | number | boolean | string[] | Int32Array>([
    ['tokenizer.ggml.model', 'bert'],
    ['tokenizer.ggml.tokens', tokens],
    ['tokenizer.ggml.token_type', Int32Array.from(tokens, (_, i) => (i < 3 ? 3 : 1))],
    ['tokenizer.ggml.unknown_token_id', 0],
    ['tokenizer.ggml.bos_token_id', 1],
    ['tokenizer.ggml.seperator_token_id', 2],
    ...Object.entries(more),
  ]);
  return tokenizerFromGguf(metadata).encode(text);
}

describe('WordPiece of GGUF', () => {
  it('drops case when the vocabulary has none, whatever letters it has that know no case', () => {
    expect(encode(['\u2581a', '\u2581man', '\u2581\u211d', 's'], 'A Mans \u211d')).toEqual([
      1, 3, 4, 6, 5, 2,
    ]);
    expect(encode(['\u2581a', '\u2581A'], 'A a')).toEqual([1, 4, 3, 2]);
  });

  it('does as the file says, where it says', () => {
    const key = 'tokenizer.ggml.normalizer.lowercase';
    expect(encode(['\u2581a', '\u2581A'], 'A', { [key]: true })).toEqual([1, 3, 2]);
    expect(encode(['\u2581a'], 'A', { [key]: false })).toEqual([1, 0, 2]);
  });
});
