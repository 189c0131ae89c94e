/**
 * DeepSeek's attention over a compressed cache, which holds a token's latent and one key that turns, shared by all heads.
 * The matrices that would expand a latent to each head's key and value are applied to the query before attention and to
 * its result after, so that attention reads the latents themselves.
 * @see DeepSeek-AI 2024, arXiv:2405.04434, section 2.1 and appendix C
 */

import { UnsupportedError } from '@steelyard/core';
import type { Value } from '@steelyard/graph';
import { limits, type ConfigReader } from '../config-reader.ts';
import type { Step } from '../step.ts';
import { cachedAttention, splitHeads } from './attention.ts';
import { linear, type Bias } from './linear.ts';
import { rmsNorm } from './norms.ts';
import type { Rope } from './rope.ts';

export interface LatentSizes {
  /** Elements of a token's latent. */
  readonly latent: number;
  /** Of a latent of queries; 0 where these are projected at once. */
  readonly queryLatent: number;
  /** Of a head's query and key: those without position, and those that turn. */
  readonly still: number;
  readonly turning: number;
  readonly value: number;
}

export interface LatentAttention {
  readonly sizes: LatentSizes;
  readonly layer: number;
  readonly heads: number;
  readonly rope: Rope;
  /** Factor on scores besides 1 / sqrt(still + turning). */
  readonly scoreScale: number;
  readonly bias: Bias;
}

/** The reference's latent norms have it whatever the file says of the others. */
const LATENT_EPS = 1e-6;

/** GGUF files name the sizes of heads as they are cached, and beside them, if new enough, as they are in the model. */
export function readLatentSizes(reader: ConfigReader): LatentSizes {
  const width = { min: 1, max: limits.width };
  const none = { ...width, fallback: undefined };
  const latent = reader.integer({ hf: 'kv_lora_rank', gguf: 'attention.kv_lora_rank' }, width);
  const queryLatent =
    reader.integer({ hf: 'q_lora_rank', gguf: 'attention.q_lora_rank' }, { ...none, min: 0 }) ?? 0;
  const turning = reader.integer({ hf: 'qk_rope_head_dim', gguf: 'rope.dimension_count' }, width);
  if (reader.format === 'gguf') {
    const [key, value] = [{ gguf: 'attention.key_length' }, { gguf: 'attention.value_length' }];
    const [cachedKey, cachedValue] = [reader.integer(key, width), reader.integer(value, width)];
    const whole = reader.integer({ gguf: 'attention.key_length_mla' }, none) ?? cachedKey;
    const still = reader.derived('attention.key_length less rope.dimension_count', whole - turning);
    const values = reader.integer({ gguf: 'attention.value_length_mla' }, none) ?? cachedValue;
    return { latent, queryLatent, turning, still, value: values };
  }
  // What follows from the others.
  reader.ignore({ hf: 'qk_head_dim' });
  if (reader.integer({ hf: 'head_dim' }, { ...width, fallback: turning }) !== turning) {
    throw new UnsupportedError(`${reader.fileName}: head_dim is not qk_rope_head_dim, ${turning}`);
  }
  const [still, value] = [{ hf: 'qk_nope_head_dim' }, { hf: 'v_head_dim' }];
  return {
    latent,
    queryLatent,
    turning,
    still: reader.integer(still, width),
    value: reader.integer(value, width),
  };
}

/** x [T, hidden] to [T, hidden]. */
export function latentAttention(step: Step, x: Value, block: string, options: LatentAttention): Value {
  const { g } = step;
  const { heads, bias, layer, rope } = options;
  const { latent, turning, still, value } = options.sizes;
  const [own, turned] = g.split(splitHeads(step, queries(step, x, block, options), heads), { at: still }) as [
    Value,
    Value,
  ];
  const both = linear(step, x, `${block}.attn_kv_a_mqa`, latent + turning, { bias });
  const compressed = rmsNorm(
    step,
    g.slice(both, { start: 0, length: latent }),
    `${block}.attn_kv_a_norm`,
    LATENT_EPS,
  );
  const shared = splitHeads(step, compressed, 1); // [T, 1, latent]
  const key = rope(splitHeads(step, g.slice(both, { start: latent, length: turning }), 1)); // [T, 1, turning]
  const query = g.concat(perHead(step, own, block, 'k', options), rope(turned)); // [T, H, latent + turning]
  const scale = options.scoreScale / Math.sqrt(still + turning);
  const mixed = cachedAttention(step, query, g.concat(shared, key), shared, { layer, scale }); // [T, H * latent]
  const values = perHead(step, splitHeads(step, mixed, heads), block, 'v', options); // [T, H, value]
  const joined = g.reshape(values, { shape: ['T', heads * value] });
  return linear(step, joined, `${block}.attn_output`, x.shape[1] as number, { bias });
}

/** [T, H * (still + turning)] */
function queries(step: Step, x: Value, block: string, { heads, sizes, bias }: LatentAttention): Value {
  const width = heads * (sizes.still + sizes.turning);
  if (sizes.queryLatent === 0) return linear(step, x, `${block}.attn_q`, width);
  const latent = linear(step, x, `${block}.attn_q_a`, sizes.queryLatent, { bias });
  return linear(
    step,
    rmsNorm(step, latent, `${block}.attn_q_a_norm`, LATENT_EPS),
    `${block}.attn_q_b`,
    width,
  );
}

/**
 * Each head's x [T, H, in] times its own matrix for keys or values: [T, H, out]. Newer GGUF files hold these as stacks
 * [H, out, in]; others as slabs of one matrix, a head's rows for keys, which are [in, out] as used here, and below them
 * those for values.
 */
function perHead(
  step: Step,
  x: Value,
  block: string,
  half: 'k' | 'v',
  { heads, sizes }: LatentAttention,
): Value {
  const { still, value, latent } = sizes;
  const name = `${block}.attn_${half}_b.weight`;
  const slabbed = step.format === 'safetensors' || step.hasWeight(`${block}.attn_kv_b.weight`);
  const [rows, from] = half === 'k' ? [still, 0] : [value, still];
  const w = slabbed
    ? step.weight(name, [heads, rows, latent], { slabs: { rows: still + value, from } })
    : step.weight(name, half === 'k' ? [heads, latent, still] : [heads, value, latent]);
  const transposed = !(slabbed && half === 'k');
  return step.g.expertmatmul(x, null, w, null, null, { transposed, blockRows: 0, blockColumns: 0 });
}
