/** A graph compiled to a native tape, and its runs. */

import { CapacityError, ShapeError, SteelyardError } from '@steelyard/core';
import {
  bindShape,
  elementCount,
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
  readonly #addon: Addon;
  readonly #native: NativeExecutable;
  readonly #planned: PlannedGraph;
  readonly #results = new Map<string, Float32Array>();
  #disposed = false;
  #queue: Promise<unknown> = Promise.resolve();
  readonly #idle: NodeJS.Timeout;

  constructor(addon: Addon, native: NativeExecutable, planned: PlannedGraph) {
    this.#addon = addon;
    this.#native = native;
    this.#planned = planned;
    this.temporaryBytes = addon.temporaryBytes(native);
    this.#idle = setTimeout(() => (this.#queue = addon.repack(native)), IDLE_MS).unref();
  }

  run(request: RunRequest): Promise<RunResult> {
    clearTimeout(this.#idle);
    const result = this.#queue.then(() => this.#run(request));
    this.#queue = result.catch(() => undefined);
    return result;
  }

  dispose(): void {
    if (this.#disposed) return;
    this.#disposed = true;
    clearTimeout(this.#idle);
    // After the run in flight; those that wait are refused.
    void this.#queue.then(() => this.#addon.releaseExecutable(this.#native));
  }

  /** Fresh pages for every row of logits cost more than their sampling; the contract ends a result at the next run. */
  #room(name: string, elements: number): Float32Array {
    let room = this.#results.get(name);
    if (!room || room.length < elements) {
      room = new Float32Array(elements);
      this.#results.set(name, room);
    }
    return room.subarray(0, elements);
  }

  async #run(request: RunRequest): Promise<RunResult> {
    if (this.#disposed) throw new ShapeError('the executable was disposed');
    const { dims } = request;
    const bound = checkDims(this.#planned, dims);
    const data = checkInputs(this.#planned, request);
    try {
      await this.#addon.run(this.#native, bound, data);
    } catch (error) {
      throw new ShapeError(`the step was refused: ${(error as Error).message}`);
    }
    return Object.fromEntries(
      this.#planned.outputs.map(({ name, value, offset }) => {
        const out = this.#room(name, elementCount(bindShape(value.shape, dims)));
        this.#addon.readArena(this.#native, offset, out);
        return [name, out];
      }),
    );
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
