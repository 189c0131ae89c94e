/**
 * Llama 1 to 3.x and what is built like it: SmolLM2, TinyLlama, Mistral 7B (a sliding window), Yi, DeepSeek's
 * Llama distills. Llama 4 and Mixtral are not.
 * @see Touvron et al. 2023, arXiv:2307.09288; Jiang et al. 2023, arXiv:2310.06825
 */

import type { Value } from '@steelyard/graph';
import { defineArchitecture } from './architecture.ts';
import { cachedAttention, splitHeads } from './blocks/attention.ts';
import { readBias, readDecoder, type DecoderConfig } from './blocks/decoder-config.ts';
import { embedTokens, linear, logits, type Bias } from './blocks/linear.ts';
import { activationNames, gatedMlp, type Activation } from './blocks/mlp.ts';
import { rmsNorm } from './blocks/norms.ts';
import { describeScaling, readRope, type RopeConfig } from './blocks/rope-config.ts';
import { createRope, type Rope } from './blocks/rope.ts';
import { limits, type ConfigReader } from './config-reader.ts';
import type { Step } from './step.ts';

interface LlamaConfig extends DecoderConfig {
  readonly activation: Activation;
  readonly attentionBias: Bias;
  readonly mlpBias: Bias;
  readonly rope: RopeConfig;
  /** 0 for all. */
  readonly window: number;
}

export const llama = defineArchitecture<LlamaConfig>({
  name: 'llama',
  huggingFace: ['llama', 'mistral'],
  gguf: ['llama'],
  variants: [
    'biases',
    'gqa-llama3',
    'gqa-tied',
    'head-dim',
    'linear',
    'mha',
    'mistral-window',
    'yarn',
    'yarn-attention-factor',
  ],
  names: {
    huggingFace: {
      token_embd: 'embed_tokens',
      'blk.{i}.attn_norm': 'layers.{i}.input_layernorm',
      'blk.{i}.attn_q': 'layers.{i}.self_attn.q_proj',
      'blk.{i}.attn_k': 'layers.{i}.self_attn.k_proj',
      'blk.{i}.attn_v': 'layers.{i}.self_attn.v_proj',
      'blk.{i}.attn_output': 'layers.{i}.self_attn.o_proj',
      'blk.{i}.ffn_norm': 'layers.{i}.post_attention_layernorm',
      'blk.{i}.ffn_gate': 'layers.{i}.mlp.gate_proj',
      'blk.{i}.ffn_up': 'layers.{i}.mlp.up_proj',
      'blk.{i}.ffn_down': 'layers.{i}.mlp.down_proj',
      output_norm: 'norm',
      output: 'lm_head',
      rope_freqs: 'rope_freqs',
    },
    optionalPrefixes: ['model.'],
    unusedHuggingFace: /rotary_emb\.inv_freq$/,
    unusedGguf: /\.attn_rot_embd$/,
  },
  readConfig,
  forward,
  facts: ({ rope, window, tied }) => ({
    'rope theta': String(rope.theta),
    'rope scaling': describeScaling(rope.scaling),
    ...(window > 0 && { 'sliding window': `${window} tokens` }),
    'tied embeddings': tied ? 'yes' : 'no',
  }),
});

function readConfig(reader: ConfigReader): LlamaConfig {
  const decoder = readDecoder(reader, { architecture: 'llama', tied: false });
  const mistral = reader.format === 'safetensors' && reader.declared === 'mistral';
  // transformers' Llama has no window and Mistral no biases, whatever their files say.
  const windowKey = mistral ? { hf: 'sliding_window' } : {};
  return {
    ...decoder,
    activation: reader.choice({ hf: 'hidden_act' }, activationNames, 'silu'),
    attentionBias: readBias(reader, 'attention_bias'),
    mlpBias: readBias(reader, 'mlp_bias'),
    rope: readRope(reader, { ...decoder, interleavedInGguf: true }),
    window: reader.integer(windowKey, { min: 0, max: limits.positions, fallback: 0 }),
  };
}

function forward(step: Step, config: LlamaConfig): Value {
  const { g } = step;
  const rope = createRope(step, config.rope);
  let x = embedTokens(step, config.vocabSize, config.hiddenSize); // [T, hidden]
  for (let layer = 0; layer < config.layers; layer++) {
    const block = `blk.${layer}`;
    x = g.add(x, attend(step, rmsNorm(step, x, `${block}.attn_norm`, config.eps), layer, rope, config));
    const mlp = { width: config.feedForward, activation: config.activation, bias: config.mlpBias };
    x = g.add(x, gatedMlp(step, rmsNorm(step, x, `${block}.ffn_norm`, config.eps), block, mlp));
  }
  const wanted = g.gather(x, step.rows); // [V, hidden]
  return logits(step, rmsNorm(step, wanted, 'output_norm', config.eps), config.vocabSize, config.tied);
}

function attend(step: Step, x: Value, layer: number, rope: Rope, config: LlamaConfig): Value {
  const { heads, kvHeads, headDim, window, hiddenSize } = config;
  const block = `blk.${layer}`;
  const bias = { bias: config.attentionBias };
  const q = splitHeads(step, linear(step, x, `${block}.attn_q`, heads * headDim, bias), heads);
  const k = splitHeads(step, linear(step, x, `${block}.attn_k`, kvHeads * headDim, bias), kvHeads);
  const v = splitHeads(step, linear(step, x, `${block}.attn_v`, kvHeads * headDim, bias), kvHeads);
  const y = cachedAttention(step, rope(q), rope(k), v, { layer, window }); // [T, heads * headDim]
  return linear(step, y, `${block}.attn_output`, hiddenSize, bias);
}
