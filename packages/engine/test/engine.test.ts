import { CapacityError, RequestError } from '@steelyard/core';
import { describe, expect, it } from 'vitest';
import type { Engine } from '../src/engine.ts';
import { collect } from './collect.ts';
import { greedy, promptOf, toyEngine } from './toy-engine.ts';
import { toyLogits, VOCAB } from './toy-model.ts';

const argmax = (row: Float32Array): number => row.indexOf(Math.max(...row));

/** What greedy decoding must answer, computed without any engine. */
function expectedGreedy(prompt: readonly number[], count: number): number[] {
  const tokens = [...prompt];
  for (let i = 0; i < count; i++) tokens.push(argmax(toyLogits(tokens)));
  return tokens.slice(prompt.length);
}

/** Nothing runs, and every page is free or kept only for reuse. */
function expectIdle(engine: Engine): void {
  const { running, waiting, pagesTotal, pagesFree, pagesCached } = engine.stats();
  expect({ running, waiting, held: pagesTotal - pagesFree - pagesCached }).toEqual({
    running: 0,
    waiting: 0,
    held: 0,
  });
}

describe('answers', () => {
  it('are those of the model, with usage and timing', async () => {
    const { engine } = await toyEngine();
    const prompt = promptOf(1, 11);
    const { tokens, text, finish } = await collect(engine.generate(prompt, greedy(9)));
    expect(tokens).toEqual(expectedGreedy(prompt, 9));
    expect(text).toBe(tokens.map((id) => String.fromCharCode(32 + id)).join(''));
    expect(finish.reason).toBe('length');
    expect(finish.usage).toEqual({ promptTokens: 11, cachedTokens: 0, completionTokens: 9 });
    for (const ms of Object.values(finish.timing)) expect(ms).toBeGreaterThanOrEqual(0);
    expect(engine.stats()).toMatchObject({ promptTokensTotal: 11, completionTokensTotal: 9, stepsTotal: 9 });
    expectIdle(engine);
  });

  it('are the same alone and beside 15 others, greedy and with a seed', async () => {
    const sampled = { maxTokens: 12, sampling: { temperature: 1.3, topP: 0.9, seed: 42 } };
    for (const options of [greedy(12), sampled]) {
      const alone = await toyEngine();
      const single = await collect(alone.engine.generate(promptOf(3, 21), options));
      const { engine } = await toyEngine();
      const others = Array.from({ length: 15 }, (_, i) =>
        collect(engine.generate(promptOf(i + 10, 3 + i * 2), { ...options, maxTokens: 5 + i })),
      );
      const together = await collect(engine.generate(promptOf(3, 21), options));
      await Promise.all(others);
      expect(together.tokens).toEqual(single.tokens);
      expectIdle(engine);
    }
  });

  it('are the same whole or in chunks, and a decoding request goes on beside a long prompt', async () => {
    const prompt = promptOf(5, 90);
    const { engine, steps } = await toyEngine({ maxBatchTokens: 8, maxSequences: 4 });
    const short = engine.generate(promptOf(2, 2), greedy(30));
    await short.next();
    const long = collect(engine.generate(prompt, greedy(6)));
    expect((await long).tokens).toEqual(expectedGreedy(prompt, 6));
    await collect(short);
    // Each step of the long prompt also decodes the short one.
    expect(steps.filter(({ dims }) => dims['T'] === 8 && dims['S'] === 2).length).toBeGreaterThan(8);
    expectIdle(engine);
  });

  it('end at end tokens unless told to go on', async () => {
    const prompt = promptOf(7, 5);
    const answer = expectedGreedy(prompt, 6);
    const end = answer[3] as number;
    const first = answer.indexOf(end);
    const { engine } = await toyEngine({ eosIds: [end] });
    const ended = await collect(engine.generate(prompt, greedy(6)));
    expect(ended.tokens).toEqual(answer.slice(0, first));
    expect(ended.finish).toMatchObject({ reason: 'stop', usage: { completionTokens: first + 1 } });
    const onward = await collect(engine.generate(prompt, { ...greedy(6), ignoreEos: true }));
    expect(onward.tokens).toEqual(answer);
  });

  it('end at a stop string across tokens, which is not shown', async () => {
    const { engine } = await toyEngine();
    const prompt = promptOf(8, 6);
    const { text } = await collect(engine.generate(prompt, greedy(10)));
    const stop = text.slice(4, 7);
    const cut = text.indexOf(stop);
    const stopped = await collect(engine.generate(prompt, { ...greedy(10), stop: ['never', stop] }));
    expect(stopped.text).toBe(text.slice(0, cut));
    expect(stopped.finish).toMatchObject({ reason: 'stop', stop, usage: { completionTokens: cut + 3 } });
    expect(stopped.tokens).toHaveLength(cut);
  });

  it('fill the context and end there', async () => {
    const { engine } = await toyEngine({ contextLength: 20 });
    const { finish } = await collect(engine.generate(promptOf(1, 17), { sampling: { temperature: 0 } }));
    expect(finish).toMatchObject({ reason: 'length', usage: { completionTokens: 3 } });
    await expect(collect(engine.generate(promptOf(1, 20)))).rejects.toThrow(CapacityError);
    await expect(collect(engine.generate(promptOf(1, 20)))).rejects.toThrow(/20 tokens.*context of 20/);
    expectIdle(engine);
  });
});

describe('log-probabilities', () => {
  const logSoftmax = (row: Float32Array): number[] => {
    const total = Math.log([...row].reduce((sum, x) => sum + Math.exp(x), 0));
    return [...row].map((x) => x - total);
  };

  it('are of the raw logits, with alternatives, whatever the temperature', async () => {
    const { engine } = await toyEngine();
    const prompt = promptOf(9, 5);
    const options = { maxTokens: 6, logprobs: 3, sampling: { temperature: 1.7, topK: 5, seed: 1 } };
    const { tokens, logprobs } = await collect(engine.generate(prompt, options));
    expect(logprobs.map(({ id }) => id)).toEqual(tokens);
    logprobs.forEach(({ id, logprob, top, text }, i) => {
      const all = logSoftmax(toyLogits([...prompt, ...tokens.slice(0, i)]));
      expect(logprob).toBeCloseTo(all[id] as number, 5);
      expect(text).toBe(String.fromCharCode(32 + id));
      const best = all.map((value, at) => ({ value, at })).sort((a, b) => b.value - a.value);
      expect(top.map((t) => t.id)).toEqual(best.slice(0, 3).map(({ at }) => at));
    });
  });

  it('of the prompt come first, also in chunks and beside others', async () => {
    const prompt = promptOf(4, 40);
    const { engine } = await toyEngine({ maxBatchTokens: 16, maxSequences: 4, pages: 16, contextLength: 64 });
    const others = [1, 2].map((i) => collect(engine.generate(promptOf(i, 9), greedy(15))));
    const options = { ...greedy(4), promptLogprobs: true, logprobs: 0 };
    const { events, promptLogprobs, tokens } = await collect(engine.generate(prompt, options));
    await Promise.all(others);
    expect(events[0]?.type).toBe('promptLogprobs');
    expect(promptLogprobs.map(({ id }) => id)).toEqual(prompt.slice(1));
    promptLogprobs.forEach(({ id, logprob }, i) => {
      expect(logprob).toBeCloseTo(logSoftmax(toyLogits(prompt.slice(0, i + 1)))[id] as number, 5);
    });
    expect(tokens).toEqual(expectedGreedy(prompt, 4));
  });

  it('of the prompt alone need no answer', async () => {
    const { engine } = await toyEngine();
    const scored = await collect(engine.generate(promptOf(4, 9), { maxTokens: 0, promptLogprobs: true }));
    expect(scored.promptLogprobs).toHaveLength(8);
    expect(scored.finish).toMatchObject({ reason: 'length', usage: { completionTokens: 0 } });
    expectIdle(engine);
  });
});

describe('prefix cache', () => {
  it('gives the same answer for less work and reports it', async () => {
    const { engine, steps } = await toyEngine({ pageSize: 4 });
    const prompt = promptOf(6, 24);
    const first = await collect(engine.generate(prompt, greedy(7)));
    const before = steps.length;
    const second = await collect(engine.generate(prompt, greedy(7)));
    expect(second.tokens).toEqual(first.tokens);
    // At least one token is computed, so of 24 tokens 5 pages of 4 can be reused.
    expect(second.finish.usage.cachedTokens).toBe(20);
    expect(steps[before]?.dims['T']).toBe(4);
    const longer = [...prompt, ...first.tokens.slice(0, 5), 3];
    const third = await collect(engine.generate(longer, greedy(3)));
    expect(third.finish.usage.cachedTokens).toBe(28);
    expect(third.tokens).toEqual(expectedGreedy(longer, 3));
    expect(engine.stats().cachedTokensTotal).toBe(48);
    expectIdle(engine);
  });

  it('lets parallel requests share the pages of their prompt from the first step', async () => {
    const { engine, steps } = await toyEngine({ pageSize: 4 });
    const prompt = promptOf(6, 33);
    const streams = Array.from({ length: 4 }, (_, seed) =>
      engine.generate(prompt, { maxTokens: 3, sampling: { seed } }),
    );
    await Promise.all(streams.map((stream) => stream.next()));
    // 8 full pages are shared, and each has one page of its own.
    const { pagesTotal, pagesFree, pagesCached } = engine.stats();
    expect(pagesTotal - pagesFree - pagesCached).toBe(8 + 4);
    expect(steps[0]?.dims).toMatchObject({ T: 33 + 3, S: 4 });
    const all = await Promise.all(streams.map(collect));
    expect(all.map(({ finish }) => finish.usage.cachedTokens)).toEqual([0, 32, 32, 32]);
    expectIdle(engine);
  });

  it('gives up the least recently used pages first', async () => {
    const { engine } = await toyEngine({ pageSize: 4, pages: 8, contextLength: 32 });
    const [a, b] = [promptOf(1, 9), promptOf(2, 9)];
    for (const prompt of [a, b, a]) await collect(engine.generate(prompt, greedy(1)));
    await collect(engine.generate(promptOf(3, 21), greedy(1)));
    expect((await collect(engine.generate(a, greedy(1)))).finish.usage.cachedTokens).toBe(8);
    expect((await collect(engine.generate(b, greedy(1)))).finish.usage.cachedTokens).toBe(0);
  });
});

describe('too little cache', () => {
  it('preempts and answers all the same', async () => {
    const prompts = Array.from({ length: 6 }, (_, i) => promptOf(i + 1, 9 + i));
    const { engine } = await toyEngine({ pageSize: 4, pages: 12, contextLength: 40 });
    const all = await Promise.all(prompts.map((prompt) => collect(engine.generate(prompt, greedy(20)))));
    all.forEach(({ tokens }, i) => expect(tokens).toEqual(expectedGreedy(prompts[i] as number[], 20)));
    expect(engine.stats().preemptionsTotal).toBeGreaterThan(0);
    expectIdle(engine);
  });

  it('does not score a prompt twice after a preemption', async () => {
    const { engine } = await toyEngine({ pageSize: 4, pages: 10, contextLength: 40 });
    const others = [1, 2].map((i) => collect(engine.generate(promptOf(i, 5), greedy(30))));
    const options = { ...greedy(25), promptLogprobs: true };
    const scored = await collect(engine.generate(promptOf(3, 10), options));
    await Promise.all(others);
    expect(engine.stats().preemptionsTotal).toBeGreaterThan(0);
    expect(scored.promptLogprobs).toHaveLength(9);
    expect(scored.events.filter(({ type }) => type === 'promptLogprobs')).toHaveLength(1);
    expect(scored.tokens).toEqual(expectedGreedy(promptOf(3, 10), 25));
  });
});

describe('requests that are refused', () => {
  it('say which field is wrong, on the first next', async () => {
    const { engine } = await toyEngine();
    const cases = [
      { sampling: { temperature: -1 } },
      { sampling: { topP: 2 } },
      { sampling: { topK: 1.5 } },
      { sampling: { repetitionPenalty: 0 } },
      { sampling: { logitBias: { [VOCAB]: 1 } } },
      { maxTokens: -1 },
      { logprobs: 21 },
      { stop: [''] },
    ];
    for (const options of cases) {
      await expect(engine.generate([1], options).next()).rejects.toThrow(RequestError);
    }
    await expect(engine.generate([], {}).next()).rejects.toThrow(/no tokens/);
    await expect(engine.generate([VOCAB]).next()).rejects.toThrow(/token id 64/);
    const failing = engine.generate(() => {
      throw new RequestError('template');
    });
    await expect(failing.next()).rejects.toThrow('template');
    expect(await failing.next()).toEqual({ done: true, value: undefined });
    expectIdle(engine);
  });
});
