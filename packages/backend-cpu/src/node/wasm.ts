/** The WebAssembly kernels in Node: which build fits this version, and a worker thread that runs it. */

import { existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { Worker } from 'node:worker_threads';
import { UnsupportedError } from '@steelyard/core';
import type { Backend } from '@steelyard/graph';
import { parseActivations } from '../planned-graph.ts';
import { createWasmBackend, type WasmOptions } from '../wasm/wasm-backend.ts';
import { createWorkerRunner, type Response, type WorkerRunner } from '../wasm/worker-runner.ts';

/** Best first. */
const variants = ['relaxed-simd', 'simd'] as const;
export type WasmVariant = (typeof variants)[number];

export interface WasmAvailability {
  readonly available: boolean;
  /** Why not. */
  readonly reason?: string;
  readonly variant?: WasmVariant;
}

/** `STEELYARD_WASM` names another folder of builds. */
function moduleBytes(variant: WasmVariant): Uint8Array<ArrayBuffer> | undefined {
  const folder = process.env['STEELYARD_WASM'] ?? fileURLToPath(new URL('../../build/wasm', import.meta.url));
  const path = `${folder}/${variant}.wasm`;
  return existsSync(path) ? new Uint8Array(readFileSync(path)) : undefined;
}

/** Workers are plain Node, which reads no TypeScript: from sources too, the built file runs. */
function workerUrl(): URL {
  return new URL(
    import.meta.url.endsWith('.ts') ? '../../dist/node/wasm-worker.js' : './wasm-worker.js',
    import.meta.url,
  );
}

/** Whether the WebAssembly backend works here, for `doctor` and for choosing a backend. */
export function wasmAvailability(): WasmAvailability {
  const loaded = loadWasmModule();
  if ('reason' in loaded) return { available: false, reason: loaded.reason };
  if (!existsSync(workerUrl()))
    return { available: false, reason: 'the packages are not built; run: npm run build' };
  return { available: true, variant: loaded.variant };
}

type Loaded =
  { readonly module: WebAssembly.Module; readonly variant: WasmVariant } | { readonly reason: string };

let loaded: Loaded | undefined;

/** The best build that this version of Node accepts, or `only`. Compiled once. */
export function loadWasmModule(only?: WasmVariant): Loaded {
  if (only) return load([only]);
  loaded ??= load(variants);
  return loaded;
}

function load(candidates: readonly WasmVariant[]): Loaded {
  let found = false;
  for (const variant of candidates) {
    const bytes = moduleBytes(variant);
    found ||= bytes !== undefined;
    if (bytes && WebAssembly.validate(bytes)) return { module: new WebAssembly.Module(bytes), variant };
  }
  return {
    reason: found
      ? `Node ${process.versions.node} does not know the SIMD instructions of the WebAssembly kernels; update Node`
      : 'the WebAssembly kernels are not built; run: npm run build -- --all',
  };
}

function startWorker(module: WebAssembly.Module, variant: WasmVariant): WorkerRunner {
  const worker = new Worker(workerUrl(), { workerData: { module }, execArgv: [] });
  const runner = createWorkerRunner({
    description: variant,
    readsFiles: true,
    post: (request) => worker.postMessage(request),
    hold: (pending) => (pending ? worker.ref() : worker.unref()),
    terminate: () => void worker.terminate(),
  });
  worker.unref();
  worker.on('message', (response: Response) => runner.onResponse(response));
  worker.on('error', (error) => runner.onEnd(error.message));
  worker.on('exit', (code) => runner.onEnd(`exit code ${code}`));
  return runner;
}

/**
 * The WebAssembly backend in a worker thread: runs leave the event loop. Dispose it to end the thread.
 * @throws UnsupportedError when the kernels are not built or Node is too old for them
 */
export function createNodeWasmBackend(options: Omit<WasmOptions, 'module' | 'runner'> = {}): Backend {
  const { available, reason } = wasmAvailability();
  const found = loadWasmModule();
  if (!available || 'reason' in found) throw new UnsupportedError(reason ?? 'no WebAssembly kernels');
  const activations = options.activations ?? parseActivations(process.env['STEELYARD_ACTIVATIONS']);
  return createWasmBackend({
    ...options,
    activations,
    runner: startWorker(found.module, found.variant),
  });
}
