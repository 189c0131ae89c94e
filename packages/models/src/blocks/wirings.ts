/** How a layer's norms, attention and feed-forward are joined to the residual stream. */

import type { Builder, Value } from '@steelyard/graph';

/** Blocks of one layer, x [T, hidden] to [T, hidden]. */
export interface LayerBlocks {
  readonly norm: (x: Value, name: string) => Value;
  readonly attend: (x: Value) => Value;
  readonly feed: (x: Value) => Value;
}

export type Wiring = (g: Builder, x: Value, blocks: LayerBlocks) => Value;

/** Llama: each block reads a norm of the stream. @see Xiong et al. 2020, arXiv:2002.04745 */
export const preNorm: Wiring = (g, x, { norm, attend, feed }) => {
  const mid = g.add(x, attend(norm(x, 'attn_norm')));
  return g.add(mid, feed(norm(mid, 'ffn_norm')));
};

/** Granite: what the blocks add is scaled. */
export function scaledPreNorm(by: number): Wiring {
  return (g, x, { norm, attend, feed }) => {
    const mid = g.add(x, g.scale(attend(norm(x, 'attn_norm')), { by }));
    return g.add(mid, g.scale(feed(norm(mid, 'ffn_norm')), { by }));
  };
}

/** Cohere: attention and feed-forward read the same norm, side by side. */
export const parallel: Wiring = (g, x, { norm, attend, feed }) => {
  const y = norm(x, 'attn_norm');
  return g.add(g.add(x, attend(y)), feed(y));
};

/** Gemma 2 and 3: norms before and after each block. */
export const sandwich: Wiring = (g, x, { norm, attend, feed }) => {
  const mid = g.add(x, norm(attend(norm(x, 'attn_norm')), 'post_attention_norm'));
  return g.add(mid, norm(feed(norm(mid, 'ffn_norm')), 'post_ffw_norm'));
};

/** OLMo 2: norms after each block, within the residual. @see OLMo team 2025, arXiv:2501.00656, section 3.1 */
export const normedResidual: Wiring = (g, x, { norm, attend, feed }) => {
  const mid = g.add(x, norm(attend(x), 'post_attention_norm'));
  return g.add(mid, norm(feed(mid), 'post_ffw_norm'));
};

/** BERT: the stream itself is normalised after each block. @see Vaswani et al. 2017, arXiv:1706.03762 */
export const postNorm: Wiring = (g, x, { norm, attend, feed }) => {
  const mid = norm(g.add(attend(x), x), 'attn_output_norm');
  return norm(g.add(feed(mid), mid), 'layer_output_norm');
};
