/**
 * SmolLM3: Llama in which every fourth layer has no positions.
 * @see transformers' `modeling_smollm3.py`; Yang et al. 2025, arXiv:2501.18795 (mixing layers without positions)
 */

import { FormatError } from '@steelyard/core';
import type { Value } from '@steelyard/graph';
import { defineArchitecture } from './architecture.ts';
import { selfAttention } from './blocks/attention.ts';
import { readBias, readDecoder, type DecoderConfig } from './blocks/decoder-config.ts';
import { decoderNames } from './blocks/decoder-names.ts';
import { readQwenWindows } from './blocks/layer-windows.ts';
import { embedTokens, logits, type Bias } from './blocks/linear.ts';
import { activationNames, gatedMlp, type Activation } from './blocks/mlp.ts';
import { rmsNorm } from './blocks/norms.ts';
import { describeScaling, readRope, type RopeConfig } from './blocks/rope-config.ts';
import { createRope } from './blocks/rope.ts';
import { limits, type ConfigReader } from './config-reader.ts';
import type { Step } from './step.ts';

interface SmolLm3Config extends DecoderConfig {
  readonly activation: Activation;
  readonly attentionBias: Bias;
  readonly mlpBias: Bias;
  readonly rope: RopeConfig;
  /** Whether each layer has positions. */
  readonly positioned: readonly boolean[];
  readonly windows: readonly number[];
}

const INTERVAL = 4;

export const smollm3 = defineArchitecture<SmolLm3Config>({
  name: 'smollm3',
  huggingFace: ['smollm3'],
  gguf: ['smollm3'],
  variants: ['interval', 'listed-window'],
  names: decoderNames,
  readConfig,
  forward,
  facts: ({ rope, positioned }) => ({
    'rope theta': String(rope.theta),
    'rope scaling': describeScaling(rope.scaling),
    'layers without positions': String(positioned.filter((has) => !has).length),
  }),
});

function readConfig(reader: ConfigReader): SmolLm3Config {
  const decoder = readDecoder(reader, { architecture: 'smollm3', tied: true });
  const { layers } = decoder;
  const interval = reader.integer(
    { hf: 'no_rope_layer_interval' },
    { min: 1, max: limits.layers, fallback: INTERVAL },
  );
  const listed = reader.integers({ hf: 'no_rope_layers' });
  if (listed && listed.length !== layers) {
    throw new FormatError(
      `${reader.fileName}: no_rope_layers has ${listed.length} entries for ${layers} layers`,
    );
  }
  // The list's name says the contrary of what it holds: 1 is a layer with positions.
  const positioned = Array.from({ length: layers }, (_, i) =>
    listed ? listed[i] !== 0 : (i + 1) % interval !== 0,
  );
  return {
    ...decoder,
    activation: reader.choice({ hf: 'hidden_act' }, activationNames, 'silu'),
    attentionBias: readBias(reader, 'attention_bias'),
    mlpBias: readBias(reader, 'mlp_bias'),
    rope: readRope(reader, { ...decoder, theta: 2e6, interleavedInGguf: true }),
    positioned,
    windows: readQwenWindows(reader, layers, (layer) => !positioned[layer]),
  };
}

function forward(step: Step, config: SmolLm3Config): Value {
  const { g } = step;
  const { eps, windows, positioned, attentionBias: bias } = config;
  const rope = createRope(step, config.rope);
  const mlp = { width: config.feedForward, activation: config.activation, bias: config.mlpBias };
  let x = embedTokens(step, config.vocabSize, config.hiddenSize); // [T, hidden]
  for (let layer = 0; layer < config.layers; layer++) {
    const block = `blk.${layer}`;
    const places = { window: windows[layer] ?? 0, ...(positioned[layer] && { rope }) };
    const attention = {
      heads: config.heads,
      kvHeads: config.kvHeads,
      headDim: config.headDim,
      layer,
      ...places,
    };
    const biased = { ...attention, bias, outputBias: bias };
    x = g.add(x, selfAttention(step, rmsNorm(step, x, `${block}.attn_norm`, eps), block, biased));
    x = g.add(x, gatedMlp(step, rmsNorm(step, x, `${block}.ffn_norm`, eps), block, mlp));
  }
  const wanted = rmsNorm(step, g.gather(x, step.rows), 'output_norm', eps); // [V, hidden]
  return logits(step, wanted, config.vocabSize, config.tied);
}
