/** The WebAssembly kernels in Node: which build fits this version, and worker threads that run it. */

import { existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { Worker } from 'node:worker_threads';
import { UnsupportedError } from '@steelyard/core';
import type { Backend } from '@steelyard/graph';
import { defaultThreads } from '../availability.ts';
import { parseActivations } from '../planned-graph.ts';
import { hasWideMemory, needsWideMemory } from '../wasm/kernel-memory.ts';
import { createWasmBackend, type WasmChoice, type WasmOptions } from '../wasm/wasm-backend.ts';
import {
  checkWasmThreads,
  MAX_WASM_THREADS,
  startThreads,
  type Thread,
  type ThreadEvents,
  type ThreadHost,
  type ThreadStart,
} from '../wasm/threads.ts';
import type { Response, WorkerRunner } from '../wasm/worker-runner.ts';
import { physicalCores } from './physical-cores.ts';

/** Of 32-bit addresses, best first. */
const narrow = ['relaxed-simd', 'simd'] as const;
/** Of 64-bit addresses. */
const wide = ['relaxed-simd-64', 'simd-64'] as const;
export const wasmVariants = [...narrow, ...wide] as const;
export type WasmVariant = (typeof wasmVariants)[number];

export interface WasmAvailability {
  readonly available: boolean;
  /** Why not. */
  readonly reason?: string;
  readonly variant?: WasmVariant;
  /** As many as a backend has unless told otherwise. */
  readonly threads: number;
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
  const threads = Math.min(defaultThreads(), physicalCores(), MAX_WASM_THREADS);
  if ('reason' in loaded) return { available: false, reason: loaded.reason, threads };
  if (!existsSync(workerUrl()))
    return { available: false, reason: 'the packages are not built; run: npm run build', threads };
  return { available: true, variant: loaded.variant, threads };
}

type Loaded =
  { readonly module: WebAssembly.Module; readonly variant: WasmVariant } | { readonly reason: string };

let loaded: Loaded | undefined;

/** The best build of 32-bit addresses that this version of Node accepts, or `only`. The former is compiled once. */
export function loadWasmModule(only?: WasmVariant): Loaded {
  if (only) return load([only]);
  loaded ??= load(narrow);
  return loaded;
}

/** A build of 64-bit addresses where a model needs them and this version of Node has them. */
function wideVariant(weightBytes: number): WasmVariant | undefined {
  const found = needsWideMemory(weightBytes) ? load(wide) : undefined;
  return found && 'module' in found ? found.variant : undefined;
}

/** Earlier builds had no memory from outside, or wanted more than that. */
function isOfThisVersion(module: WebAssembly.Module): boolean {
  const imports = WebAssembly.Module.imports(module);
  return imports.length === 1 && imports[0]?.kind === 'memory';
}

function load(candidates: readonly WasmVariant[]): Loaded {
  let reason = 'the WebAssembly kernels are not built; run: npm run build -- --all';
  for (const variant of candidates) {
    const bytes = moduleBytes(variant);
    if (!bytes) continue;
    const widths = (wide as readonly WasmVariant[]).includes(variant) ? hasWideMemory() : true;
    if (!widths || !WebAssembly.validate(bytes)) {
      reason = `Node ${process.versions.node} does not know what the WebAssembly kernels (${variant}) are made of; update Node`;
      continue;
    }
    const module = new WebAssembly.Module(bytes);
    if (isOfThisVersion(module)) return { module, variant };
    reason = 'the WebAssembly kernels are of an earlier version; run: npm run build -- --all';
  }
  return { reason };
}

const host: ThreadHost = { readsFiles: true, sharesMemory: true, start: startWorker };

/** A thread does not keep the process alive, except while a command is pending. */
function startWorker(start: ThreadStart, events: ThreadEvents): Thread {
  const worker = new Worker(workerUrl(), { workerData: start, execArgv: [] });
  worker.on('message', (response: Response) => events.response(response));
  worker.on('error', (error) => events.end(error.message));
  worker.on('exit', (code) => events.end(`exit code ${code}`));
  // After the listeners, which would hold it again.
  worker.unref();
  return {
    post: (request) => worker.postMessage(request),
    hold: (pending) => (pending ? worker.ref() : worker.unref()),
    terminate: () => void worker.terminate(),
  };
}

/** Kernels in threads of their own, as many as asked for. @throws UnsupportedError when they are not built or Node is too old */
export function createNodeWasmRunner(threads: number, only?: WasmVariant): WorkerRunner {
  const { available, reason } = wasmAvailability();
  const found = loadWasmModule(only);
  if (!available || 'reason' in found) throw new UnsupportedError(reason ?? 'no WebAssembly kernels');
  return startThreads(host, { ...found, threads });
}

export interface NodeWasmOptions extends Omit<WasmOptions, 'module' | 'runner'>, WasmChoice {
  /** At most as many as the machine has cores. Default all of them, or `STEELYARD_THREADS`. */
  readonly threads?: number;
}

/**
 * The WebAssembly backend in threads of its own: runs leave the event loop. Dispose it to end them.
 * @throws UnsupportedError when the kernels are not built or Node is too old for them; RequestError for a count of
 *   threads outside 1 to 64
 */
export function createNodeWasmBackend(options: NodeWasmOptions = {}): Backend {
  const { threads = wasmAvailability().threads, weightBytes = 0, ...rest } = options;
  const activations = options.activations ?? parseActivations(process.env['STEELYARD_ACTIVATIONS']);
  const count = Math.min(checkWasmThreads(threads), physicalCores());
  const runner = createNodeWasmRunner(count, wideVariant(weightBytes));
  return createWasmBackend({ ...rest, activations, runner });
}
