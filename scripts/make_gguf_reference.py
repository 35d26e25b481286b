#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes tests/data/gguf_blocks.json: random blocks of every GGUF type and the float32 weights that gguf's reference makes of them.

    pip install gguf==0.17.1 numpy
    scripts/make_gguf_reference.py
"""
import json
from pathlib import Path

import numpy as np
from gguf import GGML_QUANT_SIZES, GGMLQuantizationType as Type
from gguf.quants import dequantize

TARGET = Path(__file__).resolve().parent.parent / "tests/data/gguf_blocks.json"
# Where a block has float16 numbers; all its other bytes may hold anything.
HALVES = {"Q4_0": [0], "Q4_1": [0, 2], "Q5_0": [0], "Q5_1": [0, 2], "Q8_0": [0], "Q2_K": [80, 82], "Q3_K": [108], "Q4_K": [0, 2],
          "Q5_K": [0, 2], "Q6_K": [208], "IQ4_NL": [0]}


def main():
    rng = np.random.default_rng(0)
    rows = {}
    for name, halves in HALVES.items():
        weights, size = GGML_QUANT_SIZES[Type[name]]
        blocks = rng.integers(0, 256, (3 if weights == 32 else 2, size), dtype=np.uint8)
        for at in halves:
            numbers = rng.uniform(-0.1, 0.1, len(blocks)).astype(np.float16)
            blocks[:, at:at + 2] = numbers.view(np.uint8).reshape(-1, 2)
        floats = dequantize(blocks.reshape(-1), Type[name]).astype("<f4")
        rows[name] = {"bytes": blocks.tobytes().hex(), "floats": floats.tobytes().hex()}
    TARGET.write_text(json.dumps(rows, indent=0) + "\n")


if __name__ == "__main__":
    main()
