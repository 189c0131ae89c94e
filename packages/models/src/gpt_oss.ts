/**
 * gpt-oss: experts in MXFP4 with biases and a clamped activation, attention with sinks, every other layer with a
 * window, yarn.
 * @see OpenAI 2025, "gpt-oss-120b & gpt-oss-20b Model Card", arXiv:2508.10925
 */

import { UnsupportedError } from '@steelyard/core';
import type { Value } from '@steelyard/graph';
import { defineArchitecture } from './architecture.ts';
import { readDecoder } from './blocks/decoder-config.ts';
import { decoderNames, decoderTable } from './blocks/decoder-names.ts';
import { decoder, decoderFacts, type StackConfig } from './blocks/decoder.ts';
import { describeExperts, readExperts, type ExpertsConfig } from './blocks/expert-config.ts';
import { expertMlp } from './blocks/experts.ts';
import { readLayerWindows, readWindow } from './blocks/layer-windows.ts';
import { rmsNorm } from './blocks/norms.ts';
import { readRope } from './blocks/rope-config.ts';
import type { ConfigReader } from './config-reader.ts';
import type { Step } from './step.ts';

interface GptOssConfig extends StackConfig {
  readonly experts: ExpertsConfig;
  /** Gain of the activation's sigmoid. */
  readonly alpha: number;
  /** Bound on gate and up. */
  readonly limit: number;
}

/** The weights of a token's experts are a softmax of their logits alone. */
const ROUTING = { score: 'none', normalise: 'softmax' } as const;

export const gptOss = defineArchitecture<GptOssConfig>({
  name: 'gpt_oss',
  huggingFace: ['gpt_oss'],
  gguf: ['gpt-oss'],
  variants: ['limits', 'mxfp4', 'tied'],
  names: {
    ...decoderNames,
    huggingFace: {
      ...decoderTable,
      'blk.{i}.post_attention_norm': 'layers.{i}.post_attention_layernorm',
      'blk.{i}.attn_sinks.weight': 'layers.{i}.self_attn.sinks',
      'blk.{i}.ffn_gate_inp': 'layers.{i}.mlp.router',
      'blk.{i}.ffn_gate_up_exps.weight': 'layers.{i}.mlp.experts.gate_up_proj_blocks',
      'blk.{i}.ffn_gate_up_exps.scales': 'layers.{i}.mlp.experts.gate_up_proj_scales',
      'blk.{i}.ffn_gate_up_exps.bias': 'layers.{i}.mlp.experts.gate_up_proj_bias',
      'blk.{i}.ffn_down_exps.weight': 'layers.{i}.mlp.experts.down_proj_blocks',
      'blk.{i}.ffn_down_exps.scales': 'layers.{i}.mlp.experts.down_proj_scales',
      'blk.{i}.ffn_down_exps.bias': 'layers.{i}.mlp.experts.down_proj_bias',
    },
  },
  readConfig,
  forward,
  facts: (config) => ({ ...decoderFacts(config), ...describeExperts(config.experts) }),
});

function readConfig(reader: ConfigReader): GptOssConfig {
  const shape = readDecoder(reader, { architecture: 'gpt_oss', tied: false });
  checkQuantisation(reader);
  // Repeats what the rope settings say.
  reader.ignore({ hf: 'initial_context_length' });
  const positive = { min: 1e-3, max: 1e6 };
  return {
    ...shape,
    activation: reader.choice({ hf: 'hidden_act' }, ['silu'], 'silu'),
    attentionBias: reader.format === 'gguf' ? 'as-stored' : reader.flag({ hf: 'attention_bias' }, true),
    rope: readRope(reader, { ...shape, theta: 150000, interleavedInGguf: false, truncateInGguf: false }),
    windows: readLayerWindows(reader, shape.layers, readWindow(reader), (layer) => layer % 2 === 0),
    experts: readExperts(reader, { width: shape.feedForward }),
    alpha: reader.number({ hf: 'swiglu_alpha' }, { ...positive, fallback: 1.702 }),
    limit: reader.number({ hf: 'swiglu_limit' }, { ...positive, fallback: 7 }),
  };
}

/** GGUF files say it by each tensor's type. @throws UnsupportedError for experts in another format */
function checkQuantisation(reader: ConfigReader): void {
  if (reader.format === 'gguf') return;
  const section = reader.section('quantization_config');
  if (!section) {
    throw new UnsupportedError(
      `${reader.fileName}: there is no quantization_config; gpt-oss is supported with its experts in mxfp4, as published, and as GGUF`,
    );
  }
  section.choice({ hf: 'quant_method' }, ['mxfp4'], 'mxfp4');
  section.ignore({ hf: 'modules_to_not_convert' });
  section.finish();
}

function forward(step: Step, config: GptOssConfig): Value {
  const { eps, heads, activation, experts, alpha, limit } = config;
  const published = step.format === 'safetensors';
  const options = {
    ...experts,
    routing: ROUTING,
    activation,
    routerBias: true,
    bias: true,
    layout: { fused: published, mxfp4: published },
    gated: (gate: Value, up: Value) => step.g.glu(gate, up, { activation: 'silu', alpha, limit, offset: 1 }),
  };
  return decoder(step, config, {
    norm: (x, name) => rmsNorm(step, x, name.replace('ffn_norm', 'post_attention_norm'), eps),
    attention: (layer) => ({ sinks: step.weight(`blk.${layer}.attn_sinks.weight`, [heads]) }),
    feed: (x, block) => expertMlp(step, x, block, options),
  });
}
