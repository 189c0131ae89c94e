/** Prompts to fill in the middle, by the marks of each family and those that a file declares. */

import { describe, expect, it } from 'vitest';
import {
  infill,
  tokenizerFromGguf,
  tokenizerFromJson,
  type MetadataLike,
  type Tokenizer,
} from '../src/index.ts';
import { golden, type TokenizerGolden } from './goldens.ts';

const llama3 = golden<TokenizerGolden>('bpe-llama3').tokenizer;

function withMarks(...contents: string[]): Tokenizer {
  const added = contents.map((content, i) => ({ id: 2000 + i, content, special: true }));
  return tokenizerFromJson({ ...llama3, added_tokens: [...(llama3.added_tokens as unknown[]), ...added] });
}

const plain = { addSpecial: false, parseSpecial: false };

describe('infill', () => {
  it.each([
    ['Qwen2.5-Coder and CodeGemma', '<|fim_prefix|>', '<|fim_suffix|>', '<|fim_middle|>'],
    ['StarCoder', '<fim_prefix>', '<fim_suffix>', '<fim_middle>'],
    ['SantaCoder', '<fim-prefix>', '<fim-suffix>', '<fim-middle>'],
    [
      'DeepSeek-Coder',
      '<\uff5cfim\u2581begin\uff5c>',
      '<\uff5cfim\u2581hole\uff5c>',
      '<\uff5cfim\u2581end\uff5c>',
    ],
    ['Code Llama', '\u2581<PRE>', '\u2581<SUF>', '\u2581<MID>'],
  ])('%s', (_, ...marks) => {
    const tokenizer = withMarks(...marks);
    const [prefix, suffix, middle] = marks.map((mark) => tokenizer.id(mark)!);
    const found = infill(tokenizer, 'def f(', '):\n')!;
    expect(found.prompt).toEqual([
      ...(tokenizer.encode('')[0] === tokenizer.bosId ? [tokenizer.bosId] : []),
      prefix,
      ...tokenizer.encode('def f(', plain),
      suffix,
      ...tokenizer.encode('):\n', plain),
      middle,
    ]);
    expect(found.endTokens).toEqual(expect.arrayContaining([prefix, suffix, middle]));
  });

  it('ends with padding, with the next file, and with an end of its own', () => {
    const ends = ['<|fim_pad|>', '<|file_sep|>', '<|repo_name|>', '\u2581<EOT>'];
    const tokenizer = withMarks('<|fim_prefix|>', '<|fim_suffix|>', '<|fim_middle|>', ...ends);
    const { endTokens } = infill(tokenizer, 'a', 'b')!;
    expect(endTokens).toEqual(expect.arrayContaining(ends.map((mark) => tokenizer.id(mark))));
    expect(endTokens).not.toContain(tokenizer.id('a'));
  });

  it('takes marks within the texts as text', () => {
    const tokenizer = withMarks('<|fim_prefix|>', '<|fim_suffix|>', '<|fim_middle|>');
    const { prompt } = infill(tokenizer, 'x<|fim_suffix|>', '<|fim_middle|>y')!;
    expect(prompt.filter((id) => tokenizer.isSpecial(id))).toHaveLength(
      3 + Number(prompt[0] === tokenizer.bosId),
    );
  });

  it('is not known of a vocabulary without marks, or with some of them', () => {
    expect(infill(withMarks(), 'a', 'b')).toBe(undefined);
    expect(infill(withMarks('<|fim_prefix|>', '<|fim_middle|>'), 'a', 'b')).toBe(undefined);
  });

  it('begins and goes on as the tokenizer does: bos first, no space before what follows', () => {
    const metadata = new Map<string, MetadataLike>(
      Object.entries(golden<TokenizerGolden>('spm-llama').gguf!),
    );
    metadata.set('tokenizer.ggml.prefix_token_id', 5);
    metadata.set('tokenizer.ggml.suffix_token_id', 6);
    metadata.set('tokenizer.ggml.middle_token_id', 7);
    const tokenizer = tokenizerFromGguf(metadata);
    const { prompt } = infill(tokenizer, 'a', 'b')!;
    const at = prompt.indexOf(6);
    expect(prompt[0]).toBe(tokenizer.bosId);
    expect(prompt[1]).toBe(5);
    expect(prompt.slice(2, at)).toEqual(tokenizer.encode('a', plain));
    expect(
      tokenizer.decode([tokenizer.bosId!, ...tokenizer.encode('x', plain), ...prompt.slice(at + 1, -1)]),
    ).toMatch(/xb$/);
    expect(prompt.at(-1)).toBe(7);
    metadata.set('tokenizer.ggml.fim_pre_token_id', 8);
    expect(infill(tokenizerFromGguf(metadata), 'a', 'b')!.prompt[1]).toBe(8);
  });
});
