#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes tests/data/tiny: a tiny random checkpoint of every family and feature, and what transformers computes with it.

Usage: scripts/make_reference.py OUT_DIR [NAME...]   (needs torch and transformers 5)

reference.json holds prompts with the float32 logits behind their last positions and a greedy continuation. Seeds are tried until
every greedy choice is clear, so that a different order of summation cannot change it.
"""
import copy
import json
import sys
from pathlib import Path

import torch
import transformers
from safetensors.torch import save_file

SHAPE = dict(vocab_size=128, hidden_size=64, intermediate_size=80, num_hidden_layers=2, num_attention_heads=4, num_key_value_heads=2,
             max_position_embeddings=128, bos_token_id=1, eos_token_id=[2, 3], pad_token_id=0, rms_norm_eps=1e-5)
ROPE = dict(rope_type="default", rope_theta=10000.0)
SHORT = dict(max_position_embeddings=32)  # with a scaling factor of 4: prompts reach beyond the original context
GLM = dict(head_dim=16, pad_token_id=0, attention_bias=True)
LENGTHS, GREEDY, LAST, CLEAR = (1, 19, 70), 24, 3, 0.02


def rope(**more):
    return dict(rope_parameters=dict(ROPE, **more))


MODELS = {  # name: (family, dtype, settings)
    "llama2": ("Llama", "float32", dict(num_key_value_heads=4)),
    "llama3": ("Llama", "bfloat16", dict(SHORT, max_position_embeddings=128, **rope(
        rope_type="llama3", rope_theta=500000.0, factor=8.0, low_freq_factor=1.0, high_freq_factor=4.0, original_max_position_embeddings=32))),
    "llama_linear": ("Llama", "bfloat16", dict(SHORT, **rope(rope_type="linear", factor=4.0))),
    "llama_dynamic": ("Llama", "bfloat16", dict(SHORT, **rope(rope_type="dynamic", factor=4.0))),
    "llama_yarn": ("Llama", "bfloat16", dict(SHORT, max_position_embeddings=128, **rope(
        rope_type="yarn", factor=4.0, original_max_position_embeddings=32))),
    "llama_yarn_mscale": ("Llama", "bfloat16", dict(SHORT, max_position_embeddings=128, **rope(
        rope_type="yarn", factor=4.0, original_max_position_embeddings=32, beta_fast=16.0, beta_slow=2.0, mscale=1.0,
        mscale_all_dim=0.7, truncate=False))),
    "llama_biases": ("Llama", "float16", dict(attention_bias=True, mlp_bias=True)),
    "llama_head_dim_tied": ("Llama", "bfloat16", dict(head_dim=32, tie_word_embeddings=True)),
    "mistral_window": ("Mistral", "bfloat16", dict(sliding_window=8)),
    "qwen2": ("Qwen2", "bfloat16", dict(tie_word_embeddings=True)),
    "qwen2_window": ("Qwen2", "bfloat16", dict(num_hidden_layers=3, use_sliding_window=True, sliding_window=8, max_window_layers=1)),
    "qwen3": ("Qwen3", "bfloat16", dict(head_dim=32)),
    "glm": ("Glm", "bfloat16", dict(GLM, **rope(partial_rotary_factor=0.5))),
    "glm4": ("Glm4", "bfloat16", dict(GLM, **rope(partial_rotary_factor=0.5))),
}


def fill(model, generator):
    """Random weights that make every part matter: norms away from 1, biases away from 0, attention that is not uniform."""
    tied = model.config.tie_word_embeddings
    for name, p in model.named_parameters():
        r = torch.randn(p.shape, generator=generator)
        if name.endswith("norm.weight"):
            p.data = 1 + 0.3 * r
        elif name.endswith("bias"):
            p.data = 0.3 * r
        elif "embed_tokens" in name:
            p.data = (0.4 if tied else 1.0) * r
        else:
            gain = 3.0 if "lm_head" in name else 1.5 if "q_proj" in name or "k_proj" in name else 1.0
            p.data = gain * r / p.shape[1] ** 0.5


def static(model):
    """The same weights, with one rotary base for the longest text where the scaling is dynamic: as vLLM and Ember read it."""
    parameters = model.config.rope_parameters
    if parameters["rope_type"] != "dynamic":
        return model
    config, dim, factor = copy.deepcopy(model.config), model.config.head_dim, parameters["factor"]
    theta = parameters["rope_theta"] * (factor * factor - (factor - 1)) ** (dim / (dim - 2))
    config.rope_parameters = dict(rope_type="default", rope_theta=theta)
    config._attn_implementation = "eager"
    fixed = type(model)(config).eval().float()
    fixed.load_state_dict(model.state_dict())
    return fixed


def reference(model, generator):
    """The prompts with their results, and the smallest lead of a greedy choice."""
    prompts, lead = [], float("inf")
    for length in LENGTHS:
        ids = torch.randint(4, model.config.vocab_size, (length,), generator=generator).tolist()
        greedy = []
        for step in range(GREEDY):
            rows = model(torch.tensor([ids + greedy]), use_cache=False).logits[0]
            if step == 0:
                last = [[round(x, 5) for x in row] for row in rows[-LAST:].tolist()]
            best = rows[-1].topk(2).values
            lead = min(lead, float(best[0] - best[1]))
            greedy.append(int(rows[-1].argmax()))
        prompts.append(dict(input_ids=ids, last_logits=last, greedy_ids=greedy))
    return prompts, lead


def write(directory, family, dtype, settings, seed):
    config = getattr(transformers, family + "Config")(**{**SHAPE, **settings})
    config._attn_implementation = "eager"
    model = getattr(transformers, family + "ForCausalLM")(config).eval().float()
    if "norm.weight" not in str(list(model.state_dict())):
        raise ValueError(family)
    for attempt in range(200):
        generator = torch.Generator().manual_seed(seed + attempt)
        fill(model, generator)
        for p in model.parameters():
            p.data = p.data.to(getattr(torch, dtype)).float()
        with torch.no_grad():
            prompts, lead = reference(static(model), generator)
        if lead > CLEAR:
            break
    else:
        raise RuntimeError(f"{directory}: no seed with clear choices")
    directory.mkdir(parents=True, exist_ok=True)
    config.architectures, config.dtype = [family + "ForCausalLM"], getattr(torch, dtype)
    config.save_pretrained(directory)
    (directory / "generation_config.json").write_text(json.dumps(dict(bos_token_id=1, eos_token_id=[3, 2], temperature=0.6, top_p=0.95)) + "\n")
    tensors = {n: t.to(getattr(torch, dtype)).contiguous() for n, t in model.state_dict().items()
               if not (n == "lm_head.weight" and config.tie_word_embeddings)}
    save_file(tensors, directory / "model.safetensors", metadata={"format": "pt"})
    made_by = f"transformers {transformers.__version__}, torch {torch.__version__.split('+')[0]}, seed {seed + attempt}"
    (directory / "reference.json").write_text(json.dumps(dict(made_by=made_by, prompts=prompts), separators=(",", ":")) + "\n")
    print(f"{directory.name}: {made_by}, smallest lead {lead:.3f}", flush=True)


if __name__ == "__main__":
    torch.set_num_threads(1)
    for number, (name, (family, dtype, settings)) in enumerate(MODELS.items()):
        if name in sys.argv[2:] or len(sys.argv) == 2:
            write(Path(sys.argv[1]) / name, family, dtype, settings, 1000 * number)
