/** A graph compiled to a native tape, and its runs. */

import { CapacityError, ShapeError, SteelyardError } from '@steelyard/core';
import {
  type Bindings,
  type CompileOptions,
  type DeviceTensor,
  type Executable,
  type Graph,
  type RunRequest,
  type RunResult,
  type Value,
} from '@steelyard/graph';
import type { Addon, NativeExecutable, Pieces } from './addon.ts';
import { copyWeight, CpuTensor } from './cpu-tensor.ts';
import {
  boundCount,
  checkDims,
  checkInputs,
  checkType,
  planGraph,
  type Activations,
  type PlannedGraph,
} from './planned-graph.ts';

/** How long an executable waits for its first run, which comes sooner without repacked weights, before it repacks them. */
const IDLE_MS = 50;

class CpuExecutable implements Executable {
  readonly temporaryBytes: number;
  readonly leavesLoop = true;
  readonly #addon: Addon;
  readonly #native: NativeExecutable;
  readonly #planned: PlannedGraph;
  readonly #dims: Int32Array;
  readonly #arena: ArrayBuffer;
  /** Views of the arena, made anew when dims change. */
  #result: RunResult = {};
  #disposed = false;
  #running = false;
  /** Runs that wait for the one in flight. */
  readonly #waiting: (() => void)[] = [];
  readonly #idle: NodeJS.Timeout;

  constructor(addon: Addon, native: NativeExecutable, planned: PlannedGraph) {
    this.#addon = addon;
    this.#native = native;
    this.#planned = planned;
    this.#dims = new Int32Array(planned.limits.length);
    this.#arena = addon.arena(native);
    this.temporaryBytes = addon.temporaryBytes(native);
    this.#idle = setTimeout(() => void this.#repack(), IDLE_MS).unref();
  }

  // Between two runs of decode the caches hold nothing of this thread, so that what counts is how much code is touched: one
  // await, no copies, nothing made that was there before.
  async run(request: RunRequest): Promise<RunResult> {
    clearTimeout(this.#idle);
    if (this.#running) await new Promise<void>((resolve) => this.#waiting.push(resolve));
    this.#running = true;
    try {
      if (this.#disposed) throw new ShapeError('the executable was disposed');
      const dims = checkDims(this.#planned, request.dims, this.#dims);
      await this.#addon.run(this.#native, dims, checkInputs(this.#planned, request));
      return this.#viewed(request.dims);
    } catch (error) {
      if (error instanceof ShapeError) throw error;
      throw new ShapeError(`the step was refused: ${(error as Error).message}`);
    } finally {
      this.#ended();
    }
  }

  async #repack(): Promise<void> {
    this.#running = true;
    await this.#addon.repack(this.#native);
    this.#ended();
  }

  #ended(): void {
    const next = this.#waiting.shift();
    // Once who awaits this result has had it.
    if (next) setImmediate(next);
    else this.#running = false;
    if (this.#disposed && !next) this.#release();
  }

  dispose(): void {
    if (this.#disposed) return;
    this.#disposed = true;
    clearTimeout(this.#idle);
    // After the run in flight; those that wait are refused.
    if (!this.#running) this.#release();
  }

  /** Once who awaits the last result has had it. */
  #release(): void {
    setImmediate(() => this.#addon.releaseExecutable(this.#native, this.#arena));
  }

  /** The contract ends a result at the next run, so that it can stay where kernels wrote it. */
  #viewed(dims: Bindings): RunResult {
    for (const { name, value, offset } of this.#planned.outputs) {
      const count = boundCount(value.shape, dims);
      if (this.#result[name]?.length === count) continue;
      this.#result = { ...this.#result, [name]: new Float32Array(this.#arena, offset, count) };
    }
    return this.#result;
  }
}

/** How runs are done; see CpuOptions. */
export interface CompileSettings {
  readonly threads: number;
  readonly activations: Activations;
  readonly level: string;
  readonly poison: boolean;
}

/**
 * Optimises, plans and compiles a graph.
 * @throws ShapeError when weights, states or limits do not fit it; CapacityError when temporaries do not fit in memory
 */
export async function compileGraph(
  addon: Addon,
  graph: Graph,
  { weights, states, limits, expertsOnDisk = false }: CompileOptions,
  settings: CompileSettings,
): Promise<Executable> {
  const planned = planGraph(graph, limits, settings.activations);
  const { tape } = planned;
  const constants: CpuTensor[] = [];
  const bind = (value: Value, from: ReadonlyMap<string, DeviceTensor>): Pieces => {
    const tensor = value.data ? copyWeight(addon, value.data) : from.get(value.name);
    if (!(tensor instanceof CpuTensor)) {
      throw new ShapeError(`${value.storage} ${value.name} is not loaded on the cpu backend; load it first`);
    }
    if (value.data) constants.push(tensor);
    checkType(value, tensor);
    return tensor.pieces.flatMap(({ memory, offset, bytes }) => [memory, offset, bytes]);
  };
  try {
    const native = await addon.compile(
      tape.words,
      tape.weights.map((v) => bind(v, weights)),
      tape.states.map((v) => bind(v, states)),
      planned.limits,
      settings.threads,
      settings.activations !== 'f32',
      settings.level,
      settings.poison,
      expertsOnDisk,
    );
    return new CpuExecutable(addon, native, planned);
  } catch (error) {
    throw asCompileError(graph, error);
  } finally {
    // The native side keeps what it points into.
    for (const tensor of constants) tensor.dispose();
  }
}

function asCompileError(graph: Graph, error: unknown): unknown {
  if (error instanceof SteelyardError) return error;
  const message = `graph ${graph.name} does not compile: ${(error as Error).message}`;
  return message.includes('cannot allocate')
    ? new CapacityError(`${message}; lower the limits`, { cause: error })
    : new ShapeError(message);
}
