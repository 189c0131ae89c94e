"""Goldens of every float storage format: random blocks and the float32 bits that the gguf package (torch for the
8-bit floats) decodes them to.

    python tests/golden/generate/dtypes.py

needs gguf, numpy and torch; writes tests/golden/dtypes/<dtype>.json.
"""

import json
from importlib.metadata import version
from pathlib import Path

import gguf
import numpy as np
import torch

OUT = Path(__file__).resolve().parent.parent / "dtypes"
BLOCK_FORMATS = "Q4_0 Q4_1 Q5_0 Q5_1 Q8_0 Q2_K Q3_K Q4_K Q5_K Q6_K IQ4_NL IQ4_XS MXFP4".split()
TORCH = {"f8_e4m3": torch.float8_e4m3fn, "f8_e5m2": torch.float8_e5m2, "bf16": torch.bfloat16, "f16": torch.float16}


def write(name: str, encoded: bytes, floats: np.ndarray, source: str) -> None:
    record = {
        "source": source,
        "encoded": encoded.hex(),
        "float32": floats.astype("<f4").tobytes().hex(),
    }
    (OUT / f"{name}.json").write_text(json.dumps(record) + "\n")


def main() -> None:
    OUT.mkdir(exist_ok=True)
    random = np.random.default_rng(7)
    for name in BLOCK_FORMATS:
        kind = gguf.GGMLQuantizationType[name]
        size = gguf.GGML_QUANT_SIZES[kind][1]
        # Random bytes reach negative, subnormal and infinite scales; the first two blocks are all zeros and ones.
        blocks = random.integers(0, 256, size=(24, size), dtype=np.uint8)
        blocks[0], blocks[1] = 0, 1
        floats = gguf.quants.dequantize(blocks, kind)
        keep = np.isfinite(floats).all(axis=1)
        write(name.lower(), blocks[keep].tobytes(), floats[keep], f"gguf {version('gguf')}")
    for name, dtype in TORCH.items():
        bits = 16 if name in ("bf16", "f16") else 8
        codes = np.arange(256, dtype=np.uint8) if bits == 8 else random.integers(0, 65536, 1024, dtype=np.uint16)
        raw = torch.from_numpy(codes.view(np.int8 if bits == 8 else np.int16)).view(dtype).float().numpy()
        keep = np.isfinite(raw)
        write(name, codes[keep].tobytes(), raw[keep], f"torch {version('torch')}")
    # Rounding to 16-bit floats: ties, subnormals, overflow.
    values = np.concatenate([
        random.standard_normal(400), random.standard_normal(400) * 1e-6, random.standard_normal(200) * 6e4,
        [0.0, -0.0, 1e-8, 65504, 65519, 65520, 1e30, -1e30, 2**-24, 2**-25, 3 * 2**-25, 1 + 2**-11, 1 + 3 * 2**-11],
    ]).astype(np.float32)
    tensor = torch.from_numpy(values)
    record = {"source": f"torch {version('torch')}", "float32": values.astype("<f4").tobytes().hex()}
    for name in ("f16", "bf16"):
        record[name] = tensor.to(TORCH[name]).view(torch.int16).numpy().astype("<i2").tobytes().hex()
    (OUT / "rounding.json").write_text(json.dumps(record) + "\n")


if __name__ == "__main__":
    main()
