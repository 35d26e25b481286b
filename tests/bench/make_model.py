#!/usr/bin/env python3
"""Writes a Llama with random bfloat16 weights, for benchmarks: the layers of a model of 1B parameters (2048 wide, 32 heads over 8).

Usage: make_model.py DIRECTORY [LAYERS]   (needs numpy; 4 layers are 309 million parameters, 590 MiB)
"""
import json
import struct
import sys
from pathlib import Path

import numpy

HIDDEN, INNER, HEADS, KV_HEADS, HEAD_DIM, VOCABULARY = 2048, 8192, 32, 8, 64, 32000


def random_weights(random, *shape):
    """Of either sign, between 0.015 and 0.031."""
    return random.integers(0, 1 << 16, size=shape, dtype=numpy.uint16) & 0x807F | 0x3C80


def tensors(layers):
    random = numpy.random.default_rng(0)
    ones = numpy.full(HIDDEN, 0x3F80, numpy.uint16)
    yield "model.embed_tokens.weight", random_weights(random, VOCABULARY, HIDDEN)
    yield "model.norm.weight", ones
    shapes = {"self_attn.q_proj": (HEADS * HEAD_DIM, HIDDEN), "self_attn.k_proj": (KV_HEADS * HEAD_DIM, HIDDEN),
              "self_attn.v_proj": (KV_HEADS * HEAD_DIM, HIDDEN), "self_attn.o_proj": (HIDDEN, HEADS * HEAD_DIM),
              "mlp.gate_proj": (INNER, HIDDEN), "mlp.up_proj": (INNER, HIDDEN), "mlp.down_proj": (HIDDEN, INNER)}
    for layer in range(layers):
        for name, shape in shapes.items():
            yield f"model.layers.{layer}.{name}.weight", random_weights(random, *shape)
        for name in ("input_layernorm", "post_attention_layernorm"):
            yield f"model.layers.{layer}.{name}.weight", ones


def main():
    directory, layers = Path(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 4
    directory.mkdir(parents=True, exist_ok=True)
    config = {"architectures": ["LlamaForCausalLM"], "model_type": "llama", "hidden_size": HIDDEN, "intermediate_size": INNER,
              "num_attention_heads": HEADS, "num_key_value_heads": KV_HEADS, "head_dim": HEAD_DIM, "num_hidden_layers": layers,
              "vocab_size": VOCABULARY, "max_position_embeddings": 2048, "rms_norm_eps": 1e-5, "rope_theta": 10000.0, "hidden_act": "silu",
              "tie_word_embeddings": True, "torch_dtype": "bfloat16", "bos_token_id": 1, "eos_token_id": 2}
    (directory / "config.json").write_text(json.dumps(config))
    header, data, end = {}, [], 0
    for name, values in tensors(layers):
        header[name] = {"dtype": "BF16", "shape": list(values.shape), "data_offsets": [end, end + values.nbytes]}
        end += values.nbytes
        data.append(values)
    text = json.dumps(header).encode()
    with open(directory / "model.safetensors", "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        for values in data:
            file.write(values.tobytes())


if __name__ == "__main__":
    main()
