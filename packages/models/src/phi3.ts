/**
 * Phi-3 (but for small and MoE), Phi-3.5 mini, Phi-4 and Phi-4 mini: Llama with q, k, v in one projection and gate
 * and up in another, rope of a part of each head, LongRoPE.
 * @see Abdin et al. 2024, arXiv:2404.14219
 */

import { defineArchitecture } from './architecture.ts';
import { readDecoder } from './blocks/decoder-config.ts';
import { decoderNames, decoderTable } from './blocks/decoder-names.ts';
import { decoder, decoderFacts, type StackConfig } from './blocks/decoder.ts';
import { readWindow } from './blocks/layer-windows.ts';
import { activationNames, gatedMlp } from './blocks/mlp.ts';
import { partialKey, partialRule, readRope } from './blocks/rope-config.ts';
import { limits, type ConfigReader } from './config-reader.ts';

export const phi3 = defineArchitecture<StackConfig>({
  name: 'phi3',
  huggingFace: ['phi3'],
  gguf: ['phi3'],
  variants: ['longrope-long', 'longrope-short', 'partial-tied', 'window'],
  names: {
    ...decoderNames,
    huggingFace: {
      ...decoderTable,
      'blk.{i}.attn_qkv': 'layers.{i}.self_attn.qkv_proj',
      'blk.{i}.ffn_up': 'layers.{i}.mlp.gate_up_proj',
    },
  },
  readConfig,
  forward: (step, config) => {
    const mlp = { width: config.feedForward, activation: config.activation, fused: true };
    return decoder(step, config, {
      attention: () => ({ fused: true }),
      feed: (x, block) => gatedMlp(step, x, block, mlp),
    });
  },
  facts: decoderFacts,
});

function readConfig(reader: ConfigReader): StackConfig {
  const sizes = readDecoder(reader, { architecture: 'phi3', tied: false });
  const positions = { min: 1, max: limits.positions, fallback: undefined };
  // Settings of another of Microsoft's implementations; the reference reads neither.
  reader.ignore({ hf: 'full_attn_mod' }, { hf: 'interpolate_factor' });
  return {
    ...sizes,
    activation: reader.choice({ hf: 'hidden_act' }, activationNames, 'silu'),
    rope: readRope(reader, {
      ...sizes,
      partial: reader.number(partialKey, { ...partialRule, fallback: 1 }),
      originalContext: reader.integer({ hf: 'original_max_position_embeddings' }, positions),
      interleavedInGguf: false,
    }),
    windows: new Array<number>(sizes.layers).fill(readWindow(reader)),
  };
}
