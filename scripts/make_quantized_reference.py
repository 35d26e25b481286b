#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes tests/data/quantized_modules.json: small modules that the libraries of each format quantised and packed, with the weights
that the same libraries make of them.

Usage: scripts/make_quantized_reference.py OUT_FILE   (needs torch, compressed-tensors, autoawq and gptqmodel)

Tensors are hexadecimal bytes; the weights [out, in] are those of the libraries' own dequantisation, in float32.
"""
import json
import math
import sys
from importlib.metadata import version

import torch
from awq.modules.linear.gemm import WQLinear_GEMM
from awq.utils.packing_utils import dequantize_gemm
from compressed_tensors.compressors import BaseCompressor
from compressed_tensors.quantization import QuantizationArgs, QuantizationScheme
from gptqmodel.nn_modules.qlinear.torch import TorchLinear

TYPES = {torch.int32: "I32", torch.int64: "I64", torch.int8: "I8", torch.float16: "F16", torch.bfloat16: "BF16", torch.float32: "F32",
         torch.float8_e4m3fn: "F8_E4M3"}


def ranges(weight, bits, group, symmetric, groups=None):
    """Scale and zero point [out, groups] of codes from 0 to 2^bits - 1."""
    rows, columns = weight.shape
    top = 2 ** bits - 1
    order = torch.arange(columns) // group if groups is None else groups
    scales, zeros = [], []
    for g in range(columns // group):
        part = weight[:, order == g]
        low, high = part.min(1).values.clamp(max=0), part.max(1).values.clamp(min=0)
        if symmetric:
            high = torch.maximum(high, -low)
            low = -high
        scale = ((high - low) / top).half().float()
        zeros.append(torch.full((rows,), float((top + 1) // 2)) if symmetric else (-low / scale).round().clamp(0, top))
        scales.append(scale)
    return torch.stack(scales, 1), torch.stack(zeros, 1)


def linear(weight):
    module = torch.nn.Linear(weight.shape[1], weight.shape[0], bias=False)
    module.weight.data = weight.clone()
    return module


def awq(weight, group):
    scales, zeros = ranges(weight, 4, group, False)
    module = WQLinear_GEMM.from_linear(linear(weight), 4, group, scales=scales.T.contiguous(), zeros=zeros.T.contiguous())
    tensors = dict(qweight=module.qweight, qzeros=module.qzeros, scales=module.scales)
    made = dequantize_gemm(module.qweight, module.qzeros, module.scales.float(), 4, group)
    return dict(quant_method="awq", bits=4, group_size=group, zero_point=True, version="gemm"), tensors, made.T


def gptq(weight, bits, group, symmetric, v2, act_order):
    columns = weight.shape[1]
    width = columns if group == -1 else group
    groups = torch.arange(columns) // width
    if act_order:
        groups = groups[torch.randperm(columns)]
    scales, zeros = ranges(weight, bits, width, symmetric, groups)
    module = TorchLinear(bits=bits, group_size=group, sym=symmetric, desc_act=act_order, in_features=columns, out_features=weight.shape[0])
    module.pack_original(linear(weight), scales, zeros, groups.to(torch.int32))
    made = module.scales.float()[module.g_idx.long()] * (codes_of(module, bits, columns) - zeros.T[module.g_idx.long()])
    if not v2:  # as convert_gptq_v2_to_v1_format_module does it
        module.qzeros -= 0x11111111 if bits == 4 else 0x01010101
    tensors = dict(qweight=module.qweight, qzeros=module.qzeros, scales=module.scales, g_idx=module.g_idx)
    config = dict(quant_method="gptq", bits=bits, group_size=group, sym=symmetric, desc_act=act_order,
                  checkpoint_format="gptq_v2" if v2 else "gptq")
    return config, tensors, made.T


def codes_of(module, bits, columns):
    """The codes [in, out], as the library's dequantisation unpacks them."""
    shifts = torch.arange(0, 32, bits, dtype=torch.int32).view(1, -1, 1)
    codes = torch.bitwise_right_shift(module.qweight.unsqueeze(1), shifts) & (2 ** bits - 1)
    return codes.reshape(columns, -1).float()


def compressed(weight, format, group=None, block=None, dtype=torch.bfloat16, **args):
    if group:
        args.update(group_size=group)
    if block:
        args.update(block_structure=block)
    arguments = QuantizationArgs(**args)
    rows, columns = weight.shape
    height, width = {"tensor": (rows, columns), "channel": (1, columns), "group": (1, group), "block": block}[arguments.strategy]
    down, across = math.ceil(rows / height), math.ceil(columns / width)
    padded = torch.zeros(down * height, across * width)
    padded[:rows, :columns] = weight
    blocks = padded.reshape(down, height, across, width)
    low, high = blocks.amin((1, 3)).clamp(max=0), blocks.amax((1, 3)).clamp(min=0)
    largest = 448.0 if arguments.type == "float" else 2.0 ** (arguments.num_bits - 1) - 0.5
    zeros = None
    if arguments.symmetric:
        scale = (torch.maximum(high, -low) / largest).to(dtype)
    else:
        scale = ((high - low) / (2 * largest)).to(dtype)
        half = 2 ** (arguments.num_bits - 1)
        zeros = (-half - low / scale.float()).round().clamp(-half, half - 1).to(torch.int8)
    if arguments.strategy == "tensor":
        scale = scale.reshape(1)
    scheme = QuantizationScheme(targets=["Linear"], weights=arguments, format=format)
    compressor = BaseCompressor.get_value_from_registry(format)
    state = dict(weight=weight, weight_scale=scale, weight_zero_point=zeros)
    tensors = {n: t for n, t in compressor.compress(state, scheme).items() if t is not None}
    single = {n: t.float() if n == "weight_scale" else t for n, t in tensors.items()}
    made = compressor.decompress(single, scheme)["weight"]
    config = dict(quant_method="compressed-tensors", format=format, ignore=["lm_head"], quantization_status="compressed",
                  config_groups=dict(group_0=scheme.model_dump(mode="json")))
    return config, tensors, made


def cases():
    """Name and what makes it, for a weight of 32 outputs and 64 inputs."""
    yield "awq_32", awq, (32,)
    yield "awq_row", awq, (64,)
    for v2 in (False, True):
        for act_order in (False, True):
            yield f"gptq{'_v2' if v2 else ''}{'_act_order' if act_order else ''}", gptq, (4, 32, False, v2, act_order)
    yield "gptq_symmetric", gptq, (4, 16, True, False, False)
    yield "gptq_8_row", gptq, (8, -1, False, False, False)
    yield "gptq_8_v2", gptq, (8, 32, False, True, True)
    for bits in (4, 8):
        for symmetric in (True, False):
            kind = f"packed_{bits}{'' if symmetric else '_asymmetric'}"
            yield kind, compressed, ("pack-quantized",), dict(num_bits=bits, type="int", symmetric=symmetric, strategy="group", group=16)
            yield kind + "_channel", compressed, ("pack-quantized",), dict(num_bits=bits, type="int", symmetric=symmetric, strategy="channel")
    for strategy in ("channel", "tensor"):
        yield "int8_" + strategy, compressed, ("int-quantized",), dict(num_bits=8, type="int", strategy=strategy)
    yield "int8_asymmetric", compressed, ("int-quantized",), dict(num_bits=8, type="int", symmetric=False, strategy="channel")
    for strategy in ("tensor", "channel"):
        yield "float8_" + strategy, compressed, ("float-quantized",), dict(num_bits=8, type="float", strategy=strategy)
    yield "float8_block", compressed, ("float-quantized",), dict(num_bits=8, type="float", strategy="block", block=[24, 48], dtype=torch.float32)


if __name__ == "__main__":
    torch.manual_seed(1)
    modules = {}
    for name, make, arguments, *named in cases():
        weight = torch.randn(32, 64) * 0.1
        weight[:8] += 0.35  # zero points at the ends of their range
        weight[8:12] -= 0.35
        config, tensors, made = make(weight, *arguments, **(named[0] if named else {}))
        if float((made.float() - weight).abs().max()) > 0.1:
            raise ValueError(name)
        modules[name] = dict(
            quantization_config=config,
            tensors={n: dict(type=TYPES[t.dtype], shape=list(t.shape), data=t.contiguous().flatten().view(torch.uint8).numpy().tobytes().hex())
                     for n, t in tensors.items()},
            weights=made.float().contiguous().numpy().tobytes().hex())
    libraries = ("compressed-tensors", "autoawq", "gptqmodel")
    made_by = {library: version(library) for library in libraries}
    with open(sys.argv[1], "w", encoding="utf-8") as file:
        json.dump(dict(made_by=made_by, modules=modules), file, indent=0)
        file.write("\n")
