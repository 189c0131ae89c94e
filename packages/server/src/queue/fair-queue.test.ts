import { describe, expect, it } from 'vitest';
import { FairQueue, type Ask, type Place } from './fair-queue.ts';

const turns = async (): Promise<void> => {
  for (let i = 0; i < 10; i++) await Promise.resolve();
};

/** Asks, and notes the order in which places are given. */
function world(places: number, maxWaiting = 10_000) {
  const queue = new FairQueue({ places, maxWaiting });
  const order: string[] = [];
  const running: { readonly ask: Ask; readonly place: Place }[] = [];
  const ask = (given: Partial<Ask> & { key: string }, signal?: AbortSignal) => {
    const whole = { cost: 100, places: 1, ...given };
    return queue.enter(whole, signal).then((place) => {
      order.push(given.key);
      running.push({ ask: whole, place });
    });
  };
  /** Ends the one that has run longest. */
  const endOne = async (tokens?: number) => {
    running.shift()!.place.done(tokens);
    await turns();
  };
  const endAll = async () => {
    while (running.length > 0) await endOne();
  };
  return { queue, order, running, ask, endOne, endAll };
}

function lcg(seed: number): (below: number) => number {
  let state = seed;
  return (below) => (state = (state * 48_271) % 2_147_483_647) % below;
}

describe('FairQueue', () => {
  it('lets one who comes late with little before one who asks for much', async () => {
    const { ask, order, endAll } = world(1);
    for (let i = 0; i < 50; i++) void ask({ key: 'much' });
    await turns();
    for (let i = 0; i < 5; i++) void ask({ key: 'little' });
    await endAll();
    expect(order).toHaveLength(55);
    expect(order.lastIndexOf('little')).toBeLessThanOrEqual(11);
  });

  it('shares tokens, not requests, by weight, to within the largest request', async () => {
    const next = lcg(7);
    const { ask, running, endOne, queue } = world(3);
    const got = new Map<string, number>();
    const weights: Record<string, number> = { a: 1, b: 2, c: 4 };
    for (const key of ['a', 'b', 'c'])
      for (let i = 0; i < 400; i++)
        void ask({ key, weight: weights[key]!, cost: 1 + next(key === 'a' ? 1000 : 50) });
    await turns();
    // While all three wait.
    for (let i = 0; i < 300; i++) {
      const { ask: ended } = running[0]!;
      got.set(ended.key, (got.get(ended.key) ?? 0) + ended.cost);
      await endOne(ended.cost);
    }
    expect(queue.waiting).toBeGreaterThan(500);
    const shares = Object.keys(weights).map((key) => got.get(key)! / weights[key]!);
    // Three run at once, so one may be ahead by three of its largest.
    expect(Math.max(...shares) - Math.min(...shares)).toBeLessThanOrEqual(3 * 1000);
  });

  it('charges what was really taken', async () => {
    const { ask, order, endOne } = world(1);
    for (let i = 0; i < 4; i++) void ask({ key: 'a', cost: 100 });
    for (let i = 0; i < 4; i++) void ask({ key: 'b', cost: 100 });
    await turns();
    // The first of a took ten times what it looked like.
    await endOne(1000);
    for (let i = 0; i < 7; i++) await endOne(100);
    expect(order.join('')).toBe('abbbbaaa');
  });

  it('puts batches behind, gives them a turn now and then, and leaves places free of them', async () => {
    const { ask, order, endAll, queue, running } = world(8);
    for (let i = 0; i < 20; i++) void ask({ key: 'batch', priority: 'batch' });
    await turns();
    expect(queue.running).toBe(6);
    for (let i = 0; i < 40; i++) void ask({ key: 'talk' });
    await turns();
    expect(running.filter(({ ask: { key } }) => key === 'talk')).toHaveLength(2);
    await endAll();
    expect(order.filter((key) => key === 'batch')).toHaveLength(20);
    const whileTalking = order.slice(8, order.lastIndexOf('talk'));
    const batches = whileTalking.filter((key) => key === 'batch').length;
    expect(batches).toBeGreaterThan(0);
    expect(batches).toBeLessThanOrEqual(whileTalking.length / 7);
  });

  it('serves everybody in the end, wide and narrow, in any order of arrival', async () => {
    const next = lcg(3);
    const { ask, order, running, endOne, queue } = world(5);
    for (let i = 0; i < 500; i++) {
      const priority = next(3) === 0 ? 'batch' : 'interactive';
      void ask({ key: `k${next(20)}`, cost: next(500), places: 1 + next(8), priority });
      await turns();
      expect(queue.running).toBeLessThanOrEqual(5);
      if (next(2) === 0 && running.length > 0) await endOne(next(600));
    }
    while (running.length > 0) await endOne(next(600));
    expect(order).toHaveLength(500);
    expect([queue.waiting, queue.running]).toEqual([0, 0]);
  });

  it('refuses beyond what may wait, and says when to come again', async () => {
    const { ask, queue, endAll } = world(1, 2);
    for (let i = 0; i < 3; i++) void ask({ key: 'a' });
    await turns();
    await expect(ask({ key: 'b' })).rejects.toMatchObject({
      status: 429,
      code: 'queue_full',
      headers: { 'retry-after': expect.stringMatching(/^[1-9]\d*$/) as string },
    });
    expect(queue.waiting).toBe(2);
    await endAll();
    await ask({ key: 'b' });
  });

  it('forgets who gave up waiting', async () => {
    const { ask, queue, order, endAll } = world(1);
    void ask({ key: 'a' });
    const stop = new AbortController();
    const waiting = ask({ key: 'b' }, stop.signal);
    await turns();
    stop.abort(new Error('gone'));
    await expect(waiting).rejects.toThrow('gone');
    expect(queue.waiting).toBe(0);
    await endAll();
    expect(order).toEqual(['a']);
    await expect(ask({ key: 'b' }, stop.signal)).rejects.toThrow('gone');
  });
});
