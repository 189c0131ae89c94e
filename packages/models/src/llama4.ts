/**
 * Llama 4, text: layers with positions that see their own chunk, layers without that see all; experts chosen one or a
 * few per token, whose inputs are weighed, beside one that every token has. Files hold a vision tower too, which is
 * left unread.
 * @see transformers' `modeling_llama4.py`; Meta 2025, "The Llama 4 herd"
 */

import { FormatError, UnsupportedError } from '@steelyard/core';
import type { Value } from '@steelyard/graph';
import { defineArchitecture } from './architecture.ts';
import type { SelfAttention } from './blocks/attention.ts';
import { readBias, readDecoder, type DecoderConfig } from './blocks/decoder-config.ts';
import { decoderNames, decoderTable } from './blocks/decoder-names.ts';
import { decoder, decoderFacts, type StackConfig } from './blocks/decoder.ts';
import { describeExperts, readExperts, type ExpertsConfig } from './blocks/expert-config.ts';
import { expertMlp } from './blocks/experts.ts';
import { activationNames, gatedMlp } from './blocks/mlp.ts';
import { readPositioned } from './blocks/positioned-layers.ts';
import { readRope, type RopeConfig } from './blocks/rope-config.ts';
import { createRope } from './blocks/rope.ts';
import { limits, type ConfigReader } from './config-reader.ts';
import type { Step } from './step.ts';

interface Llama4Config extends StackConfig {
  readonly rotation: RopeConfig;
  /** Whether each layer has positions. */
  readonly positioned: readonly boolean[];
  /** Positions per chunk in each layer; 0 for all. */
  readonly chunks: readonly number[];
  /** Queries and keys of layers with positions are normalised, without weights. */
  readonly normalised: boolean;
  /** Of queries in layers without positions; absent for none. */
  readonly tempering?: { readonly by: number; readonly every: number; readonly offset: number };
  readonly experts: ExpertsConfig;
  /** Whether each layer has experts. */
  readonly sparse: readonly boolean[];
}

/** An expert's weight is a sigmoid of its own logit. */
const ROUTING = { score: 'none', normalise: 'sigmoid' } as const;
/** Tokens per chunk, and steps of the temperature, where the file does not say. */
const CHUNK = 8192;

export const llama4 = defineArchitecture<Llama4Config>({
  name: 'llama4',
  huggingFace: ['llama4', 'llama4_text'],
  gguf: ['llama4'],
  variants: ['chunked', 'full', 'nested', 'tied'],
  names: {
    huggingFace: {
      ...decoderTable,
      'blk.{i}.ffn_gate': 'layers.{i}.feed_forward.gate_proj',
      'blk.{i}.ffn_up': 'layers.{i}.feed_forward.up_proj',
      'blk.{i}.ffn_down': 'layers.{i}.feed_forward.down_proj',
      'blk.{i}.ffn_gate_inp': 'layers.{i}.feed_forward.router',
      'blk.{i}.ffn_gate_up_exps.weight': 'layers.{i}.feed_forward.experts.gate_up_proj',
      'blk.{i}.ffn_down_exps.weight': 'layers.{i}.feed_forward.experts.down_proj',
      'blk.{i}.ffn_gate_shexp': 'layers.{i}.feed_forward.shared_expert.gate_proj',
      'blk.{i}.ffn_up_shexp': 'layers.{i}.feed_forward.shared_expert.up_proj',
      'blk.{i}.ffn_down_shexp': 'layers.{i}.feed_forward.shared_expert.down_proj',
    },
    optionalPrefixes: ['model.', 'language_model.model.', 'language_model.'],
    unusedHuggingFace: /^(model\.)?(vision_model|multi_modal_projector)\./,
    ...(decoderNames.unusedGguf && { unusedGguf: decoderNames.unusedGguf }),
  },
  readConfig,
  forward,
  facts: (config) => ({
    ...decoderFacts({ ...config, rope: config.rotation }),
    ...describeChunks(config.chunks),
    'layers without positions': String(config.positioned.filter((has) => !has).length),
    ...describeExperts(config.experts),
  }),
});

/** Files of the whole model nest the settings of its text part. */
function readConfig(reader: ConfigReader): Llama4Config {
  const text = reader.declared === 'llama4' ? reader.section('text_config') : undefined;
  if (!text) return readText(reader);
  const config = readText(text);
  text.finish();
  for (const hf of ['vision_config', 'boi_token_index', 'eoi_token_index', 'image_token_index'])
    reader.ignore({ hf });
  if (reader.flag({ hf: 'tie_word_embeddings' }, config.tied) !== config.tied) {
    throw new FormatError(`${reader.fileName}: tie_word_embeddings is not what text_config says`);
  }
  return config;
}

function readText(reader: ConfigReader): Llama4Config {
  const shape = readDecoder(reader, { architecture: 'llama4', tied: false });
  const { layers } = shape;
  const dense = reader.integer(
    { hf: 'intermediate_size_mlp' },
    { min: 1, max: limits.width, fallback: shape.feedForward },
  );
  const experts = readExperts(reader, { width: shape.feedForward });
  const positioned = readPositioned(reader, layers);
  const rotation = readRope(reader, {
    ...shape,
    theta: 500000,
    interleavedInGguf: true,
    interleavedInHuggingFace: true,
  });
  return {
    ...shape,
    feedForward: dense,
    activation: reader.choice({ hf: 'hidden_act' }, activationNames, 'silu'),
    attentionBias: readBias(reader, 'attention_bias'),
    rotation,
    positioned,
    chunks: readChunks(reader, shape, positioned),
    // GGUF files leave it to the model's size: all but that of 128 experts.
    normalised: reader.flag({ hf: 'use_qk_norm' }, reader.format === 'safetensors' || experts.count !== 128),
    ...readTempering(reader),
    experts,
    sparse: readSparse(reader, layers),
  };
}

/** By `layer_types`, else in layers with positions. */
function readChunks(
  reader: ConfigReader,
  { layers }: DecoderConfig,
  positioned: readonly boolean[],
): number[] {
  const key = { hf: 'attention_chunk_size' };
  const rule = { min: 1, max: limits.positions, fallback: CHUNK };
  const chunk = reader.isNull(key) ? 0 : reader.integer(key, rule);
  const types = reader.format === 'gguf' ? undefined : reader.texts({ hf: 'layer_types' });
  const kinds = ['chunked_attention', 'full_attention'];
  if (types?.some((type) => !kinds.includes(type)) || (types && types.length !== layers)) {
    throw new UnsupportedError(
      `${reader.fileName}: layer_types must be ${layers} of ${kinds.join(', ')}, got ${types.join(', ')}`,
    );
  }
  return positioned.map((has, layer) => ((types ? types[layer] === kinds[0] : has) ? chunk : 0));
}

function describeChunks(chunks: readonly number[]): Record<string, string> {
  const some = chunks.filter((chunk) => chunk > 0);
  return some.length > 0 ? { chunks: `${some[0]} tokens in ${some.length} of ${chunks.length} layers` } : {};
}

function readTempering(reader: ConfigReader): Pick<Llama4Config, 'tempering'> {
  const every = reader.integer({ hf: 'floor_scale' }, { min: 1, max: limits.positions, fallback: CHUNK });
  const by = reader.number({ hf: 'attn_scale' }, { min: 0, max: 1e3, fallback: 0.1 });
  return reader.flag({ hf: 'attn_temperature_tuning' }, true) ? { tempering: { by, every, offset: 1 } } : {};
}

function readSparse(reader: ConfigReader, layers: number): boolean[] {
  const listed = reader.integers({ hf: 'moe_layers' });
  const every = reader.integer(
    { hf: 'interleave_moe_layer_step', gguf: 'interleave_moe_layer_step' },
    { min: 1, max: limits.layers, fallback: 1 },
  );
  return Array.from({ length: layers }, (_, i) => listed?.includes(i) ?? (i + 1) % every === 0);
}

function forward(step: Step, config: Llama4Config): Value {
  const { g, positions } = step;
  const { eps, activation, experts, sparse, positioned, tempering, feedForward } = config;
  const rope = createRope(step, config.rotation);
  const turned = (x: Value): Value =>
    config.normalised ? g.rmsnorm(rope(x), null, { eps, offset: 0 }) : rope(x);
  const tempered = tempering && { query: (q: Value) => g.temper(q, positions, tempering) };
  const attention = (layer: number): Partial<SelfAttention> => ({
    chunk: config.chunks[layer] ?? 0,
    ...(positioned[layer] ? { rope: turned } : tempered),
  });
  const published = step.format === 'safetensors';
  const layout = { fused: published, inOut: published };
  const routed = { ...experts, routing: ROUTING, activation, layout, weigh: 'input' } as const;
  const shared = { width: experts.width, activation, suffix: '_shexp' };
  const feed = (x: Value, block: string, layer: number): Value =>
    sparse[layer]
      ? g.add(gatedMlp(step, x, block, shared), expertMlp(step, x, block, routed))
      : gatedMlp(step, x, block, { width: feedForward, activation });
  return decoder(step, config, { attention, feed });
}
