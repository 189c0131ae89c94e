/**
 * The WebAssembly backend's own ways: its threads, its 4 GiB (beyond: wide-memory.test.ts), its files and its errors.
 * Kernels are tested with the others.
 */

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import {
  createNodeWasmBackend,
  createNodeWasmRunner,
  loadWasmModule,
  wasmAvailability,
} from '@steelyard/backend-cpu';
import { createWasmBackend, startThreads, type Response, type ThreadHost } from '@steelyard/backend-cpu/wasm';
import { CapacityError, RequestError, ShapeError } from '@steelyard/core';
import { createBuilder, type Backend, type Executable, type Graph, type TensorData } from '@steelyard/graph';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';

function product(from: number, to: number): Graph {
  const g = createBuilder('product');
  const w = g.weight('w', [to, from], 'f32');
  g.output('y', g.matmul(g.input('x', ['T', from], 'f32'), null, w, { transposed: true }));
  return g.finish();
}

function inMemory(values: Float32Array, shape: number[]): TensorData {
  const bytes = new Uint8Array(values.buffer);
  return { dtype: 'f32', shape, byteLength: bytes.length, bytes: () => bytes };
}

async function compile(backend: Backend, data: TensorData, rows: number): Promise<Executable> {
  const [to = 0, from = 0] = data.shape;
  const weights = new Map([['w', backend.loadWeight(data)]]);
  return backend.compile(product(from, to), { weights, states: new Map(), limits: { T: rows } });
}

describe.skipIf(!wasmAvailability().available)('in a worker thread', () => {
  let backend: Backend;
  beforeEach(() => {
    backend = createNodeWasmBackend();
  });
  afterEach(() => backend.dispose());

  it('leaves the event loop free during a run', async () => {
    const [rows, from, to] = [256, 512, 2048];
    const weight = inMemory(new Float32Array(from * to).fill(0.5), [to, from]);
    const executable = await compile(backend, weight, rows);
    let [ended, firedBefore] = [false, false];
    // Not a timer: on a loaded machine that one may be due only when the run is over.
    setImmediate(() => (firedBefore = !ended));
    const { y } = await executable.run({
      dims: { T: rows },
      inputs: { x: new Float32Array(rows * from).fill(1) },
    });
    ended = true;
    expect(firedBefore).toBe(true);
    expect(y?.length).toBe(rows * to);
    expect(y?.every((v) => v === from / 2)).toBe(true);
  });

  it('reads weights from their region of a file', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'wasm-region-'));
    try {
      const path = join(folder, 'weights.bin');
      writeFileSync(path, new Uint8Array(Float32Array.of(-1, 1, 2, 3, 4, -1).buffer));
      const executable = await compile(
        backend,
        {
          dtype: 'f32',
          shape: [2, 2],
          byteLength: 16,
          region: { path, offset: 4, length: 16 },
          bytes: () => {
            throw new Error('the worker reads the file');
          },
        },
        1,
      );
      const { y } = await executable.run({ dims: { T: 1 }, inputs: { x: Float32Array.of(10, 1) } });
      expect(y).toEqual(Float32Array.of(12, 34));
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  it('reports a file that is not there when it compiles', async () => {
    const data: TensorData = {
      dtype: 'f32',
      shape: [2, 2],
      byteLength: 16,
      region: { path: join(tmpdir(), 'no-such-weights'), offset: 0, length: 16 },
      bytes: () => new Uint8Array(16),
    };
    await expect(compile(backend, data, 1)).rejects.toThrow(/no-such-weights/);
  });

  it('refuses what its addresses cannot hold, with numbers', async () => {
    const state = backend.allocateState('f32', [4]);
    expect(() => backend.allocateState('f16', [3, 2 ** 30])).toThrow(CapacityError);
    expect(() => backend.allocateState('f16', [3, 2 ** 30])).toThrow(
      /6442450944 bytes.*left of its 4294967296/,
    );
    const graph = product(1024, 1024);
    const weights = new Map([['w', backend.loadWeight(inMemory(new Float32Array(2 ** 20), [1024, 1024]))]]);
    const limits = { T: 2 ** 20 };
    await expect(backend.compile(graph, { weights, states: new Map(), limits })).rejects.toThrow(
      CapacityError,
    );
    await state.write(new Uint8Array(Float32Array.of(1, 2, 3, 4).buffer));
    expect(new Float32Array((await state.read()).buffer)).toEqual(Float32Array.of(1, 2, 3, 4));
  });

  it('refuses wrong runs as shape errors, and goes on', async () => {
    const executable = await compile(backend, inMemory(Float32Array.of(1, 2), [1, 2]), 4);
    const x = Float32Array.of(3, 4);
    await expect(executable.run({ dims: { T: 5 }, inputs: { x } })).rejects.toThrow(ShapeError);
    await expect(executable.run({ dims: { T: 2 }, inputs: { x } })).rejects.toThrow(
      /Float32Array of \[2, 2\]/,
    );
    expect((await executable.run({ dims: { T: 1 }, inputs: { x } }))['y']).toEqual(Float32Array.of(11));
    executable.dispose();
    await expect(executable.run({ dims: { T: 1 }, inputs: { x } })).rejects.toThrow(/disposed/);
  });

  it('refuses calls after it was disposed, those that wait too', async () => {
    const executable = await compile(backend, inMemory(Float32Array.of(1, 2), [1, 2]), 1);
    const waiting = executable.run({ dims: { T: 1 }, inputs: { x: Float32Array.of(1, 1) } });
    backend.dispose();
    await expect(waiting).rejects.toThrow(/the WebAssembly thread ended: it was disposed/);
    await expect(compile(backend, inMemory(Float32Array.of(1, 2), [1, 2]), 1)).rejects.toThrow(/ended/);
  });
});

async function productOf(backend: Backend, rows: number): Promise<Float32Array | undefined> {
  const [from, to] = [512, 2048];
  const w = inMemory(
    Float32Array.from({ length: from * to }, (_, i) => Math.sin(i)),
    [to, from],
  );
  const executable = await compile(backend, w, rows);
  const x = Float32Array.from({ length: rows * from }, (_, i) => Math.cos(i));
  return (await executable.run({ dims: { T: rows }, inputs: { x } }))['y'];
}

interface Watched {
  readonly worker: Worker;
  /** Once it runs: until then Node gives one that is ended the exit code 0. */
  readonly online: Promise<unknown>;
}

/** Node's workers, by the order in which they were started. */
function watchedHost(workers: Watched[], sharesMemory = true): ThreadHost {
  return {
    readsFiles: false,
    sharesMemory,
    start(start, events) {
      const script = new URL('../dist/node/wasm-worker.js', import.meta.url);
      const worker = new Worker(script, { workerData: start, execArgv: [] });
      workers.push({ worker, online: once(worker, 'online') });
      worker.on('message', (response: Response) => events.response(response));
      worker.on('error', (error) => events.end(error.message));
      worker.on('exit', (code) => events.end(`exit code ${code}`));
      return {
        post: (request) => worker.postMessage(request),
        hold: () => undefined,
        terminate: () => void worker.terminate(),
      };
    },
  };
}

it('refuses kernels of an earlier version', () => {
  const folder = mkdtempSync(join(tmpdir(), 'wasm-old-'));
  try {
    // A module that is valid, and imports no memory.
    writeFileSync(join(folder, 'simd.wasm'), Uint8Array.of(0, 0x61, 0x73, 0x6d, 1, 0, 0, 0));
    vi.stubEnv('STEELYARD_WASM', folder);
    expect(JSON.stringify(loadWasmModule('simd'))).toMatch(/earlier version.*build -- --all/);
  } finally {
    vi.unstubAllEnvs();
    rmSync(folder, { recursive: true });
  }
});

describe.skipIf(!wasmAvailability().available)('in several threads', () => {
  it('gives the same bits as in one', async () => {
    const results = [];
    for (const threads of [1, 2, 3]) {
      const backend = createWasmBackend({ runner: createNodeWasmRunner(threads) });
      expect(backend.description).toContain(`${threads} thread`);
      results.push(await productOf(backend, 33));
      backend.dispose();
    }
    expect(results[0]?.every(Number.isFinite)).toBe(true);
    expect(results[1]).toEqual(results[0]);
    expect(results[2]).toEqual(results[0]);
  });

  it('refuses runs, that under way too, when one of them dies', async () => {
    const found = loadWasmModule();
    if ('reason' in found) throw new Error(found.reason);
    const workers: Watched[] = [];
    const backend = createWasmBackend({
      runner: startThreads(watchedHost(workers), { ...found, threads: 2 }),
    });
    await productOf(backend, 1);
    expect(workers.length).toBe(2);
    await Promise.all(workers.map(({ online }) => online));
    const gone = Promise.all(workers.map(({ worker }) => once(worker, 'exit')));
    // Long enough to be under way when the thread is ended.
    const waiting = productOf(backend, 512);
    await Promise.all([
      expect(waiting).rejects.toThrow(/the WebAssembly thread ended: its thread 2: exit code 1/),
      workers[1]?.worker.terminate(),
    ]);
    await gone;
    await expect(productOf(backend, 1)).rejects.toThrow(/its thread 2/);
  });

  it('are one where memory cannot be sent', async () => {
    const found = loadWasmModule();
    if ('reason' in found) throw new Error(found.reason);
    const workers: Watched[] = [];
    const runner = startThreads(watchedHost(workers, false), { ...found, threads: 4 });
    const backend = createWasmBackend({ runner });
    const y = await productOf(backend, 3);
    expect([workers.length, runner.threads, y?.length]).toEqual([1, 1, 3 * 2048]);
    expect(y?.every(Number.isFinite)).toBe(true);
    backend.dispose();
  });

  it('lets the process end while they wait', async () => {
    const index = new URL('../dist/index.js', import.meta.url).href;
    const program = `
      import { createNodeWasmRunner } from ${JSON.stringify(index)};
      const runner = createNodeWasmRunner(2);
      await runner.call({ do: 'allocate', id: 1, bytes: 16 });
      console.log((await runner.call({ do: 'read', id: 1, bytes: 16 })).length);`;
    const child = spawn(process.execPath, ['--input-type=module', '-e', program]);
    let output = '';
    child.stdout.on('data', (text: Buffer) => (output += text.toString()));
    const code = await new Promise((resolve) => child.on('exit', resolve));
    expect([code, output]).toEqual([0, '16\n']);
  });

  it('takes at most as many threads as there are cores, and refuses counts that are none', () => {
    const backend = createNodeWasmBackend({ threads: 64 });
    const threads = Number(/(\d+) threads?,/.exec(backend.description)?.[1]);
    expect(threads).toBeLessThanOrEqual(availableParallelism());
    backend.dispose();
    for (const threads of [0, 1.5, 65])
      expect(() => createNodeWasmBackend({ threads })).toThrow(RequestError);
  });
});
