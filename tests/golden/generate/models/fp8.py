"""Weights as 8-bit floats with a factor for each block of rows and columns, as DeepSeek and Qwen publish them."""

import json
import re

import torch
import transformers
from safetensors.torch import load_file, save_file

# Projections of attention, MLPs and experts; routers, embeddings and norms stay whole.
PROJECTIONS = re.compile(r"layers\..*_proj(_with_mqa)?\.weight$")
TOP = torch.finfo(torch.float8_e4m3fn).max


def quantise(weight, rows, columns):
    """[out, in] to its elements, and a factor [ceil(out / rows), ceil(in / columns)] for each block."""
    out, depth = weight.shape
    down, across = -(-out // rows), -(-depth // columns)
    padded = torch.zeros(down * rows, across * columns)
    padded[:out, :depth] = weight
    blocks = padded.view(down, rows, across, columns)
    scales = blocks.abs().amax(dim=(1, 3)) / TOP
    elements = (blocks / scales[:, None, :, None]).to(torch.float8_e4m3fn)
    return elements.view(torch.uint8).view(down * rows, across * columns)[:out, :depth].contiguous(), scales


def dequantise(elements, scales, rows, columns):
    out, depth = elements.shape
    factors = scales.repeat_interleave(rows, 0).repeat_interleave(columns, 1)[:out, :depth]
    return elements.view(torch.float8_e4m3fn).float() * factors


def pack(folder, block):
    """Rewrites the saved model's weights as published; returns the model of the weights that these stand for."""
    path = folder / "model.safetensors"
    whole, published = {}, {}
    for name, tensor in load_file(path).items():
        if not PROJECTIONS.search(name):
            whole[name] = published[name] = tensor
            continue
        elements, scales = quantise(tensor, *block)
        whole[name] = dequantise(elements, scales, *block)
        published[name], published[f"{name}_scale_inv"] = elements.view(torch.float8_e4m3fn), scales
    save_file(whole, path, metadata={"format": "pt"})
    model = transformers.AutoModelForCausalLM.from_pretrained(folder, attn_implementation="eager").float().eval()
    save_file(published, path, metadata={"format": "pt"})
    config = json.loads((folder / "config.json").read_text())
    fp8 = {"activation_scheme": "dynamic", "fmt": "e4m3", "quant_method": "fp8", "weight_block_size": block}
    (folder / "config.json").write_text(json.dumps({**config, "quantization_config": fp8}, indent=2) + "\n")
    return model
