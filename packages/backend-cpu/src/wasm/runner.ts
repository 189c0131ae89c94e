/**
 * What runs the kernels, as commands and replies that can cross to another thread: memory and executables are named
 * by numbers that the caller chooses. Commands take effect in the order of the calls. Which thread is not decided here.
 */

import { CapacityError, ShapeError, SteelyardError, UnsupportedError, type ErrorCode } from '@steelyard/core';
import type { FileRegion } from '@steelyard/graph';
import { createKernelMemory } from './kernel-memory.ts';
import { WasmKernels, type MatrixType, type Span } from './kernels.ts';

/** Part of a memory. */
export interface MemorySpan {
  readonly memory: number;
  readonly bytes: number;
}

export type Command =
  /** With a `matrix`, a weight that is filled before a graph is compiled with it. */
  | { readonly do: 'allocate'; readonly id: number; readonly bytes: number; readonly matrix?: MatrixType }
  | { readonly do: 'write'; readonly id: number; readonly offset: number; readonly bytes: Uint8Array }
  | { readonly do: 'load'; readonly id: number; readonly offset: number; readonly region: FileRegion }
  | { readonly do: 'read'; readonly id: number; readonly bytes: number }
  | { readonly do: 'free'; readonly id: number }
  | {
      readonly do: 'compile';
      readonly id: number;
      readonly tape: Int32Array;
      readonly weights: readonly MemorySpan[];
      readonly states: readonly MemorySpan[];
      readonly limits: Int32Array;
      readonly integers: boolean;
      readonly poison: boolean;
    }
  | {
      readonly do: 'run';
      readonly id: number;
      readonly dims: Int32Array;
      readonly inputs: readonly (Int32Array | Float32Array)[];
      /** Byte offset in the temporaries and number of floats. */
      readonly outputs: readonly { readonly offset: number; readonly length: number }[];
    }
  | { readonly do: 'release'; readonly id: number }
  /** Memory for as many helpers to keep their calls in. */
  | { readonly do: 'stacks'; readonly count: number };

/** `read` gives bytes, `compile` the bytes of temporaries, `run` the outputs, `stacks` their tops; others nothing. */
export type Reply = Uint8Array | number | readonly number[] | readonly Float32Array[] | undefined;

export interface WasmRunner {
  /** For messages and `doctor`. */
  readonly description: string;
  readonly threads: number;
  /** The most that its memory may grow to; absent: what 32 bits address. */
  readonly memoryBytes?: number;
  /** Whether `load` reads files; else the caller writes the bytes. */
  readonly readsFiles: boolean;
  /** @throws SteelyardError */
  call(command: Command): Promise<Reply>;
  dispose(): void;
}

/** Fills `to` from a file. */
export type ReadRegion = (region: FileRegion, to: Uint8Array) => void;

/** Of a helper's stack: kernels keep small tables there. The first thread's is the module's own. */
const STACK_BYTES = 256 << 10;

/** What a thread needs to run kernels. */
export interface KernelsOfThread {
  readonly module: WebAssembly.Module;
  readonly memory?: WebAssembly.Memory;
  /** Those that take part in a run, this one included. */
  readonly threads: number;
}

/** Executes commands on the thread that calls it. */
export class CommandExecutor {
  readonly #kernels: WasmKernels;
  readonly #threads: number;
  readonly #readRegion: ReadRegion | undefined;
  readonly #memories = new Map<number, Span>();
  readonly #executables = new Map<number, number>();

  constructor({ module, memory, threads }: KernelsOfThread, readRegion?: ReadRegion) {
    this.#kernels = new WasmKernels(module, memory ?? createKernelMemory(module).memory);
    this.#threads = threads;
    this.#readRegion = readRegion;
  }

  /** @throws CapacityError, ShapeError */
  execute(command: Command): Reply {
    const kernels = this.#kernels;
    switch (command.do) {
      case 'allocate':
        this.#memories.set(command.id, this.#allocate(command.bytes, command.matrix));
        return undefined;
      case 'write':
        kernels.view(this.#memory(command.id)).set(command.bytes, command.offset);
        return undefined;
      case 'load':
        if (!this.#readRegion) throw new UnsupportedError('files cannot be read here; write the bytes');
        this.#readRegion(command.region, this.#part(command));
        return undefined;
      case 'read':
        return this.#read(command);
      case 'free':
        kernels.free(this.#memory(command.id).address);
        this.#memories.delete(command.id);
        return undefined;
      case 'compile':
        return this.#compile(command);
      case 'run':
        return this.#run(command);
      case 'release':
        kernels.release(this.#executable(command.id));
        this.#executables.delete(command.id);
        return undefined;
      case 'stacks':
        return Array.from({ length: command.count }, () => this.#allocate(STACK_BYTES).address + STACK_BYTES);
    }
  }

  #read({ id, bytes }: Extract<Command, { do: 'read' }>): Uint8Array {
    const { address } = this.#memory(id);
    if (this.#kernels.isPacked(address))
      throw new UnsupportedError(
        'a compiled graph has changed the layout of this weight; read its file instead',
      );
    return this.#kernels.view({ address, bytes }).slice();
  }

  /** The bytes of a memory that a region of a file goes to. */
  #part({ id, offset, region }: Extract<Command, { do: 'load' }>): Uint8Array {
    return this.#kernels.view(this.#memory(id)).subarray(offset, offset + region.length);
  }

  #allocate(bytes: number, matrix?: MatrixType): Span {
    const kernels = this.#kernels;
    const address = matrix ? kernels.allocateWeight(bytes, matrix) : kernels.allocate(bytes);
    if (address !== undefined) return { address, bytes };
    throw new CapacityError(`cannot allocate ${bytes} bytes of WebAssembly memory; close other programs`);
  }

  #compile(command: Extract<Command, { do: 'compile' }>): number {
    const spans = (list: readonly MemorySpan[]): Span[] =>
      list.map(({ memory, bytes }) => ({ address: this.#memory(memory).address, bytes }));
    try {
      const { weights, states } = command;
      const executable = this.#kernels.compile({
        ...command,
        weights: spans(weights),
        states: spans(states),
        threads: this.#threads,
      });
      this.#executables.set(command.id, executable);
      return this.#kernels.temporaryBytes(executable);
    } catch (error) {
      throw explained(error, 'the graph does not compile');
    }
  }

  #run({ id, dims, inputs, outputs }: Extract<Command, { do: 'run' }>): Float32Array[] {
    const executable = this.#executable(id);
    try {
      this.#kernels.run(executable, dims, inputs);
    } catch (error) {
      throw explained(error, 'the step was refused');
    }
    return outputs.map(({ offset, length }) => this.#kernels.readArena(executable, offset, length));
  }

  #memory(id: number): Span {
    const span = this.#memories.get(id);
    if (!span) throw new ShapeError(`WebAssembly memory ${id} is not allocated, or was disposed`);
    return span;
  }

  #executable(id: number): number {
    const executable = this.#executables.get(id);
    if (executable === undefined) throw new ShapeError('the executable was disposed');
    return executable;
  }
}

/** A trap is the module's way of running out of memory: its allocator has no exceptions to throw. */
function explained(error: unknown, what: string): SteelyardError {
  const { message } = error as Error;
  if (error instanceof SteelyardError) return error;
  if (error instanceof WebAssembly.RuntimeError)
    return new CapacityError(`${what}: WebAssembly stopped (${message}); lower the limits`, { cause: error });
  const text = `${what}: ${message}`;
  return message.includes('cannot allocate')
    ? new CapacityError(`${text}; lower the limits`, { cause: error })
    : new ShapeError(text);
}

/** Runs on the calling thread, which waits: for tests, and for pages that already are in a worker of their own. */
export function createLocalRunner(module: WebAssembly.Module, readRegion?: ReadRegion): WasmRunner {
  const { memory, maximumBytes } = createKernelMemory(module);
  const executor = new CommandExecutor({ module, memory, threads: 1 }, readRegion);
  return {
    description: 'this thread',
    threads: 1,
    memoryBytes: maximumBytes,
    readsFiles: readRegion !== undefined,
    call: (command) => new Promise((resolve) => resolve(executor.execute(command))),
    dispose: () => undefined,
  };
}

/** An error as it crosses threads. */
export interface ErrorReply {
  readonly code: ErrorCode;
  readonly message: string;
}

export function toErrorReply(error: unknown): ErrorReply {
  const { message } = error as Error;
  return { code: error instanceof SteelyardError ? error.code : 'unsupported', message };
}

export function fromErrorReply({ code, message }: ErrorReply): SteelyardError {
  if (code === 'shape') return new ShapeError(message);
  return code === 'capacity' ? new CapacityError(message) : new SteelyardError(code, message);
}
