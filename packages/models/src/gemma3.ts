/**
 * Gemma 3, text: norms around each block, normalised heads, five layers with a window to one without, each kind
 * with its own rope. Files with a vision tower are not read.
 * @see Gemma team 2025, arXiv:2503.19786
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
import {
  describeScaling,
  readRope,
  readRopeSection,
  thetaRule,
  type RopeConfig,
} from './blocks/rope-config.ts';
import { createRope } from './blocks/rope.ts';
import { limits, type ConfigReader } from './config-reader.ts';
import type { Step } from './step.ts';

interface Gemma3Config extends DecoderConfig {
  readonly activation: Activation;
  readonly attentionBias: Bias;
  /** Factor on q . k. */
  readonly scale: number;
  readonly windows: LayerWindows;
  readonly localRope: RopeConfig;
  readonly globalRope: RopeConfig;
  /** Logits become cap * tanh(logits / cap); 0 for none. */
  readonly softcap: number;
}

/** Every sixth layer sees all tokens, where the file does not say. */
const PATTERN = 6;
/** Layers of the 27B model, whose scale GGUF files leave to the reader. */
const LAYERS_27B = 62;

export const gemma3 = defineArchitecture<Gemma3Config>({
  name: 'gemma3',
  huggingFace: ['gemma3_text'],
  gguf: ['gemma3'],
  variants: ['linear-softcap', 'local-global'],
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
  facts: ({ globalRope, localRope, windows }) => ({
    'rope theta': `${globalRope.theta}, in windowed layers ${localRope.theta}`,
    'rope scaling': describeScaling(globalRope.scaling),
    ...describeWindows(windows),
  }),
});

function readConfig(reader: ConfigReader): Gemma3Config {
  const decoder = readDecoder(reader, { architecture: 'gemma3', tied: true, headDim: 256 });
  const pattern = reader.integer(
    { hf: ['sliding_window_pattern', '_sliding_window_pattern'] },
    { min: 1, max: limits.layers, fallback: PATTERN },
  );
  const perHead = decoder.layers === LAYERS_27B ? decoder.hiddenSize / decoder.heads : decoder.headDim;
  const scalar = { hf: 'query_pre_attn_scalar' };
  const scaleRule = { min: 1e-6, max: 1e6, fallback: reader.format === 'gguf' ? perHead : 256 };
  return {
    ...decoder,
    activation: reader.choice(
      { hf: ['hidden_activation', 'hidden_act'] },
      activationNames,
      'gelu_pytorch_tanh',
    ),
    attentionBias: readBias(reader, 'attention_bias'),
    scale: reader.number(scalar, scaleRule) ** -0.5,
    windows: readLayerWindows(
      reader,
      decoder.layers,
      readWindow(reader),
      (layer) => (layer + 1) % pattern !== 0,
    ),
    ...readRopes(reader, decoder),
    softcap: reader.number(
      { hf: 'final_logit_softcapping', gguf: 'final_logit_softcapping' },
      { min: 0, max: 1e6, fallback: 0 },
    ),
  };
}

/** Scaling is of the global rope only. */
function readRopes(
  reader: ConfigReader,
  { headDim, contextLength }: DecoderConfig,
): Pick<Gemma3Config, 'localRope' | 'globalRope'> {
  const defaults = { headDim, contextLength, interleavedInGguf: false };
  const globalDefaults = { ...defaults, theta: 1e6 };
  const nested = reader.section('rope_parameters');
  if (nested) {
    const localRope = readRopeSection(nested.section('sliding_attention'), defaults);
    const globalRope = readRopeSection(nested.section('full_attention'), globalDefaults);
    nested.finish();
    return { localRope, globalRope };
  }
  const theta = reader.number(
    { hf: 'rope_local_base_freq', gguf: 'rope.freq_base_swa' },
    { ...thetaRule, fallback: 10000 },
  );
  const globalRope = readRope(reader, globalDefaults);
  return { localRope: { ...globalRope, theta, scaling: { type: 'none' } }, globalRope };
}

function forward(step: Step, config: Gemma3Config): Value {
  const { g } = step;
  const { eps, windows, scale, softcap, attentionBias: bias } = config;
  // Converters to GGUF add the one to the weights.
  const offset = step.format === 'gguf' ? 0 : 1;
  const norm = (y: Value, name: string): Value => rmsNorm(step, y, name, eps, { offset });
  const localRope = createRope(step, config.localRope, 'rope.local');
  const globalRope = createRope(step, config.globalRope, 'rope.global');
  const mlp = { width: config.feedForward, activation: config.activation };
  const embedded = embedTokens(step, config.vocabSize, config.hiddenSize);
  let x = g.scale(embedded, { by: Math.sqrt(config.hiddenSize) }); // [T, hidden]
  for (let layer = 0; layer < config.layers; layer++) {
    const block = `blk.${layer}`;
    const window = windows[layer] ?? 0;
    const heads = { bias, outputBias: bias, headNorm: norm, rope: window > 0 ? localRope : globalRope };
    const attention = { ...config, ...heads, layer, window, scale, softcap: 0 };
    const attended = selfAttention(step, norm(x, `${block}.attn_norm`), block, attention);
    x = g.add(x, norm(attended, `${block}.post_attention_norm`));
    const fed = gatedMlp(step, norm(x, `${block}.ffn_norm`), block, mlp);
    x = g.add(x, norm(fed, `${block}.post_ffw_norm`));
  }
  const wanted = norm(g.gather(x, step.rows), 'output_norm'); // [V, hidden]
  const y = logits(step, wanted, config.vocabSize, config.tied);
  return softCapped(step, y, softcap);
}
