/** Ids and texts against transformers, from tokenizer.json and from GGUF metadata of the same tokenizer. */

import { describe, expect, it } from 'vitest';
import { tokenizerFromGguf, tokenizerFromJson, type Tokenizer } from '../src/index.ts';
import { golden, goldenNames, samples, type Row, type TokenizerGolden } from './goldens.ts';

const others = ['samples', 'pre-tokenizers', 'chat-templates', 'smollm2'];
const names = goldenNames().filter((name) => !others.includes(name));

/** transformers' Unigram finds special tokens in plain text too; ours must not. */
function expectPlain(tokenizer: Tokenizer, text: string, expected: readonly number[], unigram: boolean) {
  const ids = tokenizer.encode(text, { addSpecial: false, parseSpecial: false });
  if (unigram && /<unk>|<\/s>/.test(text)) expect(ids).not.toContain(tokenizer.id('</s>'));
  else expect(ids, JSON.stringify(text)).toEqual(expected);
}

function compare(tokenizer: Tokenizer, texts: readonly string[], rows: readonly Row[], unigram = false) {
  expect(rows.length).toBe(texts.length);
  texts.forEach((text, i) => {
    const [ids, plain, decoded, decodedAll] = rows[i]!;
    const label = JSON.stringify(text);
    expect(tokenizer.encode(text), label).toEqual(ids);
    expectPlain(tokenizer, text, plain ?? ids, unigram);
    expect(tokenizer.decode(ids), label).toBe(decoded);
    expect(tokenizer.decode(ids, { skipSpecial: false }), label).toBe(decodedAll ?? decoded);
  });
}

describe('tokenizers against transformers', () => {
  it.each(names)('%s from tokenizer.json', (name) => {
    const { tokenizer, texts = samples, rows } = golden<TokenizerGolden>(name);
    compare(tokenizerFromJson(tokenizer), texts, rows, name === 'unigram');
  });

  const withGguf = names.filter((name) => golden<TokenizerGolden>(name).gguf);
  it.each(withGguf)('%s from GGUF metadata', (name) => {
    const { gguf, texts = samples, rows } = golden<TokenizerGolden>(name);
    compare(tokenizerFromGguf(new Map(Object.entries(gguf!))), texts, rows);
  });
});

interface PreTokenizerGolden {
  tokenizer: Record<string, unknown> & { model: Record<string, unknown> & { vocab: Record<string, number> } };
  texts: string[];
  presets: Record<
    string,
    { pre_tokenizer: unknown; normalizer: unknown; ignore_merges: boolean; gguf: boolean; ids: number[][] }
  >;
}

describe('pre-tokenizers against transformers', () => {
  const { tokenizer, texts, presets } = golden<PreTokenizerGolden>('pre-tokenizers');
  const expectIds = (made: Tokenizer, ids: number[][]) => {
    texts.forEach((text, i) => expect(made.encode(text), JSON.stringify(text)).toEqual(ids[i]));
  };

  it.each(Object.keys(presets))('%s from tokenizer.json', (name) => {
    const { pre_tokenizer, normalizer, ignore_merges, ids } = presets[name]!;
    expectIds(
      tokenizerFromJson({
        ...tokenizer,
        pre_tokenizer,
        normalizer,
        model: { ...tokenizer.model, ignore_merges },
      }),
      ids,
    );
  });

  it.each(Object.keys(presets).filter((name) => presets[name]!.gguf))('%s by its GGUF name', (name) => {
    const tokens = Object.entries(tokenizer.model.vocab).sort((a, b) => a[1] - b[1]);
    const metadata = new Map<string, string | boolean | string[] | number[]>([
      ['tokenizer.ggml.model', 'gpt2'],
      ['tokenizer.ggml.pre', name],
      ['tokenizer.ggml.tokens', tokens.map(([token]) => token)],
      ['tokenizer.ggml.token_type', tokens.map((_, id) => (id === 0 ? 3 : 1))],
      ['tokenizer.ggml.merges', (tokenizer.model.merges as string[][]).map((merge) => merge.join(' '))],
      ['tokenizer.ggml.add_bos_token', false],
    ]);
    expectIds(tokenizerFromGguf(metadata), presets[name]!.ids);
  });
});
