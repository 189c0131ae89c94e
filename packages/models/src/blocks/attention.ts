/** Attention over the paged cache, from projected heads to their joined values. */

import type { Value } from '@steelyard/graph';
import type { Step } from '../step.ts';

export interface AttentionOptions {
  readonly layer: number;
  /** Factor on q . k; default 1 / sqrt(head_dim). */
  readonly scale?: number;
  /** Tokens that a token sees, itself included; 0 for all. */
  readonly window?: number;
  /** Positions per chunk; 0 for none. */
  readonly chunk?: number;
  readonly softcap?: number;
  /** [H] */
  readonly sinks?: Value;
}

/** x [T, heads * dim] as [T, heads, dim]. */
export function splitHeads(step: Step, x: Value, heads: number): Value {
  return step.g.reshape(x, { shape: ['T', heads, (x.shape[1] as number) / heads] });
}

/** Stores k and v [T, Hkv, D] in the layer's cache and attends with q [T, H, D]: [T, H * Dv]. */
export function cachedAttention(step: Step, q: Value, k: Value, v: Value, options: AttentionOptions): Value {
  const { layer, window = 0, chunk = 0, softcap = 0, sinks = null } = options;
  const { g, positions, sequences, pages, slots } = step;
  const [, heads, dim] = q.shape as [string, number, number];
  const [, kvHeads, valueDim] = v.shape as [string, number, number];
  const keys = g.kvwrite(step.state(`kv.${layer}.k`, kvHeads, dim), k, slots);
  const values = g.kvwrite(step.state(`kv.${layer}.v`, kvHeads, valueDim), v, slots);
  const scale = options.scale ?? 1 / Math.sqrt(dim);
  const y = g.attention(q, keys, values, positions, sequences, pages, sinks, {
    scale,
    window,
    chunk,
    softcap,
  });
  return g.reshape(y, { shape: ['T', heads * valueDim] });
}
