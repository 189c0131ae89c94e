/** How Hugging Face names the weights of decoders of the Llama kind; most later families kept the names. */

import type { NameTable, WeightNames } from '../weight-names.ts';

export const decoderTable: NameTable = {
  token_embd: 'embed_tokens',
  'blk.{i}.attn_norm': 'layers.{i}.input_layernorm',
  'blk.{i}.attn_q': 'layers.{i}.self_attn.q_proj',
  'blk.{i}.attn_q_norm': 'layers.{i}.self_attn.q_norm',
  'blk.{i}.attn_k': 'layers.{i}.self_attn.k_proj',
  'blk.{i}.attn_k_norm': 'layers.{i}.self_attn.k_norm',
  'blk.{i}.attn_v': 'layers.{i}.self_attn.v_proj',
  'blk.{i}.attn_output': 'layers.{i}.self_attn.o_proj',
  'blk.{i}.ffn_norm': 'layers.{i}.post_attention_layernorm',
  'blk.{i}.ffn_gate': 'layers.{i}.mlp.gate_proj',
  'blk.{i}.ffn_up': 'layers.{i}.mlp.up_proj',
  'blk.{i}.ffn_down': 'layers.{i}.mlp.down_proj',
  output_norm: 'norm',
  output: 'lm_head',
};

/** Old checkpoints carry the frequencies, which follow from the configuration. */
export const decoderNames: WeightNames = {
  huggingFace: decoderTable,
  optionalPrefixes: ['model.'],
  unusedHuggingFace: /rotary_emb\.inv_freq$/,
  unusedGguf: /\.attn_rot_embd$/,
};

/** Layers with routed experts, as Qwen2-MoE named them first; the experts are files' tensors one by one. */
export const expertTable: NameTable = {
  'blk.{i}.ffn_gate_inp': 'layers.{i}.mlp.gate',
  'blk.{i}.ffn_gate_exps': 'layers.{i}.mlp.experts.{e}.gate_proj',
  'blk.{i}.ffn_up_exps': 'layers.{i}.mlp.experts.{e}.up_proj',
  'blk.{i}.ffn_down_exps': 'layers.{i}.mlp.experts.{e}.down_proj',
};
