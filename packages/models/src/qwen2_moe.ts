/**
 * Qwen1.5-MoE and Qwen2-MoE: Qwen2 whose layers have routed experts and one that every token has, behind a gate.
 * @see Yang et al. 2024, arXiv:2407.10671, section 2.2.2
 */

import type { Value } from '@steelyard/graph';
import { defineArchitecture } from './architecture.ts';
import { decoderNames, decoderTable, expertTable } from './blocks/decoder-names.ts';
import { decoder, decoderFacts } from './blocks/decoder.ts';
import { describeExperts } from './blocks/expert-config.ts';
import { linear, type Bias } from './blocks/linear.ts';
import { gatedMlp } from './blocks/mlp.ts';
import { feedQwen, readQwen, readQwenExperts, type QwenMoeConfig } from './blocks/qwen-config.ts';
import { limits, type ConfigReader } from './config-reader.ts';
import type { Step } from './step.ts';

interface Qwen2MoeConfig extends QwenMoeConfig {
  /** Of q, k and v. */
  readonly bias: Bias;
  /** Width of the expert that every token has. */
  readonly sharedWidth: number;
}

export const qwen2moe = defineArchitecture<Qwen2MoeConfig>({
  name: 'qwen2_moe',
  huggingFace: ['qwen2_moe'],
  gguf: ['qwen2moe'],
  variants: ['dense-layers', 'shared', 'tied'],
  names: {
    ...decoderNames,
    huggingFace: {
      ...decoderTable,
      ...expertTable,
      'blk.{i}.ffn_gate_inp_shexp': 'layers.{i}.mlp.shared_expert_gate',
      'blk.{i}.ffn_gate_shexp': 'layers.{i}.mlp.shared_expert.gate_proj',
      'blk.{i}.ffn_up_shexp': 'layers.{i}.mlp.shared_expert.up_proj',
      'blk.{i}.ffn_down_shexp': 'layers.{i}.mlp.shared_expert.down_proj',
    },
  },
  readConfig,
  forward: (step, config) =>
    decoder(step, config, {
      attention: () => ({ bias: config.bias }),
      feed: (x, block, layer) => feed(step, x, block, layer, config),
    }),
  facts: (config) => ({
    ...decoderFacts(config),
    ...describeExperts(config.experts),
    'shared expert': `${config.sharedWidth} wide`,
  }),
});

function readConfig(reader: ConfigReader): Qwen2MoeConfig {
  const qwen = readQwen(reader, 'qwen2_moe', (layer, first) => layer % 2 === 0 && layer < first);
  return {
    ...qwen,
    ...readQwenExperts(reader, qwen, false),
    bias: reader.format === 'gguf' ? 'as-stored' : reader.flag({ hf: 'qkv_bias' }, true),
    sharedWidth: reader.integer(
      { hf: 'shared_expert_intermediate_size', gguf: 'expert_shared_feed_forward_length' },
      { min: 1, max: limits.width, fallback: qwen.feedForward },
    ),
  };
}

/** The routed experts' result, and the shared one's behind its own gate. */
function feed(step: Step, x: Value, block: string, layer: number, config: Qwen2MoeConfig): Value {
  const { g } = step;
  const routed = feedQwen(step, x, block, layer, config);
  if (!config.sparse[layer]) return routed;
  const { activation, sharedWidth: width } = config;
  const shared = gatedMlp(step, x, block, { width, activation, suffix: '_shexp' });
  const open = g.sigmoid(linear(step, x, `${block}.ffn_gate_inp_shexp`, 1)); // [T, 1]
  return g.add(routed, g.mul(shared, open));
}
