"""Experts in MXFP4 as gpt-oss publishes them: random blocks and scales, and what transformers decodes them to."""

import json

import torch
from safetensors.torch import load_file, save_file
from transformers.integrations.mxfp4 import convert_moe_packed_tensors

CONFIG = {"quant_method": "mxfp4", "modules_to_not_convert": ["model.layers.*.self_attn", "model.layers.*.mlp.router"]}


def pack_experts(model, seed):
    """Gives the model's experts weights of MXFP4 and biases of bfloat16; returns these tensors as they are published."""
    generator = torch.Generator().manual_seed(seed)
    published = {}
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if ".experts." not in name:
                continue
            if name.endswith("_bias"):
                published[name] = (0.3 * torch.randn(parameter.shape, generator=generator)).bfloat16()
                parameter.copy_(published[name].float())
                continue
            # Stored by output row, in runs of 32 inputs; the model's own layout is [experts, in, out].
            experts, depth, width = parameter.shape
            shape = (experts, width, depth // 32)
            blocks = torch.randint(0, 256, (*shape, 16), generator=generator, dtype=torch.uint8)
            # Exponents about 2^-5: elements are up to 6.
            scales = torch.randint(120, 124, shape, generator=generator, dtype=torch.uint8)
            published[f"{name}_blocks"], published[f"{name}_scales"] = blocks, scales
            parameter.copy_(convert_moe_packed_tensors(blocks, scales, dtype=torch.float32))
    return published


def save_packed(folder, published):
    """Replaces the experts in the saved model, and says so in its configuration."""
    path = folder / "model.safetensors"
    tensors = {name: tensor for name, tensor in load_file(path).items() if ".experts." not in name}
    save_file({**tensors, **published}, path, metadata={"format": "pt"})
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "quantization_config": CONFIG}, indent=2) + "\n")
