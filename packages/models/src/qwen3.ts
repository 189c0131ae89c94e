/**
 * Qwen3, dense: Llama with normalised heads of q and k.
 * @see Yang et al. 2025, arXiv:2505.09388
 */

import type { Value } from '@steelyard/graph';
import { defineArchitecture } from './architecture.ts';
import { selfAttention } from './blocks/attention.ts';
import { readBias, readDecoder, type DecoderConfig } from './blocks/decoder-config.ts';
import { decoderNames } from './blocks/decoder-names.ts';
import { describeWindows, readQwenWindows, type LayerWindows } from './blocks/layer-windows.ts';
import { embedTokens, logits, type Bias } from './blocks/linear.ts';
import { activationNames, gatedMlp, type Activation } from './blocks/mlp.ts';
import { rmsNorm } from './blocks/norms.ts';
import { describeScaling, readRope, type RopeConfig } from './blocks/rope-config.ts';
import { createRope } from './blocks/rope.ts';
import type { ConfigReader } from './config-reader.ts';
import type { Step } from './step.ts';

interface Qwen3Config extends DecoderConfig {
  readonly activation: Activation;
  readonly attentionBias: Bias;
  readonly rope: RopeConfig;
  readonly windows: LayerWindows;
}

export const qwen3 = defineArchitecture<Qwen3Config>({
  name: 'qwen3',
  huggingFace: ['qwen3'],
  gguf: ['qwen3'],
  variants: ['biases-window', 'tied'],
  names: decoderNames,
  readConfig,
  forward,
  facts: ({ rope, windows, tied }) => ({
    'rope theta': String(rope.theta),
    'rope scaling': describeScaling(rope.scaling),
    ...describeWindows(windows),
    'tied embeddings': tied ? 'yes' : 'no',
  }),
});

function readConfig(reader: ConfigReader): Qwen3Config {
  const decoder = readDecoder(reader, { architecture: 'qwen3', tied: false });
  return {
    ...decoder,
    activation: reader.choice({ hf: 'hidden_act' }, activationNames, 'silu'),
    attentionBias: readBias(reader, 'attention_bias'),
    rope: readRope(reader, { ...decoder, interleavedInGguf: false }),
    windows: readQwenWindows(reader, decoder.layers),
  };
}

function forward(step: Step, config: Qwen3Config): Value {
  const { g } = step;
  const { eps, windows, attentionBias: bias } = config;
  const rope = createRope(step, config.rope);
  const headNorm = (y: Value, name: string): Value => rmsNorm(step, y, name, eps);
  const mlp = { width: config.feedForward, activation: config.activation };
  let x = embedTokens(step, config.vocabSize, config.hiddenSize); // [T, hidden]
  for (let layer = 0; layer < config.layers; layer++) {
    const block = `blk.${layer}`;
    const heads = { bias, outputBias: bias, headNorm, rope };
    const attention = { ...config, ...heads, layer, window: windows[layer] ?? 0 };
    x = g.add(x, selfAttention(step, rmsNorm(step, x, `${block}.attn_norm`, eps), block, attention));
    x = g.add(x, gatedMlp(step, rmsNorm(step, x, `${block}.ffn_norm`, eps), block, mlp));
  }
  const wanted = g.gather(x, step.rows); // [V, hidden]
  return logits(step, rmsNorm(step, wanted, 'output_norm', eps), config.vocabSize, config.tied);
}
