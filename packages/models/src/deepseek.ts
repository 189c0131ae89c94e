/**
 * DeepSeek V2, V3 and R1: attention over a compressed cache, experts chosen by groups beside some that every token has.
 * @see DeepSeek-AI 2024, arXiv:2405.04434; arXiv:2412.19437, section 2.1
 */

import type { Value } from '@steelyard/graph';
import { defineArchitecture } from './architecture.ts';
import { readBias, readDecoder } from './blocks/decoder-config.ts';
import { decoderNames, decoderTable, expertTable } from './blocks/decoder-names.ts';
import { decoder, decoderFacts, type StackConfig } from './blocks/decoder.ts';
import {
  describeExperts,
  hasExperts,
  readExperts,
  type ExpertsConfig,
  type Routing,
} from './blocks/expert-config.ts';
import { readGroupedRouting } from './blocks/grouped-routing.ts';
import { expertMlp } from './blocks/experts.ts';
import { latentAttention, readLatentSizes, type LatentSizes } from './blocks/latent-attention.ts';
import type { Bias } from './blocks/linear.ts';
import { activationNames, gatedMlp } from './blocks/mlp.ts';
import { readRope, type RopeConfig } from './blocks/rope-config.ts';
import { yarnAttention } from './blocks/rope-frequencies.ts';
import { createRope } from './blocks/rope.ts';
import { limits, type ConfigReader } from './config-reader.ts';
import type { Step } from './step.ts';

interface DeepseekConfig extends StackConfig {
  readonly sizes: LatentSizes;
  readonly rotation: RopeConfig;
  readonly scoreScale: number;
  readonly bias: Bias;
  readonly experts: ExpertsConfig | undefined;
  readonly routing: Routing;
  /** Layers before those with experts. */
  readonly dense: number;
  /** Width of what every token has beside its experts; 0 for none. */
  readonly shared: number;
  /** Layers at the end that predict tokens further ahead, which are not run. */
  readonly ahead: number;
}

export const deepseek = defineArchitecture<DeepseekConfig>({
  name: 'deepseek',
  huggingFace: ['deepseek_v2', 'deepseek_v3'],
  gguf: ['deepseek2'],
  variants: ['v2', 'v2-lite', 'v2-groups', 'v2-tied', 'v3', 'v3-fp8'],
  names: {
    ...decoderNames,
    huggingFace: {
      ...decoderTable,
      ...expertTable,
      'blk.{i}.attn_q_a': 'layers.{i}.self_attn.q_a_proj',
      'blk.{i}.attn_q_a_norm': 'layers.{i}.self_attn.q_a_layernorm',
      'blk.{i}.attn_q_b': 'layers.{i}.self_attn.q_b_proj',
      'blk.{i}.attn_kv_a_mqa': 'layers.{i}.self_attn.kv_a_proj_with_mqa',
      'blk.{i}.attn_kv_a_norm': 'layers.{i}.self_attn.kv_a_layernorm',
      'blk.{i}.attn_k_b': 'layers.{i}.self_attn.kv_b_proj',
      'blk.{i}.attn_v_b': 'layers.{i}.self_attn.kv_b_proj',
      'blk.{i}.exp_probs_b.bias': 'layers.{i}.mlp.gate.e_score_correction_bias',
      'blk.{i}.ffn_gate_shexp': 'layers.{i}.mlp.shared_experts.gate_proj',
      'blk.{i}.ffn_up_shexp': 'layers.{i}.mlp.shared_experts.up_proj',
      'blk.{i}.ffn_down_shexp': 'layers.{i}.mlp.shared_experts.down_proj',
    },
    // Both halves in one, until llama.cpp had the compressed cache.
    earlierGguf: { 'blk.{i}.attn_k_b': 'blk.{i}.attn_kv_b', 'blk.{i}.attn_v_b': 'blk.{i}.attn_kv_b' },
  },
  readConfig,
  forward,
  facts: ({ sizes, experts, shared, ...config }) => ({
    ...decoderFacts({ ...config, rope: config.rotation }),
    'cached per token and layer': `latent of ${sizes.latent} and key of ${sizes.turning}`,
    ...(experts && describeExperts(experts)),
    ...(shared > 0 && { 'shared experts': `${shared} wide in all` }),
  }),
});

function readConfig(reader: ConfigReader): DeepseekConfig {
  const sizes = readLatentSizes(reader);
  const headSizes = { headDim: sizes.still + sizes.turning, valueDim: sizes.value };
  const shape = readDecoder(reader, { architecture: 'deepseek', tied: false, headSizes });
  const rotation = readRotation(reader, sizes.turning, shape.contextLength);
  const sparse = hasExperts(reader);
  const experts = sparse ? readExperts(reader, { width: shape.feedForward }) : undefined;
  const count = { min: 0, max: limits.layers, fallback: 0 };
  return {
    ...shape,
    kvHeads: 1,
    sizes,
    ...rotation,
    activation: reader.choice({ hf: 'hidden_act' }, activationNames, 'silu'),
    bias: readBias(reader, 'attention_bias'),
    mlpBias: readBias(reader, 'mlp_bias'),
    experts,
    routing: readGroupedRouting(reader),
    dense: reader.integer({ hf: 'first_k_dense_replace', gguf: 'leading_dense_block_count' }, count),
    shared:
      (experts?.width ?? 0) * reader.integer({ hf: 'n_shared_experts', gguf: 'expert_shared_count' }, count),
    ahead: reader.integer({ hf: 'num_nextn_predict_layers' }, count),
  };
}

/** Yarn stretches the scores too, by its factor for `mscale_all_dim` (GGUF: a tenth of that), squared. */
function readRotation(
  reader: ConfigReader,
  headDim: number,
  contextLength: number,
): Pick<DeepseekConfig, 'rotation' | 'scoreScale'> {
  const interleavedInHuggingFace = reader.flag({ hf: 'rope_interleave' }, true);
  const read = readRope(reader, {
    headDim,
    contextLength,
    interleavedInGguf: true,
    interleavedInHuggingFace,
  });
  const tenth = reader.number(
    { gguf: 'rope.scaling.yarn_log_multiplier' },
    { min: 0, max: 100, fallback: undefined },
  );
  if (read.scaling.type !== 'yarn') return { rotation: read, scoreScale: 1 };
  const { factor, mscaleAll = tenth && 10 * tenth } = read.scaling;
  // GGUF files leave out `mscale`, which in all that are published is `mscale_all_dim`.
  const scaling = tenth ? { ...read.scaling, attentionFactor: 1 } : read.scaling;
  const scoreScale = mscaleAll ? yarnAttention(factor, mscaleAll) ** 2 : 1;
  return { rotation: { ...read, scaling }, scoreScale };
}

function forward(step: Step, config: DeepseekConfig): Value {
  const { activation, experts, routing, dense, shared, mlpBias = false, layers, ahead } = config;
  for (let i = 0; i < ahead; i++) step.ignorePublished(new RegExp(`^(model\\.)?layers\\.${layers + i}\\.`));
  const rope = createRope(step, config.rotation);
  const plain = { width: config.feedForward, activation, bias: mlpBias };
  const beside = { width: shared, activation, suffix: '_shexp', bias: mlpBias };
  const feed = (x: Value, block: string, layer: number): Value => {
    if (!experts || layer < dense) return gatedMlp(step, x, block, plain);
    const choiceBias = step.hasWeight(`${block}.exp_probs_b.bias`);
    const routed = expertMlp(step, x, block, { ...experts, routing, activation, choiceBias });
    return shared > 0 ? step.g.add(routed, gatedMlp(step, x, block, beside)) : routed;
  };
  const attend = (x: Value, block: string, layer: number): Value =>
    latentAttention(step, x, block, { ...config, layer, rope });
  return decoder(step, config, { attend, feed });
}
