/**
 * Nomic's BERT (nomic-embed-text 1 and 1.5): rope instead of learned positions, a gated MLP, no biases in either.
 * Its mixture of experts (version 2) is not.
 * @see Nussbaum et al. 2024, arXiv:2402.01613
 */

import { UnsupportedError } from '@steelyard/core';
import { defineArchitecture } from './architecture.ts';
import { encoder, readEncoder, type EncoderConfig } from './blocks/encoder.ts';
import { gatedMlp } from './blocks/mlp.ts';
import { readRope, thetaRule, type RopeConfig } from './blocks/rope-config.ts';
import { createRope } from './blocks/rope.ts';
import type { ConfigReader } from './config-reader.ts';

type NomicConfig = EncoderConfig & { readonly rope: RopeConfig };

export const nomicBert = defineArchitecture<NomicConfig>({
  name: 'nomic-bert',
  huggingFace: ['nomic_bert'],
  gguf: ['nomic-bert'],
  variants: ['named-anew', 'published'],
  encoder: true,
  names: {
    huggingFace: {
      token_embd: 'embeddings.word_embeddings',
      token_types: 'embeddings.token_type_embeddings',
      token_embd_norm: 'emb_ln',
      'blk.{i}.attn_qkv': 'encoder.layers.{i}.attn.Wqkv',
      'blk.{i}.attn_output': 'encoder.layers.{i}.attn.out_proj',
      'blk.{i}.attn_output_norm': 'encoder.layers.{i}.norm1',
      'blk.{i}.ffn_up': 'encoder.layers.{i}.mlp.fc11',
      'blk.{i}.ffn_gate': 'encoder.layers.{i}.mlp.fc12',
      'blk.{i}.ffn_down': 'encoder.layers.{i}.mlp.fc2',
      'blk.{i}.layer_output_norm': 'encoder.layers.{i}.norm2',
    },
    optionalPrefixes: ['bert.', 'nomic_bert.'],
    unusedHuggingFace: /^(bert\.)?pooler\.|^cls\./,
  },
  readConfig,
  forward: (step, config) => {
    const mlp = { width: config.feedForward, activation: 'silu' } as const;
    return encoder(step, config, {
      attention: { fused: true, rope: createRope(step, config.rope) },
      feed: (x, block) => gatedMlp(step, x, block, mlp),
    });
  },
});

function readConfig(reader: ConfigReader): NomicConfig {
  const sizes = readEncoder(reader, 'nomic-bert');
  reader.choice({ hf: ['hidden_act', 'activation_function'] }, ['silu', 'swiglu'], 'silu');
  // GPT-2's defaults in the published file: of positions beyond those trained, of fused kernels, of a table's padding.
  const unused = ['n_positions', 'rotary_scaling_factor', 'fused_bias_fc', 'fused_dropout_add_ln'];
  const notes = ['dense_seq_output', 'pad_vocab_size_multiple', 'use_flash_attn', 'use_xentropy'];
  reader.ignore(...[...unused, ...notes, 'scale_attn_weights'].map((hf) => ({ hf })));
  reader.number({ hf: 'rotary_emb_fraction' }, { min: 1, max: 1, fallback: 1 });
  for (const name of ['prenorm', 'qkv_proj_bias', 'mlp_fc1_bias', 'mlp_fc2_bias', 'use_rms_norm']) {
    if (!reader.flag({ hf: name }, false)) continue;
    throw new UnsupportedError(`${reader.fileName}: ${name} is true; ${reader.declared} here never has it`);
  }
  const theta = reader.number({ hf: 'rotary_emb_base' }, { ...thetaRule, fallback: 1000 });
  return { ...sizes, rope: readRope(reader, { ...sizes, theta, interleavedInGguf: false }) };
}
