/** Which tokens are special, which end a generation, and that plain text never becomes one. */

import { describe, expect, it } from 'vitest';
import { tokenizerFromGguf, tokenizerFromJson, type MetadataLike } from '../src/index.ts';
import { golden, type TokenizerGolden } from './goldens.ts';

const llama3 = golden<TokenizerGolden>('bpe-llama3');
const smollm = golden<TokenizerGolden>('bpe-smollm');

function withTokens(...contents: string[]) {
  const added = contents.map((content, i) => ({ id: 2000 + i, content, special: true }));
  const base = llama3.tokenizer;
  return { ...base, added_tokens: [...(base.added_tokens as unknown[]), ...added] };
}

describe('special tokens', () => {
  const tokenizer = tokenizerFromJson(llama3.tokenizer, {
    bos_token: '<|endoftext|>',
    eos_token: { content: '<|im_end|>' },
  });

  it('are told from other added tokens', () => {
    expect(tokenizer.isSpecial(tokenizer.id('<|im_end|>')!)).toBe(true);
    expect(tokenizer.isSpecial(tokenizer.id('<think>')!)).toBe(false);
    expect(tokenizer.token(tokenizer.id('<think>')!)).toBe('<think>');
    expect(new TextDecoder().decode(tokenizer.bytes(tokenizer.id('<|im_end|>')!))).toBe('<|im_end|>');
    expect(tokenizer.token(tokenizer.vocabSize)).toBeUndefined();
    expect(tokenizer.bytes(tokenizer.vocabSize)).toHaveLength(0);
  });

  it('stay text where text is plain, and other added tokens stay tokens', () => {
    const ids = tokenizer.encode('<|im_end|><think>', { addSpecial: false, parseSpecial: false });
    expect(ids.some((id) => tokenizer.isSpecial(id))).toBe(false);
    expect(ids.at(-1)).toBe(tokenizer.id('<think>'));
    expect(tokenizer.decode(ids)).toBe('<|im_end|><think>');
  });

  it('stay text even where merges or the vocabulary would spell them', () => {
    const vocab = { '<': 0, s: 1, '>': 2, '<s': 3, '<s>': 4 };
    const json = (ignore_merges: boolean) => ({
      added_tokens: [{ id: 4, content: '<s>', special: true }],
      model: {
        type: 'BPE',
        vocab,
        merges: [
          ['<', 's'],
          ['<s', '>'],
        ],
        ignore_merges,
      },
    });
    for (const ignoreMerges of [false, true]) {
      const trap = tokenizerFromJson(json(ignoreMerges));
      expect(trap.encode('<s>')).toEqual([4]);
      expect(trap.encode('<s>', { parseSpecial: false })).toEqual([3, 2]);
    }
  });
});

describe('special tokens of a Unigram vocabulary', () => {
  it('stay text where text is plain, the unknown token too', () => {
    const tokenizer = tokenizerFromJson(golden<TokenizerGolden>('unigram').tokenizer);
    const ids = tokenizer.encode('a</s>b<unk>', { addSpecial: false, parseSpecial: false });
    expect(ids.some((id) => tokenizer.isSpecial(id))).toBe(false);
    expect(tokenizer.decode(ids)).toBe('a</s>b<unk>');
  });
});

describe('end tokens', () => {
  it('come from the configurations', () => {
    const tokenizer = tokenizerFromJson(
      smollm.tokenizer,
      { bos_token: '<|im_start|>', eos_token: '<|im_end|>' },
      { eos_token_id: [5, 2] },
    );
    expect(tokenizer.bosId).toBe(1);
    expect(tokenizer.eosIds).toEqual([0, 2, 5]);
    expect(tokenizerFromJson(smollm.tokenizer, {}, { bos_token_id: 1, eos_token_id: 2 }).bosId).toBe(1);
  });

  it('come from well-known spellings of added tokens', () => {
    const tokenizer = tokenizerFromJson(withTokens('<|eot_id|>', '<end_of_turn>', '<|end|>', '<|user|>'));
    const ends = tokenizer.eosIds.map((id) => tokenizer.token(id));
    expect(ends).toEqual(['<|endoftext|>', '<|im_end|>', '<|eot_id|>', '<end_of_turn>', '<|end|>']);
  });

  it('leave out <|end|> where it only closes a message', () => {
    const tokenizer = tokenizerFromJson(withTokens('<|return|>', '<|call|>', '<|end|>'));
    expect(tokenizer.eosIds).toContain(tokenizer.id('<|return|>'));
    expect(tokenizer.eosIds).toContain(tokenizer.id('<|call|>'));
    expect(tokenizer.eosIds).not.toContain(tokenizer.id('<|end|>'));
  });

  it('come from GGUF metadata', () => {
    const metadata = new Map<string, MetadataLike>(Object.entries(smollm.gguf!));
    expect(tokenizerFromGguf(metadata).eosIds).toEqual([0, 2]);
    metadata.set('tokenizer.ggml.eot_token_id', 7);
    metadata.set('tokenizer.ggml.eom_token_id', 8);
    expect(tokenizerFromGguf(metadata).eosIds).toEqual([0, 2, 7, 8]);
  });

  it('are not ids that a file leaves open', () => {
    const metadata = new Map<string, MetadataLike>(Object.entries(smollm.gguf!));
    metadata.set('tokenizer.ggml.eos_token_id', 0xffff_ffff);
    expect(tokenizerFromGguf(metadata).eosIds).toEqual([0, 2]);
  });
});

describe('tokens around a text', () => {
  it('follow the flags of GGUF metadata', () => {
    const ids = (changes: Record<string, MetadataLike>) => {
      const metadata = new Map<string, MetadataLike>([
        ...Object.entries(smollm.gguf!),
        ...Object.entries(changes),
      ]);
      return tokenizerFromGguf(metadata).encode('');
    };
    expect(ids({})).toEqual([]);
    expect(ids({ 'tokenizer.ggml.add_bos_token': true })).toEqual([1]);
    expect(ids({ 'tokenizer.ggml.add_bos_token': true, 'tokenizer.ggml.add_eos_token': true })).toEqual([
      1, 2,
    ]);
    expect(ids({ 'tokenizer.ggml.add_sep_token': true })).toEqual([2]);
  });

  it('can be left out', () => {
    const tokenizer = tokenizerFromJson(llama3.tokenizer);
    expect(tokenizer.encode('hi')[0]).toBe(0);
    expect(tokenizer.encode('hi', { addSpecial: false })).toEqual(tokenizer.encode('hi').slice(1));
  });
});
