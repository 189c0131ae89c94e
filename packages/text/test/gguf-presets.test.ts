/** What a GGUF file's pre-tokenizer name stands for besides its patterns. */

import { describe, expect, it } from 'vitest';
import { tokenizerFromGguf, type MetadataLike } from '../src/index.ts';

/** `abc` is a token that no merge makes. */
function encode(pre: string | undefined, text: string, changes: Record<string, MetadataLike> = {}) {
  const metadata = new Map<string, MetadataLike>([
    ['tokenizer.ggml.model', 'gpt2'],
    ['tokenizer.ggml.tokens', ['a', 'b', 'c', 'abc', '<s>', 'Ã', '©', 'e', 'Ì', 'ģ', '1', 'Ã©']],
    ['tokenizer.ggml.token_type', [1, 1, 1, 1, 3, 1, 1, 1, 1, 1, 1, 1]],
    ['tokenizer.ggml.merges', ['Ã ©']],
    ['tokenizer.ggml.bos_token_id', 4],
    ['tokenizer.ggml.eos_token_id', 4],
    ...Object.entries(changes),
  ]);
  if (pre !== undefined) metadata.set('tokenizer.ggml.pre', pre);
  return tokenizerFromGguf(metadata).encode(text);
}

describe('GGUF pre-tokenizer names', () => {
  it('take whole words before merges where the model does', () => {
    expect(encode('gpt-2', 'abc')).toEqual([0, 1, 2]);
    expect(encode('llama-bpe', 'abc')).toEqual([4, 3]);
    expect(encode('tekken', 'abc')).toEqual([4, 3]);
  });

  it('put bos in front where the model does and the file does not say', () => {
    expect(encode('llama-bpe', 'abc', { 'tokenizer.ggml.add_bos_token': false })).toEqual([3]);
    expect(encode('qwen2', 'a')).toEqual([0]);
    expect(encode('roberta-bpe', 'a')).toEqual([0, 4]);
  });

  it('compose characters where the model does', () => {
    const decomposed = 'e\u0301';
    expect(encode('qwen2', decomposed)).toEqual([11]);
    expect(encode('gpt-2', decomposed)).toEqual([7, 8, 9]);
  });

  it('stand in for a missing name', () => {
    expect(encode(undefined, 'abc1')).toEqual([0, 1, 2, 10]);
  });
});
