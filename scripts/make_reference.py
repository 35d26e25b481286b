#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes tests/data/tiny: a tiny random checkpoint of every family and feature, and what transformers computes with it.

Usage: scripts/make_reference.py OUT_DIR [NAME...]   (needs torch and transformers 5)

reference.json holds prompts with the float32 logits behind their last positions and a greedy continuation. Seeds are tried until
every greedy choice is clear, so that a different order of summation cannot change it. Of quantised checkpoints, the model that
transformers computes has the weights that the stored codes stand for.
"""
import copy
import json
import sys
import tempfile
from pathlib import Path

import torch
import transformers
from safetensors.torch import load_file, save_file

import quantized_layouts

SHAPE = dict(vocab_size=128, hidden_size=64, intermediate_size=80, num_hidden_layers=2, num_attention_heads=4, num_key_value_heads=2,
             max_position_embeddings=128, bos_token_id=1, eos_token_id=[2, 3], pad_token_id=0, rms_norm_eps=1e-5)
ROPE = dict(rope_type="default", rope_theta=10000.0)
SHORT = dict(max_position_embeddings=32)  # with a scaling factor of 4: prompts reach beyond the original context
GLM = dict(head_dim=16, pad_token_id=0, attention_bias=True)
GEMMA3 = dict(head_dim=16, num_hidden_layers=3, sliding_window=8, sliding_window_pattern=2, query_pre_attn_scalar=24, rope_parameters=dict(
    sliding_attention=dict(rope_type="default", rope_theta=10000.0),
    full_attention=dict(rope_type="linear", factor=4.0, rope_theta=1000000.0)))
VISION = dict(hidden_size=32, intermediate_size=32, num_hidden_layers=1, num_attention_heads=2, image_size=28, patch_size=14)


def longrope(original):
    return dict(original_max_position_embeddings=original, rope_parameters=dict(
        ROPE, rope_type="longrope", original_max_position_embeddings=original, partial_rotary_factor=0.75,
        short_factor=[1.0, 1.1, 1.2, 1.3, 1.5, 1.7], long_factor=[1.0, 1.5, 2.0, 2.7, 3.5, 4.0]))


LENGTHS, GREEDY, LAST, CLEAR = (1, 19, 70), 24, 3, 0.02
NOT_TEXT = ("model.vision_tower", "model.multi_modal", "vision_tower", "multi_modal")
LONGEST = 128  # positions that the tests run with


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
    "gemma2": ("Gemma2", "bfloat16", dict(head_dim=32, sliding_window=8, attn_logit_softcapping=3.0, final_logit_softcapping=6.0,
                                          query_pre_attn_scalar=24)),
    "gemma3": ("Gemma3", "bfloat16", GEMMA3),
    "gemma3_vision": ("Gemma3", "bfloat16", dict(GEMMA3, vision_config=VISION, final_logit_softcapping=6.0)),
    "phi3": ("Phi3", "bfloat16", dict(sliding_window=16, **rope(partial_rotary_factor=0.5))),
    # Of 128 positions: more than the original 32, and no more than the original 128.
    "phi3_long": ("Phi3", "bfloat16", longrope(32)),
    "phi3_short": ("Phi3", "bfloat16", dict(longrope(128), max_position_embeddings=512)),
    "olmo2": ("Olmo2", "bfloat16", {}),
    "granite": ("Granite", "bfloat16", dict(tie_word_embeddings=True, embedding_multiplier=6.0, residual_multiplier=0.4,
                                            attention_multiplier=0.35, logits_scaling=0.6)),
    "smollm3": ("SmolLM3", "bfloat16", dict(num_hidden_layers=4)),
}


def group_of(**weights):
    return dict(group_0=dict(targets=["Linear"], weights=weights))


def compressed(format, groups, ignore):
    return dict(quant_method="compressed-tensors", format=format, quantization_status="compressed", config_groups=groups, ignore=ignore)


def shuffled(columns, group):
    """The group of each column, in an order of its own for each number of columns."""
    return (torch.arange(columns) // group)[torch.randperm(columns, generator=torch.Generator().manual_seed(columns))]


WIDE = dict(intermediate_size=96)  # whole groups of 32
QUANTIZED = {  # name: (family, dtype, settings, quantization_config, what makes the tensors of a weight)
    "llama_awq": ("Llama", "float16", WIDE, dict(quant_method="awq", bits=4, group_size=32, zero_point=True, version="gemm"),
                  lambda w: quantized_layouts.awq(w, 32)),
    "qwen2_gptq": ("Qwen2", "bfloat16", dict(WIDE, tie_word_embeddings=True),
                   dict(quant_method="gptq", bits=4, group_size=16, sym=False, desc_act=True, checkpoint_format="gptq"),
                   lambda w: quantized_layouts.gptq(w, 4, 16, shuffled(w.shape[1], 16))),
    "qwen3_fp8": ("Qwen3", "bfloat16", dict(head_dim=32), dict(quant_method="fp8", activation_scheme="dynamic", weight_block_size=[32, 48]),
                  lambda w: quantized_layouts.float8(w, (32, 48), torch.float32, "weight_scale_inv")),
    "glm4_packed": ("Glm4", "bfloat16", dict(GLM, **WIDE, **rope(partial_rotary_factor=0.5)),
                    compressed("pack-quantized", group_of(num_bits=4, type="int", symmetric=False, strategy="group", group_size=32), ["lm_head"]),
                    lambda w: quantized_layouts.packed(w, 4, 32, False)),
    "mistral_int8": ("Mistral", "bfloat16", dict(sliding_window=8, **WIDE),
                     compressed("int-quantized", group_of(num_bits=8, type="int", strategy="channel"), ["re:.*lm_head"]),
                     quantized_layouts.int8),
    "llama_float8": ("Llama", "bfloat16", dict(attention_bias=True),
                     compressed("float-quantized", group_of(num_bits=8, type="float", strategy="tensor"), ["lm_head"]),
                     lambda w: quantized_layouts.float8(w, (0, 0), torch.bfloat16, "weight_scale")),
}


def quantize(model, method):
    """Gives the model the weights that its quantised modules stand for; returns their tensors."""
    tensors = {}
    for name, module in model.named_modules():
        if isinstance(module, torch.nn.Linear) and name != "lm_head":
            parts, module.weight.data = method(module.weight.data)
            tensors.update({f"{name}.{part}": tensor for part, tensor in parts.items()})
    return tensors


def fill(model, generator):
    """Random weights that make every part matter: norms away from 1, biases away from 0, attention that is not uniform."""
    tied = model.config.tie_word_embeddings
    gemma = model.config.model_type.startswith("gemma")  # whose norms multiply by 1 + weight
    scaled = gemma or hasattr(model.config, "embedding_multiplier")  # embeddings are
    for name, p in model.named_parameters():
        if name.startswith(NOT_TEXT):
            continue
        r = torch.randn(p.shape, generator=generator)
        if name.endswith("norm.weight"):
            p.data = (0 if gemma else 1) + 0.3 * r
        elif name.endswith("bias"):
            p.data = 0.3 * r
        elif "embed_tokens" in name:
            p.data = (0.05 if scaled else 0.4 if tied else 1.0) * r
        else:
            gain = 3.0 if "lm_head" in name else 1.5 if "q_proj" in name or "k_proj" in name else 1.0
            p.data = gain * r / p.shape[1] ** 0.5


def static(model):
    """The same weights, with a rotation that does not depend on the length of the text where the scaling changes it: dynamic has the
    base for the longest text, longrope the long factors if that is beyond the original context. As vLLM and Ember read them."""
    config = copy.deepcopy(model.config)
    parameters = getattr(config, "rope_parameters", None) or {}
    if parameters.get("rope_type") == "dynamic":
        dim, factor = config.head_dim, parameters["factor"]
        theta = parameters["rope_theta"] * (factor * factor - (factor - 1)) ** (dim / (dim - 2))
        config.rope_parameters = dict(rope_type="default", rope_theta=theta)
    elif parameters.get("rope_type") == "longrope" and config.original_max_position_embeddings < LONGEST:
        parameters["short_factor"] = parameters["long_factor"]
    else:
        return model
    config._attn_implementation = "eager"
    fixed = type(model)(config).eval().float()
    fixed.load_state_dict(model.state_dict())
    return fixed


def reference(model, generator):
    """The prompts with their results, and the smallest lead of a greedy choice."""
    prompts, lead = [], float("inf")
    for length in LENGTHS:
        ids = torch.randint(4, SHAPE["vocab_size"], (length,), generator=generator).tolist()
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


def make(family, settings):
    """A model and the text part of its configuration. With a vision_config it is one that sees images, too."""
    settings = {**SHAPE, **settings}
    vision = settings.pop("vision_config", None)
    name = family + ("TextConfig" if family == "Gemma3" else "Config")
    config = getattr(transformers, name)(**settings)
    config._attn_implementation = "eager"
    if vision is None:
        return getattr(transformers, family + "ForCausalLM")(config).eval().float()
    whole = getattr(transformers, family + "Config")(text_config=config, vision_config=vision, image_token_index=1, boi_token_index=1,
                                                     eoi_token_index=1, eos_token_id=settings["eos_token_id"])
    whole._attn_implementation = "eager"
    return getattr(transformers, family + "ForConditionalGeneration")(whole).eval().float()


def stored_tensors(model, dtype):
    """What a checkpoint of the model holds, without the part that sees."""
    with tempfile.TemporaryDirectory() as folder:
        model.save_pretrained(folder)
        tensors = load_file(Path(folder) / "model.safetensors")
    return {n: t.to(dtype).contiguous() for n, t in tensors.items() if not n.startswith(NOT_TEXT)}


def write(directory, family, dtype, settings, seed, quantization=None, method=None):
    model = make(family, settings)
    config = model.config
    if "norm.weight" not in str(list(model.state_dict())):
        raise ValueError(family)
    for attempt in range(200):
        generator = torch.Generator().manual_seed(seed + attempt)
        fill(model, generator)
        for p in model.parameters():
            p.data = p.data.to(getattr(torch, dtype)).float()
        quantized = quantize(model, method) if method else {}
        with torch.no_grad():
            prompts, lead = reference(static(model), generator)
        if lead > CLEAR:
            break
    else:
        raise RuntimeError(f"{directory}: no seed with clear choices")
    directory.mkdir(parents=True, exist_ok=True)
    config.architectures, config.dtype = [type(model).__name__], getattr(torch, dtype)
    config.save_pretrained(directory)
    if method:
        file = directory / "config.json"
        file.write_text(json.dumps(dict(json.loads(file.read_text()), quantization_config=quantization), indent=2) + "\n")
    (directory / "generation_config.json").write_text(json.dumps(dict(bos_token_id=1, eos_token_id=[3, 2], temperature=0.6, top_p=0.95)) + "\n")
    tensors = {n: t for n, t in stored_tensors(model, getattr(torch, dtype)).items()
               if n.replace(".weight", ".qweight") not in quantized and n.replace(".weight", ".weight_packed") not in quantized}
    tensors.update(quantized)
    save_file(tensors, directory / "model.safetensors", metadata={"format": "pt"})
    made_by = f"transformers {transformers.__version__}, torch {torch.__version__.split('+')[0]}, seed {seed + attempt}"
    (directory / "reference.json").write_text(json.dumps(dict(made_by=made_by, prompts=prompts), separators=(",", ":")) + "\n")
    print(f"{directory.name}: {made_by}, smallest lead {lead:.3f}", flush=True)


if __name__ == "__main__":
    torch.set_num_threads(1)
    for number, (name, (family, dtype, settings)) in enumerate(MODELS.items()):
        if name in sys.argv[2:] or len(sys.argv) == 2:
            write(Path(sys.argv[1]) / name, family, dtype, settings, 1000 * number)
    for number, (name, (family, dtype, settings, *quantized)) in enumerate(QUANTIZED.items()):
        if name in sys.argv[2:] or len(sys.argv) == 2:
            write(Path(sys.argv[1]) / name, family, dtype, settings, 1000 * (100 + number), *quantized)
