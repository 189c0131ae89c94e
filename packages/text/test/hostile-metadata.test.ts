/** Damaged and malicious tokenizer files: each refusal names the key, nothing else comes out. */

import { FormatError, SteelyardError, UnsupportedError } from '@steelyard/core';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { tokenizerFromGguf, tokenizerFromJson, type MetadataLike } from '../src/index.ts';
import { golden, type TokenizerGolden } from './goldens.ts';

const bpe = golden<TokenizerGolden>('bpe-smollm');
const spm = golden<TokenizerGolden>('spm-llama');

function gguf(base: TokenizerGolden, changes: Record<string, MetadataLike | undefined>) {
  const metadata = new Map(Object.entries(base.gguf!));
  for (const [name, value] of Object.entries(changes)) {
    if (value === undefined) metadata.delete(`tokenizer.ggml.${name}`);
    else metadata.set(`tokenizer.ggml.${name}`, value);
  }
  return () => tokenizerFromGguf(metadata);
}

const tokens = bpe.gguf!['tokenizer.ggml.tokens'] as string[];
const merges = bpe.gguf!['tokenizer.ggml.merges'] as string[];

describe('GGUF metadata', () => {
  it.each<[string, Record<string, MetadataLike | undefined>, RegExp]>([
    ['no tokens', { tokens: undefined }, /tokenizer\.ggml\.tokens: got nothing/],
    ['empty tokens', { tokens: [] }, /tokenizer\.ggml\.tokens/],
    ['tokens that are no list', { tokens: 'abc' }, /tokenizer\.ggml\.tokens/],
    ['a token that is no string', { tokens: ['a', 3] }, /tokenizer\.ggml\.tokens\[1\]/],
    ['a token twice', { tokens: ['a', 'b', 'a'] }, /tokenizer\.ggml\.tokens\[2\]: got "a" a second time/],
    [
      'too few types',
      { token_type: new Int32Array(3) },
      /tokenizer\.ggml\.token_type: got 3 values, expected 900/,
    ],
    ['types that are strings', { token_type: tokens }, /tokenizer\.ggml\.token_type\[0\]/],
    ['no merges', { merges: undefined }, /tokenizer\.ggml\.merges/],
    ['a merge without a space', { merges: ['ab'] }, /tokenizer\.ggml\.merges\[0\]: got "ab"/],
    ['a merge with two spaces', { merges: [...merges, 'a b c'] }, /tokenizer\.ggml\.merges\[\d+\]/],
    ['a merge of unknown tokens', { merges: ['qqqq zzzz'] }, /tokenizer\.ggml\.merges\[0\]: "qqqq"/],
    [
      'bos out of range',
      { bos_token_id: 900 },
      /tokenizer\.ggml\.bos_token_id: got 900, expected a token id from 0 to 899/,
    ],
    ['eos that is no number', { eos_token_id: 'x' }, /tokenizer\.ggml\.eos_token_id/],
    ['a fractional id', { eos_token_id: 1.5 }, /tokenizer\.ggml\.eos_token_id/],
    ['a flag that is no flag', { add_bos_token: 1 }, /tokenizer\.ggml\.add_bos_token/],
    ['no model', { model: undefined }, /tokenizer\.ggml\.model/],
  ])('refuses %s', (_, changes, message) => {
    expect(gguf(bpe, changes)).toThrow(FormatError);
    expect(gguf(bpe, changes)).toThrow(message);
  });

  it('refuses scores that are missing, short or not numbers', () => {
    expect(gguf(spm, { scores: undefined })).toThrow(/tokenizer\.ggml\.scores: got nothing/);
    expect(gguf(spm, { scores: new Float32Array(5) })).toThrow(/tokenizer\.ggml\.scores: got 5 values/);
    const bad = new Float32Array((spm.gguf!['tokenizer.ggml.tokens'] as string[]).length).fill(NaN);
    expect(gguf(spm, { scores: bad })).toThrow(/tokenizer\.ggml\.scores\[0\]: got NaN/);
  });

  it('names an unknown pre-tokenizer and the known ones', () => {
    expect(gguf(bpe, { pre: 'my-own' })).toThrow(UnsupportedError);
    expect(gguf(bpe, { pre: 'my-own' })).toThrow(/"my-own".*deepseek-v3.*llama-bpe.*qwen2.*smollm.*tekken/);
    expect(gguf(bpe, { model: 'rwkv' })).toThrow(/"rwkv" is not supported \(supported: gpt2, llama, bert\)/);
  });

  it('takes typed arrays and tokens named like properties of objects', () => {
    const odd = [
      '__proto__',
      'constructor',
      '<|im_end|>',
      ...tokens.filter((token) => [...token].length === 1),
    ];
    const types = Int32Array.from(odd, (_, id) => (id < 3 ? 4 : 1));
    const tokenizer = gguf(bpe, {
      tokens: odd,
      token_type: types,
      merges: [],
      bos_token_id: undefined,
      eos_token_id: 2,
    })();
    expect(tokenizer.encode('a__proto__constructor')).toEqual([tokenizer.id('a'), 0, 1]);
    expect(tokenizer.eosIds).toEqual([2]);
  });

  it('never fails in another way, whatever a value is', () => {
    const value: fc.Arbitrary<MetadataLike> = fc.oneof(
      fc.string(),
      fc.integer(),
      fc.boolean(),
      fc.bigInt(),
      fc.array(fc.oneof(fc.string(), fc.integer()), { maxLength: 5 }),
      fc.float32Array({ maxLength: 5 }),
    );
    const keys = [
      'tokens',
      'token_type',
      'merges',
      'scores',
      'model',
      'pre',
      'bos_token_id',
      'eos_token_id',
      'add_bos_token',
    ];
    fc.assert(
      fc.property(fc.constantFrom(bpe, spm), fc.constantFrom(...keys), value, (base, key, changed) => {
        try {
          gguf(base, { [key]: changed })().encode('x <|im_end|> y');
        } catch (error) {
          expect(error).toBeInstanceOf(SteelyardError);
        }
      }),
      { numRuns: 150 },
    );
  });
});

describe('tokenizer.json', () => {
  const json = bpe.tokenizer;
  const model = json.model as Record<string, unknown>;

  it.each<[string, Record<string, unknown>, RegExp]>([
    ['no model', { model: undefined }, /model/],
    ['a vocabulary that is no object', { model: { ...model, vocab: 3 } }, /model\.vocab/],
    [
      'an id out of range',
      { model: { ...model, vocab: { a: 1e12 } } },
      /model\.vocab "a": got 1000000000000/,
    ],
    ['a negative id', { model: { ...model, vocab: { a: -1 } } }, /model\.vocab "a"/],
    ['an id twice', { model: { ...model, vocab: { a: 0, b: 0 }, merges: [] } }, /"a" and "b" share the id 0/],
    ['a merge that does not parse', { model: { ...model, merges: [['a']] } }, /model\.merges\[0\]/],
    ['an added token without text', { added_tokens: [{ id: 1 }] }, /added_tokens\[0\]\.content/],
    ['an added token on a taken id', { added_tokens: [{ id: 5, content: 'zz' }] }, /"zz" has the id 5/],
    [
      'a special token that is missing',
      { post_processor: { type: 'BertProcessing', cls: ['[X]', 1], sep: ['[Y]', 2] } },
      /"\[X\]"/,
    ],
  ])('refuses %s', (_, changes, message) => {
    expect(() => tokenizerFromJson({ ...json, ...changes })).toThrow(FormatError);
    expect(() => tokenizerFromJson({ ...json, ...changes })).toThrow(message);
  });

  it.each<[string, Record<string, unknown>]>([
    ['a model', { model: { type: 'Magic', vocab: {} } }],
    ['a decoder', { decoder: { type: 'CTC' } }],
    ['a decoder named like a property of objects', { decoder: { type: 'constructor' } }],
    ['a normalizer', { normalizer: { type: 'toString' } }],
    ['a pre-tokenizer', { pre_tokenizer: { type: 'Magic' } }],
    ['a post-processor', { post_processor: { type: 'Magic' } }],
  ])('says so for %s that it lacks', (_, changes) => {
    expect(() => tokenizerFromJson({ ...json, ...changes })).toThrow(UnsupportedError);
  });
});
