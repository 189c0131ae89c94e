/** Records a graph while a model's forward function runs. `g.rmsnorm(x, w, { eps })` adds one node. */

import { ShapeError } from '@steelyard/core';
import type { DType } from './dtypes/index.ts';
import { formatType, type Graph, type Node, type Shape, type StorageClass, type Value } from './ir.ts';
import type { AttrsOf, AttrValue, OpDefinition } from './op.ts';
import { opDefinition, ops } from './ops/index.ts';
import type { TensorData } from './tensor-data.ts';

type ResultsOf<R extends readonly string[]> = R['length'] extends 1 ? Value : Value[];
type OpMethod<D> =
  D extends OpDefinition<infer S, infer R>
    ? keyof S extends never
      ? (...operands: (Value | null)[]) => ResultsOf<R>
      : (...operands: [...(Value | null)[], AttrsOf<S>]) => ResultsOf<R>
    : never;
type OpMethods = { readonly [K in keyof typeof ops]: OpMethod<(typeof ops)[K]> };

class GraphBuilder {
  readonly #name: string;
  readonly #sources: Value[] = [];
  readonly #nodes: Node[] = [];
  readonly #outputs: Record<string, Value> = {};
  readonly #names = new Set<string>();
  #nextId = 0;

  constructor(name: string) {
    this.#name = name;
  }

  /** A weight to be found by its canonical name when the graph is compiled. */
  weight(name: string, shape: readonly number[], dtype: DType): Value {
    return this.#source(name, shape, dtype, 'weight');
  }

  /** A small table that the program computed, float32. */
  constant(name: string, values: Float32Array, shape: readonly number[] = [values.length]): Value {
    const bytes = new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
    const data: TensorData = { dtype: 'f32', shape, byteLength: bytes.byteLength, bytes: () => bytes };
    return this.#source(name, shape, 'f32', 'weight', data);
  }

  state(name: string, shape: Shape, dtype: DType): Value {
    return this.#source(name, shape, dtype, 'state');
  }

  input(name: string, shape: Shape, dtype: DType): Value {
    return this.#source(name, shape, dtype, 'input');
  }

  output(name: string, value: Value): void {
    this.#outputs[name] = value;
  }

  /** Adds a node and returns its only result. @throws ShapeError naming the op and its operands */
  apply(
    op: string,
    operands: readonly (Value | null)[],
    attrs: Readonly<Record<string, AttrValue>> = {},
  ): Value {
    return this.applyAll(op, operands, attrs)[0] as Value;
  }

  applyAll(
    op: string,
    operands: readonly (Value | null)[],
    attrs: Readonly<Record<string, AttrValue>> = {},
  ): Value[] {
    const definition = opDefinition(op);
    checkOperands(definition, operands);
    checkAttrs(definition, attrs);
    let types;
    try {
      types = definition.infer(operands, attrs);
    } catch (error) {
      if (!(error instanceof ShapeError)) throw error;
      throw new ShapeError(`${op}(${operands.map(formatType).join(', ')}): ${error.message}`);
    }
    const outputs = types.map(({ shape, dtype }): Value => {
      return { id: this.#nextId++, storage: 'temporary', name: '', shape, dtype };
    });
    this.#nodes.push({ op, inputs: operands, outputs, attrs });
    return outputs;
  }

  /** The nodes so far, in order. */
  recorded(): readonly Node[] {
    return this.#nodes;
  }

  finish(): Graph {
    return { name: this.#name, sources: this.#sources, nodes: this.#nodes, outputs: this.#outputs };
  }

  #source(name: string, shape: Shape, dtype: DType, storage: StorageClass, data?: TensorData): Value {
    if (this.#names.has(name)) throw new ShapeError(`graph ${this.#name} declares ${name} twice`);
    this.#names.add(name);
    const value: Value = { id: this.#nextId++, storage, name, shape, dtype, ...(data && { data }) };
    this.#sources.push(value);
    return value;
  }
}

function checkOperands(definition: OpDefinition, operands: readonly (Value | null)[]): void {
  const { name, operands: declared } = definition;
  const variadic = declared.at(-1)?.endsWith('...') ?? false;
  const wrongCount = variadic ? operands.length < declared.length : operands.length !== declared.length;
  if (wrongCount) {
    throw new ShapeError(`${name} takes (${declared.join(', ')}), got ${operands.length} operands`);
  }
  operands.forEach((operand, i) => {
    const label = declared[Math.min(i, declared.length - 1)] as string;
    if (!operand && !label.endsWith('?')) throw new ShapeError(`${name}: operand ${label} is missing`);
  });
}

function checkAttrs(definition: OpDefinition, attrs: Readonly<Record<string, AttrValue>>): void {
  for (const key of Object.keys(attrs)) {
    if (!(key in definition.attrs)) throw new ShapeError(`${definition.name} has no attribute ${key}`);
  }
  for (const [key, kind] of Object.entries(definition.attrs)) {
    const value = attrs[key];
    const good =
      kind === 'bool'
        ? value === undefined || typeof value === 'boolean'
        : kind === 'shape'
          ? Array.isArray(value)
          : kind === 'i32' || kind === 'f32'
            ? typeof value === 'number' && (kind === 'i32' ? Number.isInteger(value) : !Number.isNaN(value))
            : (kind as readonly unknown[]).includes(value);
    if (!good) {
      const expected = typeof kind === 'string' ? kind : kind.join(' | ');
      throw new ShapeError(`${definition.name}: attribute ${key} must be ${expected}, got ${String(value)}`);
    }
  }
}

for (const name of Object.keys(ops)) {
  Object.defineProperty(GraphBuilder.prototype, name, {
    value(this: GraphBuilder, ...args: unknown[]) {
      const { attrs: schema, results } = opDefinition(name);
      const attrs = Object.keys(schema).length > 0 ? (args.pop() as Record<string, AttrValue>) : {};
      const values = this.applyAll(name, args as (Value | null)[], attrs);
      return results.length === 1 ? values[0] : values;
    },
  });
}

/** The builder's own methods and one method per op of the table. */
export type Builder = GraphBuilder & OpMethods;

/** Starts an empty graph. */
export function createBuilder(name: string): Builder {
  return new GraphBuilder(name) as Builder;
}
