/** Settings of published models with routed experts, in the words of their `config.json`. */

import { UnsupportedError } from '@steelyard/core';
import { describe, expect, it } from 'vitest';
import { common, readPublished as read } from './published-config.ts';

const gptOss20b = {
  architectures: ['GptOssForCausalLM'],
  attention_bias: true,
  attention_dropout: 0.0,
  eos_token_id: 200002,
  experts_per_token: 4,
  head_dim: 64,
  hidden_act: 'silu',
  hidden_size: 2880,
  initial_context_length: 4096,
  initializer_range: 0.02,
  intermediate_size: 2880,
  layer_types: Array.from({ length: 24 }, (_, i) => (i % 2 === 0 ? 'sliding_attention' : 'full_attention')),
  max_position_embeddings: 131072,
  model_type: 'gpt_oss',
  num_attention_heads: 64,
  num_experts_per_tok: 4,
  num_hidden_layers: 24,
  num_key_value_heads: 8,
  num_local_experts: 32,
  output_router_logits: false,
  pad_token_id: 199999,
  quantization_config: {
    modules_to_not_convert: ['model.layers.*.self_attn', 'model.layers.*.mlp.router', 'lm_head'],
    quant_method: 'mxfp4',
  },
  rms_norm_eps: 1e-5,
  rope_scaling: {
    beta_fast: 32.0,
    beta_slow: 1.0,
    factor: 32.0,
    original_max_position_embeddings: 4096,
    rope_type: 'yarn',
    truncate: false,
  },
  rope_theta: 150000,
  router_aux_loss_coef: 0.9,
  sliding_window: 128,
  swiglu_limit: 7.0,
  tie_word_embeddings: false,
  transformers_version: '4.55.0.dev0',
  use_cache: true,
  vocab_size: 201088,
};

const deepseekV3 = {
  architectures: ['DeepseekV3ForCausalLM'],
  attention_bias: false,
  attention_dropout: 0.0,
  auto_map: { AutoConfig: 'configuration_deepseek.DeepseekV3Config' },
  aux_loss_alpha: 0.001,
  bos_token_id: 0,
  eos_token_id: 1,
  ep_size: 1,
  first_k_dense_replace: 3,
  hidden_act: 'silu',
  hidden_size: 7168,
  initializer_range: 0.02,
  intermediate_size: 18432,
  kv_lora_rank: 512,
  max_position_embeddings: 163840,
  model_type: 'deepseek_v3',
  moe_intermediate_size: 2048,
  moe_layer_freq: 1,
  n_group: 8,
  n_routed_experts: 256,
  n_shared_experts: 1,
  norm_topk_prob: true,
  num_attention_heads: 128,
  num_experts_per_tok: 8,
  num_hidden_layers: 61,
  num_key_value_heads: 128,
  num_nextn_predict_layers: 1,
  pretraining_tp: 1,
  q_lora_rank: 1536,
  qk_nope_head_dim: 128,
  qk_rope_head_dim: 64,
  quantization_config: {
    activation_scheme: 'dynamic',
    fmt: 'e4m3',
    quant_method: 'fp8',
    weight_block_size: [128, 128],
  },
  rms_norm_eps: 1e-6,
  rope_scaling: {
    beta_fast: 32,
    beta_slow: 1,
    factor: 40,
    mscale: 1.0,
    mscale_all_dim: 1.0,
    original_max_position_embeddings: 4096,
    type: 'yarn',
  },
  rope_theta: 10000,
  routed_scaling_factor: 2.5,
  scoring_func: 'sigmoid',
  seq_aux: true,
  tie_word_embeddings: false,
  topk_group: 4,
  topk_method: 'noaux_tc',
  torch_dtype: 'bfloat16',
  transformers_version: '4.46.3',
  use_cache: true,
  v_head_dim: 128,
  vocab_size: 129280,
};

describe('published configurations with experts', () => {
  it('DeepSeek V3 and R1', () => {
    expect(read(deepseekV3)).toMatchObject({
      sizes: { latent: 512, queryLatent: 1536, still: 128, turning: 64, value: 128 },
      experts: { count: 256, used: 8, width: 2048 },
      routing: {
        score: 'sigmoid',
        normalise: 'sum',
        scale: 2.5,
        groups: 8,
        topGroups: 4,
        groupScore: 'best_two',
      },
      dense: 3,
      shared: 2048,
      rotation: { dims: 64, interleaved: true, scaling: { type: 'yarn', factor: 40, attentionFactor: 1 } },
      scoreScale: (0.1 * Math.log(40) + 1) ** 2,
    });
  });

  it('refuses weights that are quantised in other ways, and names those that it reads', () => {
    const changed = (changes: object) => () =>
      read({ ...deepseekV3, quantization_config: { ...deepseekV3.quantization_config, ...changes } });
    expect(changed({ quant_method: 'awq' })).toThrow(/quantization_config: quant_method is "awq".*fp8.*GGUF/);
    expect(changed({ weight_block_size: [128] })).toThrow(/weight_block_size is \[128\]/);
    expect(changed({ activation_scheme: 'static' })).toThrow(UnsupportedError);
    expect(changed({ group_size: 64 })).toThrow(/group_size/);
  });

  it('refuses ways of choosing experts that it does not know', () => {
    expect(() => read({ ...deepseekV3, topk_method: 'greedy' })).toThrow(/topk_method/);
    expect(() => read({ ...deepseekV3, moe_layer_freq: 2 })).toThrow(/moe_layer_freq/);
    expect(() => read({ ...deepseekV3, topk_group: 9 })).toThrow(/9 groups of experts are kept of 8/);
  });

  it('Mixtral 8x7B Instruct', () => {
    const config = read({
      ...common,
      architectures: ['MixtralForCausalLM'],
      attention_dropout: 0.0,
      bos_token_id: 1,
      eos_token_id: 2,
      hidden_act: 'silu',
      hidden_size: 4096,
      intermediate_size: 14336,
      max_position_embeddings: 32768,
      model_type: 'mixtral',
      num_attention_heads: 32,
      num_experts_per_tok: 2,
      num_hidden_layers: 32,
      num_key_value_heads: 8,
      num_local_experts: 8,
      output_router_logits: false,
      rms_norm_eps: 1e-5,
      rope_theta: 1000000.0,
      router_aux_loss_coef: 0.02,
      sliding_window: null,
      tie_word_embeddings: false,
      vocab_size: 32000,
    });
    expect(config).toMatchObject({ experts: { count: 8, used: 2, width: 14336 }, rope: { theta: 1e6 } });
  });

  it('Qwen1.5-MoE A2.7B', () => {
    const config = read({
      ...common,
      architectures: ['Qwen2MoeForCausalLM'],
      decoder_sparse_step: 1,
      hidden_act: 'silu',
      hidden_size: 2048,
      intermediate_size: 5632,
      max_position_embeddings: 8192,
      max_window_layers: 21,
      model_type: 'qwen2_moe',
      moe_intermediate_size: 1408,
      norm_topk_prob: false,
      num_attention_heads: 16,
      num_experts: 60,
      num_experts_per_tok: 4,
      num_hidden_layers: 24,
      num_key_value_heads: 16,
      output_router_logits: false,
      rms_norm_eps: 1e-6,
      rope_theta: 1000000.0,
      router_aux_loss_coef: 0.001,
      shared_expert_intermediate_size: 5632,
      sliding_window: 32768,
      tie_word_embeddings: false,
      use_sliding_window: false,
      vocab_size: 151936,
    });
    expect(config).toMatchObject({
      experts: { count: 60, used: 4, width: 1408 },
      routing: { normalise: 'none' },
      sharedWidth: 5632,
      windows: new Array(24).fill(0),
    });
  });

  it('Qwen3 30B A3B', () => {
    const config = read({
      ...common,
      architectures: ['Qwen3MoeForCausalLM'],
      attention_bias: false,
      decoder_sparse_step: 1,
      head_dim: 128,
      hidden_act: 'silu',
      hidden_size: 2048,
      intermediate_size: 6144,
      max_position_embeddings: 40960,
      max_window_layers: 48,
      mlp_only_layers: [],
      model_type: 'qwen3_moe',
      moe_intermediate_size: 768,
      norm_topk_prob: true,
      num_attention_heads: 32,
      num_experts: 128,
      num_experts_per_tok: 8,
      num_hidden_layers: 48,
      num_key_value_heads: 4,
      output_router_logits: false,
      rms_norm_eps: 1e-6,
      rope_scaling: null,
      rope_theta: 1000000.0,
      router_aux_loss_coef: 0.001,
      sliding_window: null,
      tie_word_embeddings: false,
      use_sliding_window: false,
      vocab_size: 151936,
    });
    expect(config).toMatchObject({
      experts: { count: 128, used: 8, width: 768 },
      routing: { score: 'softmax', normalise: 'sum' },
      sparse: new Array(48).fill(true),
    });
  });

  it('gpt-oss 20b', () => {
    const config = read(gptOss20b);
    expect(config).toMatchObject({
      experts: { count: 32, used: 4, width: 2880 },
      rope: { theta: 150000, scaling: { type: 'yarn', factor: 32, originalContext: 4096, truncate: false } },
      alpha: 1.702,
      limit: 7,
      headDim: 64,
    });
    expect(config['windows']).toEqual(gptOss20b.layer_types.map((_, i) => (i % 2 === 0 ? 128 : 0)));
  });

  it('gpt-oss in other formats is refused', () => {
    const quantisation = (changes: object) => () =>
      read({ ...gptOss20b, quantization_config: { ...gptOss20b.quantization_config, ...changes } });
    expect(quantisation({ quant_method: 'fp8' })).toThrow(UnsupportedError);
    expect(quantisation({ quant_method: 'fp8' })).toThrow(/quant_method is "fp8".*mxfp4/);
    expect(quantisation({ group_size: 16 })).toThrow(/group_size/);
    expect(() => read({ ...gptOss20b, quantization_config: null })).toThrow(/experts in mxfp4/);
  });

  it('Llama 4 Scout and Maverick', () => {
    const text = {
      attention_bias: false,
      attention_chunk_size: 8192,
      attention_dropout: 0.0,
      attn_scale: 0.1,
      attn_temperature_tuning: true,
      bos_token_id: 200000,
      floor_scale: 8192,
      for_llm_compressor: false,
      head_dim: 128,
      hidden_act: 'silu',
      hidden_size: 5120,
      interleave_moe_layer_step: 1,
      intermediate_size: 8192,
      intermediate_size_mlp: 16384,
      max_position_embeddings: 10485760,
      model_type: 'llama4_text',
      no_rope_layers: [],
      num_attention_heads: 40,
      num_experts_per_tok: 1,
      num_hidden_layers: 48,
      num_key_value_heads: 8,
      num_local_experts: 16,
      output_router_logits: false,
      pad_token_id: 200018,
      rms_norm_eps: 1e-5,
      rope_scaling: {
        factor: 16.0,
        high_freq_factor: 1.0,
        low_freq_factor: 1.0,
        original_max_position_embeddings: 8192,
        rope_type: 'llama3',
      },
      rope_theta: 500000.0,
      router_aux_loss_coef: 0.001,
      router_jitter_noise: 0.0,
      use_cache: true,
      use_qk_norm: true,
      vocab_size: 202048,
    };
    const whole = (changes: object) => ({
      architectures: ['Llama4ForConditionalGeneration'],
      boi_token_index: 200080,
      eoi_token_index: 200081,
      image_token_index: 200092,
      model_type: 'llama4',
      text_config: { ...text, ...changes },
      tie_word_embeddings: false,
      torch_dtype: 'bfloat16',
      transformers_version: '4.51.0.dev0',
      vision_config: { hidden_size: 1408, model_type: 'llama4_vision_model' },
    });
    const scout = read(whole({}));
    expect(scout).toMatchObject({
      experts: { count: 16, used: 1, width: 8192 },
      feedForward: 16384,
      normalised: true,
      tempering: { by: 0.1, every: 8192 },
    });
    expect((scout['chunks'] as number[]).slice(0, 5)).toEqual([8192, 8192, 8192, 0, 8192]);
    const maverick = read(
      whole({ interleave_moe_layer_step: 2, num_local_experts: 128, rope_scaling: null, use_qk_norm: false }),
    );
    expect(maverick).toMatchObject({ experts: { count: 128 }, normalised: false });
    expect((maverick['sparse'] as boolean[]).slice(0, 4)).toEqual([false, true, false, true]);
    expect(() => read(whole({ attn_temperature: 2 }))).toThrow(/text_config.*attn_temperature=2/);
    expect(() => read({ ...whole({}), tie_word_embeddings: true })).toThrow(/tie_word_embeddings/);
  });
});
