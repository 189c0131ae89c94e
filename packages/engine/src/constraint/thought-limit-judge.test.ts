import type { ReplyFormat } from '@steelyard/text';
import { describe, expect, it } from 'vitest';
import { WordTokenizer } from '../word-tokenizer.ts';
import type { Constraint } from './constraint.ts';
import type { Guide } from './guide.ts';
import { GuideMaker } from './guide-maker.ts';

const tokenizer = new WordTokenizer();
for (const word of ['<think>', '</think>', '\n\n', ' a', ' b', ' c', '7', 'x']) tokenizer.encode(word);
const maker = new GuideMaker(tokenizer, tokenizer.vocabSize);
const reply: ReplyFormat = {
  sections: [{ kind: 'reasoning', open: '<think>', close: '</think>' }],
  single: true,
};
const close = { close: '</think>', then: '\n\n' };
const limited = (tokens: number, prompt = 'user:', constraint?: Constraint) =>
  maker.make({ constraint, limit: { tokens, ...close, prompt: tokenizer.encode(prompt), reply } });

/** What may come next: the only text, or how many. */
async function next(guide: Guide): Promise<string | number> {
  const mask = await guide.mask();
  const ids = Array.from({ length: tokenizer.vocabSize }, (_, id) => id).filter(
    (id) => ((mask[id >>> 5] as number) >>> (id & 31)) % 2 !== 0,
  );
  return ids.length === 1 ? tokenizer.decode(ids) : ids.length;
}

function say(guide: Guide, ...texts: string[]): void {
  for (const text of texts) for (const id of tokenizer.encode(text)) guide.accept(id);
}

describe('a limit of thoughts', () => {
  it('makes the model come to its answer, then leaves it alone', async () => {
    const guide = await limited(3);
    expect(await next(guide)).toBe(tokenizer.vocabSize);
    say(guide, '<think>', ' a');
    expect(await next(guide)).toBe(tokenizer.vocabSize);
    say(guide, ' b');
    expect(await next(guide)).toBe('</think>');
    expect(() => say(guide, ' c')).toThrow(/does not fit/);
    say(guide, '</think>');
    expect(await next(guide)).toBe('\n\n');
    say(guide, '\n\n', ' a', ' b', ' c');
    expect(await next(guide)).toBe(tokenizer.vocabSize);
  });

  it('ends thoughts that the prompt has opened at once where none are wanted', async () => {
    expect(await next(await limited(0, 'assistant: <think>'))).toBe('</think>');
    expect(await next(await limited(0, 'assistant:'))).toBe(tokenizer.vocabSize);
  });

  it('leaves an answer without thoughts, and short ones, as they are', async () => {
    const guide = await limited(2);
    say(guide, ' a', ' b', ' c');
    expect(await next(guide)).toBe(tokenizer.vocabSize);
    const short = await limited(9);
    say(short, '<think>', ' a', '</think>', '\n\n', ' b');
    expect(await next(short)).toBe(tokenizer.vocabSize);
  });

  it('goes together with what the answer is held to', async () => {
    const constraint: Constraint = {
      type: 'outline',
      paths: [
        [
          { literal: '<think>' },
          { until: '</think>' },
          { literal: '\n\n' },
          { held: { type: 'regex', pattern: '7' } },
        ],
      ],
    };
    const guide = await limited(2, 'user:', constraint);
    say(guide, '<think>', ' a');
    expect(await next(guide)).toBe('</think>');
    say(guide, '</think>', '\n\n');
    // As a word and as a byte.
    expect(await next(guide)).toBe(2);
    expect(() => say(guide, 'x')).toThrow(/does not fit/);
    guide.dispose();
  });
});
