/** The engine over a real graph: batching, chunks, the prefix cache and preemption change no token. */

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import fc from 'fast-check';
import { collect } from './collect.ts';
import { backends, goldenEngine, goldenFolder } from './golden-model.ts';
import { greedy, promptOf } from './toy-engine.ts';

interface GoldenJson {
  readonly vocabSize: number;
  readonly prompts: readonly {
    readonly tokens: readonly number[];
    readonly continuation: readonly number[];
  }[];
}

const golden = JSON.parse(readFileSync(join(goldenFolder, 'golden.json'), 'utf8')) as GoldenJson;

for (const [name, create] of Object.entries(backends)) {
  describe(`on ${name}`, () => {
    const backend = create();
    afterAll(() => backend.dispose());

    it('greedy and seeded answers are the same alone and beside 15 others', async () => {
      const engine = await goldenEngine(backend);
      const seeded = { maxTokens: 10, sampling: { temperature: 1.2, topP: 0.95, seed: 3 } };
      const prompts = Array.from({ length: 16 }, (_, i) => promptOf(i + 1, 2 + 3 * i));
      for (const options of [greedy(10), seeded]) {
        // The prefix cache is warm for the second pass, which must change nothing either.
        const alone = [];
        for (const prompt of prompts) alone.push(await collect(engine.generate(prompt, options)));
        const together = await Promise.all(prompts.map((p) => collect(engine.generate(p, options))));
        expect(together.map(({ tokens }) => tokens)).toEqual(alone.map(({ tokens }) => tokens));
        expect(together.at(-1)?.finish.usage.cachedTokens).toBeGreaterThan(0);
        const cold = await goldenEngine(backend);
        const fresh = await Promise.all(prompts.map((p) => collect(cold.generate(p, options))));
        expect(fresh.map(({ tokens }) => tokens)).toEqual(alone.map(({ tokens }) => tokens));
        await cold.dispose();
      }
      await engine.dispose();
    });

    it('chunks of a prompt, few pages and an f16 cache change nothing but what they must', async () => {
      const prompts = Array.from({ length: 5 }, (_, i) => promptOf(i + 1, 12 + 7 * i));
      const answers = async (options: Parameters<typeof goldenEngine>[1]) => {
        const engine = await goldenEngine(backend, options);
        const all = await Promise.all(prompts.map((prompt) => collect(engine.generate(prompt, greedy(24)))));
        const stats = engine.stats();
        expect(stats.pagesFree + stats.pagesCached).toBe(stats.pagesTotal);
        await engine.dispose();
        return { tokens: all.map(({ tokens }) => tokens), stats };
      };
      const whole = await answers({});
      const chunked = await answers({ maxBatchTokens: 7, maxSequences: 5 });
      expect(chunked.tokens).toEqual(whole.tokens);
      expect(chunked.stats.stepsTotal).toBeGreaterThan(whole.stats.stepsTotal);
      const tight = await answers({ pages: 24, contextLength: 80 });
      expect(tight.tokens).toEqual(whole.tokens);
      expect(tight.stats.preemptionsTotal).toBeGreaterThan(0);
      expect(tight.stats.pagesTotal).toBe(24);
      const half = await answers({ kvDType: 'f16' });
      expect(half.tokens.map((tokens) => tokens.length)).toEqual(whole.tokens.map((tokens) => tokens.length));
    });

    it('parallel requests share pages that the same step fills', async () => {
      const prompt = promptOf(9, 41);
      const engine = await goldenEngine(backend);
      const all = await Promise.all([1, 2, 3, 4].map(() => collect(engine.generate(prompt, greedy(12)))));
      expect(all.map(({ finish }) => finish.usage.cachedTokens)).toEqual([0, 40, 40, 40]);
      const alone = await goldenEngine(backend, { maxBatchTokens: 5, maxSequences: 1 });
      const { tokens } = await collect(alone.generate(prompt, greedy(12)));
      for (const result of all) expect(result.tokens).toEqual(tokens);
      await engine.dispose();
      await alone.dispose();
    });

    it('greedy answers of a recurrent model do not depend on the batch, its chunks nor its pages', async () => {
      const golden = 'jamba/mixed';
      const engine = await goldenEngine(backend, { golden });
      const request = fc.record({
        seed: fc.integer({ min: 1, max: 9 }),
        length: fc.integer({ min: 1, max: 40 }),
      });
      const limits = fc.record({
        maxBatchTokens: fc.integer({ min: 4, max: 60 }),
        maxSequences: fc.integer({ min: 1, max: 4 }),
        pages: fc.integer({ min: 16, max: 40 }),
      });
      let preemptions = 0;
      await fc.assert(
        fc.asyncProperty(
          fc.array(request, { minLength: 2, maxLength: 5 }),
          limits,
          async (requests, limit) => {
            const batched = await goldenEngine(backend, { golden, contextLength: 64, ...limit });
            const answer = (from: typeof engine, { seed, length }: { seed: number; length: number }) =>
              collect(from.generate(promptOf(seed, length), greedy(12)));
            const together = await Promise.all(requests.map((wanted) => answer(batched, wanted)));
            for (const [i, { tokens, finish }] of together.entries()) {
              expect(tokens).toEqual((await answer(engine, requests[i] as (typeof requests)[0])).tokens);
              expect(finish.usage.cachedTokens).toBe(0);
            }
            preemptions += batched.stats().preemptionsTotal;
            await batched.dispose();
          },
        ),
        { numRuns: 8, seed: 5 },
      );
      expect(preemptions).toBeGreaterThan(0);
      await engine.dispose();
    });

    it("a prompt's log-probabilities are those of transformers", async () => {
      const engine = await goldenEngine(backend);
      const bytes = readFileSync(join(goldenFolder, 'logits.f32'));
      const logits = new Float32Array(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length));
      let at = 0;
      for (const { tokens, continuation } of golden.prompts) {
        const options = { maxTokens: 0, promptLogprobs: true };
        const { promptLogprobs } = await collect(engine.generate(tokens, options));
        promptLogprobs.forEach(({ id, logprob }, i) => {
          const row = logits.subarray(at + i * golden.vocabSize, at + (i + 1) * golden.vocabSize);
          const total = row.reduce((sum, x) => sum + Math.exp(x), 0);
          expect(id).toBe(tokens[i + 1]);
          expect(logprob).toBeCloseTo((row[id] as number) - Math.log(total), 3);
        });
        at += (tokens.length + continuation.length) * golden.vocabSize;
      }
      expect(at).toBe(logits.length);
      await engine.dispose();
    });
  });
}
