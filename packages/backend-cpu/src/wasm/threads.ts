/**
 * The threads of one set of kernels: one takes commands and runs graphs, the others help it over the same memory. What a
 * thread is, a worker of Node's or of a page, is not decided here.
 */

import { RequestError } from '@steelyard/core';
import { createKernelMemory } from './kernel-memory.ts';
import { WasmKernels } from './kernels.ts';
import type { ReadRegion } from './runner.ts';
import {
  createResponder,
  createWorkerRunner,
  type Request,
  type Response,
  type WorkerRunner,
} from './worker-runner.ts';

/** More than any machine has cores to spare; each takes a thread and a stack. */
export const MAX_WASM_THREADS = 64;

/** What a thread is told when it starts. */
export type ThreadStart =
  | {
      readonly role: 'kernels';
      readonly module: WebAssembly.Module;
      /** Absent where memory cannot be sent: the thread makes its own. */
      readonly memory?: WebAssembly.Memory;
      readonly threads: number;
    }
  | {
      readonly role: 'helper';
      readonly module: WebAssembly.Module;
      readonly memory: WebAssembly.Memory;
      readonly thread: number;
      readonly stackTop: number;
    };

export interface ThreadEvents {
  response(response: Response): void;
  /** It ended or failed. */
  end(reason: string): void;
}

/** A thread that was started. */
export interface Thread {
  post(request: Request): void;
  /** Whether it keeps the process alive. */
  hold(pending: boolean): void;
  terminate(): void;
}

export interface ThreadHost {
  /** Whether threads read regions of files themselves. */
  readonly readsFiles: boolean;
  /** Whether memory can be sent to threads. */
  readonly sharesMemory: boolean;
  start(start: ThreadStart, events: ThreadEvents): Thread;
}

/** @throws RequestError outside 1 to 64 */
export function checkWasmThreads(threads: number): number {
  if (Number.isInteger(threads) && threads >= 1 && threads <= MAX_WASM_THREADS) return threads;
  throw new RequestError(
    `threads must be 1 to ${MAX_WASM_THREADS} for WebAssembly kernels, got ${threads}`,
    'threads',
  );
}

/**
 * Starts the thread that takes commands, then its helpers; a run does not wait for helpers that are not there yet. When
 * any of them ends, all do, and calls are refused. One thread where memory cannot be shared.
 */
export function startThreads(
  host: ThreadHost,
  { module, variant, threads }: { module: WebAssembly.Module; variant: string; threads: number },
): WorkerRunner {
  const count = host.sharesMemory ? checkWasmThreads(threads) : 1;
  const shared = host.sharesMemory ? createKernelMemory(module) : undefined;
  const started: Thread[] = [];
  const terminate = (): void => {
    for (const thread of started.splice(0)) thread.terminate();
  };
  const events = (name: string): ThreadEvents => ({
    response: (response) => runner.onResponse(response),
    end: (reason) => {
      runner.onEnd(count > 1 ? `its ${name}: ${reason}` : reason);
      terminate();
    },
  });
  const kernels: ThreadStart = {
    role: 'kernels',
    module,
    ...(shared && { memory: shared.memory }),
    threads: count,
  };
  const runner = createWorkerRunner({
    description: variant,
    threads: count,
    ...(shared && { memoryBytes: shared.maximumBytes }),
    readsFiles: host.readsFiles,
    post: (request) => started[0]?.post(request),
    hold: (pending) => started[0]?.hold(pending),
    terminate,
  });
  started.push(host.start(kernels, events('first thread')));
  if (shared && count > 1) {
    const startHelpers = async (): Promise<void> => {
      const stacks = (await runner.call({ do: 'stacks', count: count - 1 })) as readonly number[];
      stacks.forEach((stackTop, i) => {
        // None, when all were ended meanwhile.
        if (started.length === 0) return;
        const helper = { role: 'helper', module, memory: shared.memory, thread: i + 1, stackTop } as const;
        started.push(host.start(helper, events(`thread ${i + 2}`)));
      });
    };
    // Refused only when the first thread ended, which every call reports.
    startHelpers().catch(() => undefined);
  }
  return runner;
}

/** What a thread does: answers requests, or helps and never returns. */
export function beginThread(
  start: ThreadStart,
  readRegion?: ReadRegion,
): ((request: Request) => Response) | undefined {
  if (start.role === 'kernels') return createResponder(start, readRegion);
  new WasmKernels(start.module, start.memory, start.stackTop).help(start.thread);
  return undefined;
}
