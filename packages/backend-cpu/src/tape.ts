/**
 * Writes a planned graph as a flat tape of 32-bit words, the contract with the C++ executor:
 *
 *   header:      magic, version, op count, symbols, tensors, instructions, arena bytes (low, high)
 *   per tensor:  kind, index, byte offset (low, high), dtype, rank, four dims, row stride, 0
 *   per node:    op, operands, results, attribute words, then operand and result tensors, then attributes
 *
 * A dim below zero is symbol -(dim + 1); an operand of -1 is absent; a row stride of -1 is contiguous.
 */

import { UnsupportedError } from '@steelyard/core';
import {
  dtypeInfo,
  opCode,
  opDefinition,
  ops,
  symbolsOf,
  type AttrKind,
  type AttrValue,
  type Graph,
  type MemoryPlan,
  type Node,
  type Value,
} from '@steelyard/graph';

const MAGIC = 0x53544c59;
const VERSION = 1;
const MAX_RANK = 4;
const Kind = { temporary: 0, weight: 1, state: 2, input: 3 } as const;

export interface Tape {
  readonly words: Int32Array;
  /** Symbols in the order of their numbers. */
  readonly symbols: readonly string[];
  /** Sources of each kind in the order of their indices. */
  readonly weights: readonly Value[];
  readonly states: readonly Value[];
  readonly inputs: readonly Value[];
}

/** @throws UnsupportedError for tensors of more than four dims */
export function writeTape(graph: Graph, plan: MemoryPlan): Tape {
  const symbols = symbolsOf(graph);
  const sources = {
    weight: graph.sources.filter((v) => v.storage === 'weight'),
    state: graph.sources.filter((v) => v.storage === 'state'),
    input: graph.sources.filter((v) => v.storage === 'input'),
  };
  const numbers = new Map<Value, number>();
  const tensors: number[] = [];
  const slot = (value: Value | null): number => {
    if (!value) return -1;
    const known = numbers.get(value);
    if (known !== undefined) return known;
    const number = numbers.size;
    numbers.set(value, number);
    tensors.push(...tensorWords(value, plan, symbols, sources));
    return number;
  };
  const work = graph.nodes.filter((node) => !opDefinition(node.op).view);
  const body = work.flatMap((node) => nodeWords(node, slot));
  const header = [MAGIC, VERSION, Object.keys(ops).length, symbols.length, numbers.size, work.length];
  return {
    words: Int32Array.from([...header, ...longWords(plan.arenaBytes), ...tensors, ...body]),
    symbols,
    weights: sources.weight,
    states: sources.state,
    inputs: sources.input,
  };
}

function longWords(value: number): [number, number] {
  return [value | 0, Math.floor(value / 4294967296)];
}

function tensorWords(
  value: Value,
  plan: MemoryPlan,
  symbols: readonly string[],
  sources: Readonly<Record<'weight' | 'state' | 'input', readonly Value[]>>,
): number[] {
  const place = plan.placements.get(value);
  if (!place) throw new UnsupportedError(`value ${value.id} of the graph was not planned`);
  if (value.shape.length > MAX_RANK) {
    throw new UnsupportedError(
      `the cpu backend takes up to ${MAX_RANK} dims, got [${value.shape.join(', ')}]`,
    );
  }
  const { storage } = place.root;
  const index = storage === 'temporary' ? 0 : sources[storage].indexOf(place.root);
  const dims = Array.from({ length: MAX_RANK }, (_, i) => {
    const dim = value.shape[i] ?? 1;
    return typeof dim === 'number' ? dim : -(symbols.indexOf(dim) + 1);
  });
  const stride = Number.isNaN(place.rowStride) ? -1 : place.rowStride;
  const { code } = dtypeInfo(value.dtype);
  return [Kind[storage], index, ...longWords(place.offset), code, value.shape.length, ...dims, stride, 0];
}

function nodeWords(node: Node, slot: (value: Value | null) => number): number[] {
  const attrs = attrWords(opDefinition(node.op).attrs, node.attrs);
  return [
    opCode(node.op),
    node.inputs.length,
    node.outputs.length,
    attrs.length,
    ...node.inputs.map(slot),
    ...node.outputs.map(slot),
    ...attrs,
  ];
}

function attrWords(
  schema: Readonly<Record<string, AttrKind>>,
  attrs: Readonly<Record<string, AttrValue>>,
): number[] {
  const bits = new Int32Array(1);
  const floats = new Float32Array(bits.buffer);
  return Object.entries(schema).flatMap(([name, kind]): number[] => {
    const value = attrs[name];
    if (kind === 'shape') return [];
    if (kind === 'bool') return [value ? 1 : 0];
    if (kind === 'i32') return [value as number];
    if (kind !== 'f32') return [kind.indexOf(value as string)];
    floats[0] = value as number;
    return [bits[0] as number];
  });
}
