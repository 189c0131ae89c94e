/**
 * Command R7B and Command A: LayerNorm without bias, attention and MLP side by side, three layers with a window
 * and positions to one with neither, scaled logits.
 * @see transformers' `modeling_cohere2.py`; Yang et al. 2025, arXiv:2501.18795
 */

import { UnsupportedError } from '@steelyard/core';
import type { Value } from '@steelyard/graph';
import { defineArchitecture } from './architecture.ts';
import { selfAttention } from './blocks/attention.ts';
import { readBias, readDecoder, type DecoderConfig } from './blocks/decoder-config.ts';
import { decoderNames } from './blocks/decoder-names.ts';
import { describeWindows, readLayerWindows, readWindow, type LayerWindows } from './blocks/layer-windows.ts';
import { embedTokens, logits, type Bias } from './blocks/linear.ts';
import { activationNames, gatedMlp, type Activation } from './blocks/mlp.ts';
import { layerNorm } from './blocks/norms.ts';
import { readRope, type RopeConfig } from './blocks/rope-config.ts';
import { createRope } from './blocks/rope.ts';
import { limits, type ConfigReader } from './config-reader.ts';
import type { Step } from './step.ts';

interface Cohere2Config extends DecoderConfig {
  readonly activation: Activation;
  readonly attentionBias: Bias;
  readonly rope: RopeConfig;
  readonly windows: LayerWindows;
  readonly logitScale: number;
}

/** Every fourth layer sees all tokens, where the file does not say. */
const PATTERN = 4;

export const cohere2 = defineArchitecture<Cohere2Config>({
  name: 'cohere2',
  huggingFace: ['cohere2'],
  gguf: ['cohere2'],
  variants: ['biases', 'window'],
  names: decoderNames,
  readConfig,
  forward,
  facts: ({ windows, rope }) => ({ 'rope theta': String(rope.theta), ...describeWindows(windows) }),
});

function readConfig(reader: ConfigReader): Cohere2Config {
  const decoder = readDecoder(reader, { architecture: 'cohere2', tied: true, norm: 'layer' });
  const pattern = reader.integer(
    { hf: ['sliding_window_pattern', '_sliding_window_pattern', 'layer_switch'] },
    { min: 1, max: limits.layers, fallback: PATTERN },
  );
  reader.choice({ hf: 'position_embedding_type' }, ['rope_gptj'], 'rope_gptj');
  reader.choice({ hf: 'order_of_interleaved_layers' }, ['local_attn_first'], 'local_attn_first');
  reader.number({ hf: 'rotary_pct' }, { min: 1, max: 1, fallback: 1 });
  for (const name of ['use_embedding_sharing', 'use_gated_activation', 'use_parallel_block']) {
    if (reader.flag({ hf: name }, true)) continue;
    throw new UnsupportedError(
      `${reader.fileName}: ${name} is false; ${reader.declared} here is always built with it`,
    );
  }
  // How the trainer split the table among devices.
  reader.ignore({ hf: 'use_parallel_embedding' });
  return {
    ...decoder,
    activation: reader.choice({ hf: 'hidden_act' }, activationNames, 'silu'),
    attentionBias: readBias(reader, 'attention_bias'),
    rope: readRope(reader, { ...decoder, interleavedInGguf: true, interleavedInHuggingFace: true }),
    windows: readLayerWindows(
      reader,
      decoder.layers,
      readWindow(reader),
      (layer) => (layer + 1) % pattern !== 0,
    ),
    logitScale: reader.number(
      { hf: 'logit_scale', gguf: 'logit_scale' },
      { min: 1e-9, max: 1e9, fallback: 0.0625 },
    ),
  };
}

function forward(step: Step, config: Cohere2Config): Value {
  const { g } = step;
  const { eps, windows, attentionBias: bias, heads, kvHeads, headDim } = config;
  const rope = createRope(step, config.rope);
  const mlp = { width: config.feedForward, activation: config.activation };
  let x = embedTokens(step, config.vocabSize, config.hiddenSize); // [T, hidden]
  for (let layer = 0; layer < config.layers; layer++) {
    const block = `blk.${layer}`;
    const window = windows[layer] ?? 0;
    const places = { window, ...(window > 0 && { rope }) };
    const attention = { heads, kvHeads, headDim, layer, bias, outputBias: bias, ...places };
    const y = layerNorm(step, x, `${block}.attn_norm`, eps, false);
    x = g.add(g.add(x, selfAttention(step, y, block, attention)), gatedMlp(step, y, block, mlp));
  }
  const wanted = layerNorm(step, g.gather(x, step.rows), 'output_norm', eps, false); // [V, hidden]
  return g.scale(logits(step, wanted, config.vocabSize, config.tied), { by: config.logitScale });
}
