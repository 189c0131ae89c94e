"""Goldens of every float storage format: blocks and the float32 bits that the gguf package (torch for plain floats)
decodes them to, and floats with the bits that torch rounds (gguf quantises) them to.

    python tests/golden/generate/dtypes.py

needs gguf, numpy and torch; writes tests/golden/dtypes/<dtype>.json, rounding.json and encoding.json.
Bytes are in hexadecimal, numbers little-endian.
"""

import json
from importlib.metadata import version
from pathlib import Path

import gguf
import numpy as np
import torch

OUT = Path(__file__).resolve().parent.parent / "dtypes"
TORCH = {"f8_e4m3": torch.float8_e4m3fn, "f8_e5m2": torch.float8_e5m2, "bf16": torch.bfloat16, "f16": torch.float16}
# Where the half-precision scales (and offsets) of a block lie.
HALVES = {
    "Q4_0": [0], "Q4_1": [0, 2], "Q5_0": [0], "Q5_1": [0, 2], "Q8_0": [0], "IQ4_NL": [0], "IQ4_XS": [0], "MXFP4": [],
    "Q2_K": [80, 82], "Q3_K": [108], "Q4_K": [0, 2], "Q5_K": [0, 2], "Q6_K": [208],
}  # fmt: skip
# Zero, both smallest subnormals, a larger one, the smallest normal, one, minus a third, the largest.
SCALES = np.array([0, 0x0001, 0x8001, 0x03FF, 0x0400, 0x3C00, 0xB555, 0x7BFF], dtype="<u2")
# e8m0: 2^-127 and its neighbour (float32 subnormals once halved), one, large.
EXPONENTS = [0, 1, 2, 127, 128, 200, 250, 251]


def text(array: np.ndarray) -> str:
    return np.ascontiguousarray(array).tobytes().hex()


def write(name: str, record: dict[str, str]) -> None:
    (OUT / f"{name}.json").write_text(json.dumps(record) + "\n")


def random_blocks(name: str, size: int, random: np.random.Generator) -> np.ndarray:
    """One block for each of SCALES, one of all ones and one of all zeros but for the scale among them, then random ones."""
    count = len(SCALES)
    blocks = random.integers(0, 256, size=(count + 4, size), dtype=np.uint8)
    blocks[5], blocks[6] = 255, 0
    for i, at in enumerate(HALVES[name]):
        # An offset gets another scale than its scale.
        blocks[:count, at : at + 2] = np.roll(SCALES, i).view(np.uint8).reshape(count, 2)
        finite = random.standard_normal(4).astype("<f2")
        blocks[count:, at : at + 2] = finite.view(np.uint8).reshape(4, 2)
    if name == "MXFP4":
        blocks[:count, 0] = EXPONENTS
        blocks[count:, 0] = [120, 121, 126, 130]
    return blocks


def write_blocks(random: np.random.Generator) -> None:
    for name in HALVES:
        kind = gguf.GGMLQuantizationType[name]
        blocks = random_blocks(name, gguf.GGML_QUANT_SIZES[kind][1], random)
        floats = gguf.quants.dequantize(blocks, kind)
        assert np.isfinite(floats).all(), name
        source = f"gguf {version('gguf')}, numpy {version('numpy')}"
        write(name.lower(), {"source": source, "encoded": text(blocks), "float32": text(floats.astype("<f4"))})


def write_plain(random: np.random.Generator) -> None:
    """All codes of eight bits; of sixteen, all exponents with some fractions; but NaN, whose bits nothing fixes."""
    high = np.arange(0, 65536, 64, dtype=np.uint16)
    sixteen = np.concatenate([high, high[::2] + random.integers(1, 64, high.size // 2, dtype=np.uint16)])
    for name, dtype in TORCH.items():
        wide = name in ("bf16", "f16")
        codes = sixteen if wide else np.arange(256, dtype=np.uint8)
        floats = torch.from_numpy(codes.view(np.int16 if wide else np.int8)).view(dtype).float().numpy()
        keep = ~np.isnan(floats)
        source = f"torch {version('torch')}"
        write(name, {"source": source, "encoded": text(codes[keep]), "float32": text(floats[keep].astype("<f4"))})


def write_microscaling() -> None:
    """The parts of MXFP4 where they are stored apart: all exponents, and all pairs of elements, the low nibble first."""
    codes = np.arange(255, dtype=np.uint8)
    floats = torch.from_numpy(codes).view(torch.float8_e8m0fnu).float().numpy()
    record = {"source": f"torch {version('torch')}", "encoded": text(codes), "float32": text(floats.astype("<f4"))}
    write("f8_e8m0", record)
    # gguf's blocks of 32, whose first half is the low nibbles, with the scale 1.
    pairs = np.arange(256, dtype=np.uint8)
    blocks = np.concatenate([np.full((16, 1), 127, np.uint8), pairs.reshape(16, 16)], axis=1)
    halves = gguf.quants.dequantize(blocks, gguf.GGMLQuantizationType.MXFP4).reshape(16, 2, 16)
    floats = halves.transpose(0, 2, 1)
    record = {"source": f"gguf {version('gguf')}", "encoded": text(pairs), "float32": text(floats.astype("<f4"))}
    write("f4_e2m1", record)


def write_rounding(random: np.random.Generator) -> None:
    """Neighbours of both 16-bit formats, exact ties between them, and the floats next to the ties."""
    def ties(dtype: torch.dtype, last: int) -> list[np.ndarray]:
        codes = np.unique(np.concatenate([random.integers(0, last, 100), np.arange(6), last - np.arange(1, 4)]))
        both = np.stack([codes, codes + 1]).astype(np.int16)
        low, high = torch.from_numpy(both).view(dtype).double().numpy()
        middle = ((low + high) / 2).astype(np.float32)
        up, down = np.nextafter(middle, np.float32(np.inf)), np.nextafter(middle, np.float32(-np.inf))
        return [low.astype(np.float32), middle, -middle, up, -down]

    # 65519.996 rounds to the largest half, 65520 ties to infinity.
    edges = [0.0, -0.0, np.inf, -np.inf, 65504, 65519.996, 65520, -65520, 3.4e38, 3.3895314e38, 3.3961775e38, 1e-45]
    values = np.concatenate([*ties(torch.float16, 0x7BFF), *ties(torch.bfloat16, 0x7F7F), np.float32(edges)])
    tensor = torch.from_numpy(values.astype(np.float32))
    record = {"source": f"torch {version('torch')}", "float32": text(tensor.numpy().astype("<f4"))}
    for name in ("f16", "bf16"):
        record[name] = text(tensor.to(TORCH[name]).view(torch.int16).numpy().astype("<i2"))
    write("rounding", record)


def write_encoding(random: np.random.Generator) -> None:
    """Rows of weights of several sizes, with ties between integers, zeros, and tiny and huge values among them."""
    rows = random.standard_normal((24, 32)) * np.logspace(-6, 3, 24)[:, None]
    rows[0], rows[1], rows[2] = 0, 1.5, np.linspace(-4, 4, 32)
    rows[3] = np.round(rows[3] * 1e7) / 2
    rows[4] = np.abs(rows[4])
    rows[5, :16] = 0
    rows[6] = 1e-9 * np.arange(32)
    rows[7] = np.arange(32) - 16
    # Halves of steps that no float holds, so that the rounding of the scale decides each; the first two fix the scale.
    steps = random.uniform(0.01, 1, 24)[:, None]
    halves = np.empty((24, 32))
    for i, (low, high) in enumerate([(-127, 127), (-8, 7), (-3, 12)]):
        some = halves[i * 8 : i * 8 + 8]
        some[:] = random.integers(low, high, some.shape) + 0.5
        some[:, 0], some[:, 1] = low, high
    rows = np.concatenate([rows, halves * steps])
    values = rows.astype("<f4")
    record = {"source": f"gguf {version('gguf')}, numpy {version('numpy')}", "float32": text(values)}
    for name in ("f16", "bf16"):
        record[name] = text(torch.from_numpy(values).to(TORCH[name]).view(torch.int16).numpy().astype("<i2"))
    for name in ("Q4_0", "Q4_1", "Q8_0"):
        record[name.lower()] = text(gguf.quants.quantize(values, gguf.GGMLQuantizationType[name]))
    write("encoding", record)


def main() -> None:
    OUT.mkdir(exist_ok=True)
    random = np.random.default_rng(7)
    write_blocks(random)
    write_plain(random)
    write_rounding(random)
    write_encoding(random)
    write_microscaling()


if __name__ == "__main__":
    main()
