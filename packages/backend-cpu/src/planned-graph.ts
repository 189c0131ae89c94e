/** What every executor of tapes needs of a graph: passes, memory plan, tape, where outputs lie; and checks of a run. */

import { ShapeError, UnsupportedError } from '@steelyard/core';
import {
  bindShape,
  narrowActivations,
  optimise,
  passes,
  planMemory,
  type Bindings,
  type DeviceTensor,
  type Graph,
  type MemoryPlan,
  type RunRequest,
  type Shape,
  type Value,
} from '@steelyard/graph';
import { writeTape, type Tape } from './tape.ts';

/** Where a result lies in the arena. */
export interface Output {
  readonly name: string;
  readonly value: Value;
  /** Bytes. */
  readonly offset: number;
}

export interface PlannedGraph {
  readonly tape: Tape;
  readonly outputs: readonly Output[];
  /** By symbol number. */
  readonly limits: Int32Array;
}

/**
 * How activations meet block-quantised weights: `int16` rounds them to 16 bits in runs of 32 and multiplies integers,
 * `mixed` takes 8 bits where the graph says that they do, `f32` decodes the weights instead (slow). Against weights of
 * bfloat16, where the processor multiplies that: two of it to a value, one, or float32.
 */
export type Activations = 'mixed' | 'int16' | 'f32';

/** @throws UnsupportedError for another word, naming the choices */
export function parseActivations(word = 'mixed'): Activations {
  if (word === 'mixed' || word === 'int16' || word === 'f32') return word;
  throw new UnsupportedError(`activations must be mixed, int16 or f32, got ${word}`);
}

/** @throws UnsupportedError when a value cannot be written to a tape */
export function planGraph(graph: Graph, limits: Bindings, activations: Activations): PlannedGraph {
  const chosen = activations === 'mixed' ? passes : passes.filter((pass) => pass !== narrowActivations);
  const optimised = optimise(graph, undefined, chosen);
  const plan = planMemory(optimised, limits);
  const tape = writeTape(optimised, plan);
  return {
    tape,
    outputs: placeOutputs(optimised, plan),
    limits: Int32Array.from(tape.symbols, (name) => limits[name] ?? 0),
  };
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

function innerCount(value: Value): number {
  return value.shape.slice(1).reduce<number>((n, dim) => n * (dim as number), 1);
}

/**
 * The dims of a run by symbol number.
 * @param bound filled and returned
 * @throws ShapeError beyond the limits
 */
export function checkDims(
  { tape, limits }: PlannedGraph,
  dims: Bindings,
  bound: Int32Array = new Int32Array(tape.symbols.length),
): Int32Array {
  for (let i = 0; i < bound.length; i++) {
    const name = tape.symbols[i] as string;
    const dim = dims[name];
    const limit = limits[i] as number;
    if (dim === undefined || !Number.isInteger(dim) || dim < 1 || dim > limit) {
      throw new ShapeError(`dim ${name} must be 1 to ${limit}, got ${String(dim)}`);
    }
    bound[i] = dim;
  }
  return bound;
}

/** The inputs of a run in the tape's order. @throws ShapeError when one is missing or of another length or type */
export function checkInputs(
  { tape }: PlannedGraph,
  { dims, inputs }: RunRequest,
): (Int32Array | Float32Array)[] {
  const all: (Int32Array | Float32Array)[] = [];
  for (const { name, shape, dtype } of tape.inputs) {
    const wanted = dtype === 'i32' ? Int32Array : Float32Array;
    const data = inputs[name];
    if (!(data instanceof wanted) || data.length !== boundCount(shape, dims)) {
      const got = data ? `${data.constructor.name} of ${data.length}` : 'nothing';
      const expected = bindShape(shape, dims).join(', ');
      throw new ShapeError(`input ${name} must be ${wanted.name} of [${expected}], got ${got}`);
    }
    all.push(data);
  }
  return all;
}

/** Elements of a shape with its symbols bound to dims that were checked. */
export function boundCount(shape: Shape, dims: Bindings): number {
  let count = 1;
  for (const dim of shape) count *= typeof dim === 'number' ? dim : (dims[dim] as number);
  return count;
}

/** @throws ShapeError when a loaded tensor is not what the graph declares */
export function checkType(value: Value, tensor: DeviceTensor): void {
  const fits =
    value.shape.length === tensor.shape.length &&
    value.shape.every((dim, i) => typeof dim === 'string' || dim === tensor.shape[i]);
  if (fits && value.dtype === tensor.dtype) return;
  throw new ShapeError(
    `${value.storage} ${value.name} is [${tensor.shape.join(', ')}] ${tensor.dtype}, the graph wants [${value.shape.join(', ')}] ${value.dtype}`,
  );
}
