/** Requests that end otherwise than by their own last token: aborted, abandoned, failed, disposed. */

import { getEventListeners } from 'node:events';
import { describe, expect, it } from 'vitest';
import type { Engine } from '../src/engine.ts';
import type { GenerateEvent } from '../src/types.ts';
import { collect } from './collect.ts';
import { greedy, promptOf, toyEngine } from './toy-engine.ts';
import { VOCAB } from './toy-model.ts';

/** Holds every step until it is let go. */
function gate() {
  const waiting: (() => void)[] = [];
  let open = false;
  return {
    hold: () => (open ? Promise.resolve() : new Promise<void>((resolve) => waiting.push(resolve))),
    /** Steps that wait. */
    count: () => waiting.length,
    release(): void {
      open = true;
      for (const resolve of waiting.splice(0)) resolve();
    },
  };
}

const held = (engine: Engine): number => {
  const { pagesTotal, pagesFree, pagesCached } = engine.stats();
  return pagesTotal - pagesFree - pagesCached;
};

const turn = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 0));

describe('abort', () => {
  it('frees pages at once, during a step, and those that wait get them in the next', async () => {
    const toy = await toyEngine({ pageSize: 4, pages: 16, contextLength: 64 });
    const { engine, steps } = toy;
    const step = gate();
    toy.beforeEnd = step.hold;
    const controller = new AbortController();
    const first = collect(engine.generate(promptOf(1, 60), { ...greedy(4), signal: controller.signal }));
    const second = collect(engine.generate(promptOf(2, 60), greedy(4)));
    await turn();
    expect(engine.stats()).toMatchObject({ running: 1, waiting: 1 });
    expect(held(engine)).toBe(15);
    controller.abort();
    expect(held(engine)).toBe(0);
    expect(engine.stats()).toMatchObject({ running: 0, waiting: 1 });
    expect((await first).finish).toMatchObject({ reason: 'abort', usage: { completionTokens: 0 } });
    step.release();
    expect((await second).finish.reason).toBe('length');
    expect(steps[1]?.dims).toMatchObject({ T: 60, S: 1 });
    expect(held(engine)).toBe(0);
  });

  it('of a waiting request leaves the others alone, and an aborted signal starts nothing', async () => {
    const toy = await toyEngine({ maxSequences: 1 });
    const { engine, steps } = toy;
    const step = gate();
    toy.beforeEnd = step.hold;
    const controller = new AbortController();
    const { signal } = controller;
    const running = collect(engine.generate(promptOf(1, 5), greedy(20)));
    const waiting = collect(engine.generate(promptOf(2, 5), { ...greedy(20), signal }));
    await turn();
    expect(getEventListeners(signal, 'abort')).toHaveLength(1);
    controller.abort();
    expect((await waiting).finish.reason).toBe('abort');
    step.release();
    expect((await running).finish.reason).toBe('length');
    const before = steps.length;
    const never = await collect(engine.generate(promptOf(3, 5), { signal: AbortSignal.abort() }));
    expect(never.events).toHaveLength(1);
    expect(never.finish.reason).toBe('abort');
    expect(steps.length).toBe(before);
  });

  it('listens to its signal no longer than it runs', async () => {
    const { engine } = await toyEngine();
    const { signal } = new AbortController();
    await collect(engine.generate(promptOf(1, 5), { ...greedy(3), signal }));
    expect(getEventListeners(signal, 'abort')).toHaveLength(0);
  });

  it('shows text that was held back for a stop string', async () => {
    const { engine } = await toyEngine();
    const { text } = await collect(engine.generate(promptOf(1, 5), greedy(8)));
    const { text: cut, finish } = await collect(
      engine.generate(promptOf(1, 5), { ...greedy(3), stop: [`${text.slice(1, 5)}#`] }),
    );
    expect(cut).toBe(text.slice(0, 3));
    expect(finish.reason).toBe('length');
  });
});

describe('a reader that leaves', () => {
  it('frees pages, whether it has an event in hand or waits for one', async () => {
    const toy = await toyEngine();
    const { engine } = toy;
    for await (const event of engine.generate(promptOf(1, 9), greedy(50))) if (event.type === 'text') break;
    expect(held(engine)).toBe(0);
    const step = gate();
    toy.beforeEnd = step.hold;
    const stream = engine.generate(promptOf(2, 9), greedy(50));
    const pending = stream.next();
    await turn();
    expect(held(engine)).toBeGreaterThan(0);
    expect(await stream.return?.()).toEqual({ done: true, value: undefined });
    expect(await pending).toEqual({ done: true, value: undefined });
    expect(held(engine)).toBe(0);
    expect(engine.stats()).toMatchObject({ running: 0, waiting: 0 });
    step.release();
  });

  it('that is slow holds nobody up and misses nothing', async () => {
    const { engine } = await toyEngine();
    const slow = engine.generate(promptOf(1, 5), greedy(40));
    await slow.next();
    const quick = await collect(engine.generate(promptOf(2, 5), greedy(60)));
    expect(quick.finish.usage.completionTokens).toBe(60);
    expect(held(engine)).toBe(0);
    const rest = await collect(slow);
    expect(rest.tokens).toHaveLength(39);
  });

  it('that never began costs nothing', async () => {
    const { engine } = await toyEngine();
    const stream = engine.generate(promptOf(1, 5));
    expect(engine.stats().waiting).toBe(0);
    await stream.return?.();
    expect(await stream.next()).toEqual({ done: true, value: undefined });
  });
});

describe('a step that fails', () => {
  it('fails the requests that were in it, and leaves no trace in the prefix cache', async () => {
    const toy = await toyEngine({ maxSequences: 2, pageSize: 4 });
    const { engine } = toy;
    const clean = await collect((await toyEngine()).engine.generate(promptOf(1, 20), greedy(5)));
    toy.beforeEnd = (step) => {
      if (step === 1) throw new Error('the device was lost');
    };
    const failing = [1, 1].map((seed) => collect(engine.generate(promptOf(seed, 20), greedy(5))));
    const waiting = collect(engine.generate(promptOf(2, 20), greedy(5)));
    for (const result of failing) await expect(result).rejects.toThrow('the device was lost');
    expect((await waiting).finish.reason).toBe('length');
    const again = await collect(engine.generate(promptOf(1, 20), greedy(5)));
    expect(again.finish.usage.cachedTokens).toBe(0);
    expect(again.tokens).toEqual(clean.tokens);
    expect(held(engine)).toBe(0);
  });

  it('after its request was aborted leaves no trace either', async () => {
    const toy = await toyEngine({ pageSize: 4 });
    const step = gate();
    toy.beforeEnd = async (n) => {
      await step.hold();
      if (n === 1) throw new Error('the device was lost');
    };
    const controller = new AbortController();
    const aborted = collect(toy.engine.generate(promptOf(1, 20), { signal: controller.signal }));
    await turn();
    controller.abort();
    step.release();
    expect((await aborted).finish.reason).toBe('abort');
    const again = await collect(toy.engine.generate(promptOf(1, 20), greedy(5)));
    expect(again.finish.usage.cachedTokens).toBe(0);
    expect(held(toy.engine)).toBe(0);
  });

  it('with logits that are not numbers fails with words', async () => {
    const { engine } = await toyEngine();
    const logitBias = Object.fromEntries(Array.from({ length: VOCAB }, (_, id) => [id, -Infinity]));
    const results = [{}, { logitBias }].map((sampling) =>
      collect(engine.generate([1, 2], { maxTokens: 2, sampling })),
    );
    await expect(results[1]).rejects.toThrow(/no usable logits/);
    expect((await results[0])?.finish.reason).toBe('length');
    expect(held(engine)).toBe(0);
  });
});

describe('dispose', () => {
  it('aborts everything, waits for the step and frees tensors once', async () => {
    const toy = await toyEngine({ maxSequences: 1 });
    const { engine, disposed } = toy;
    const step = gate();
    toy.beforeEnd = step.hold;
    const results = [1, 2, 3].map((seed) => collect(engine.generate(promptOf(seed, 5), greedy(50))));
    await turn();
    const done = engine.dispose();
    await turn();
    expect(disposed).toEqual([]);
    step.release();
    await Promise.all([done, engine.dispose()]);
    expect(disposed).toEqual(['executable', 'weight', expect.stringContaining('f32 [')]);
    for (const { finish } of await Promise.all(results)) expect(finish.reason).toBe('abort');
    await expect(engine.generate([1]).next()).rejects.toThrow(/disposed/);
  });
});

describe('the event loop', () => {
  it('turns while a backend answers at once and sixteen large rows are sampled', async () => {
    const { engine } = await toyEngine({ vocabSize: 48_000, maxSequences: 16 });
    const sampling = { temperature: 0.8, topP: 0.95, repetitionPenalty: 1.1 };
    const streams = Array.from({ length: 16 }, (_, seed) =>
      engine.generate(promptOf(seed, 4), { maxTokens: 2, sampling: { ...sampling, seed } }),
    );
    let turns = 0;
    let turnsAtFirst: number | undefined;
    const timer = setInterval(() => turns++, 0);
    const counted = streams.map(async (stream) => {
      const events: GenerateEvent[] = [];
      for await (const event of stream) {
        turnsAtFirst ??= turns;
        events.push(event);
      }
      return events;
    });
    await Promise.all(counted);
    clearInterval(timer);
    // Without pauses everything would run in one turn: this backend never leaves the microtask queue.
    expect(turns - (turnsAtFirst ?? 0)).toBeGreaterThan(0);
  });
});

it('ends with a token that the request names, which is none of the text', async () => {
  const { engine } = await toyEngine({});
  const whole = await collect(engine.generate(promptOf(1, 8), { ...greedy(8), trace: true }));
  const { answer } = whole.finish.trace!;
  const end = answer[2]!;
  const ended = await collect(
    engine.generate(promptOf(1, 8), { ...greedy(8), endTokens: [end], trace: true }),
  );
  expect(ended.finish.reason).toBe('stop');
  expect(ended.finish.trace!.answer).toEqual(answer.slice(0, answer.indexOf(end) + 1));
  expect(ended.finish.trace!.options.endTokens).toEqual([end]);
  expect(whole.text.startsWith(ended.text)).toBe(true);
});
