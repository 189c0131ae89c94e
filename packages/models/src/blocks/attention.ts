/** Self-attention over the paged cache: projections, rope, cache, attention, output projection. */

import type { Value } from '@steelyard/graph';
import type { Step } from '../step.ts';
import { linear, type Bias } from './linear.ts';
import type { Rope } from './rope.ts';

export interface AttentionOptions {
  readonly layer: number;
  /** Factor on q . k; default 1 / sqrt(head_dim). */
  readonly scale?: number;
  /** Tokens that a token sees, itself included; 0 for all. */
  readonly window?: number;
  /** Positions per chunk; 0 for none. */
  readonly chunk?: number;
  readonly softcap?: number;
  /** Tokens see nothing after themselves; default true. */
  readonly causal?: boolean;
  /** [H] */
  readonly sinks?: Value;
}

/** x [T, heads * dim] as [T, heads, dim]. */
export function splitHeads(step: Step, x: Value, heads: number): Value {
  return step.g.reshape(x, { shape: ['T', heads, (x.shape[1] as number) / heads] });
}

/** Stores k and v [T, Hkv, D] in the layer's cache and attends with q [T, H, D]: [T, H * Dv]. */
export function cachedAttention(step: Step, q: Value, k: Value, v: Value, options: AttentionOptions): Value {
  const { layer, window = 0, chunk = 0, softcap = 0, causal = true, sinks = null } = options;
  const { g, positions, sequences, pages, slots } = step;
  const [, heads, dim] = q.shape as [string, number, number];
  const [, kvHeads, valueDim] = v.shape as [string, number, number];
  const keys = g.kvwrite(step.state(`kv.${layer}.k`, kvHeads, dim), k, slots, { byColumn: true });
  const values = g.kvwrite(step.state(`kv.${layer}.v`, kvHeads, valueDim), v, slots, {});
  const scale = options.scale ?? 1 / Math.sqrt(dim);
  const y = g.attention(q, keys, values, positions, sequences, pages, sinks, {
    scale,
    window,
    chunk,
    softcap,
    causal,
  });
  return g.reshape(y, { shape: ['T', heads * valueDim] });
}

export interface SelfAttention extends AttentionOptions {
  readonly heads: number;
  readonly kvHeads: number;
  readonly headDim: number;
  /** Of q, k and v. */
  readonly bias?: Bias;
  readonly outputBias?: Bias;
  /** Normalises each head of q and k, before rope. */
  readonly headNorm?: (x: Value, name: string) => Value;
  /** Normalises q and k whole, before they are heads. */
  readonly flatNorm?: (x: Value, name: string) => Value;
  /** q, k and v are the columns of one projection, `attn_qkv`. */
  readonly fused?: boolean;
  /** Undefined in layers without positions. */
  readonly rope?: Rope | undefined;
  /** What becomes of q [T, H, D] at last. */
  readonly query?: (q: Value) => Value;
}

/** The whole attention of a layer, x [T, hidden] to [T, hidden]. */
export function selfAttention(step: Step, x: Value, block: string, options: SelfAttention): Value {
  const { heads, kvHeads, outputBias = false, headNorm, flatNorm } = options;
  const { rope = (y) => y, query = (y) => y } = options;
  const [q, k, v] = options.fused ? fusedQkv(step, x, block, options) : separateQkv(step, x, block, options);
  const turned = (y: Value, name: string, count: number): Value => {
    const flat = flatNorm ? flatNorm(y, `${block}.${name}`) : y;
    const split = splitHeads(step, flat, count);
    return rope(headNorm ? headNorm(split, `${block}.${name}`) : split);
  };
  const y = cachedAttention(
    step,
    query(turned(q, 'attn_q_norm', heads)), // [T, H, D]
    turned(k, 'attn_k_norm', kvHeads),
    splitHeads(step, v, kvHeads),
    options,
  ); // [T, H * D]
  return linear(step, y, `${block}.attn_output`, x.shape[1] as number, { bias: outputBias });
}

function separateQkv(step: Step, x: Value, block: string, options: SelfAttention): [Value, Value, Value] {
  const { heads, kvHeads, headDim, bias = false } = options;
  const project = (name: string, count: number): Value =>
    linear(step, x, `${block}.${name}`, count * headDim, { bias });
  return [project('attn_q', heads), project('attn_k', kvHeads), project('attn_v', kvHeads)];
}

function fusedQkv(step: Step, x: Value, block: string, options: SelfAttention): [Value, Value, Value] {
  const { heads, kvHeads, headDim, bias = false } = options;
  const [queries, keys] = [heads * headDim, kvHeads * headDim];
  const qkv = linear(step, x, `${block}.attn_qkv`, queries + 2 * keys, { bias });
  const part = (start: number, length: number): Value => step.g.slice(qkv, { start, length });
  return [part(0, queries), part(queries, keys), part(queries + keys, keys)];
}
