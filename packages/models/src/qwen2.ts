/**
 * Qwen2 and 2.5, and DeepSeek's Qwen distills: Llama with biases on q, k and v.
 * @see Yang et al. 2024, arXiv:2407.10671
 */

import type { Value } from '@steelyard/graph';
import { defineArchitecture } from './architecture.ts';
import { selfAttention } from './blocks/attention.ts';
import { readDecoder, type DecoderConfig } from './blocks/decoder-config.ts';
import { decoderNames } from './blocks/decoder-names.ts';
import { describeWindows, readQwenWindows, type LayerWindows } from './blocks/layer-windows.ts';
import { embedTokens, logits } from './blocks/linear.ts';
import { activationNames, gatedMlp, type Activation } from './blocks/mlp.ts';
import { rmsNorm } from './blocks/norms.ts';
import { describeScaling, readRope, type RopeConfig } from './blocks/rope-config.ts';
import { createRope } from './blocks/rope.ts';
import type { ConfigReader } from './config-reader.ts';
import type { Step } from './step.ts';

interface Qwen2Config extends DecoderConfig {
  readonly activation: Activation;
  readonly rope: RopeConfig;
  readonly windows: LayerWindows;
}

export const qwen2 = defineArchitecture<Qwen2Config>({
  name: 'qwen2',
  huggingFace: ['qwen2'],
  gguf: ['qwen2'],
  variants: ['tied', 'window', 'yarn'],
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

function readConfig(reader: ConfigReader): Qwen2Config {
  const decoder = readDecoder(reader, { architecture: 'qwen2', tied: false });
  return {
    ...decoder,
    activation: reader.choice({ hf: 'hidden_act' }, activationNames, 'silu'),
    rope: readRope(reader, { ...decoder, interleavedInGguf: false }),
    windows: readQwenWindows(reader, decoder.layers),
  };
}

function forward(step: Step, config: Qwen2Config): Value {
  const { g } = step;
  const { eps, windows } = config;
  const rope = createRope(step, config.rope);
  const mlp = { width: config.feedForward, activation: config.activation };
  let x = embedTokens(step, config.vocabSize, config.hiddenSize); // [T, hidden]
  for (let layer = 0; layer < config.layers; layer++) {
    const block = `blk.${layer}`;
    const attention = { ...config, layer, rope, window: windows[layer] ?? 0, bias: true };
    x = g.add(x, selfAttention(step, rmsNorm(step, x, `${block}.attn_norm`, eps), block, attention));
    x = g.add(x, gatedMlp(step, rmsNorm(step, x, `${block}.ffn_norm`, eps), block, mlp));
  }
  const wanted = g.gather(x, step.rows); // [V, hidden]
  return logits(step, rmsNorm(step, wanted, 'output_norm', eps), config.vocabSize, config.tied);
}
