/** Tokens tried before all are judged: the same answers as by exact masks, and never one that does not fit. */

import { describe, expect, it } from 'vitest';
import { uniformAt } from '../sampler/counter-random.ts';
import { Sampler } from '../sampler/sampler.ts';
import { SamplerScratch } from '../sampler/scratch.ts';
import type { SamplingOptions } from '../types.ts';
import { WordTokenizer } from '../word-tokenizer.ts';
import type { Constraint } from './constraint.ts';
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
const counted: Constraint = { type: 'json_schema', schema };

/** What a model of random logits answers, token by token as requests do, and how many tokens were refused. */
async function answer(constraint: Constraint, seed: number, tries: boolean, sampling: SamplingOptions) {
  const guide = await maker.make({ constraint }, { tries });
  const sampler = new Sampler({ seed, ...sampling }, [], new SamplerScratch(VOCAB));
  const ids: number[] = [];
  let refused = 0;
  for (let step = 0; step < 400 && ids.at(-1) !== EOS; step++) {
    const logits = Float32Array.from({ length: VOCAB }, (_, id) =>
      id >= HIGH && id < WORDS ? -50 : 4 * uniformAt(seed, step * VOCAB + id),
    );
    let id: number;
    for (;;) {
      id = sampler.choose(logits, await guide.mask(), guide.tried);
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

  it('are tried within an outline too, beside what may follow', async () => {
    const text: Constraint = { type: 'regex', pattern: '[a-z]{45,60}' };
    const outline: Constraint = {
      type: 'outline',
      paths: [
        [{ literal: 'ab' }, { held: text }, { literal: 'z!' }],
        [{ literal: 'abc' }, { held: counted }],
      ],
    };
    let refused = 0;
    const whole = new Set<boolean>();
    for (let seed = 1; seed <= 12; seed++) {
      const tried = await answer(outline, seed, true, { temperature: 0 });
      const exact = await answer(outline, seed, false, { temperature: 0 });
      expect({ ...tried, refused: 0 }).toEqual(exact);
      expect(tried.ended).toBe(true);
      const first = /^ab[a-z]{45,60}z!$/.test(tried.text);
      if (!first) expect(JSON.parse(tried.text.slice('abc'.length))).toHaveProperty('name');
      whole.add(first);
      refused += tried.refused;
    }
    expect(whole.size).toBe(2);
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

  it('are drawn as often as by exact masks', async () => {
    const one: Constraint = { type: 'regex', pattern: '[b-e]' };
    const logits = Float32Array.from({ length: VOCAB }, (_, id) => 4 * uniformAt(3, id));
    const [few, runs] = [new Map<number, number>(), 4000];
    for (let seed = 0; seed < runs; seed++) {
      const guide = await maker.make({ constraint: one }, { tries: true });
      const sampler = new Sampler({ seed }, [], new SamplerScratch(VOCAB));
      let id: number;
      do id = sampler.choose(logits, await guide.mask(), guide.tried);
      while (!guide.accept(id));
      few.set(id, (few.get(id) ?? 0) + 1);
      guide.dispose();
    }
    const weights = [...few.keys()].map((id) => Math.exp(logits[id] as number));
    const total = weights.reduce((sum, weight) => sum + weight, 0);
    expect(few.size).toBe(4);
    [...few.values()].forEach((count, i) => {
      const expected = (weights[i] as number) / total;
      const deviation = Math.sqrt((expected * (1 - expected)) / runs);
      expect(Math.abs(count / runs - expected)).toBeLessThan(5 * deviation);
    });
  });

  it('are few where few fit: after one, all are judged', async () => {
    const guide = await maker.make({ constraint: { type: 'regex', pattern: '[0-9]+' } }, { tries: true });
    const allowed = async () => {
      const mask = await guide.mask();
      return Array.from({ length: VOCAB }, (_, id) => id).filter((id) => (mask[id >> 5]! >>> (id & 31)) & 1);
    };
    expect((await allowed()).length).toBeGreaterThan(100);
    expect(guide.accept(tokenizer.encode('z')[0] as number)).toBe(false);
    expect((await allowed()).map((id) => tokenizer.decode([id]))).toEqual([...'0123456789']);
    guide.dispose();
  });

  it('are words or ends, no other special tokens; and in the end all are judged, however many', async () => {
    const guide = await maker.make({ constraint: counted }, { tries: true });
    const first = await guide.mask();
    for (let id = 0; id < VOCAB; id++) {
      if (!tokenizer.isSpecial(id) || tokenizer.eosIds.includes(id)) continue;
      expect((first[id >> 5]! >>> (id & 31)) & 1).toBe(0);
    }
    const wrong = tokenizer.encode('z')[0] as number;
    while (guide.tried < 64) expect(guide.accept(wrong)).toBe(false);
    expect(() => guide.accept(wrong)).toThrow(/does not fit/);
    const exact = await guide.mask();
    expect((exact[wrong >> 5]! >>> (wrong & 31)) & 1).toBe(0);
    guide.dispose();
  });
});
