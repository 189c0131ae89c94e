/**
 * AI21's Jamba: layers of Mamba with one of attention, without positions, among every few; experts in every few layers.
 * @see Lieber et al. 2024, arXiv:2403.19887; Jamba team 2024, arXiv:2408.12570
 */

import { FormatError, UnsupportedError } from '@steelyard/core';
import type { Value } from '@steelyard/graph';
import { defineArchitecture } from './architecture.ts';
import { selfAttention } from './blocks/attention.ts';
import { readDecoder } from './blocks/decoder-config.ts';
import { decoderNames, decoderTable } from './blocks/decoder-names.ts';
import { decoder, decoderFacts, type StackConfig } from './blocks/decoder.ts';
import { describeExperts, readExperts, type ExpertsConfig } from './blocks/expert-config.ts';
import { expertMlp } from './blocks/experts.ts';
import { describeMamba, mamba, readMamba, type MambaConfig } from './blocks/mamba.ts';
import { activationNames, gatedMlp } from './blocks/mlp.ts';
import { limits, type ConfigReader } from './config-reader.ts';
import type { Step } from './step.ts';

interface JambaConfig extends StackConfig {
  readonly mamba: MambaConfig;
  /** Whether each layer attends; others are Mamba's. */
  readonly attends: readonly boolean[];
  readonly experts: ExpertsConfig;
  /** Whether each layer has experts. */
  readonly sparse: readonly boolean[];
}

/** The weights of a token's experts are their shares among all, and need not add up to one. */
const ROUTING = { score: 'softmax', normalise: 'none' } as const;

export const jamba = defineArchitecture<JambaConfig>({
  name: 'jamba',
  huggingFace: ['jamba'],
  gguf: ['jamba'],
  variants: ['attention-only', 'biases', 'dense-tied', 'few-bits', 'gelu', 'mixed'],
  names: {
    ...decoderNames,
    huggingFace: {
      ...decoderTable,
      'blk.{i}.ffn_norm': 'layers.{i}.pre_ff_layernorm',
      'blk.{i}.ffn_gate': 'layers.{i}.feed_forward.gate_proj',
      'blk.{i}.ffn_up': 'layers.{i}.feed_forward.up_proj',
      'blk.{i}.ffn_down': 'layers.{i}.feed_forward.down_proj',
      'blk.{i}.ffn_gate_inp': 'layers.{i}.feed_forward.router',
      'blk.{i}.ffn_gate_exps': 'layers.{i}.feed_forward.experts.{e}.gate_proj',
      'blk.{i}.ffn_up_exps': 'layers.{i}.feed_forward.experts.{e}.up_proj',
      'blk.{i}.ffn_down_exps': 'layers.{i}.feed_forward.experts.{e}.down_proj',
      'blk.{i}.ssm_in': 'layers.{i}.mamba.in_proj',
      'blk.{i}.ssm_conv1d': 'layers.{i}.mamba.conv1d',
      'blk.{i}.ssm_x': 'layers.{i}.mamba.x_proj',
      'blk.{i}.ssm_dt': 'layers.{i}.mamba.dt_proj',
      'blk.{i}.ssm_dt_norm': 'layers.{i}.mamba.dt_layernorm',
      'blk.{i}.ssm_b_norm': 'layers.{i}.mamba.b_layernorm',
      'blk.{i}.ssm_c_norm': 'layers.{i}.mamba.c_layernorm',
      'blk.{i}.ssm_a': 'layers.{i}.mamba.A_log',
      'blk.{i}.ssm_d': 'layers.{i}.mamba.D',
      'blk.{i}.ssm_out': 'layers.{i}.mamba.out_proj',
      output_norm: 'final_layernorm',
    },
  },
  readConfig,
  forward,
  facts: (config) => {
    const recurrent = config.attends.filter((attends) => !attends).length;
    const layers = `${recurrent} of ${config.layers}`;
    return {
      ...decoderFacts(config),
      ...(recurrent > 0 && describeMamba(config.mamba, layers)),
      ...(config.sparse.includes(true) && describeExperts(config.experts)),
    };
  },
});

function readConfig(reader: ConfigReader): JambaConfig {
  const perLayer = reader.integers({ gguf: 'attention.head_count_kv' });
  const shape = readDecoder(reader, {
    architecture: 'jamba',
    tied: false,
    ...(perLayer && { kvHeads: readKvHeads(reader, perLayer) }),
  });
  const { layers } = shape;
  if (perLayer && perLayer.length !== layers) {
    throw new FormatError(
      `${reader.fileName}: attention.head_count_kv has ${perLayer.length} entries for ${layers} layers`,
    );
  }
  const attention = readEvery(reader, 'attn_layer', layers, { period: 8, offset: 4 });
  const experts = readExperts(reader, { width: shape.feedForward });
  const sparse = readEvery(reader, 'expert_layer', layers, { period: 2, offset: 1 });
  // How transformers computes, and how many logits it gives.
  for (const hf of ['use_mamba_kernels', 'use_mambapy', 'use_associative_scan', 'num_logits_to_keep'])
    reader.ignore({ hf });
  return {
    ...shape,
    activation: reader.choice({ hf: 'hidden_act' }, activationNames, 'silu'),
    mamba: readMamba(reader, shape.hiddenSize),
    attends: perLayer?.map((heads) => heads > 0) ?? attention,
    experts,
    sparse: sparse.map((has, layer) =>
      reader.format === 'gguf'
        ? reader.tensorRows(`blk.${layer}.ffn_gate_inp.weight`) !== undefined
        : has && experts.count > 1,
    ),
  };
}

/** GGUF files have 0 for layers without attention. @throws UnsupportedError where others differ */
function readKvHeads(reader: ConfigReader, perLayer: readonly number[]): number {
  const [heads = 1, ...others] = [...new Set(perLayer.filter((count) => count !== 0))];
  if (others.length > 0 || heads < 1 || heads > limits.heads) {
    throw new UnsupportedError(
      `${reader.fileName}: attention.head_count_kv is ${perLayer.join(', ')}; expected 0 or one count for all layers`,
    );
  }
  return heads;
}

/** Layers of which every `period`-th is meant, from `offset` on. */
function readEvery(
  reader: ConfigReader,
  name: string,
  layers: number,
  fallback: { readonly period: number; readonly offset: number },
): boolean[] {
  const period = reader.integer(
    { hf: `${name}_period` },
    { min: 1, max: limits.layers, fallback: fallback.period },
  );
  const offset = reader.integer(
    { hf: `${name}_offset` },
    { min: 0, max: limits.layers, fallback: fallback.offset },
  );
  if (offset >= period) {
    throw new FormatError(
      `${reader.fileName}: ${name}_offset is ${offset}, expected less than ${name}_period, ${period}`,
    );
  }
  return Array.from({ length: layers }, (_, layer) => layer % period === offset);
}

function forward(step: Step, config: JambaConfig): Value {
  const { activation, experts, sparse, attends, eps, heads, kvHeads, headDim, feedForward } = config;
  return decoder(step, config, {
    attend: (x, block, layer) =>
      attends[layer]
        ? selfAttention(step, x, block, { layer, heads, kvHeads, headDim })
        : mamba(step, x, block, { ...config.mamba, layer, activation, eps }),
    feed: (x, block, layer) =>
      sparse[layer]
        ? expertMlp(step, x, block, { ...experts, routing: ROUTING, activation })
        : gatedMlp(step, x, block, { width: feedForward, activation }),
  });
}
