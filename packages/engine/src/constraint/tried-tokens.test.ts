/** Tokens tried before a mask is computed: the same answers as by exact masks, and never one that does not fit. */

import { describe, expect, it } from 'vitest';
import { uniformAt } from '../sampler/counter-random.ts';
import { Sampler } from '../sampler/sampler.ts';
import { SamplerScratch } from '../sampler/scratch.ts';
import type { SamplingOptions } from '../types.ts';
import { WordTokenizer } from '../word-tokenizer.ts';
import type { HeldConstraint } from './constraint.ts';
import { GuideMaker } from './guide-maker.ts';

const VOCAB = 300;
const EOS = 0;
/** Ids of bytes of characters beyond ASCII, which are unlikely here, so that a length is one of characters. */
const [HIGH, WORDS] = [129, 257];
const tokenizer = new WordTokenizer();
for (const word of ['":', '",', 'ab', 'abc', '"}', 'long word']) tokenizer.encode(word);
const maker = new GuideMaker(tokenizer, VOCAB);
const schema = {
  type: 'object',
  properties: { name: { type: 'string', minLength: 45, maxLength: 60 } },
  required: ['name'],
  additionalProperties: false,
};
const counted: HeldConstraint = { type: 'json_schema', schema };

/** What a model of random logits answers, token by token as requests do, and how many tokens were refused. */
async function answer(constraint: HeldConstraint, seed: number, tries: boolean, sampling: SamplingOptions) {
  const guide = await maker.make(constraint, { tries });
  const sampler = new Sampler({ seed, ...sampling }, [], new SamplerScratch(VOCAB));
  const ids: number[] = [];
  let refused = 0;
  for (let step = 0; step < 400 && ids.at(-1) !== EOS; step++) {
    const logits = Float32Array.from({ length: VOCAB }, (_, id) =>
      id >= HIGH && id < WORDS ? -50 : 4 * uniformAt(seed, step * VOCAB + id),
    );
    let id: number;
    for (;;) {
      id = sampler.choose(logits, await guide.mask());
      if (guide.accept(id)) break;
      refused++;
    }
    sampler.take(id);
    ids.push(id);
  }
  guide.dispose();
  return { text: tokenizer.decode(ids.slice(0, -1)), ended: ids.at(-1) === EOS, refused };
}

describe('tokens tried first', () => {
  it('give what exact masks give, greedily, and fit the schema', async () => {
    let refused = 0;
    for (let seed = 1; seed <= 12; seed++) {
      const tried = await answer(counted, seed, true, { temperature: 0 });
      expect(tried).toMatchObject({
        ...(await answer(counted, seed, false, { temperature: 0 })),
        refused: tried.refused,
      });
      expect(tried.ended).toBe(true);
      const { name } = JSON.parse(tried.text) as { name: string };
      expect(Array.from(name).length).toBeGreaterThanOrEqual(45);
      expect(Array.from(name).length).toBeLessThanOrEqual(60);
      refused += tried.refused;
    }
    expect(refused).toBeGreaterThan(0);
  });

  it('fit the schema when they are drawn, the same for the same seed', async () => {
    for (let seed = 1; seed <= 12; seed++) {
      const drawn = await answer(counted, seed, true, { temperature: 1, topP: 0.9 });
      expect(await answer(counted, seed, true, { temperature: 1, topP: 0.9 })).toEqual(drawn);
      expect(drawn.ended).toBe(true);
      const { name } = JSON.parse(drawn.text) as { name: string };
      expect(Array.from(name).length).toBeGreaterThanOrEqual(45);
      expect(Array.from(name).length).toBeLessThanOrEqual(60);
    }
  });

  it('are not tried where a mask is cheap', async () => {
    const cheap: HeldConstraint = { type: 'json_schema', schema: { type: 'string', maxLength: 5 } };
    const guide = await maker.make(cheap, { tries: true });
    const mask = await guide.mask();
    expect(
      Array.from({ length: VOCAB }, (_, id) => (mask[id >> 5]! >>> (id & 31)) & 1).filter(Boolean).length,
    ).toBeLessThan(10);
    guide.dispose();
  });

  it('are words or ends: other special tokens are never among them, and what fails eight times is judged exactly', async () => {
    const guide = await maker.make(counted, { tries: true });
    const first = await guide.mask();
    for (let id = 0; id < VOCAB; id++) {
      if (!tokenizer.isSpecial(id) || tokenizer.eosIds.includes(id)) continue;
      expect((first[id >> 5]! >>> (id & 31)) & 1).toBe(0);
    }
    const wrong = tokenizer.encode('z')[0] as number;
    for (let i = 0; i < 8; i++) expect(guide.accept(wrong)).toBe(false);
    expect(() => guide.accept(wrong)).toThrow(/does not fit/);
    const exact = await guide.mask();
    expect((exact[wrong >> 5]! >>> (wrong & 31)) & 1).toBe(0);
    guide.dispose();
  });
});
