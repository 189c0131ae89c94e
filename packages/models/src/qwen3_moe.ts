/**
 * Qwen3-MoE: Qwen3 with routed experts, none shared.
 * @see Yang et al. 2025, arXiv:2505.09388, section 2
 */

import { defineArchitecture } from './architecture.ts';
import { readBias } from './blocks/decoder-config.ts';
import { decoderNames, decoderTable, expertTable } from './blocks/decoder-names.ts';
import { decoder, decoderFacts } from './blocks/decoder.ts';
import { describeExperts } from './blocks/expert-config.ts';
import type { Bias } from './blocks/linear.ts';
import { rmsNorm } from './blocks/norms.ts';
import { feedQwen, readQwen, readQwenExperts, type QwenMoeConfig } from './blocks/qwen-config.ts';
import type { ConfigReader } from './config-reader.ts';

interface Qwen3MoeConfig extends QwenMoeConfig {
  readonly attentionBias: Bias;
}

export const qwen3moe = defineArchitecture<Qwen3MoeConfig>({
  name: 'qwen3_moe',
  huggingFace: ['qwen3_moe'],
  gguf: ['qwen3moe'],
  variants: ['dense-layers', 'fp8', 'interval-tied', 'sparse'],
  names: { ...decoderNames, huggingFace: { ...decoderTable, ...expertTable } },
  readConfig,
  forward: (step, config) =>
    decoder(step, config, {
      attention: () => ({ headNorm: (x, name) => rmsNorm(step, x, name, config.eps) }),
      feed: (x, block, layer) => feedQwen(step, x, block, layer, config),
    }),
  facts: (config) => ({ ...decoderFacts(config), ...describeExperts(config.experts) }),
});

function readConfig(reader: ConfigReader): Qwen3MoeConfig {
  // A window is of all layers, unlike that of the dense models.
  const qwen = readQwen(reader, 'qwen3_moe', () => true);
  return {
    ...qwen,
    ...readQwenExperts(reader, qwen, true),
    attentionBias: readBias(reader, 'attention_bias'),
  };
}
