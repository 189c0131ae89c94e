import { expect, it } from 'vitest';
import { Lifecycle } from '../lifecycle.ts';
import { LowPriorityGate } from './low-priority-gate.ts';

const { signal } = new AbortController();

it('lets a line in when nobody waits for an answer', async () => {
  const lifecycle = new Lifecycle(10);
  const gate = new LowPriorityGate(lifecycle);
  const order: string[] = [];
  const leave = lifecycle.enter();
  const entering = gate.enter(signal).then(() => order.push('line'));
  await Promise.race([entering, new Promise((resolve) => setTimeout(resolve, 200))]);
  order.push('answer');
  leave();
  await entering;
  expect(order).toEqual(['answer', 'line']);
});

it('lets few in at once, and nobody after an abort', async () => {
  const gate = new LowPriorityGate(new Lifecycle(10));
  const leaves = [];
  for (let i = 0; i < 8; i++) leaves.push(await gate.enter(signal));
  const stop = new AbortController();
  const ninth = gate.enter(stop.signal);
  stop.abort();
  expect(await ninth).toBe(undefined);
  leaves[0]!();
  expect(await gate.enter(signal)).toBeTypeOf('function');
});
