"""The tiny random models: one entry per golden variant, by architecture.

`config` goes to the class of that name in transformers; `gguf` lists the converter's output types, empty with
a reason in `note` where llama.cpp's converter drops what the variant is about.
"""

from shapes import LONGROPE, TEMPERED, YARN, decoder, encoder, rope
from sparse import SPARSE


def llama(**changes):
    return decoder("LlamaConfig", **changes)


def gemma(kind, **changes):
    return decoder(
        kind,
        norm_mean=0.0,
        num_attention_heads=2,
        num_key_value_heads=1,
        head_dim=24,
        query_pre_attn_scalar=24,
        sliding_window=8,
        **{"tie_word_embeddings": True, **changes},
    )


GPT2 = dict(
    vocab_size=72, n_positions=64, n_ctx=64, n_embd=32, n_layer=2, n_head=4, bos_token_id=0, eos_token_id=0
)

# As Nomic's own file has it: names of GPT-2, and of its kernels.

NOMIC = dict(
    activation_function="swiglu",
    architectures=["NomicBertModel"],
    attn_pdrop=0.0,
    causal=False,
    dense_seq_output=True,
    embd_pdrop=0.0,
    fused_bias_fc=True,
    fused_dropout_add_ln=True,
    initializer_range=0.02,
    layer_norm_epsilon=1e-12,
    max_trained_positions=2048,
    mlp_fc1_bias=False,
    mlp_fc2_bias=False,
    model_type="nomic_bert",
    n_embd=32,
    n_head=4,
    n_inner=40,
    n_layer=2,
    n_positions=8192,
    pad_vocab_size_multiple=64,
    parallel_block=False,
    parallel_block_tied_norm=False,
    prenorm=False,
    qkv_proj_bias=False,
    reorder_and_upcast_attn=False,
    resid_pdrop=0.0,
    rotary_emb_base=1000,
    rotary_emb_fraction=1.0,
    rotary_emb_interleaved=False,
    rotary_emb_scale_base=None,
    rotary_scaling_factor=None,
    scale_attn_by_inverse_layer_idx=False,
    scale_attn_weights=True,
    type_vocab_size=2,
    use_cache=True,
    use_flash_attn=True,
    use_rms_norm=False,
    use_xentropy=True,
    vocab_size=72,
)

# Its keys as DeepSeek's own files have them.

VARIANTS = {
    "bert": {
        "mean": encoder("BertConfig", "mean_tokens"),
        "cls": encoder("BertConfig", "cls_token", hidden_act="gelu_new", layer_norm_eps=1e-5, gguf=[],
                       note="GGUF files do not say the activation"),
    },
    "nomic-bert": {
        "published": encoder("NomicBertConfig", "mean_tokens", published=NOMIC),
        "named-anew": encoder(
            "NomicBertConfig",
            "cls_token",
            rope_parameters=rope("default", theta=500.0),
            gguf=[],
            note="the converter reads the published names only",
        ),
    },
    "llama": {
        "mha": llama(num_key_value_heads=4, gguf=["f32"]),
        "gqa-tied": llama(tie_word_embeddings=True),
        "gqa-llama3": llama(
            head_dim=16,
            intermediate_size=64,
            gguf=["f16", "q8_0"],
            rope_parameters=rope(
                "llama3",
                factor=8.0,
                low_freq_factor=1.0,
                high_freq_factor=4.0,
                original_max_position_embeddings=64,
            ),
        ),
        "linear": llama(rope_parameters=rope("linear", theta=5000.0, factor=3.0)),
        "yarn": llama(head_dim=16, rope_parameters=YARN),
        "yarn-attention-factor": llama(
            head_dim=16,
            rope_parameters={**YARN, "attention_factor": 0.8, "beta_fast": 3.0, "beta_slow": 0.5},
            gguf=[],
            note="config.json and GGUF give the attention factor different meanings",
        ),
        "biases": llama(attention_bias=True, mlp_bias=True),
        "gelu": llama(
            hidden_act="gelu_new", gguf=[], note="GGUF files do not say the activation"
        ),
        "head-dim": llama(head_dim=24, num_attention_heads=3, num_key_value_heads=1, hidden_size=36),
        "ministral-layers": decoder(
            "MinistralConfig",
            head_dim=8,
            sliding_window=8,
            layer_types=["sliding_attention", "full_attention"],
            gguf=[],
            note="the converter does not write the window",
        ),
        "mixtral": decoder("MixtralConfig", num_local_experts=5, num_experts_per_tok=2),
        "mixtral-window": decoder(
            "MixtralConfig",
            num_local_experts=4,
            num_experts_per_tok=3,
            head_dim=16,
            sliding_window=8,
            gguf=[],
            note="the converter does not write the window",
        ),
        "mistral-window": decoder(
            "MistralConfig", sliding_window=8, gguf=[], note="the converter does not write the window"
        ),
    },
    "gpt2": {
        "tied": dict(config_class="GPT2Config", config=GPT2, gguf=["f16"]),
        "scaled-by-layer": dict(
            config_class="GPT2Config",
            config={**GPT2, "n_inner": 48, "scale_attn_by_inverse_layer_idx": True},
            gguf=[],
            note="the converter does not write n_inner nor the scale by layer",
        ),
        "unscaled-untied": dict(
            config_class="GPT2Config",
            config={
                **GPT2,
                "scale_attn_weights": False,
                "activation_function": "gelu",
                "tie_word_embeddings": False,
            },
            gguf=[],
            note="GGUF files say neither the scale nor the activation",
        ),
    },
    "qwen2": {
        "tied": decoder("Qwen2Config", tie_word_embeddings=True),
        "yarn": decoder("Qwen2Config", num_attention_heads=2, num_key_value_heads=1, rope_parameters=YARN),
        "window": decoder(
            "Qwen2Config",
            num_hidden_layers=3,
            use_sliding_window=True,
            sliding_window=8,
            max_window_layers=1,
            gguf=[],
            note="the converter does not write the window",
        ),
    },
    "qwen3": {
        "tied": decoder("Qwen3Config", head_dim=16, tie_word_embeddings=True),
        "embedding": {**decoder("Qwen3Config", head_dim=16, tie_word_embeddings=True), "pooling": "lasttoken"},
        "biases-window": decoder(
            "Qwen3Config",
            head_dim=8,
            attention_bias=True,
            num_hidden_layers=3,
            use_sliding_window=True,
            sliding_window=8,
            max_window_layers=2,
            gguf=[],
            note="the converter does not write the window",
        ),
    },
    "ministral3": {
        "nested": {
            **decoder("Ministral3Config", head_dim=8, rope_parameters=TEMPERED),
            "nested": "Mistral3Config",
            "vision": dict(
                model_type="pixtral",
                hidden_size=16,
                num_hidden_layers=1,
                num_attention_heads=2,
                intermediate_size=32,
                head_dim=8,
                image_size=28,
                patch_size=14,
            ),
        },
        "window": decoder(
            "Ministral3Config",
            head_dim=16,
            sliding_window=8,
            tie_word_embeddings=True,
            rope_parameters={**TEMPERED, "mscale": 0.8, "llama_4_scaling_beta": 0.4},
            gguf=[],
            note="the converter does not write the window",
        ),
    },
    "gemma3": {
        "local-global": gemma("Gemma3TextConfig", num_hidden_layers=6),
        "linear-softcap": gemma(
            "Gemma3TextConfig",
            num_hidden_layers=3,
            layer_types=["sliding_attention", "full_attention", "sliding_attention"],
            rope_parameters={
                "sliding_attention": rope("default", theta=1000.0),
                "full_attention": rope("linear", theta=100000.0, factor=4.0),
            },
            final_logit_softcapping=3.0,
            gguf=[],
            note="GGUF files have every sixth layer global",
        ),
        "biases-untied": gemma(
            "Gemma3TextConfig",
            num_hidden_layers=2,
            attention_bias=True,
            tie_word_embeddings=False,
            gguf=[],
            note="GGUF files of this architecture have no biases",
        ),
    },
    "gemma2": {
        "capped": gemma("Gemma2Config", attn_logit_softcapping=5.0, final_logit_softcapping=3.0),
        "uncapped": gemma(
            "Gemma2Config",
            attn_logit_softcapping=None,
            final_logit_softcapping=None,
            gguf=[],
            note="the converter wants caps",
        ),
        "biases-untied": gemma(
            "Gemma2Config",
            attention_bias=True,
            tie_word_embeddings=False,
            gguf=[],
            note="GGUF files of this architecture have no biases",
        ),
    },
    "granite": {
        "scaled": decoder(
            "GraniteConfig",
            embedding_multiplier=3.0,
            residual_multiplier=0.5,
            attention_multiplier=0.25,
            logits_scaling=2.0,
        ),
        "biases-tied": decoder("GraniteConfig", attention_bias=True, mlp_bias=True, tie_word_embeddings=True),
    },
    "smollm3": {
        "interval": decoder("SmolLM3Config", pad_token_id=0, tie_word_embeddings=True, num_hidden_layers=4),
        "listed-window": decoder(
            "SmolLM3Config",
            pad_token_id=0,
            no_rope_layers=[0, 1],
            use_sliding_window=True,
            sliding_window=8,
            gguf=[],
            note="GGUF files have every fourth layer without positions and no window",
        ),
        "biases": decoder("SmolLM3Config", pad_token_id=0, attention_bias=True, mlp_bias=True),
    },
    "cohere2": {
        "window": decoder(
            "Cohere2Config",
            tie_word_embeddings=True,
            num_hidden_layers=4,
            sliding_window=8,
            logit_scale=0.25,
            rotary_pct=1.0,
        ),
        "biases": decoder(
            "Cohere2Config",
            attention_bias=True,
            layer_types=["full_attention", "sliding_attention"],
            sliding_window=8,
            gguf=[],
            note="GGUF files of this architecture have no biases",
        ),
    },
    "cohere": {
        "untied": decoder(
            "CohereConfig", tie_word_embeddings=False, gguf=[], note="the converter takes the head for tied"
        ),
        "plain": decoder("CohereConfig", tie_word_embeddings=True, logit_scale=0.25),
        "normed-heads": decoder("CohereConfig", tie_word_embeddings=True, use_qk_norm=True, layer_norm_eps=1e-4),
        "biases": decoder(
            "CohereConfig",
            attention_bias=True,
            tie_word_embeddings=True,
            gguf=[],
            note="GGUF files of this architecture have no biases",
        ),
    },
    "gemma": {
        "mqa": decoder(
            "GemmaConfig",
            norm_mean=0.0,
            num_attention_heads=2,
            num_key_value_heads=1,
            head_dim=24,
            tie_word_embeddings=True,
        ),
        "biases": decoder(
            "GemmaConfig",
            norm_mean=0.0,
            head_dim=8,
            hidden_act="gelu",
            attention_bias=True,
            tie_word_embeddings=True,
            gguf=[],
            note="GGUF files of this architecture have no biases",
        ),
    },
    "olmo2": {
        "tied": decoder("Olmo2Config", pad_token_id=0, tie_word_embeddings=True),
        "mha": decoder("Olmo2Config", pad_token_id=0, num_key_value_heads=4),
        "biases": decoder(
            "Olmo2Config",
            pad_token_id=0,
            attention_bias=True,
            gguf=[],
            note="GGUF files of this architecture have no biases",
        ),
    },
    "phi3": {
        "window": decoder("Phi3Config", pad_token_id=0, original_max_position_embeddings=256, sliding_window=8),
        "partial-tied": decoder(
            "Phi3Config",
            pad_token_id=0,
            original_max_position_embeddings=256,
            num_attention_heads=2,
            num_key_value_heads=1,
            tie_word_embeddings=True,
            rope_parameters=rope("default", partial_rotary_factor=0.75),
        ),
        "longrope-short": decoder(
            "Phi3Config",
            pad_token_id=0,
            max_position_embeddings=512,
            original_max_position_embeddings=128,
            rope_parameters=LONGROPE,
        ),
        "longrope-long": decoder(
            "Phi3Config",
            pad_token_id=0,
            original_max_position_embeddings=6,
            rope_parameters={**LONGROPE, "partial_rotary_factor": 1.0},
            prompts=[("long", 28, 4), ("short", 7, 6)],
        ),
    },
    **SPARSE,
}
