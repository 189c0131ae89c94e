import { describe, expect, it } from 'vitest';
import { WordTokenizer } from '../word-tokenizer.ts';
import type { OutlinePart } from './constraint.ts';
import { GuideMaker } from './guide-maker.ts';

const EOS = 0;
const tokenizer = new WordTokenizer();
// A guide knows the words that were met before the first.
for (const word of ['1', '2', '4', '7', '!', '|', '|and', 'x', ' x', ' y', ' z', '<a>', '</a>'])
  tokenizer.encode(word);
const maker = new GuideMaker(tokenizer, tokenizer.vocabSize);
const guideOf = (...paths: OutlinePart[][]) => maker.make({ constraint: { type: 'outline', paths } });
const number = { held: { type: 'regex', pattern: '[0-9]+' } } as const;

/** Whether each text may come after the others, token by token; the last may be the end. */
async function takes(guide: Awaited<ReturnType<typeof guideOf>>, ...texts: (string | typeof EOS)[]) {
  for (const text of texts) {
    for (const id of text === EOS ? [EOS] : tokenizer.encode(text)) {
      const mask = await guide.mask();
      if (((mask[id >>> 5] as number) >>> (id & 31)) % 2 === 0) return false;
      guide.accept(id);
    }
  }
  return true;
}

describe('an outline', () => {
  it('takes its parts in order', async () => {
    const path: OutlinePart[] = [
      { literal: '<a>' },
      { until: '</a>' },
      { literal: '\n' },
      number,
      { literal: '!' },
    ];
    expect(await takes(await guideOf(path), '<a>', ' any words ü', '</a>', '\n', '4', '2', '!', EOS)).toBe(
      true,
    );
    expect(await takes(await guideOf(path), '4')).toBe(false);
    expect(await takes(await guideOf(path), '<a>', ' words', EOS)).toBe(false);
    expect(await takes(await guideOf(path), '<a>', '</a>', '\n', 'x')).toBe(false);
    expect(await takes(await guideOf(path), '<a>', '</a>', '\n', '4', EOS)).toBe(false);
    expect(await takes(await guideOf(path), '<a>', '</a>', '\n', '!')).toBe(false);
    expect(await takes(await guideOf(path), '<a>', '</a>', '\n', '4', '!', '4')).toBe(false);
  });

  it('keeps several paths open until one is left', async () => {
    const paths = (): [OutlinePart[], OutlinePart[]] => [
      [{ literal: '<a>' }, { until: '</a>' }, number],
      [number],
    ];
    expect(await takes(await guideOf(...paths()), '7', EOS)).toBe(true);
    expect(await takes(await guideOf(...paths()), '<a>', 'x', '</a>', '7', EOS)).toBe(true);
    expect(await takes(await guideOf(...paths()), '7', '<a>')).toBe(false);
    const shared = [
      [{ literal: '<a> x' }, number],
      [{ literal: '<a> y' }, number],
    ];
    expect(await takes(await guideOf(...shared), '<a>', ' y', '1', EOS)).toBe(true);
    expect(await takes(await guideOf(...shared), '<a>', ' z')).toBe(false);
  });

  it('finds a mark across tokens, and lets no other text come with it', async () => {
    const path = (): OutlinePart[] => [{ until: 'ü|' }, number];
    expect(await takes(await guideOf(path()), 'x', 'ü', '|', '1', EOS)).toBe(true);
    const guide = await guideOf(path());
    expect(await takes(guide, 'ü')).toBe(true);
    expect(await takes(guide, '|and')).toBe(false);
    expect(() => guide.accept(tokenizer.encode('|and')[0] as number)).toThrow(/does not fit/);
  });

  it('leaves free what comes before a mark, ends there if it may, and goes round', async () => {
    const loop: OutlinePart[][] = [
      [{ until: '<a>', mayEnd: true }, number, { literal: '!' }, { again: true }],
      [{ until: '<a>', mayEnd: true }, { literal: '</a>' }],
    ];
    const guide = () => maker.make({ constraint: { type: 'outline', paths: loop, loop } });
    expect(await takes(await guide(), ' x', ' y', EOS)).toBe(true);
    expect(await takes(await guide(), ' x', '<a>', '4', '!', ' y', '<a>', '7', '!', EOS)).toBe(true);
    expect(await takes(await guide(), '<a>', '4', '!', '<a>', '</a>', EOS)).toBe(true);
    expect(await takes(await guide(), ' x', '<a>', 'x')).toBe(false);
    expect(await takes(await guide(), ' x', '<a>', EOS)).toBe(false);
    expect(await takes(await guide(), '<a>', '</a>', ' x')).toBe(false);
  });

  it('refuses what its held parts cannot be held to', async () => {
    await expect(guideOf([{ held: { type: 'regex', pattern: '(?=a)' } }])).rejects.toThrow(/pattern|look/i);
  });
});
