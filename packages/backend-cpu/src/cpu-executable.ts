/** A graph compiled to a native tape, and its runs. */

import { CapacityError, ShapeError, SteelyardError, UnsupportedError } from '@steelyard/core';
import {
  bindShape,
  elementCount,
  optimise,
  planMemory,
  type Bindings,
  type CompileOptions,
  type DeviceTensor,
  type Executable,
  type Graph,
  type MemoryPlan,
  type RunRequest,
  type RunResult,
  type Value,
} from '@steelyard/graph';
import type { Addon, NativeExecutable, NativeMemory } from './addon.ts';
import { copyWeight, CpuTensor } from './cpu-tensor.ts';
import { writeTape, type Tape } from './tape.ts';

/** Where a result lies in the arena. */
interface Output {
  readonly name: string;
  readonly value: Value;
  /** Bytes. */
  readonly offset: number;
}

class CpuExecutable implements Executable {
  readonly temporaryBytes: number;
  readonly #addon: Addon;
  readonly #native: NativeExecutable;
  readonly #tape: Tape;
  readonly #limits: Bindings;
  readonly #outputs: readonly Output[];
  #disposed = false;
  #queue: Promise<unknown> = Promise.resolve();

  constructor(
    addon: Addon,
    native: NativeExecutable,
    tape: Tape,
    limits: Bindings,
    outputs: readonly Output[],
  ) {
    this.#addon = addon;
    this.#native = native;
    this.#tape = tape;
    this.#limits = limits;
    this.#outputs = outputs;
    this.temporaryBytes = addon.temporaryBytes(native);
  }

  run(request: RunRequest): Promise<RunResult> {
    const result = this.#queue.then(() => this.#run(request));
    this.#queue = result.catch(() => undefined);
    return result;
  }

  dispose(): void {
    if (this.#disposed) return;
    this.#disposed = true;
    // After the run in flight; those that wait are refused.
    void this.#queue.then(() => this.#addon.releaseExecutable(this.#native));
  }

  async #run({ dims, inputs }: RunRequest): Promise<RunResult> {
    if (this.#disposed) throw new ShapeError('the executable was disposed');
    const bound = Int32Array.from(this.#tape.symbols, (name) =>
      checkDim(name, dims[name], this.#limits[name]),
    );
    const data = this.#tape.inputs.map((source) => checkInput(source, inputs[source.name], dims));
    try {
      await this.#addon.run(this.#native, bound, data);
    } catch (error) {
      throw new ShapeError(`the step was refused: ${(error as Error).message}`);
    }
    return Object.fromEntries(
      this.#outputs.map(({ name, value, offset }) => {
        const out = new Float32Array(elementCount(bindShape(value.shape, dims)));
        this.#addon.readArena(this.#native, offset, out);
        return [name, out];
      }),
    );
  }
}

function innerCount(value: Value): number {
  return value.shape.slice(1).reduce<number>((n, dim) => n * (dim as number), 1);
}

function checkDim(name: string, dim: number | undefined, limit = 0): number {
  if (dim !== undefined && Number.isInteger(dim) && dim >= 1 && dim <= limit) return dim;
  throw new ShapeError(`dim ${name} must be 1 to ${limit}, got ${String(dim)}`);
}

function checkInput(source: Value, data: Int32Array | Float32Array | undefined, dims: RunRequest['dims']) {
  const shape = bindShape(source.shape, dims);
  const wanted = source.dtype === 'i32' ? Int32Array : Float32Array;
  if (!(data instanceof wanted) || data.length !== elementCount(shape)) {
    const got = data ? `${data.constructor.name} of ${data.length}` : 'nothing';
    throw new ShapeError(`input ${source.name} must be ${wanted.name} of [${shape.join(', ')}], got ${got}`);
  }
  return data;
}

/** How runs are done; see CpuOptions. */
export interface CompileSettings {
  readonly threads: number;
  readonly integers: boolean;
  readonly level: string;
  readonly poison: boolean;
}

/**
 * Optimises, plans and compiles a graph.
 * @throws ShapeError when weights, states or limits do not fit it; CapacityError when temporaries do not fit in memory
 */
export function compileGraph(
  addon: Addon,
  graph: Graph,
  { weights, states, limits }: CompileOptions,
  settings: CompileSettings,
): Executable {
  const optimised = optimise(graph);
  const plan = planMemory(optimised, limits);
  const tape = writeTape(optimised, plan);
  const outputs = placeOutputs(optimised, plan);
  const constants: CpuTensor[] = [];
  const bind = (value: Value, from: ReadonlyMap<string, DeviceTensor>): (NativeMemory | number)[] => {
    const tensor = value.data ? copyWeight(addon, value.data) : from.get(value.name);
    if (!(tensor instanceof CpuTensor)) {
      throw new ShapeError(`${value.storage} ${value.name} is not loaded on the cpu backend; load it first`);
    }
    if (value.data) constants.push(tensor);
    checkType(value, tensor);
    return [tensor.memory, tensor.offset, tensor.byteLength];
  };
  try {
    const native = addon.compile(
      tape.words,
      tape.weights.flatMap((v) => bind(v, weights)),
      tape.states.flatMap((v) => bind(v, states)),
      Int32Array.from(tape.symbols, (name) => limits[name] ?? 0),
      settings.threads,
      settings.integers,
      settings.level,
      settings.poison,
    );
    return new CpuExecutable(addon, native, tape, limits, outputs);
  } catch (error) {
    throw asCompileError(graph, error);
  } finally {
    // The native side keeps what it points into.
    for (const tensor of constants) tensor.dispose();
  }
}

function placeOutputs(graph: Graph, plan: MemoryPlan): Output[] {
  return Object.entries(graph.outputs).map(([name, value]) => {
    const place = plan.placements.get(value);
    if (place?.root.storage !== 'temporary' || place.rowStride !== innerCount(value)) {
      throw new UnsupportedError(`output ${name} must be a computed, contiguous value`);
    }
    return { name, value, offset: place.offset };
  });
}

function asCompileError(graph: Graph, error: unknown): unknown {
  if (error instanceof SteelyardError) return error;
  const message = `graph ${graph.name} does not compile: ${(error as Error).message}`;
  return message.includes('cannot allocate')
    ? new CapacityError(`${message}; lower the limits`, { cause: error })
    : new ShapeError(message);
}

function checkType(value: Value, tensor: CpuTensor): void {
  const fits =
    value.shape.length === tensor.shape.length &&
    value.shape.every((dim, i) => typeof dim === 'string' || dim === tensor.shape[i]);
  if (fits && value.dtype === tensor.dtype) return;
  throw new ShapeError(
    `${value.storage} ${value.name} is [${tensor.shape.join(', ')}] ${tensor.dtype}, the graph wants [${value.shape.join(', ')}] ${value.dtype}`,
  );
}
