/**
 * Llama 1 to 3.x and what is built like it: SmolLM2, TinyLlama, Mistral 7B (a sliding window), Yi, DeepSeek's
 * Llama distills. Llama 4 and Mixtral are not.
 * @see Touvron et al. 2023, arXiv:2307.09288; Jiang et al. 2023, arXiv:2310.06825
 */

import type { Value } from '@steelyard/graph';
import { defineArchitecture } from './architecture.ts';
import { selfAttention } from './blocks/attention.ts';
import { readBias, readDecoder, type DecoderConfig } from './blocks/decoder-config.ts';
import { decoderNames } from './blocks/decoder-names.ts';
import { embedTokens, logits, type Bias } from './blocks/linear.ts';
import { activationNames, gatedMlp, type Activation } from './blocks/mlp.ts';
import { rmsNorm } from './blocks/norms.ts';
import { describeScaling, readRope, type RopeConfig } from './blocks/rope-config.ts';
import { createRope } from './blocks/rope.ts';
import { limits, type ConfigReader } from './config-reader.ts';
import type { Step } from './step.ts';

interface LlamaConfig extends DecoderConfig {
  readonly activation: Activation;
  readonly attentionBias: Bias;
  readonly mlpBias: Bias;
  readonly rope: RopeConfig;
  /** 0 for all. */
  readonly window: number;
}

export const llama = defineArchitecture<LlamaConfig>({
  name: 'llama',
  huggingFace: ['llama', 'mistral'],
  gguf: ['llama'],
  variants: [
    'biases',
    'gqa-llama3',
    'gqa-tied',
    'head-dim',
    'linear',
    'mha',
    'mistral-window',
    'yarn',
    'yarn-attention-factor',
  ],
  names: decoderNames,
  readConfig,
  forward,
  facts: ({ rope, window, tied }) => ({
    'rope theta': String(rope.theta),
    'rope scaling': describeScaling(rope.scaling),
    ...(window > 0 && { 'sliding window': `${window} tokens` }),
    'tied embeddings': tied ? 'yes' : 'no',
  }),
});

function readConfig(reader: ConfigReader): LlamaConfig {
  const decoder = readDecoder(reader, { architecture: 'llama', tied: false });
  const mistral = reader.format === 'safetensors' && reader.declared === 'mistral';
  // transformers' Llama has no window and Mistral no biases, whatever their files say.
  const windowKey = mistral ? { hf: 'sliding_window' } : {};
  return {
    ...decoder,
    activation: reader.choice({ hf: 'hidden_act' }, activationNames, 'silu'),
    attentionBias: readBias(reader, 'attention_bias'),
    mlpBias: readBias(reader, 'mlp_bias'),
    rope: readRope(reader, { ...decoder, interleavedInGguf: true }),
    window: reader.integer(windowKey, { min: 0, max: limits.positions, fallback: 0 }),
  };
}

function forward(step: Step, config: LlamaConfig): Value {
  const { g } = step;
  const { eps, window, attentionBias: bias } = config;
  const rope = createRope(step, config.rope);
  const mlp = { width: config.feedForward, activation: config.activation, bias: config.mlpBias };
  let x = embedTokens(step, config.vocabSize, config.hiddenSize); // [T, hidden]
  for (let layer = 0; layer < config.layers; layer++) {
    const block = `blk.${layer}`;
    const attention = { ...config, layer, window, rope, bias, outputBias: bias };
    x = g.add(x, selfAttention(step, rmsNorm(step, x, `${block}.attn_norm`, eps), block, attention));
    x = g.add(x, gatedMlp(step, rmsNorm(step, x, `${block}.ffn_norm`, eps), block, mlp));
  }
  const wanted = g.gather(x, step.rows); // [V, hidden]
  return logits(step, rmsNorm(step, wanted, 'output_norm', eps), config.vocabSize, config.tied);
}
