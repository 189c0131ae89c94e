/**
 * GPT-2: learned positions, LayerNorm, fused q/k/v, a head tied to the embeddings.
 * @see Radford et al. 2019, "Language Models are Unsupervised Multitask Learners"
 */

import type { Value } from '@steelyard/graph';
import { defineArchitecture } from './architecture.ts';
import { cachedAttention, splitHeads } from './blocks/attention.ts';
import { readTied, readVocabSize } from './blocks/decoder-config.ts';
import { embedTokens, linear, logits } from './blocks/linear.ts';
import { activationNames, plainMlp, type Activation } from './blocks/mlp.ts';
import { layerNorm } from './blocks/norms.ts';
import { limits, type ConfigReader } from './config-reader.ts';
import type { ModelConfig } from './model.ts';
import type { Step } from './step.ts';

interface Gpt2Config extends ModelConfig {
  readonly feedForward: number;
  readonly eps: number;
  readonly activation: Activation;
  readonly tied: boolean;
  /** Divide scores by sqrt(head_dim). */
  readonly scaleScores: boolean;
  /** Divide scores by the layer's number too, counted from 1. */
  readonly scaleByLayer: boolean;
}

export const gpt2 = defineArchitecture<Gpt2Config>({
  name: 'gpt2',
  huggingFace: ['gpt2'],
  gguf: ['gpt2'],
  variants: ['scaled-by-layer', 'tied', 'unscaled-untied'],
  names: {
    huggingFace: {
      token_embd: 'wte',
      position_embd: 'wpe',
      'blk.{i}.attn_norm': 'h.{i}.ln_1',
      'blk.{i}.attn_qkv': 'h.{i}.attn.c_attn',
      'blk.{i}.attn_output': 'h.{i}.attn.c_proj',
      'blk.{i}.ffn_norm': 'h.{i}.ln_2',
      'blk.{i}.ffn_up': 'h.{i}.mlp.c_fc',
      'blk.{i}.ffn_down': 'h.{i}.mlp.c_proj',
      output_norm: 'ln_f',
      output: 'lm_head',
    },
    optionalPrefixes: ['transformer.'],
    unusedHuggingFace: /\.attn\.(masked_)?bias$/,
    unusedGguf: /\.attn\.(masked_)?bias$/,
  },
  readConfig,
  forward,
});

function readConfig(reader: ConfigReader): Gpt2Config {
  const hiddenSize = reader.integer(
    { hf: 'n_embd', gguf: 'embedding_length' },
    { min: 1, max: limits.width },
  );
  const heads = reader.integer({ hf: 'n_head', gguf: 'attention.head_count' }, { min: 1, max: limits.heads });
  const headDim = reader.derived('n_embd / n_head', hiddenSize / heads);
  return {
    architecture: 'gpt2',
    vocabSize: readVocabSize(reader),
    contextLength: reader.integer(
      { hf: ['n_positions', 'n_ctx'], gguf: 'context_length' },
      { min: 1, max: limits.positions },
    ),
    hiddenSize,
    layers: reader.integer({ hf: 'n_layer', gguf: 'block_count' }, { min: 1, max: limits.layers }),
    heads,
    kvHeads: heads,
    headDim,
    feedForward: reader.integer(
      { hf: 'n_inner', gguf: 'feed_forward_length' },
      { min: 1, max: 4 * limits.width, fallback: 4 * hiddenSize },
    ),
    eps: reader.number(
      { hf: 'layer_norm_epsilon', gguf: 'attention.layer_norm_epsilon' },
      { min: 0, max: 1, fallback: 1e-5 },
    ),
    activation: reader.choice({ hf: 'activation_function' }, activationNames, 'gelu_new'),
    tied: readTied(reader, true),
    scaleScores: reader.flag({ hf: 'scale_attn_weights' }, true),
    scaleByLayer: reader.flag({ hf: 'scale_attn_by_inverse_layer_idx' }, false),
  };
}

function forward(step: Step, config: Gpt2Config): Value {
  const { g } = step;
  const { hiddenSize, eps, feedForward, activation, contextLength } = config;
  const inOut = step.format === 'safetensors';
  const places = g.gather(step.weight('position_embd.weight', [contextLength, hiddenSize]), step.positions);
  let x = g.add(embedTokens(step, config.vocabSize, hiddenSize), places); // [T, hidden]
  for (let layer = 0; layer < config.layers; layer++) {
    const block = `blk.${layer}`;
    x = g.add(x, attend(step, layerNorm(step, x, `${block}.attn_norm`, eps), layer, config));
    const mlp = { width: feedForward, activation, bias: true };
    x = g.add(x, plainMlp(step, layerNorm(step, x, `${block}.ffn_norm`, eps), block, mlp, { inOut }));
  }
  const wanted = g.gather(x, step.rows); // [V, hidden]
  return logits(step, layerNorm(step, wanted, 'output_norm', eps), config.vocabSize, config.tied);
}

function attend(step: Step, x: Value, layer: number, config: Gpt2Config): Value {
  const { hiddenSize, heads, headDim, scaleScores, scaleByLayer } = config;
  const options = { bias: true, inOut: step.format === 'safetensors' };
  const qkv = linear(step, x, `blk.${layer}.attn_qkv`, 3 * hiddenSize, options); // [T, 3 * hidden]
  const [q, k, v] = [0, 1, 2].map((part) =>
    splitHeads(step, step.g.slice(qkv, { start: part * hiddenSize, length: hiddenSize }), heads),
  ) as [Value, Value, Value];
  const scale = (scaleScores ? 1 / Math.sqrt(headDim) : 1) / (scaleByLayer ? layer + 1 : 1);
  const y = cachedAttention(step, q, k, v, { layer, scale });
  return linear(step, y, `blk.${layer}.attn_output`, hiddenSize, options);
}
