import { createBuilder } from '@steelyard/graph';
import { describe, expect, it } from 'vitest';
import { groupName, stepBindings, stepCosts } from './costs.ts';

describe('stepCosts', () => {
  const g = createBuilder('costs');
  const tokens = g.input('tokens', ['T'], 'i32');
  const slots = g.input('slots', ['T'], 'i32');
  const table = g.weight('token_embd.weight', [100, 8], 'f32');
  const x = g.gather(table, tokens);
  const y = g.matmul(x, null, g.weight('blk.0.w.weight', [24, 8], 'f16'), { transposed: true });
  const cache = g.state('kv.0.k', ['N', 3, 16, 8], 'f16');
  g.output('cache', g.kvwrite(cache, g.reshape(y, { shape: ['T', 3, 8] }), slots, {}));
  const costs = stepCosts(g.finish(), stepBindings(5, 40, 16));

  it('counts a matmul by multiply-adds, and its operands once', () => {
    expect(costs.byOp.get('matmul')).toEqual({
      count: 1,
      flops: 2 * 5 * 24 * 8,
      weightBytes: 24 * 8 * 2,
      stateBytes: 0,
      otherBytes: 5 * 8 * 4 + 5 * 24 * 4,
    });
  });

  it('counts a lookup by the rows it reads', () => {
    expect(costs.byOp.get('gather')?.weightBytes).toBe(5 * 8 * 4);
    expect(costs.byWeight.get('token_embd.weight')?.weightBytes).toBe(5 * 8 * 4);
  });

  it('counts what a cache write stores, not the cache', () => {
    expect(costs.byOp.get('kvwrite')).toMatchObject({
      stateBytes: 5 * 24 * 2,
      otherBytes: 5 * 24 * 4 + 5 * 4,
    });
  });

  it('takes views as free, and adds up', () => {
    expect(costs.byOp.get('reshape')).toMatchObject({ flops: 0, otherBytes: 0 });
    const sum = [...costs.byOp.values()].reduce((n, cost) => n + cost.weightBytes, 0);
    expect(costs.total.weightBytes).toBe(sum);
    expect([...costs.byWeight.values()].reduce((n, cost) => n + cost.weightBytes, 0)).toBe(sum);
  });

  it('groups weights over layers', () => {
    expect(groupName('blk.12.attn_q.weight')).toBe('blk.*.attn_q.weight');
    expect(groupName('output_norm.weight')).toBe('output_norm.weight');
  });
});
