/** The native CPU backend: graphs become tapes, weights stay mapped in their files, runs leave the event loop. */

import { availableParallelism } from 'node:os';
import { CapacityError, ShapeError, UnsupportedError } from '@steelyard/core';
import {
  bindShape,
  byteLength,
  elementCount,
  optimise,
  planMemory,
  type Backend,
  type CompileOptions,
  type DeviceTensor,
  type DType,
  type Executable,
  type Graph,
  type MemoryPlan,
  type RunRequest,
  type RunResult,
  type TensorData,
  type Value,
} from '@steelyard/graph';
import { loadAddon, type Addon, type NativeExecutable, type NativeMemory } from './addon.ts';
import { writeTape, type Tape } from './tape.ts';

export type CpuLevel = 'avx512' | 'avx2' | 'scalar';

export interface CpuOptions {
  /** Default: the machine's cores, or `STEELYARD_THREADS`. */
  readonly threads?: number;
  /** Default: the best that the processor has, or `STEELYARD_CPU`. */
  readonly level?: CpuLevel;
  /**
   * How activations meet block-quantised weights: `int8` rounds them in runs of 32 and multiplies integers (fast);
   * `f32` keeps them exact. Default int8.
   */
  readonly activations?: 'int8' | 'f32';
}

export interface CpuAvailability {
  readonly available: boolean;
  /** Why not. */
  readonly reason?: string;
  readonly level?: string;
  readonly threads: number;
}

function defaultThreads(): number {
  const wanted = Number(process.env['STEELYARD_THREADS']);
  return Number.isInteger(wanted) && wanted > 0 ? wanted : availableParallelism();
}

/** Whether the native backend works here, for `doctor` and for choosing a backend. */
export function cpuAvailability(): CpuAvailability {
  const threads = defaultThreads();
  const loaded = loadAddon();
  if ('reason' in loaded) return { available: false, reason: loaded.reason, threads };
  const level = loaded.addon.level(process.env['STEELYARD_CPU'] ?? '');
  if (!level)
    return { available: false, reason: `this processor has no ${process.env['STEELYARD_CPU']}`, threads };
  return { available: true, level, threads };
}

class CpuTensor implements DeviceTensor {
  readonly dtype: DType;
  readonly shape: readonly number[];
  readonly residentBytes: number;
  readonly byteLength: number;
  readonly memory: NativeMemory;
  /** First byte within `memory`. */
  readonly offset: number;
  readonly #addon: Addon;
  readonly #release: () => void;
  readonly #isState: boolean;

  constructor(
    addon: Addon,
    type: { dtype: DType; shape: readonly number[] },
    place: {
      memory: NativeMemory;
      offset: number;
      resident: boolean;
      isState: boolean;
      release: () => void;
    },
  ) {
    this.dtype = type.dtype;
    this.shape = type.shape;
    this.byteLength = byteLength(type.dtype, elementCount(type.shape));
    this.residentBytes = place.resident ? this.byteLength : 0;
    this.memory = place.memory;
    this.offset = place.offset;
    this.#addon = addon;
    this.#release = place.release;
    this.#isState = place.isState;
  }

  read(): Promise<Uint8Array> {
    const bytes = new Uint8Array(this.byteLength);
    this.#addon.read(this.memory, this.offset, bytes);
    return Promise.resolve(bytes);
  }

  write(bytes: Uint8Array, offset = 0): Promise<void> {
    if (!this.#isState) throw new ShapeError('a weight cannot be written');
    if (offset < 0 || offset + bytes.length > this.byteLength) {
      throw new ShapeError(
        `bytes ${offset} to ${offset + bytes.length} lie outside a state of ${this.byteLength}`,
      );
    }
    this.#addon.write(this.memory, this.offset + offset, bytes);
    return Promise.resolve();
  }

  dispose(): void {
    this.#release();
  }
}

/** Files mapped by this backend, shared by the tensors in them. */
class FileMaps {
  readonly #addon: Addon;
  readonly #maps = new Map<string, { memory: NativeMemory; users: number }>();

  constructor(addon: Addon) {
    this.#addon = addon;
  }

  take(path: string): { memory: NativeMemory; release: () => void } {
    const map = this.#maps.get(path) ?? { memory: this.#addon.mapFile(path), users: 0 };
    this.#maps.set(path, map);
    map.users++;
    let held = true;
    const release = (): void => {
      if (!held) return;
      held = false;
      if (--map.users > 0) return;
      this.#maps.delete(path);
      this.#addon.release(map.memory);
    };
    return { memory: map.memory, release };
  }
}

class CpuExecutable implements Executable {
  readonly temporaryBytes: number;
  readonly #addon: Addon;
  readonly #native: NativeExecutable;
  readonly #tape: Tape;
  readonly #outputs: readonly { name: string; value: Value; offset: number }[];
  /** Everything that the native side points into: held here, or the collector would free it. */
  readonly #bound: readonly CpuTensor[];
  #disposed = false;
  readonly #constants: readonly CpuTensor[];
  #queue: Promise<unknown> = Promise.resolve();

  constructor(
    addon: Addon,
    native: NativeExecutable,
    parts: { tape: Tape; graph: Graph; plan: MemoryPlan; bound: CpuTensor[]; constants: CpuTensor[] },
  ) {
    const { tape, graph, plan } = parts;
    this.#addon = addon;
    this.#native = native;
    this.#tape = tape;
    this.#bound = parts.bound;
    this.#constants = parts.constants;
    this.temporaryBytes = addon.temporaryBytes(native);
    this.#outputs = Object.entries(graph.outputs).map(([name, value]) => {
      const place = plan.placements.get(value);
      if (place?.root.storage !== 'temporary' || place.rowStride !== innerCount(value)) {
        throw new UnsupportedError(`output ${name} must be a computed, contiguous value`);
      }
      return { name, value, offset: place.offset };
    });
  }

  run(request: RunRequest): Promise<RunResult> {
    const result = this.#queue.then(() => this.#run(request));
    this.#queue = result.catch(() => undefined);
    return result;
  }

  dispose(): void {
    // After the runs in flight. The native side goes when its handle is collected.
    this.#disposed = true;
    void this.#queue.then(() => {
      for (const tensor of this.#constants) tensor.dispose();
    });
  }


  async #run({ dims, inputs }: RunRequest): Promise<RunResult> {
    if (this.#disposed) throw new ShapeError('the executable was disposed');
    const bound = Int32Array.from(this.#tape.symbols, (name) => dims[name] ?? 0);
    const data = this.#tape.inputs.map((source) => checkInput(source, inputs[source.name], dims));
    try {
      await this.#addon.run(this.#native, bound, data);
    } catch (error) {
      const names = this.#tape.symbols.map((name, i) => `${i}: ${name}`).join(', ');
      throw new ShapeError(`the step was refused: ${(error as Error).message} (dims are ${names})`);
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

function checkInput(source: Value, data: Int32Array | Float32Array | undefined, dims: RunRequest['dims']) {
  const shape = bindShape(source.shape, dims);
  const wanted = source.dtype === 'i32' ? Int32Array : Float32Array;
  if (!(data instanceof wanted) || data.length !== elementCount(shape)) {
    const got = data ? `${data.constructor.name} of ${data.length}` : 'nothing';
    throw new ShapeError(`input ${source.name} must be ${wanted.name} of [${shape.join(', ')}], got ${got}`);
  }
  return data;
}

/** @throws UnsupportedError when the native kernels are not there or the processor lacks the level */
export function createCpuBackend(options: CpuOptions = {}): Backend {
  const loaded = loadAddon();
  if ('reason' in loaded) throw new UnsupportedError(loaded.reason);
  const { addon } = loaded;
  const wanted = options.level ?? process.env['STEELYARD_CPU'] ?? '';
  const level = addon.level(wanted);
  if (!level) throw new UnsupportedError(`this processor has no ${wanted}; run: steelyard doctor`);
  const threads = options.threads ?? defaultThreads();
  const int8 = (options.activations ?? 'int8') === 'int8';
  const maps = new FileMaps(addon);

  function copied(data: TensorData): CpuTensor {
    const memory = addon.allocate(data.byteLength);
    addon.write(memory, 0, data.bytes());
    return new CpuTensor(addon, data, {
      memory,
      offset: 0,
      resident: true,
      isState: false,
      release: () => addon.release(memory),
    });
  }

  return {
    name: 'cpu',
    description: `native ${level}, ${threads} ${threads === 1 ? 'thread' : 'threads'}, ${int8 ? 'int8' : 'f32'} activations`,
    stateDTypes: ['f16', 'f32'],
    loadWeight(data) {
      if (!data.region) return copied(data);
      const { memory, release } = maps.take(data.region.path);
      return new CpuTensor(addon, data, {
        memory,
        offset: data.region.offset,
        resident: false,
        isState: false,
        release,
      });
    },
    allocateState(dtype, shape) {
      const bytes = byteLength(dtype, elementCount(shape));
      try {
        const memory = addon.allocate(bytes);
        return new CpuTensor(
          addon,
          { dtype, shape },
          { memory, offset: 0, resident: true, isState: true, release: () => addon.release(memory) },
        );
      } catch (error) {
        throw new CapacityError(
          `a state of [${shape.join(', ')}] ${dtype}, ${bytes} bytes, does not fit in memory`,
          { cause: error },
        );
      }
    },
    compile(graph, compileOptions) {
      return Promise.resolve().then(() =>
        compile(addon, graph, compileOptions, { threads, int8, level }, copied),
      );
    },
    dispose() {
      // Tensors are disposed by who made them; handles free themselves.
    },
  };
}

function compile(
  addon: Addon,
  graph: Graph,
  { weights, states, limits }: CompileOptions,
  how: { threads: number; int8: boolean; level: string },
  copied: (data: TensorData) => CpuTensor,
): CpuExecutable {
  const optimised = optimise(graph);
  const plan = planMemory(optimised, limits);
  const tape = writeTape(optimised, plan);
  const bound: CpuTensor[] = [];
  const constants: CpuTensor[] = [];
  const bind = (value: Value, from: ReadonlyMap<string, DeviceTensor>): (NativeMemory | number)[] => {
    const tensor = value.data ? copied(value.data) : from.get(value.name);
    if (!(tensor instanceof CpuTensor)) {
      throw new ShapeError(`${value.storage} ${value.name} is not loaded on the cpu backend; load it first`);
    }
    checkType(value, tensor);
    bound.push(tensor);
    if (value.data) constants.push(tensor);
    return [tensor.memory, tensor.offset, tensor.byteLength];
  };
  const native = addon.compile(
    tape.words,
    tape.weights.flatMap((v) => bind(v, weights)),
    tape.states.flatMap((v) => bind(v, states)),
    Int32Array.from(tape.symbols, (name) => limits[name] ?? 1),
    how.threads,
    how.int8,
    how.level,
  );
  return new CpuExecutable(addon, native, { tape, graph: optimised, plan, bound, constants });
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
