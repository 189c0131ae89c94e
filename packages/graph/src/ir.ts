/**
 * The intermediate representation: a graph of op nodes over typed values in SSA form.
 * A forward pass is traced once per model; symbolic dims are bound at each run, so nothing is ever retraced.
 *
 * Axis letters used across the project: T tokens in a step, S sequences in a step, V rows whose logits are
 * wanted, P pages of the longest sequence, N pages in the cache, R slots of recurrent states, H heads, D head_dim.
 */

import type { DType } from './dtypes/index.ts';
import type { TensorData } from './tensor-data.ts';
import type { AttrValue } from './op.ts';

/** A length, or the name of a symbol that a run binds to one. */
export type Dim = number | string;
export type Shape = readonly Dim[];

/** Shape and storage format of a value. Dim 0 may be symbolic; so may others of inputs and states. */
export interface TensorType {
  readonly shape: Shape;
  readonly dtype: DType;
}

/**
 * Where a value lives. `weight`: immutable, backed by a file region or the program. `state`: mutable, kept
 * between runs (KV pages, optimiser moments). `input`: given to each run. `temporary`: computed by a node.
 */
export type StorageClass = 'weight' | 'state' | 'input' | 'temporary';

export interface Value extends TensorType {
  /** Unique within its graph; dense from 0. */
  readonly id: number;
  readonly storage: StorageClass;
  /** Name of a weight, state or input; a hint for temporaries. */
  readonly name: string;
  /** Bytes of a constant that the program made (rope frequencies); file weights have none. */
  readonly data?: TensorData;
}

export interface Node {
  /** Name in the op table. */
  readonly op: string;
  /** Optional operands that are absent are null. */
  readonly inputs: readonly (Value | null)[];
  readonly outputs: readonly Value[];
  readonly attrs: Readonly<Record<string, AttrValue>>;
}

export interface Graph {
  readonly name: string;
  /** Weights, states and inputs in order of declaration. */
  readonly sources: readonly Value[];
  /** In an order in which every input is computed before it is used. */
  readonly nodes: readonly Node[];
  readonly outputs: Readonly<Record<string, Value>>;
}

/** Every symbol used in the graph's shapes. */
export function symbolsOf(graph: Graph): string[] {
  const found = new Set<string>();
  const visit = (value: Value | null): void => {
    for (const dim of value?.shape ?? []) if (typeof dim === 'string') found.add(dim);
  };
  graph.sources.forEach(visit);
  for (const node of graph.nodes) node.outputs.forEach(visit);
  return [...found].sort();
}

export type Bindings = Readonly<Record<string, number>>;

/** @throws RangeError when a symbol is unbound */
export function bindDim(dim: Dim, bindings: Bindings): number {
  if (typeof dim === 'number') return dim;
  const bound = bindings[dim];
  if (bound === undefined) throw new RangeError(`symbol ${dim} is unbound; pass it in dims`);
  return bound;
}

export function bindShape(shape: Shape, bindings: Bindings): number[] {
  return shape.map((dim) => bindDim(dim, bindings));
}

export function elementCount(shape: readonly number[]): number {
  return shape.reduce((product, dim) => product * dim, 1);
}

/** `[T, 9, 64] f32`, as dumps and errors show it. */
export function formatType(type: TensorType | null): string {
  return type ? `[${type.shape.join(', ')}] ${type.dtype}` : 'none';
}
