/**
 * Runs graphs by the op table's reference implementations: slow, plain and right. The oracle for every other
 * backend, and the fallback where no other runs. Floats of any dtype are kept as float32.
 */

import { CapacityError, ShapeError } from '@steelyard/core';
import {
  bindShape,
  elementCount,
  opDefinition,
  ReferenceTensor,
  symbolsOf,
  type Backend,
  type Bindings,
  type CompileOptions,
  type DeviceTensor,
  type DType,
  type Executable,
  type Graph,
  type Node,
  type RunRequest,
  type RunResult,
  type TensorData,
  type Value,
} from '@steelyard/graph';

/** Milliseconds of work after which a run lets the event loop turn. */
const TURN_MS = 8;

class ReferenceDeviceTensor implements DeviceTensor {
  readonly dtype: DType;
  readonly shape: readonly number[];
  readonly residentBytes: number;
  readonly tensor: ReferenceTensor;
  readonly #weight: TensorData | undefined;

  constructor(tensor: ReferenceTensor, weight?: TensorData) {
    this.tensor = tensor;
    this.dtype = tensor.dtype;
    this.shape = tensor.shape;
    this.#weight = weight;
    this.residentBytes = weight ? 0 : elementCount(tensor.shape) * 4;
  }

  read(): Promise<Uint8Array> {
    if (this.#weight) return Promise.resolve(this.#weight.bytes().slice());
    const values = this.tensor.f32;
    return Promise.resolve(new Uint8Array(values.slice().buffer));
  }

  write(bytes: Uint8Array, offset = 0): Promise<void> {
    if (this.#weight) throw new ShapeError('a weight cannot be written');
    const values = this.tensor.f32;
    new Uint8Array(values.buffer, values.byteOffset, values.byteLength).set(bytes, offset);
    return Promise.resolve();
  }

  dispose(): void {
    // The heap frees it.
  }
}

class ReferenceExecutable implements Executable {
  readonly temporaryBytes = 0;
  readonly #graph: Graph;
  readonly #options: CompileOptions;
  readonly #bound = new Map<Value, ReferenceTensor>();
  readonly #lastUse: Map<Value, Node>;
  readonly #symbols: readonly string[];
  #queue: Promise<unknown> = Promise.resolve();

  constructor(graph: Graph, options: CompileOptions) {
    this.#graph = graph;
    this.#options = options;
    this.#symbols = symbolsOf(graph).filter((name) =>
      graph.sources.some((v) => v.storage === 'input' && v.shape.includes(name)),
    );
    for (const value of graph.sources) {
      if (value.storage !== 'input') this.#bound.set(value, bindSource(value, options));
    }
    this.#lastUse = new Map(
      graph.nodes.flatMap((node) => node.inputs.flatMap((v) => (v ? [[v, node]] : []))),
    );
  }

  run(request: RunRequest): Promise<RunResult> {
    const result = this.#queue.then(() => this.#run(request));
    this.#queue = result.catch(() => undefined);
    return result;
  }

  dispose(): void {
    this.#bound.clear();
  }

  async #run({ dims, inputs }: RunRequest): Promise<RunResult> {
    checkDims(this.#symbols, dims, this.#options.limits);
    const values = new Map(this.#bound);
    for (const source of this.#graph.sources) {
      if (source.storage === 'input') values.set(source, bindInput(source, inputs[source.name], dims));
    }
    const kept = new Set(Object.values(this.#graph.outputs));
    let turn = performance.now();
    for (const node of this.#graph.nodes) {
      runNode(node, values, dims);
      for (const input of node.inputs) {
        if (input?.storage === 'temporary' && this.#lastUse.get(input) === node && !kept.has(input))
          values.delete(input);
      }
      if (performance.now() - turn > TURN_MS) {
        await new Promise((resolve) => setTimeout(resolve, 0));
        turn = performance.now();
      }
    }
    const outputs = Object.entries(this.#graph.outputs);
    return Object.fromEntries(
      outputs.map(([name, value]) => [name, (values.get(value) as ReferenceTensor).f32]),
    );
  }
}

function bindSource(value: Value, { weights, states }: CompileOptions): ReferenceTensor {
  if (value.data) return ReferenceTensor.encoded(value.data);
  const found = (value.storage === 'weight' ? weights : states).get(value.name);
  if (!(found instanceof ReferenceDeviceTensor)) {
    throw new ShapeError(
      `${value.storage} ${value.name} is not loaded on the reference backend; load it first`,
    );
  }
  const fits = value.shape.every((dim, i) => typeof dim === 'string' || dim === found.shape[i]);
  if (!fits || value.shape.length !== found.shape.length || value.dtype !== found.dtype) {
    throw new ShapeError(
      `${value.storage} ${value.name} is [${found.shape.join(', ')}] ${found.dtype}, the graph wants [${value.shape.join(', ')}] ${value.dtype}`,
    );
  }
  return found.tensor;
}

function bindInput(
  source: Value,
  data: Int32Array | Float32Array | undefined,
  dims: Bindings,
): ReferenceTensor {
  const shape = bindShape(source.shape, dims);
  const wanted = source.dtype === 'i32' ? Int32Array : Float32Array;
  if (!(data instanceof wanted) || data.length !== elementCount(shape)) {
    throw new ShapeError(
      `input ${source.name} must be ${wanted.name} of [${shape.join(', ')}], got ${data ? `${data.constructor.name} of ${data.length}` : 'nothing'}`,
    );
  }
  return ReferenceTensor.of(shape, source.dtype, data);
}

function checkDims(symbols: readonly string[], dims: Bindings, limits: Bindings): void {
  for (const name of symbols) {
    const [got, limit] = [dims[name], limits[name]];
    if (got === undefined || !Number.isInteger(got) || got < 1 || (limit !== undefined && got > limit)) {
      throw new ShapeError(
        `dim ${name} must be an integer from 1 to ${limit ?? 'any'}, got ${got ?? 'nothing'}`,
      );
    }
  }
}

function runNode(node: Node, values: Map<Value, ReferenceTensor>, dims: Bindings): void {
  const definition = opDefinition(node.op);
  const { aliases, view } = definition;
  const inputs = node.inputs.map((v) => v && (values.get(v) as ReferenceTensor));
  const outputs = node.outputs.map((v, i) => {
    const alias = aliases?.[i];
    // A changed state is the same memory; a view is copied, which is simple and costs nothing that matters here.
    if (alias !== undefined && !view) return inputs[alias] as ReferenceTensor;
    return ReferenceTensor.zeros(bindShape(v.shape, dims), v.dtype);
  });
  definition.reference(inputs, outputs, node.attrs);
  node.outputs.forEach((v, i) => values.set(v, outputs[i] as ReferenceTensor));
}

/** The oracle. States hold float32 whatever their dtype, rounded to it when written. */
export function createReferenceBackend(): Backend {
  return {
    name: 'reference',
    description: 'plain TypeScript, float32 values, float64 accumulation',
    stateDTypes: ['f32', 'f16', 'q8_0'],
    loadWeight: (data) => new ReferenceDeviceTensor(ReferenceTensor.encoded(data), data),
    allocateState(dtype, shape) {
      try {
        return new ReferenceDeviceTensor(ReferenceTensor.zeros(shape, dtype));
      } catch (error) {
        throw new CapacityError(`a state of [${shape.join(', ')}] ${dtype} does not fit in memory`, {
          cause: error,
        });
      }
    },
    compile: (graph, options) => Promise.resolve().then(() => new ReferenceExecutable(graph, options)),
    dispose() {
      // Nothing is held outside the heap.
    },
  };
}
