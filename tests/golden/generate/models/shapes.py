"""Sizes and settings that the tiny random models share."""

DECODER = dict(
    vocab_size=72,
    hidden_size=32,
    intermediate_size=40,
    num_hidden_layers=2,
    num_attention_heads=4,
    num_key_value_heads=2,
    max_position_embeddings=256,
    tie_word_embeddings=False,
)


def decoder(kind, gguf=("f16",), note="", norm_mean=1.0, prompts=None, **changes):
    return dict(
        config_class=kind,
        config={**DECODER, **changes},
        gguf=list(gguf),
        note=note,
        norm_mean=norm_mean,
        prompts=prompts,
    )


def encoder(kind, pooling, published=None, gguf=("f16",), note="", **changes):
    sizes = {key: value for key, value in DECODER.items() if key not in ["num_key_value_heads", "tie_word_embeddings"]}
    return dict(
        config_class=kind,
        config={**sizes, "max_position_embeddings": 64, **changes},
        gguf=list(gguf),
        note=note,
        pooling=pooling,
        published=published,
        encoder=True,
    )


def rope(kind, theta=10000.0, **more):
    return {"rope_type": kind, "rope_theta": theta, **more}


YARN = rope("yarn", factor=4.0, original_max_position_embeddings=32)

# So short a context that prompts go past it.
TEMPERED = rope(
    "yarn", factor=16.0, original_max_position_embeddings=8, mscale=1.0, mscale_all_dim=1.0,
    llama_4_scaling_beta=0.1,
)

LONGROPE = rope("longrope", short_factor=[1.0, 1.25, 1.5, 2.0], long_factor=[1.0, 2.5, 4.0, 8.0])
