/**
 * Random requests, arrivals, aborts and limits, with guesses at next tokens: every answer is the one given alone and
 * without guesses, and no page is lost.
 */

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { collect } from './collect.ts';
import { promptOf, toyEngine } from './toy-engine.ts';
import type { ToyOptions } from './toy-model.ts';

const CONTEXT = 48;

const request = fc.record({
  /** Few families of prompts, so that prefixes are shared. */
  family: fc.integer({ min: 0, max: 2 }),
  length: fc.integer({ min: 1, max: CONTEXT - 1 }),
  maxTokens: fc.integer({ min: 0, max: 20 }),
  temperature: fc.constantFrom(0, 0.9),
  /** Steps after which it arrives. */
  arrival: fc.integer({ min: 0, max: 12 }),
  /** Events after which the reader leaves; 0 never. */
  leaves: fc.constantFrom(0, 0, 0, 1, 3),
  promptLogprobs: fc.boolean(),
  prediction: fc.constantFrom('', '', 'ABCDEFGHIJ'),
});

const limits = fc.record({
  pages: fc.integer({ min: CONTEXT / 4, max: 30 }),
  maxBatchTokens: fc.integer({ min: 6, max: 40 }),
  maxSequences: fc.integer({ min: 1, max: 6 }),
});

type Request = typeof request extends fc.Arbitrary<infer T> ? T : never;

const optionsOf = ({ maxTokens, temperature, promptLogprobs, family }: Request) => ({
  maxTokens,
  promptLogprobs,
  sampling: { temperature, seed: family, topK: 20 },
});

async function alone(wanted: Request, options: ToyOptions) {
  const { engine } = await toyEngine({ contextLength: CONTEXT, ...options, speculation: false });
  return collect(engine.generate(promptOf(wanted.family, wanted.length), optionsOf(wanted)));
}

describe.each([
  ['a model with a cache', {}],
  ['a model that repeats itself', { reach: 2 }],
  ['a model with a recurrent state', { recurrent: true, reach: 2 }],
])('%s', (_, options: ToyOptions) => {
  it('answers as if alone and loses no page', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(request, { minLength: 1, maxLength: 8 }), limits, async (requests, limit) => {
        const toy = await toyEngine({ contextLength: CONTEXT, ...options, ...limit });
        const results = requests.map(async (wanted) => {
          for (let i = 0; i < wanted.arrival; i++) await Promise.resolve();
          const given = { ...optionsOf(wanted), ...(wanted.prediction && { prediction: wanted.prediction }) };
          const stream = toy.engine.generate(promptOf(wanted.family, wanted.length), given);
          if (wanted.leaves === 0) return collect(stream);
          for (let i = 0; i < wanted.leaves; i++) await stream.next();
          await stream.return?.();
          return undefined;
        });
        for (const [i, result] of (await Promise.all(results)).entries()) {
          if (!result) continue;
          const expected = await alone(requests[i] as Request, options);
          expect(result.tokens).toEqual(expected.tokens);
          expect(result.finish.reason).toBe(expected.finish.reason);
          expect(result.promptLogprobs).toEqual(expected.promptLogprobs);
          if (options.recurrent) expect(result.finish.usage.cachedTokens).toBe(0);
        }
        const { running, waiting, pagesTotal, pagesFree, pagesCached } = toy.engine.stats();
        expect([running, waiting, pagesFree + pagesCached]).toEqual([0, 0, pagesTotal]);
      }),
      { numRuns: 60 },
    );
  });
});
