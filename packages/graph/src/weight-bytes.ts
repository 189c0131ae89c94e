/** How much of a graph's weights must lie in memory: all but experts, of which a token reads a few. */

import { byteLength } from './dtypes/index.ts';
import { elementCount, type Graph, type Value } from './ir.ts';

export interface WeightBytes {
  readonly total: number;
  /** Of the experts' matrices, all of them. */
  readonly experts: number;
  /** Of those that one token chooses. */
  readonly chosen: number;
}

/** Constants, which the program made, do not count. */
export function weightBytes(graph: Graph): WeightBytes {
  const stacks = new Map<Value, number>();
  for (const { op, inputs } of graph.nodes) {
    if (op !== 'expertmatmul') continue;
    const [, chosen, w, , scales] = inputs;
    // Without a choice a token reads them all.
    if (!chosen) continue;
    const perToken = chosen.shape[1] as number;
    for (const stack of [w, scales]) {
      if (stack?.storage === 'weight') stacks.set(stack, Math.min(1, perToken / (stack.shape[0] as number)));
    }
  }
  let [total, experts, chosen] = [0, 0, 0];
  for (const value of graph.sources) {
    if (value.storage !== 'weight' || value.data) continue;
    const bytes = byteLength(value.dtype, elementCount(value.shape as number[]));
    total += bytes;
    const share = stacks.get(value);
    if (share === undefined) continue;
    experts += bytes;
    chosen += bytes * share;
  }
  return { total, experts, chosen };
}
