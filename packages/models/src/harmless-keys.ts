/** Settings that published files carry and that do not change a model's logits. */

/** Notes of tools, training settings, generation defaults, and sizes that the weights repeat. */
const keys = new Set(
  (
    'architectures auto_map dtype torch_dtype model_type is_llama_config name_or_path ' +
    'attention_dropout attn_pdrop embd_pdrop resid_pdrop hidden_dropout hidden_dropout_prob attention_probs_dropout_prob classifier_dropout initializer_range pretraining_tp ' +
    'use_cache cache_implementation return_dict output_attentions output_hidden_states torchscript use_return_dict ' +
    'gradient_checkpointing chunk_size_feed_forward id2label label2id ' +
    'finetuning_task problem_type tokenizer_class prefix task_specific_params ' +
    'max_length min_length do_sample early_stopping num_beams num_beam_groups diversity_penalty temperature top_k ' +
    'top_p typical_p repetition_penalty length_penalty no_repeat_ngram_size encoder_no_repeat_ngram_size ' +
    'bad_words_ids num_return_sequences exponential_decay_length_penalty suppress_tokens begin_suppress_tokens ' +
    'forced_bos_token_id forced_eos_token_id remove_invalid_values output_scores return_dict_in_generate ' +
    'transformers_version transformers.js_config use_bfloat16 tf_legacy_loss ' +
    'summary_type summary_use_proj summary_activation summary_first_dropout summary_proj_to_labels reorder_and_upcast_attn n_ctx ' +
    'model_max_length unsloth_fixed unsloth_version ' +
    'output_router_logits router_aux_loss_coef router_jitter_noise'
  ).split(' '),
);

export function isHarmlessKey(name: string): boolean {
  return keys.has(name) || name.startsWith('_') || name.endsWith('_token_id');
}

/** Only the architecture's own keys say how to compute; the tokenizer's are read by the tokenizer. */
export function isHarmlessGgufKey(name: string, prefix: string): boolean {
  return !name.startsWith(prefix);
}
