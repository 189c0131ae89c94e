/** The CPU kernels in WebAssembly behind the same interface as the native ones. Runs in browsers and in Node. */

import { ShapeError } from '@steelyard/core';
import {
  bindShape,
  elementCount,
  type Backend,
  type CompileOptions,
  type DeviceTensor,
  type Executable,
  type Graph,
  type RunRequest,
  type RunResult,
  type Value,
} from '@steelyard/graph';
import {
  checkDims,
  checkInputs,
  checkType,
  planGraph,
  type Activations,
  type PlannedGraph,
} from '../planned-graph.ts';
import { createLocalRunner, type MemorySpan, type WasmRunner } from './runner.ts';
import { allocateState, loadWeight, WasmMemory, WasmTensor } from './wasm-tensor.ts';

export interface WasmOptions {
  /** The compiled kernels, run on the calling thread, which then waits for each step. */
  readonly module?: WebAssembly.Module;
  /** Where to run them instead, such as a worker. Disposed with the backend. */
  readonly runner?: WasmRunner;
  /** As for the native backend. Default mixed. */
  readonly activations?: Activations;
  /** For tests: fills temporaries with NaN before each run, so that what a kernel leaves unwritten shows. */
  readonly poison?: boolean;
}

/** What backends that choose a build of the kernels are told. */
export interface WasmChoice {
  /**
   * Bytes of the weights that will be loaded. Above 3 GiB kernels of 64-bit addresses are chosen where the host has them
   * (Node 24, Chromium 133), which are slower by a tenth and reach 16 GiB. Default 0.
   */
  readonly weightBytes?: number;
}

class WasmExecutable implements Executable {
  readonly temporaryBytes: number;
  readonly #memory: WasmMemory;
  readonly #id: number;
  readonly #planned: PlannedGraph;
  readonly #constants: readonly WasmTensor[];
  #disposed = false;

  constructor(
    memory: WasmMemory,
    id: number,
    planned: PlannedGraph,
    constants: readonly WasmTensor[],
    bytes: number,
  ) {
    this.#memory = memory;
    this.#id = id;
    this.#planned = planned;
    this.#constants = constants;
    this.temporaryBytes = bytes;
  }

  // The runner takes commands in order: a second run waits there, and so does the release.
  async run(request: RunRequest): Promise<RunResult> {
    if (this.#disposed) throw new ShapeError('the executable was disposed');
    const planned = this.#planned;
    const reply = await this.#memory.runner.call({
      do: 'run',
      id: this.#id,
      dims: checkDims(planned, request.dims),
      inputs: checkInputs(planned, request),
      outputs: planned.outputs.map(({ value, offset }) => ({
        offset,
        length: elementCount(bindShape(value.shape, request.dims)),
      })),
    });
    const outputs = reply as readonly Float32Array[];
    return Object.fromEntries(planned.outputs.map(({ name }, i) => [name, outputs[i] as Float32Array]));
  }

  dispose(): void {
    if (this.#disposed) return;
    this.#disposed = true;
    this.#memory.give(this.temporaryBytes);
    // A runner that has ended has freed everything.
    this.#memory.runner.call({ do: 'release', id: this.#id }).catch(() => undefined);
    for (const tensor of this.#constants) tensor.dispose();
  }
}

/** @throws ShapeError when neither a module nor a runner is given */
export function createWasmBackend(options: WasmOptions): Backend {
  const runner = options.runner ?? (options.module && createLocalRunner(options.module));
  if (!runner)
    throw new ShapeError('a WebAssembly backend needs the compiled kernels: pass a module or a runner');
  const activations = options.activations ?? 'mixed';
  const memory = new WasmMemory(runner);
  return {
    name: 'wasm',
    description: `WebAssembly, ${runner.description}, ${plural(runner.threads)}, ${activations} activations`,
    stateDTypes: ['f16', 'f32', 'q8_0'],
    loadWeight: (data) => loadWeight(memory, data),
    allocateState: (dtype, shape) => allocateState(memory, dtype, shape),
    compile: (graph, request) =>
      compile(memory, graph, request, { activations, poison: options.poison ?? false }),
    dispose: () => runner.dispose(),
  };
}

function plural(threads: number): string {
  return `${threads} thread${threads === 1 ? '' : 's'}`;
}

async function compile(
  memory: WasmMemory,
  graph: Graph,
  { weights, states, limits }: CompileOptions,
  { activations, poison }: { readonly activations: Activations; readonly poison: boolean },
): Promise<WasmExecutable> {
  const planned = planGraph(graph, limits, activations);
  const bound: WasmTensor[] = [];
  const constants: WasmTensor[] = [];
  const bind = (value: Value, from: ReadonlyMap<string, DeviceTensor>): MemorySpan => {
    const tensor = value.data ? loadWeight(memory, value.data) : from.get(value.name);
    if (!(tensor instanceof WasmTensor))
      throw new ShapeError(`${value.storage} ${value.name} is not loaded on the wasm backend; load it first`);
    if (value.data) constants.push(tensor);
    bound.push(tensor);
    checkType(value, tensor);
    return { memory: tensor.id, bytes: tensor.byteLength };
  };
  const id = memory.number();
  try {
    const request = {
      tape: planned.tape.words,
      weights: planned.tape.weights.map((value) => bind(value, weights)),
      states: planned.tape.states.map((value) => bind(value, states)),
      limits: planned.limits,
      integers: activations !== 'f32',
      poison,
    };
    await Promise.all(bound.map((tensor) => tensor.ready));
    const bytes = (await memory.runner.call({ do: 'compile', id, ...request })) as number;
    memory.take(bytes, `temporaries of graph ${graph.name}`);
    return new WasmExecutable(memory, id, planned, constants, bytes);
  } catch (error) {
    for (const tensor of constants) tensor.dispose();
    throw error;
  }
}
