/**
 * The WebAssembly kernels in a browser: the build that it can run, in Web Workers over one memory where the page is
 * cross-origin isolated, else in one.
 */

import { RequestError, UnsupportedError } from '@steelyard/core';
import type { Backend } from '@steelyard/graph';
import {
  checkWasmThreads,
  startThreads,
  type Thread,
  type ThreadEvents,
  type ThreadStart,
} from '../wasm/threads.ts';
import { hasWideMemory, needsWideMemory } from '../wasm/kernel-memory.ts';
import { createWasmBackend, type WasmChoice, type WasmOptions } from '../wasm/wasm-backend.ts';
import type { Response } from '../wasm/worker-runner.ts';
import { hasRelaxedSimd, hasSimd } from './features.ts';

export interface BrowserWasmOptions extends Omit<WasmOptions, 'module' | 'runner'>, WasmChoice {
  /** Folder of this package's .wasm files. Default: as this package has it, which bundlers may not find. */
  readonly kernels?: string | URL;
  /** Default and most: one per core, as far as a browser tells. One where the page is not cross-origin isolated. */
  readonly threads?: number;
  /** Makes a worker of this package's `browser/worker.js`. Default: beside this file, as bundlers find it. */
  readonly createWorker?: () => Worker;
}

/** Browsers count hardware threads; on most machines of more than two, a core has two. */
function cores(): number {
  const threads = navigator.hardwareConcurrency || 1;
  return threads > 2 ? Math.ceil(threads / 2) : threads;
}

async function compileKernels(
  folder: URL,
  wide: boolean,
): Promise<{ module: WebAssembly.Module; variant: string }> {
  if (!hasSimd())
    throw new UnsupportedError(
      'this browser has no SIMD in WebAssembly; update it, or use the reference backend',
    );
  const variant = `${hasRelaxedSimd() ? 'relaxed-simd' : 'simd'}${wide ? '-64' : ''}`;
  const url = new URL(`${variant}.wasm`, folder);
  const response = await fetch(url).catch((error: unknown) => {
    throw new UnsupportedError(`${url.href}: cannot be read: ${(error as Error).message}`, { cause: error });
  });
  if (!response.ok) {
    throw new UnsupportedError(
      `${url.href}: the server answered ${response.status}; serve the .wasm files of @steelyard/backend-cpu and give their folder as \`kernels\``,
    );
  }
  return { module: await WebAssembly.compile(await response.arrayBuffer()), variant };
}

function startWorker(createWorker: () => Worker, start: ThreadStart, events: ThreadEvents): Thread {
  const worker = createWorker();
  worker.addEventListener('message', ({ data }: MessageEvent<Response>) => events.response(data));
  worker.addEventListener('error', ({ message }) => events.end(message || 'its script does not load'));
  worker.addEventListener('messageerror', () => events.end('a message could not be read'));
  worker.postMessage(start);
  return {
    post: (request) => worker.postMessage(request),
    // Nothing is kept alive by workers here.
    hold: () => undefined,
    terminate: () => worker.terminate(),
  };
}

/**
 * Weights are read by the workers from the URLs that `openModelUrl` and `openModelBlob` give their tensors.
 * Dispose it to end the workers.
 * @throws UnsupportedError when the browser lacks SIMD or the kernels are not where they were said to be
 */
export async function createBrowserWasmBackend(options: BrowserWasmOptions = {}): Promise<Backend> {
  const { kernels, threads = cores(), createWorker, weightBytes = 0, ...rest } = options;
  const folder = new URL(kernels ?? '../../build/wasm/', kernels ? location.href : import.meta.url);
  if (!folder.pathname.endsWith('/'))
    throw new RequestError(`kernels must name a folder, ending in /, got ${folder.href}`, 'kernels');
  const found = await compileKernels(folder, needsWideMemory(weightBytes) && hasWideMemory());
  const make =
    createWorker ?? (() => new Worker(new URL('./worker.js', import.meta.url), { type: 'module' }));
  const host = {
    readsFiles: true,
    sharesMemory: globalThis.crossOriginIsolated,
    start: (start: ThreadStart, events: ThreadEvents) => startWorker(make, start, events),
  };
  const count = Math.min(checkWasmThreads(threads), cores());
  return createWasmBackend({ ...rest, runner: startThreads(host, { ...found, threads: count }) });
}
