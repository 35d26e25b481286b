#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes tiny checkpoints with random shapes and features of every family, and what transformers computes with them.

Usage: scripts/make_random_models.py OUT_DIR SEED COUNT   (needs what make_reference.py needs)

EMBER_RANDOM_MODELS=OUT_DIR build/release/model_tests --gtest_filter='*RandomModels*' compares Ember with them. A third is quantised.
"""
import random
import sys
from pathlib import Path

import torch

import make_reference
import quantized_layouts as layouts

make_reference.LENGTHS, make_reference.GREEDY, make_reference.CLEAR = (1, 19, 70), 3, 0  # logits are compared, not choices


def rope(r):
    kind = r.choice(("default", "default", "linear", "llama3", "yarn"))
    rope = dict(rope_type=kind, rope_theta=r.choice((1e4, 5e5, 1e6)))
    if kind == "linear":
        rope.update(factor=r.choice((2.0, 8.0)))
    if kind == "llama3":
        rope.update(factor=8.0, low_freq_factor=1.0, high_freq_factor=r.choice((2.0, 4.0)), original_max_position_embeddings=r.choice((16, 32, 64)))
    if kind == "yarn":
        rope.update(factor=r.choice((2.0, 4.0, 8.0)), original_max_position_embeddings=r.choice((16, 32)))
        rope.update(r.choice(({}, {}, dict(attention_factor=1.2), dict(beta_fast=16.0, beta_slow=2.0), dict(mscale=1.0, mscale_all_dim=0.5))))
    return dict(rope_parameters=rope)


def partial(r, *factors):
    return dict(rope_parameters=dict(rope_type="default", rope_theta=1e4, partial_rotary_factor=r.choice(factors)))


def flag(r, name):
    return {name: r.random() < 0.4}


def types(r, s):
    return dict(layer_types=[r.choice(("sliding_attention", "full_attention")) for _ in range(s["num_hidden_layers"])])


def window(r, s):
    """Of Qwen: layers from max_window_layers on, or those that layer_types names."""
    if r.random() < 0.5:
        return {}
    which = types(r, s) if r.random() < 0.5 else dict(max_window_layers=r.randint(0, s["num_hidden_layers"]))
    return dict(use_sliding_window=True, sliding_window=r.choice((4, 16)), **which)


FAMILIES = {  # name: whether head_dim is a setting of its own, and the other settings
    "Llama": (True, lambda r, s: {**flag(r, "attention_bias"), **flag(r, "mlp_bias"), **rope(r)}),
    "Mistral": (True, lambda r, s: dict(sliding_window=r.choice((None, 4, 8, 33)), **rope(r))),
    "Qwen2": (False, lambda r, s: {**window(r, s), **rope(r)}),
    "Qwen3": (True, lambda r, s: {**window(r, s), **flag(r, "attention_bias"), **rope(r)}),
    "Glm": (True, lambda r, s: dict(pad_token_id=0, **flag(r, "attention_bias"), **partial(r, 0.25, 0.5, 1.0))),
    "Glm4": (True, lambda r, s: dict(pad_token_id=0, **flag(r, "attention_bias"), **partial(r, 0.25, 0.5, 1.0))),
    "Gemma2": (True, lambda r, s: dict(types(r, s), sliding_window=r.choice((4, 8, 64)), query_pre_attn_scalar=r.choice((16, 24, 100)), tie_word_embeddings=True,
                                       attn_logit_softcapping=r.choice((None, 3.0, 50.0)), final_logit_softcapping=r.choice((None, 6.0)))),
    "Gemma3": (True, lambda r, s: dict(types(r, s), sliding_window=r.choice((4, 8)), query_pre_attn_scalar=24, tie_word_embeddings=True, rope_parameters=dict(
        sliding_attention=dict(rope_type="default", rope_theta=1e4),
        full_attention=dict(rope_type="linear", factor=r.choice((1.0, 8.0)), rope_theta=1e6)))),
    "Phi3": (False, lambda r, s: dict(sliding_window=r.choice((None, 8, 16)), **partial(r, 0.5, 1.0))),
    "Olmo2": (False, lambda r, s: rope(r)),
    "Granite": (False, lambda r, s: dict(embedding_multiplier=r.choice((1.0, 12.0)), residual_multiplier=r.choice((1.0, 0.22)), logits_scaling=r.choice((0.6, 8.0)),
                                         attention_multiplier=r.choice((0.1, 0.35)), **flag(r, "attention_bias"), **flag(r, "mlp_bias"), **rope(r))),
    "SmolLM3": (False, lambda r, s: dict(rope_parameters=dict(rope_type="default", rope_theta=1e5), no_rope_layers=[
        r.choice((0, 1)) for _ in range(s["num_hidden_layers"])], **flag(r, "attention_bias"))),
}


def method(r):
    """The quantization_config and what makes the tensors of a weight."""
    group, bits, symmetric, shuffled = r.choice((16, 32, 64, 0)), r.choice((4, 8)), r.random() < 0.5, r.random() < 0.5
    block = r.choice((16, 24, 128)), r.choice((16, 40, 128))

    def gptq(w):
        columns, size = w.shape[1], group or w.shape[1]
        return layouts.gptq(w, bits, size, make_reference.shuffled(columns, size) if shuffled else torch.arange(columns) // size)

    def compressed(format, **weights):
        return make_reference.compressed(format, make_reference.group_of(**weights), ["lm_head"])

    grouped = dict(strategy="group", group_size=group) if group else dict(strategy="channel")
    return r.choice((
        (dict(quant_method="awq", bits=4, group_size=group or -1, zero_point=True, version="gemm"), lambda w: layouts.awq(w, group)),
        (dict(quant_method="gptq", bits=bits, group_size=group or -1, sym=False, desc_act=shuffled), gptq),
        (compressed("pack-quantized", num_bits=bits, type="int", symmetric=symmetric, **grouped), lambda w: layouts.packed(w, bits, group, symmetric)),
        (compressed("int-quantized", num_bits=8, type="int", strategy="channel"), layouts.int8),
        (compressed("float-quantized", num_bits=8, type="float", strategy="tensor"), lambda w: layouts.float8(w, (0, 0), torch.bfloat16, "weight_scale")),
        (compressed("float-quantized", num_bits=8, type="float", strategy="channel"), lambda w: layouts.float8(w, (1, 0), torch.bfloat16, "weight_scale")),
        (dict(quant_method="fp8", activation_scheme="dynamic", weight_block_size=list(block)), lambda w: layouts.float8(w, block, torch.float32, "weight_scale_inv")),
    ))


def write(out, r, number):
    family = r.choice(sorted(FAMILIES))
    has_head_dim, more = FAMILIES[family]
    quantization = method(r) if r.random() < 1 / 3 else (None, None)
    heads = r.choice((1, 2, 3, 4, 6, 8))
    shape = dict(num_attention_heads=heads, num_key_value_heads=r.choice([k for k in range(1, heads + 1) if heads % k == 0]),
                 num_hidden_layers=r.randint(1, 4), max_position_embeddings=128, rms_norm_eps=r.choice((1e-6, 1e-5, 1e-3)), **flag(r, "tie_word_embeddings"))
    head_dim = r.choice((8, 16, 24, 32, 40))
    if quantization[0]:  # whole groups
        head_dim = 64 if heads % 2 else 32
        shape.update(hidden_size=heads * head_dim, intermediate_size=64 * r.randint(1, 3), vocab_size=128)
    else:
        shape.update(hidden_size=heads * head_dim if not has_head_dim else heads * r.choice((16, 20, 33)),
                     intermediate_size=r.choice((33, 40, 80, 130)), vocab_size=r.choice((101, 128, 150, 257)))
    if has_head_dim:
        shape.update(head_dim=head_dim)
    make_reference.SHAPE["vocab_size"] = shape["vocab_size"]
    make_reference.write(out / f"{number:03}_{family}", family, r.choice(("bfloat16", "float16", "float32")), {**shape, **more(r, shape)}, 1000 * number, *quantization)


if __name__ == "__main__":
    torch.set_num_threads(1)
    generator = random.Random(int(sys.argv[2]))
    for i in range(int(sys.argv[3])):
        write(Path(sys.argv[1]), generator, i)
