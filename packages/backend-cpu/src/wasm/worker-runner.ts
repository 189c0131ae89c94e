/** A runner in another thread, over messages that browser workers and Node's both have. Who makes the thread is not decided here. */

import { UnsupportedError } from '@steelyard/core';
import {
  CommandExecutor,
  fromErrorReply,
  toErrorReply,
  type Command,
  type ErrorReply,
  type KernelsOfThread,
  type ReadRegion,
  type Reply,
  type WasmRunner,
} from './runner.ts';

/** A command on its way to the worker. */
export interface Request {
  readonly number: number;
  readonly command: Command;
}

/** What comes back. */
export interface Response {
  readonly number: number;
  readonly reply?: Reply;
  readonly error?: ErrorReply;
}

/** The thread as the runner sees it. */
export interface WorkerLink {
  readonly description: string;
  readonly threads: number;
  readonly memoryBytes?: number;
  readonly readsFiles: boolean;
  post(request: Request): void;
  /** Called when the first command is pending, and when none is any more: a worker that is idle should not keep a process alive. */
  hold(pending: boolean): void;
  terminate(): void;
}

/** The runner, and the two events that the thread's owner passes on. */
export interface WorkerRunner extends WasmRunner {
  onResponse(response: Response): void;
  /** The thread ended or failed; every command from then on is refused. */
  onEnd(reason: string): void;
}

interface Pending {
  readonly resolve: (reply: Reply) => void;
  readonly reject: (error: Error) => void;
}

export function createWorkerRunner(link: WorkerLink): WorkerRunner {
  const pending = new Map<number, Pending>();
  let next = 0;
  let ended: string | undefined;
  const settle = (number: number): Pending | undefined => {
    const waiting = pending.get(number);
    pending.delete(number);
    if (pending.size === 0) link.hold(false);
    return waiting;
  };
  const end = (reason: string): void => {
    ended ??= reason;
    for (const number of [...pending.keys()])
      settle(number)?.reject(new UnsupportedError(`the WebAssembly thread ended: ${reason}`));
  };
  return {
    description: link.description,
    threads: link.threads,
    ...(link.memoryBytes !== undefined && { memoryBytes: link.memoryBytes }),
    readsFiles: link.readsFiles,
    call(command) {
      if (ended !== undefined)
        return Promise.reject(new UnsupportedError(`the WebAssembly thread ended: ${ended}`));
      return new Promise((resolve, reject) => {
        const number = next++;
        if (pending.size === 0) link.hold(true);
        pending.set(number, { resolve, reject });
        link.post({ number, command });
      });
    },
    onResponse({ number, reply, error }) {
      const waiting = settle(number);
      if (error) waiting?.reject(fromErrorReply(error));
      else waiting?.resolve(reply);
    },
    onEnd: end,
    dispose() {
      end('it was disposed');
      link.terminate();
    },
  };
}

/** The worker's side: a function from requests to responses. */
export function createResponder(
  kernels: KernelsOfThread,
  readRegion?: ReadRegion,
): (request: Request) => Response {
  const executor = new CommandExecutor(kernels, readRegion);
  return ({ number, command }) => {
    try {
      return { number, reply: executor.execute(command) };
    } catch (error) {
      return { number, error: toErrorReply(error) };
    }
  };
}
