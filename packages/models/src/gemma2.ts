/**
 * Gemma 2: norms around each block, every other layer with a window, soft caps on scores and logits.
 * @see Gemma team 2024, arXiv:2408.00118
 */

import type { Value } from '@steelyard/graph';
import { defineArchitecture } from './architecture.ts';
import { selfAttention } from './blocks/attention.ts';
import { readBias, readDecoder, type DecoderConfig } from './blocks/decoder-config.ts';
import { decoderNames, decoderTable } from './blocks/decoder-names.ts';
import { describeWindows, readLayerWindows, readWindow, type LayerWindows } from './blocks/layer-windows.ts';
import { embedTokens, logits, softCapped, type Bias } from './blocks/linear.ts';
import { activationNames, gatedMlp, type Activation } from './blocks/mlp.ts';
import { rmsNorm } from './blocks/norms.ts';
import { readRope, type RopeConfig } from './blocks/rope-config.ts';
import { createRope } from './blocks/rope.ts';
import type { ConfigReader } from './config-reader.ts';
import type { Step } from './step.ts';

interface Gemma2Config extends DecoderConfig {
  readonly activation: Activation;
  readonly attentionBias: Bias;
  /** Factor on q . k. */
  readonly scale: number;
  readonly windows: LayerWindows;
  readonly rope: RopeConfig;
  /** Of attention scores; 0 for none. */
  readonly scoreCap: number;
  readonly logitCap: number;
}

/** Layers of the 27B model, whose scale GGUF files leave to the reader. */
const LAYERS_27B = 46;

export const gemma2 = defineArchitecture<Gemma2Config>({
  name: 'gemma2',
  huggingFace: ['gemma2'],
  gguf: ['gemma2'],
  variants: ['capped', 'uncapped'],
  names: {
    ...decoderNames,
    huggingFace: {
      ...decoderTable,
      'blk.{i}.post_attention_norm': 'layers.{i}.post_attention_layernorm',
      'blk.{i}.ffn_norm': 'layers.{i}.pre_feedforward_layernorm',
      'blk.{i}.post_ffw_norm': 'layers.{i}.post_feedforward_layernorm',
    },
  },
  readConfig,
  forward,
  facts: ({ windows, scoreCap, logitCap }) => ({
    ...describeWindows(windows),
    'soft caps': `scores ${scoreCap}, logits ${logitCap}`,
  }),
});

function readConfig(reader: ConfigReader): Gemma2Config {
  const decoder = readDecoder(reader, { architecture: 'gemma2', tied: true, headDim: 256 });
  const perHead = decoder.layers === LAYERS_27B ? decoder.hiddenSize / decoder.heads : decoder.headDim;
  const scaleRule = { min: 1e-6, max: 1e6, fallback: reader.format === 'gguf' ? perHead : 256 };
  return {
    ...decoder,
    activation: reader.choice(
      { hf: ['hidden_activation', 'hidden_act'] },
      activationNames,
      'gelu_pytorch_tanh',
    ),
    attentionBias: readBias(reader, 'attention_bias'),
    scale: reader.number({ hf: 'query_pre_attn_scalar' }, scaleRule) ** -0.5,
    windows: readLayerWindows(reader, decoder.layers, readWindow(reader), (layer) => layer % 2 === 0),
    rope: readRope(reader, { ...decoder, interleavedInGguf: false }),
    scoreCap: readCap(reader, 'attn_logit_softcapping', 50),
    logitCap: readCap(reader, 'final_logit_softcapping', 30),
  };
}

/** A key that is there and null switches the cap off. */
function readCap(reader: ConfigReader, name: string, missing: number): number {
  const fallback = reader.isNull({ hf: name }) ? 0 : missing;
  return reader.number({ hf: name, gguf: name }, { min: 0, max: 1e6, fallback });
}

function forward(step: Step, config: Gemma2Config): Value {
  const { g } = step;
  const { windows, scale, scoreCap, attentionBias: bias } = config;
  // Converters to GGUF add the one to the weights.
  const offset = step.format === 'gguf' ? 0 : 1;
  const norm = (y: Value, name: string): Value => rmsNorm(step, y, name, config.eps, { offset });
  const rope = createRope(step, config.rope);
  const mlp = { width: config.feedForward, activation: config.activation };
  const embedded = embedTokens(step, config.vocabSize, config.hiddenSize);
  let x = g.scale(embedded, { by: Math.sqrt(config.hiddenSize) }); // [T, hidden]
  for (let layer = 0; layer < config.layers; layer++) {
    const block = `blk.${layer}`;
    const scores = { scale, softcap: scoreCap, window: windows[layer] ?? 0 };
    const attention = { ...config, ...scores, layer, rope, bias, outputBias: bias };
    const attended = selfAttention(step, norm(x, `${block}.attn_norm`), block, attention);
    x = g.add(x, norm(attended, `${block}.post_attention_norm`));
    const fed = gatedMlp(step, norm(x, `${block}.ffn_norm`), block, mlp);
    x = g.add(x, norm(fed, `${block}.post_ffw_norm`));
  }
  const wanted = norm(g.gather(x, step.rows), 'output_norm'); // [V, hidden]
  return softCapped(step, logits(step, wanted, config.vocabSize, config.tied), config.logitCap);
}
