/** Model files in memory, with zeros for weights, for tests of what is accepted and what is refused. */

import type { GgufFile, MetadataValue, SafetensorsFile } from '@steelyard/formats';
import { elementCount, type TensorData } from '@steelyard/graph';

export function zeros(...shape: number[]): TensorData {
  const byteLength = 4 * elementCount(shape);
  return { dtype: 'f32', shape, byteLength, bytes: () => new Uint8Array(byteLength) };
}

export const tinyConfig = {
  model_type: 'llama',
  vocab_size: 12,
  hidden_size: 8,
  intermediate_size: 16,
  num_hidden_layers: 2,
  num_attention_heads: 2,
  num_key_value_heads: 1,
  max_position_embeddings: 64,
  rms_norm_eps: 1e-5,
};

type Changes<T> = Readonly<Record<string, T | undefined>>;

/** A Llama of 2 layers; changes replace entries, undefined removes them. */
export function tinySafetensors(
  config: Changes<unknown> = {},
  tensors: Changes<TensorData> = {},
): SafetensorsFile {
  const layer = (i: number): [string, TensorData][] => {
    const p = `model.layers.${i}`;
    return [
      [`${p}.input_layernorm.weight`, zeros(8)],
      [`${p}.self_attn.q_proj.weight`, zeros(8, 8)],
      [`${p}.self_attn.k_proj.weight`, zeros(4, 8)],
      [`${p}.self_attn.v_proj.weight`, zeros(4, 8)],
      [`${p}.self_attn.o_proj.weight`, zeros(8, 8)],
      [`${p}.post_attention_layernorm.weight`, zeros(8)],
      [`${p}.mlp.gate_proj.weight`, zeros(16, 8)],
      [`${p}.mlp.up_proj.weight`, zeros(16, 8)],
      [`${p}.mlp.down_proj.weight`, zeros(8, 16)],
    ];
  };
  const plain = new Map<string, TensorData>([
    ['model.embed_tokens.weight', zeros(12, 8)],
    ...layer(0),
    ...layer(1),
    ['model.norm.weight', zeros(8)],
    ['lm_head.weight', zeros(12, 8)],
  ]);
  return {
    format: 'safetensors',
    name: 'tiny',
    config: Object.fromEntries(changed(new Map<string, unknown>(Object.entries(tinyConfig)), config)),
    tensors: changed(plain, tensors),
    close: () => undefined,
  };
}

/** The same as GGUF, with a tied head. */
export function tinyGguf(metadata: Changes<MetadataValue> = {}, tensors: Changes<TensorData> = {}): GgufFile {
  const layer = (i: number): [string, TensorData][] => {
    const p = `blk.${i}`;
    return [
      [`${p}.attn_norm.weight`, zeros(8)],
      [`${p}.attn_q.weight`, zeros(8, 8)],
      [`${p}.attn_k.weight`, zeros(4, 8)],
      [`${p}.attn_v.weight`, zeros(4, 8)],
      [`${p}.attn_output.weight`, zeros(8, 8)],
      [`${p}.ffn_norm.weight`, zeros(8)],
      [`${p}.ffn_gate.weight`, zeros(16, 8)],
      [`${p}.ffn_up.weight`, zeros(16, 8)],
      [`${p}.ffn_down.weight`, zeros(8, 16)],
    ];
  };
  const plain = new Map<string, TensorData>([
    ['token_embd.weight', zeros(12, 8)],
    ...layer(0),
    ...layer(1),
    ['output_norm.weight', zeros(8)],
  ]);
  const values = new Map<string, MetadataValue>([
    ['general.architecture', 'llama'],
    ['tokenizer.ggml.model', 'none'],
    ['llama.block_count', 2],
    ['llama.context_length', 64],
    ['llama.embedding_length', 8],
    ['llama.feed_forward_length', 16],
    ['llama.attention.head_count', 2],
    ['llama.attention.head_count_kv', 1],
    ['llama.attention.layer_norm_rms_epsilon', 1e-5],
  ]);
  return {
    format: 'gguf',
    name: 'tiny.gguf',
    metadata: changed(values, metadata),
    tensors: changed(plain, tensors),
    close: () => undefined,
  };
}

function changed<T>(plain: Map<string, T>, changes: Changes<T>): Map<string, T> {
  for (const [key, value] of Object.entries(changes)) {
    if (value === undefined) plain.delete(key);
    else plain.set(key, value);
  }
  return plain;
}
