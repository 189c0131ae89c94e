/** Settings of published models, in the words of their `config.json`: none of them may be refused. */

import { describe, expect, it } from 'vitest';
import { common, readPublished as read } from './published-config.ts';

describe('published configurations', () => {
  it('SmolLM2 135M Instruct', () => {
    const config = read({
      ...common,
      architectures: ['LlamaForCausalLM'],
      attention_bias: false,
      attention_dropout: 0.0,
      bos_token_id: 1,
      eos_token_id: 2,
      hidden_act: 'silu',
      hidden_size: 576,
      intermediate_size: 1536,
      is_llama_config: true,
      max_position_embeddings: 8192,
      mlp_bias: false,
      model_type: 'llama',
      num_attention_heads: 9,
      num_hidden_layers: 30,
      num_key_value_heads: 3,
      pad_token_id: 2,
      pretraining_tp: 1,
      rms_norm_eps: 1e-5,
      rope_interleaved: false,
      rope_scaling: null,
      rope_theta: 100000,
      tie_word_embeddings: true,
      'transformers.js_config': { kv_cache_dtype: { q4f16: 'float16' } },
      vocab_size: 49152,
    });
    expect(config).toMatchObject({ headDim: 64, tied: true, kvHeads: 3, rope: { theta: 100000, dims: 64 } });
  });

  it('Llama 3.2 1B', () => {
    const config = read({
      ...common,
      architectures: ['LlamaForCausalLM'],
      attention_bias: false,
      bos_token_id: 128000,
      eos_token_id: [128001, 128008, 128009],
      head_dim: 64,
      hidden_act: 'silu',
      hidden_size: 2048,
      intermediate_size: 8192,
      max_position_embeddings: 131072,
      mlp_bias: false,
      model_type: 'llama',
      num_attention_heads: 32,
      num_hidden_layers: 16,
      num_key_value_heads: 8,
      pretraining_tp: 1,
      rms_norm_eps: 1e-5,
      rope_scaling: {
        factor: 32.0,
        high_freq_factor: 4.0,
        low_freq_factor: 1.0,
        original_max_position_embeddings: 8192,
        rope_type: 'llama3',
      },
      rope_theta: 500000.0,
      tie_word_embeddings: true,
      vocab_size: 128256,
    });
    expect(config).toMatchObject({
      rope: { scaling: { type: 'llama3', factor: 32, originalContext: 8192 } },
    });
  });

  it('Mistral 7B v0.1', () => {
    const config = read({
      ...common,
      architectures: ['MistralForCausalLM'],
      bos_token_id: 1,
      eos_token_id: 2,
      hidden_act: 'silu',
      hidden_size: 4096,
      intermediate_size: 14336,
      max_position_embeddings: 32768,
      model_type: 'mistral',
      num_attention_heads: 32,
      num_hidden_layers: 32,
      num_key_value_heads: 8,
      rms_norm_eps: 1e-5,
      rope_theta: 10000.0,
      sliding_window: 4096,
      tie_word_embeddings: false,
      vocab_size: 32000,
    });
    expect(config).toMatchObject({ windows: new Array(32).fill(4096), headDim: 128 });
  });

  it('GPT-2', () => {
    const config = read({
      activation_function: 'gelu_new',
      architectures: ['GPT2LMHeadModel'],
      attn_pdrop: 0.1,
      bos_token_id: 50256,
      embd_pdrop: 0.1,
      eos_token_id: 50256,
      initializer_range: 0.02,
      layer_norm_epsilon: 1e-5,
      model_type: 'gpt2',
      n_ctx: 1024,
      n_embd: 768,
      n_head: 12,
      n_layer: 12,
      n_positions: 1024,
      resid_pdrop: 0.1,
      summary_activation: null,
      summary_first_dropout: 0.1,
      summary_proj_to_labels: true,
      summary_type: 'cls_index',
      summary_use_proj: true,
      task_specific_params: { 'text-generation': { do_sample: true, max_length: 50 } },
      vocab_size: 50257,
    });
    expect(config).toMatchObject({ tied: true, feedForward: 3072, headDim: 64, contextLength: 1024 });
  });

  it('Qwen2.5 0.5B Instruct and Qwen3 0.6B', () => {
    const qwen = {
      ...common,
      attention_dropout: 0.0,
      hidden_act: 'silu',
      num_key_value_heads: 8,
      rms_norm_eps: 1e-6,
      rope_theta: 1000000.0,
      sliding_window: 32768,
      tie_word_embeddings: true,
      use_sliding_window: false,
      vocab_size: 151936,
      max_position_embeddings: 32768,
    };
    const two = read({
      ...qwen,
      model_type: 'qwen2',
      hidden_size: 896,
      intermediate_size: 4864,
      max_window_layers: 21,
      num_attention_heads: 14,
      num_hidden_layers: 24,
      num_key_value_heads: 2,
    });
    expect(two).toMatchObject({ headDim: 64, windows: new Array(24).fill(0) });
    const three = read({
      ...qwen,
      model_type: 'qwen3',
      attention_bias: false,
      head_dim: 128,
      hidden_size: 1024,
      intermediate_size: 3072,
      max_window_layers: 28,
      num_attention_heads: 16,
      num_hidden_layers: 28,
      rope_scaling: null,
      sliding_window: null,
    });
    expect(three).toMatchObject({ headDim: 128, attentionBias: false });
  });

  it('Gemma 3 270M', () => {
    const layers = Array.from({ length: 18 }, (_, i) =>
      (i + 1) % 6 ? 'sliding_attention' : 'full_attention',
    );
    const gemma = {
      ...common,
      _sliding_window_pattern: 6,
      architectures: ['Gemma3ForCausalLM'],
      attention_bias: false,
      attention_dropout: 0.0,
      attn_logit_softcapping: null,
      bos_token_id: 2,
      cache_implementation: 'hybrid',
      eos_token_id: 1,
      final_logit_softcapping: null,
      head_dim: 256,
      hidden_activation: 'gelu_pytorch_tanh',
      hidden_size: 640,
      intermediate_size: 2048,
      max_position_embeddings: 32768,
      model_type: 'gemma3_text',
      num_attention_heads: 4,
      num_hidden_layers: 18,
      num_key_value_heads: 1,
      pad_token_id: 0,
      query_pre_attn_scalar: 256,
      rms_norm_eps: 1e-6,
      rope_local_base_freq: 10000.0,
      rope_scaling: null,
      rope_theta: 1000000.0,
      sliding_window: 512,
      use_bidirectional_attention: false,
      vocab_size: 262144,
    };
    const config = read({ ...gemma, layer_types: layers });
    expect(config).toMatchObject({
      tied: true,
      scale: 1 / 16,
      windows: layers.map((type) => (type === 'sliding_attention' ? 512 : 0)),
      localRope: { theta: 10000 },
      globalRope: { theta: 1000000 },
    });
    expect(read(gemma)).toEqual(config);
  });

  const sizes = {
    ...common,
    attention_bias: false,
    attention_dropout: 0.0,
    hidden_act: 'silu',
    hidden_size: 2048,
    intermediate_size: 8192,
    max_position_embeddings: 8192,
    num_attention_heads: 16,
    num_hidden_layers: 8,
    num_key_value_heads: 4,
    rms_norm_eps: 1e-6,
    rope_scaling: null,
    vocab_size: 49152,
  };

  it('Gemma 2 2B', () => {
    const gemma = {
      ...sizes,
      model_type: 'gemma2',
      attn_logit_softcapping: 50.0,
      cache_implementation: 'hybrid',
      final_logit_softcapping: 30.0,
      head_dim: 256,
      hidden_act: 'gelu_pytorch_tanh',
      hidden_activation: 'gelu_pytorch_tanh',
      query_pre_attn_scalar: 256,
      rope_theta: 10000.0,
      sliding_window: 4096,
    };
    const windows = [4096, 0, 4096, 0, 4096, 0, 4096, 0];
    expect(read(gemma)).toMatchObject({ scoreCap: 50, logitCap: 30, tied: true, windows });
    expect(read({ ...gemma, attn_logit_softcapping: null })).toMatchObject({ scoreCap: 0 });
  });

  it('Granite 3', () => {
    const config = read({
      ...sizes,
      model_type: 'granite',
      attention_multiplier: 0.015625,
      embedding_multiplier: 12.0,
      logits_scaling: 8.0,
      mlp_bias: false,
      residual_multiplier: 0.22,
      rope_theta: 10000000.0,
      tie_word_embeddings: true,
    });
    expect(config).toMatchObject({ scale: 0.015625, embeddingScale: 12, logitScale: 8, residualScale: 0.22 });
  });

  it('SmolLM3 3B', () => {
    const config = read({
      ...sizes,
      model_type: 'smollm3',
      layer_types: new Array(8).fill('full_attention'),
      max_window_layers: 28,
      mlp_bias: false,
      no_rope_layer_interval: 4,
      no_rope_layers: [1, 1, 1, 0, 1, 1, 1, 0],
      pretraining_tp: 2,
      rope_theta: 5000000.0,
      sliding_window: null,
      use_sliding_window: false,
    });
    expect(config).toMatchObject({
      positioned: [true, true, true, false, true, true, true, false],
      tied: true,
    });
  });

  it('Command R7B', () => {
    const { rms_norm_eps: _, ...rest } = sizes;
    const command = {
      ...rest,
      model_type: 'cohere2',
      cache_implementation: 'hybrid',
      head_dim: 128,
      layer_norm_eps: 1e-5,
      layer_switch: 4,
      logit_scale: 0.25,
      order_of_interleaved_layers: 'local_attn_first',
      position_embedding_type: 'rope_gptj',
      rope_theta: 50000,
      rotary_pct: 1.0,
      sliding_window: 4096,
      sliding_window_pattern: 4,
      use_embedding_sharing: true,
      use_gated_activation: true,
      use_parallel_block: true,
      use_parallel_embedding: true,
    };
    const windows = [4096, 4096, 4096, 0, 4096, 4096, 4096, 0];
    expect(read(command)).toMatchObject({ logitScale: 0.25, windows, rope: { interleaved: true } });
    expect(() => read({ ...command, use_parallel_block: false })).toThrow(/use_parallel_block/);
    expect(() => read({ ...command, position_embedding_type: 'alibi' })).toThrow(/alibi/);
  });

  it('Command R and R+', () => {
    const { rms_norm_eps: _, ...rest } = sizes;
    const command = {
      ...rest,
      model_type: 'cohere',
      layer_norm_eps: 1e-5,
      logit_scale: 0.8333333333333334,
      model_max_length: 131072,
      pretraining_tp: 1,
      rope_theta: 75000000.0,
      use_qk_norm: true,
    };
    expect(read(command)).toMatchObject({ contextLength: 131072, normedHeads: true, rope: { theta: 75e6 } });
  });

  it('Phi-4 mini', () => {
    const factors = new Array<number>(48).fill(1.5);
    const phi = {
      ...sizes,
      model_type: 'phi3',
      embd_pdrop: 0.0,
      full_attn_mod: 1,
      hidden_size: 3072,
      interpolate_factor: 1,
      lm_head_bias: false,
      max_position_embeddings: 131072,
      mlp_bias: false,
      num_attention_heads: 24,
      num_key_value_heads: 8,
      original_max_position_embeddings: 4096,
      partial_rotary_factor: 0.75,
      resid_pdrop: 0.0,
      rope_scaling: { long_factor: factors, short_factor: factors, type: 'longrope' },
      rope_theta: 10000.0,
      sliding_window: 262144,
      tie_word_embeddings: true,
    };
    const scaling = { type: 'longrope', originalContext: 4096, attentionFactor: Math.sqrt(1 + 5 / 12) };
    expect(read(phi)).toMatchObject({ tied: true, headDim: 128, rope: { dims: 96, scaling } });
    expect(() => read({ ...phi, partial_rotary_factor: 1 })).toThrow(
      /short_factor has 48 entries, expected 64/,
    );
  });

  it('Gemma 2B', () => {
    const gemma = {
      ...sizes,
      model_type: 'gemma',
      head_dim: 256,
      hidden_act: 'gelu',
      hidden_activation: null,
      num_key_value_heads: 1,
      rope_theta: 10000.0,
    };
    expect(read(gemma)).toMatchObject({ activation: 'gelu_pytorch_tanh', tied: true, headDim: 256 });
    expect(() => read({ ...gemma, use_bidirectional_attention: true })).toThrow(
      /use_bidirectional_attention/,
    );
  });

  it('OLMo 2 7B', () => {
    const olmo = { ...sizes, model_type: 'olmo2', rope_theta: 500000, tie_word_embeddings: false };
    expect(read(olmo)).toMatchObject({ rope: { theta: 500000, interleaved: false }, tied: false });
  });
});
