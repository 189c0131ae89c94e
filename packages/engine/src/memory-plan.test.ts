import { CapacityError, RequestError } from '@steelyard/core';
import { createBuilder } from '@steelyard/graph';
import type { LoadedModel } from '@steelyard/models';
import { describe, expect, it } from 'vitest';
import { planMemory, type MemoryBudget } from './memory-plan.ts';

const MIB = 1 << 20;
const VOCAB = 1000;

/** 10 MiB of weights; a token of cache takes 2 layers * (k + v) * 4 heads * 8 * 2 bytes = 256 bytes. */
function model(contextLength: number, recurrent: LoadedModel['recurrent'] = []): LoadedModel {
  const g = createBuilder('planned');
  const x = g.input('x', ['T', 16], 'f32');
  const rows = g.input('rows', ['V'], 'i32');
  const hidden = g.gather(g.silu(x), rows);
  const logits = g.matmul(hidden, null, g.weight('w', [VOCAB, 16], 'f32'), { transposed: true });
  g.output('logits', logits);
  const kv = [0, 1].flatMap((i) => ['k', 'v'].map((n) => ({ name: `kv.${i}.${n}`, heads: 4, dim: 8 })));
  return {
    config: {
      architecture: 'planned',
      vocabSize: VOCAB,
      contextLength,
      hiddenSize: 16,
      layers: 2,
      heads: 4,
      kvHeads: 4,
      headDim: 8,
    },
    graph: g.finish(),
    weights: new Map(),
    kv: { states: kv },
    recurrent,
    parameterCount: 1,
    weightBytes: 10 * MIB,
    facts: {},
  };
}

const budget: MemoryBudget = { pageSize: 32, kvDType: 'f16', maxBatchTokens: 512, maxSequences: 8 };

describe('memory plan', () => {
  it('takes an ordinary cache where nothing is said', () => {
    const plan = planMemory(model(131_072), budget);
    expect(plan).toMatchObject({ pages: 512, contextLength: 16_384, kvBytesPerToken: 256 });
    expect(plan.kvBytes).toBe(16_384 * 256);
    expect(plan.limits).toEqual({ T: 512, S: 8, P: 512, V: 16, N: 512, R: 8 });
    // No more than every sequence at its longest.
    expect(planMemory(model(1000), budget)).toMatchObject({ pages: 8 * 32, contextLength: 1000 });
  });

  it('gives a long context that was asked for, and never more than the model has', () => {
    expect(planMemory(model(131_072), { ...budget, contextLength: 40_000 }).contextLength).toBe(40_000);
    expect(planMemory(model(2048), { ...budget, contextLength: 40_000 }).contextLength).toBe(2048);
  });

  it('fills a budget, and stays within it', () => {
    const memoryBytes = 30 * MIB;
    const plan = planMemory(model(131_072), { ...budget, memoryBytes });
    const temporaries = 16 * VOCAB * 4 + 16 * 16 * 4 + 512 * 16 * 4;
    expect(10 * MIB + plan.kvBytes + temporaries).toBeGreaterThan(memoryBytes - 32 * 256 - 64 * 1024);
    expect(10 * MIB + plan.kvBytes + 16 * VOCAB * 4).toBeLessThanOrEqual(memoryBytes);
    expect(plan.contextLength).toBe(plan.pages * 32);
  });

  it('shrinks to what the machine can spare, and says so by a shorter context', () => {
    const plan = planMemory(model(131_072), { ...budget, availableBytes: 11 * MIB });
    expect(plan.contextLength).toBeLessThan(4096);
    expect(plan.contextLength).toBeGreaterThan(1000);
  });

  it('counts a slot of recurrent states for each sequence', () => {
    // 3 MiB for each of 8 sequences.
    const recurrent = [{ name: 'ssm.0.scan', rows: 768, channels: 1024 }];
    const plan = planMemory(model(131_072, recurrent), { ...budget, memoryBytes: 60 * MIB });
    expect(plan.recurrentBytes).toBe(24 * MIB);
    expect(plan.kvBytes).toBeLessThanOrEqual(26 * MIB);
    expect(plan.kvBytes).toBeGreaterThan(25 * MIB);
    expect(() => planMemory(model(4096, recurrent), { ...budget, memoryBytes: 30 * MIB })).toThrow(
      /recurrent states 24\.0 MiB for 8 sequences; give more memory, fewer sequences/,
    );
    // Without attention there is no cache, and the context is what was asked for.
    const bare = { ...model(4096, recurrent), kv: { states: [] } };
    expect(planMemory(bare, { ...budget, memoryBytes: 60 * MIB })).toMatchObject({
      kvBytes: 0,
      contextLength: 4096,
    });
  });

  it('refuses with numbers', () => {
    const tooSmall = (): unknown => planMemory(model(4096), { ...budget, memoryBytes: 10 * MIB });
    expect(tooSmall).toThrow(CapacityError);
    expect(tooSmall).toThrow(/10\.0 MiB of memory.*weights 10\.0 MiB.*256 tokens \(256 bytes each\)/);
    expect(() =>
      planMemory(model(99_999), { ...budget, memoryBytes: 12 * MIB, contextLength: 50_000 }),
    ).toThrow(/50000 tokens.*shorter context/);
    expect(() => planMemory(model(4096), { ...budget, availableBytes: MIB })).toThrow(/machine can spare/);
    // Blocks of 32 fit heads of 64, of which a cache of 8 bits takes half.
    const wide = { ...model(4096), kv: { states: [{ name: 'kv.0.k', heads: 4, dim: 64 }] } };
    const tight = { ...budget, memoryBytes: 10 * MIB };
    expect(() => planMemory(wide, tight)).toThrow(/give more memory, keep the cache in 8 bits/);
    expect(() => planMemory(wide, { ...tight, kvDType: 'q8_0' })).toThrow(
      /give more memory, fewer sequences/,
    );
    expect(tooSmall).toThrow(/give more memory, fewer sequences/);
    expect(() => planMemory(model(4096), { ...budget, contextLength: 0 })).toThrow(RequestError);
    expect(() => planMemory(model(4096), { ...budget, maxSequences: 513 })).toThrow(/maxSequences is 513/);
  });
});
