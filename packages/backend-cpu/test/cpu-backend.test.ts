/** The backend around its kernels: weights in files, states, refusals, turns, the event loop. */

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { cpuAvailability, cpuLevels, createCpuBackend } from '@steelyard/backend-cpu';
import { createBuilder, type TensorData } from '@steelyard/graph';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { loadLlama, step, TINY, type Loaded } from './llama-like.ts';

const availability = cpuAvailability();
const LIMITS = { T: 16, S: 2, P: 2, V: 16, N: 4 };

describe('availability', () => {
  it('says what is used, or why nothing is', () => {
    expect(availability.threads).toBeGreaterThan(0);
    if (availability.available) expect(cpuLevels).toContain(availability.level);
    else expect(availability.reason).toMatch(/npm run build|processor/);
  });
});

describe.skipIf(!availability.available)('cpu backend', () => {
  const folder = mkdtempSync(join(tmpdir(), 'steelyard-cpu-'));
  let model: Loaded;

  beforeAll(async () => {
    model = await loadLlama(createCpuBackend({ threads: 2 }), TINY, LIMITS);
  });
  afterAll(() => {
    model.dispose();
    rmSync(folder, { recursive: true });
  });

  /** 3 x 4 floats, `offset` bytes into a file. */
  function fileWeight(name: string, offset: number): TensorData {
    const values = Float32Array.from({ length: 12 }, (_, i) => i);
    const bytes = new Uint8Array(values.buffer);
    const path = join(folder, name);
    writeFileSync(path, Buffer.concat([Buffer.alloc(offset, 0xff), bytes]));
    const region = { path, offset, length: bytes.length };
    return { dtype: 'f32', shape: [3, 4], byteLength: bytes.length, region, bytes: () => bytes };
  }

  it.each([
    ['aligned', 64, 0],
    ['unaligned', 13, 48],
  ])('reads a weight that lies %s in its file', async (name, offset, resident) => {
    const backend = createCpuBackend();
    const weight = backend.loadWeight(fileWeight(name, offset));
    expect(weight.residentBytes).toBe(resident);
    const g = createBuilder('gather');
    g.output('y', g.gather(g.weight('w', [3, 4], 'f32'), g.input('rows', [2], 'i32')));
    const executable = await backend.compile(g.finish(), {
      weights: new Map([['w', weight]]),
      states: new Map(),
      limits: {},
    });
    // Released first: the executable keeps what it reads.
    weight.dispose();
    const { y } = await executable.run({ dims: {}, inputs: { rows: Int32Array.of(2, 0) } });
    expect([...(y as Float32Array)]).toEqual([8, 9, 10, 11, 0, 1, 2, 3]);
    executable.dispose();
  });

  it('refuses a region that its file does not have', async () => {
    const backend = createCpuBackend();
    const data = fileWeight('short', 64);
    const weight = backend.loadWeight({ ...data, region: { ...data.region!, offset: 68 } });
    await expect(async () => weight.read()).rejects.toThrow(/outside/);
    expect(() =>
      backend.loadWeight({ ...data, region: { ...data.region!, path: join(folder, 'none') } }),
    ).toThrow(/cannot map.*none/);
  });

  it('keeps states, writes them in part, never weights', async () => {
    const backend = createCpuBackend();
    const state = backend.allocateState('f16', [2, 4]);
    expect(state.residentBytes).toBe(16);
    await state.write(Uint8Array.of(1, 2), 4);
    expect([...(await state.read())].slice(0, 8)).toEqual([0, 0, 0, 0, 1, 2, 0, 0]);
    await expect(async () => state.write(new Uint8Array(4), 14)).rejects.toThrow(/outside/);
    const weight = backend.loadWeight(fileWeight('weight', 0));
    await expect(async () => weight.write(new Uint8Array(4))).rejects.toThrow(/cannot be written/);
    state.dispose();
    await expect(async () => state.read()).rejects.toThrow(/released/);
  });

  it('refuses a state larger than memory with its size', () => {
    expect(() => createCpuBackend().allocateState('f32', [2 ** 30, 2 ** 14])).toThrow(/70368744177664 bytes/);
  });

  it('refuses weights of another shape, and limits that are missing', async () => {
    const backend = createCpuBackend();
    const g = createBuilder('wrong');
    const x = g.input('x', ['T', 4], 'f32');
    g.output('y', g.matmul(x, null, g.weight('w', [4, 4], 'f32'), { transposed: true }));
    const weights = new Map([['w', backend.loadWeight(fileWeight('wrong', 0))]]);
    const compile = (found: typeof weights, limits: Record<string, number>) =>
      backend.compile(g.finish(), { weights: found, states: new Map(), limits });
    await expect(compile(weights, { T: 4 })).rejects.toThrow(
      /weight w is \[3, 4\] f32, the graph wants \[4, 4\]/,
    );
    await expect(compile(new Map(), { T: 4 })).rejects.toThrow(/weight w is not loaded/);
    await expect(compile(weights, {})).rejects.toThrow(/T/);
  });

  const GOOD = {
    dims: { T: 2, S: 1, P: 1, V: 1, N: 4 },
    inputs: {
      tokens: Int32Array.of(1, 2),
      positions: Int32Array.of(0, 1),
      sequences: Int32Array.of(0, 0),
      slots: Int32Array.of(0, 1),
      pages: Int32Array.of(0),
      rows: Int32Array.of(1),
    },
  };

  it.each([
    ['a dim above its limit', { dims: { T: 17 } }, /dim T must be 1 to 16, got 17/],
    ['a dim of zero', { dims: { V: 0 } }, /dim V must be 1 to 16, got 0/],
    ['a fraction', { dims: { T: 1.5 } }, /dim T/],
    [
      'an input of the wrong length',
      { inputs: { tokens: Int32Array.of(1) } },
      /tokens must be Int32Array of \[2\]/,
    ],
    [
      'an input of the wrong kind',
      { inputs: { tokens: Float32Array.of(1, 2) } },
      /tokens must be Int32Array/,
    ],
    [
      'a token outside the table',
      { inputs: { tokens: Int32Array.of(1, 130) } },
      /rows\[1\] is 130, expected 0 to 129/,
    ],
    ['a slot outside the cache', { inputs: { slots: Int32Array.of(0, 64) } }, /slots\[1\] is 64/],
    ['a page outside the cache', { inputs: { pages: Int32Array.of(-1) } }, /pages\[0\] is -1/],
    ['a sequence without pages', { inputs: { sequences: Int32Array.of(0, 1) } }, /sequences\[1\] is 1/],
    ['a position past its pages', { inputs: { positions: Int32Array.of(0, 16) } }, /positions\[1\] is 16/],
    ['a row that is not there', { inputs: { rows: Int32Array.of(2) } }, /rows\[0\] is 2/],
  ] as const)('refuses %s, and runs again after', async (_what, wrong, message) => {
    const request = {
      dims: { ...GOOD.dims, ...('dims' in wrong ? wrong.dims : {}) },
      inputs: { ...GOOD.inputs, ...('inputs' in wrong ? wrong.inputs : {}) },
    };
    await expect(model.executable.run(request)).rejects.toThrow(message);
    const { logits } = await model.executable.run(GOOD);
    expect(logits?.every(Number.isFinite)).toBe(true);
  });

  it('takes copies of inputs when the run starts', async () => {
    const wanted = (await model.executable.run(GOOD))['logits']?.slice();
    const tokens = GOOD.inputs.tokens.slice();
    const running = model.executable.run({ ...GOOD, inputs: { ...GOOD.inputs, tokens } });
    tokens.fill(1 << 30);
    expect((await running)['logits']).toEqual(wanted);
  });

  it('gives runs of one executable their turn', async () => {
    const parts = [1, 5, 9].map((token) => [{ tokens: [token, token + 1], start: 0, pages: [1] }]);
    const alone: Float32Array[][] = [];
    for (const part of parts) alone.push(await step(model, part, LIMITS.N));
    expect(await Promise.all(parts.map((part) => step(model, part, LIMITS.N)))).toEqual(alone);
  });

  it('refuses runs after dispose, not the one in flight', async () => {
    const short = await loadLlama(createCpuBackend({ threads: 2 }), TINY, LIMITS);
    const first = short.executable.run(GOOD);
    const second = short.executable.run(GOOD);
    await new Promise((resolve) => setImmediate(resolve));
    short.dispose();
    const logits = (await first)['logits'];
    expect(logits?.length).toBe(TINY.vocab);
    await expect(second).rejects.toThrow(/disposed/);
    // Its memory is given back without waiting for a garbage collection, in an immediate set before this one; a timer of 1 ms
    // can be due before both.
    await new Promise((resolve) => setImmediate(resolve));
    expect(logits?.length).toBe(0);
  });

  it('leaves the event loop free while a prefill runs', async () => {
    const shape = { ...TINY, layers: 3, hidden: 192, ff: 512 };
    const long = await loadLlama(createCpuBackend(), shape, { T: 512, S: 1, P: 32, V: 512, N: 32 });
    const tokens = Array.from({ length: 512 }, (_, i) => i % TINY.vocab);
    const pages = Array.from({ length: 32 }, (_, i) => i);
    let running = true;
    const run = step(long, [{ tokens, start: 0, pages }], 32).finally(() => {
      running = false;
    });
    let fired = 0;
    while (running) {
      await new Promise((resolve) => setImmediate(resolve));
      if (running) fired++;
    }
    await run;
    expect(fired).toBeGreaterThan(0);
    long.dispose();
  });
});
