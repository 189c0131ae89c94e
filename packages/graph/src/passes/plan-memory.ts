/**
 * Gives every value a place: temporaries get offsets in one arena, reused once their last reader has run;
 * views get their source's place. Planned once for the largest dims, so a run moves nothing.
 */

import { UnsupportedError } from '@steelyard/core';
import { byteLength, dtypeInfo } from '../dtypes/index.ts';
import { bindShape, elementCount, formatType, type Bindings, type Graph, type Value } from '../ir.ts';
import { opDefinition } from '../ops/index.ts';

/** Every kernel may assume this alignment of a tensor's first byte, except for mapped weights. */
const ALIGNMENT = 64;

/**
 * A tensor is rows (dim 0) of contiguous elements, `rowStride` elements apart; `root` is the value whose
 * memory it lies in, `offset` its first byte there, or in the arena when the root is a temporary.
 */
export interface Placement {
  readonly root: Value;
  readonly offset: number;
  readonly rowStride: number;
}

export interface MemoryPlan {
  readonly placements: ReadonlyMap<Value, Placement>;
  /** Bytes of the arena at the limits. */
  readonly arenaBytes: number;
}

interface Lifetime {
  readonly value: Value;
  readonly bytes: number;
  readonly first: number;
  last: number;
  offset: number;
}

/** @throws UnsupportedError when a view of a strided value would not be rows of contiguous elements */
export function planMemory(graph: Graph, limits: Bindings): MemoryPlan {
  const views = placeViews(graph);
  const lifetimes = findLifetimes(graph, views, limits);
  const arenaBytes = packLifetimes(lifetimes);
  const offsets = new Map(lifetimes.map(({ value, offset }) => [value, offset]));
  const placements = new Map<Value, Placement>();
  for (const [value, place] of views) {
    placements.set(value, { ...place, offset: place.offset + (offsets.get(place.root) ?? 0) });
  }
  return { placements, arenaBytes };
}

function innerElements(value: Value): number {
  let product = 1;
  for (const dim of value.shape.slice(1)) product *= typeof dim === 'number' ? dim : NaN;
  return product;
}

/** Root and offset within the root of every value; NaN row stride where an inner dim is symbolic. */
function placeViews(graph: Graph): Map<Value, Placement> {
  const places = new Map<Value, Placement>();
  for (const value of graph.sources)
    places.set(value, { root: value, offset: 0, rowStride: innerElements(value) });
  for (const node of graph.nodes) {
    const { aliases, view } = opDefinition(node.op);
    node.outputs.forEach((output, i) => {
      const source = aliases?.[i] === undefined ? undefined : (node.inputs[aliases[i]] as Value);
      const place = source && (places.get(source) as Placement);
      if (!source || !place)
        places.set(output, { root: output, offset: 0, rowStride: innerElements(output) });
      else if (!view) places.set(output, place);
      else places.set(output, placeView(node.op, node.attrs['start'], source, output, place));
    });
  }
  return places;
}

function placeView(op: string, start: unknown, source: Value, output: Value, place: Placement): Placement {
  if (op === 'slice') {
    const inner = innerElements(source) / (source.shape[1] as number);
    const { blockBytes } = dtypeInfo(source.dtype);
    return { ...place, offset: place.offset + (start as number) * inner * blockBytes };
  }
  const contiguous = place.rowStride === innerElements(source);
  if (!contiguous && output.shape[0] !== source.shape[0]) {
    throw new UnsupportedError(
      `cannot view ${formatType(source)} with row stride ${place.rowStride} as ${formatType(output)}; keep dim 0`,
    );
  }
  return contiguous ? { ...place, rowStride: innerElements(output) } : place;
}

function findLifetimes(graph: Graph, views: ReadonlyMap<Value, Placement>, limits: Bindings): Lifetime[] {
  const lifetimes = new Map<Value, Lifetime>();
  const touch = (value: Value, at: number): void => {
    const root = views.get(value)?.root as Value;
    const lifetime = lifetimes.get(root);
    if (lifetime) lifetime.last = at;
  };
  graph.nodes.forEach((node, at) => {
    for (const value of node.outputs) {
      if (views.get(value)?.root !== value) continue;
      const bytes = byteLength(value.dtype, elementCount(bindShape(value.shape, limits)));
      lifetimes.set(value, { value, bytes, first: at, last: at, offset: 0 });
    }
    for (const value of node.inputs) if (value) touch(value, at);
  });
  for (const value of Object.values(graph.outputs)) touch(value, graph.nodes.length);
  return [...lifetimes.values()];
}

/** Largest first, each at the lowest offset free over its whole life. Returns the arena's size. */
function packLifetimes(lifetimes: readonly Lifetime[]): number {
  const placed: Lifetime[] = [];
  let top = 0;
  for (const lifetime of [...lifetimes].sort((a, b) => b.bytes - a.bytes)) {
    const rivals = placed
      .filter((other) => other.first <= lifetime.last && lifetime.first <= other.last)
      .sort((a, b) => a.offset - b.offset);
    let offset = 0;
    for (const rival of rivals) {
      if (offset + lifetime.bytes <= rival.offset) break;
      offset = Math.max(offset, Math.ceil((rival.offset + rival.bytes) / ALIGNMENT) * ALIGNMENT);
    }
    lifetime.offset = offset;
    placed.push(lifetime);
    top = Math.max(top, offset + lifetime.bytes);
  }
  return Math.ceil(top / ALIGNMENT) * ALIGNMENT;
}
