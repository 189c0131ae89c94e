import { describe, expect, it } from 'vitest';
import { PagePool } from './page-pool.ts';
import { Scheduler, type SchedulerLimits, type StepPart } from './scheduler.ts';
import { Sequence } from './sequence.ts';

const PAGE = 4;

function setUp(pages: number, limits: Partial<SchedulerLimits> = {}) {
  const pool = new PagePool(pages);
  const scheduler = new Scheduler(pool, { maxBatchTokens: 16, maxSequences: 4, maxRows: 4, ...limits });
  let next = 0;
  /** A request of tokens that no other has. */
  const add = (length: number, scorePrompt = false): Sequence => {
    const prompt = Array.from({ length }, () => next++);
    const sequence = new Sequence(prompt, pool, { pageSize: PAGE, scorePrompt });
    scheduler.add(sequence);
    return sequence;
  };
  /** Composes a step and lets it happen; those that got logits of their last token grow by one. */
  const step = (): StepPart[] => {
    const parts = scheduler.compose();
    pool.confirm();
    for (const { sequence, start, count } of parts) {
      sequence.computed = start + count;
      sequence.scored = Math.max(sequence.scored, Math.min(sequence.computed, sequence.promptLength));
      if (sequence.pending === 0) sequence.tokens.push(next++);
    }
    return parts;
  };
  return { pool, scheduler, add, step };
}

const shape = (parts: readonly StepPart[]) => parts.map(({ start, count, rows }) => [start, count, rows]);

describe('scheduler', () => {
  it('takes decoding sequences first, then the oldest prompt, then new ones, within the budget', () => {
    const { add, step } = setUp(64);
    const a = add(3);
    const b = add(30);
    const c = add(5);
    expect(shape(step())).toEqual([
      [0, 3, 1],
      [0, 13, 0],
    ]);
    expect(shape(step())).toEqual([
      [3, 1, 1],
      [13, 15, 0],
    ]);
    const third = step();
    expect(shape(third)).toEqual([
      [4, 1, 1],
      [28, 2, 1],
      [0, 5, 1],
    ]);
    expect(third.map(({ sequence }) => sequence)).toEqual([a, b, c]);
    expect(shape(step()).map(([, count]) => count)).toEqual([1, 1, 1]);
  });

  it('runs no more sequences than allowed, first come first served', () => {
    const { add, step, scheduler } = setUp(64, { maxSequences: 2 });
    const [a, b, c] = [add(2), add(2), add(2)];
    expect(step().map(({ sequence }) => sequence)).toEqual([a, b]);
    scheduler.remove(a);
    expect(step().map(({ sequence }) => sequence)).toEqual([b, c]);
    expect(scheduler.waitingCount).toBe(0);
  });

  it('wants no more rows of logits than allowed', () => {
    const { add, step } = setUp(64, { maxRows: 4 });
    add(2);
    add(10, true);
    expect(shape(step())).toEqual([
      [0, 2, 1],
      [0, 3, 3],
    ]);
    expect(shape(step())).toEqual([
      [2, 1, 1],
      [3, 3, 3],
    ]);
  });

  it('takes pages from the youngest, which comes back first and is not counted as cached', () => {
    const { add, step, scheduler, pool } = setUp(4);
    const [a, b] = [add(7), add(5)];
    step();
    const c = add(1);
    expect(step().map(({ sequence }) => sequence)).toEqual([a, b]);
    // `a` needs a third page; `b` holds the other two.
    expect(step().map(({ sequence }) => sequence)).toEqual([a]);
    expect(scheduler.preemptions).toBe(1);
    expect(b.pages).toEqual([]);
    // `c` would fit, but `b` came before it.
    expect(scheduler.waitingCount).toBe(2);
    scheduler.remove(a);
    expect(step().map(({ sequence }) => sequence)).toEqual([b, c]);
    expect([b.cachedTokens, b.tokens.length]).toEqual([0, 8]);
    scheduler.remove(b);
    scheduler.remove(c);
    expect(pool.availableCount).toBe(4);
  });

  it('has nothing to do without sequences', () => {
    expect(setUp(4).step()).toEqual([]);
  });
});
