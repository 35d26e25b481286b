# SPDX-License-Identifier: Apache-2.0
"""The tensors of quantised modules as Hugging Face checkpoints store them. Each function takes a weight [out, in] and returns its tensors
by the names behind the module's, and the weight that they stand for, in float32. scripts/make_quantized_reference.py checks the same
layouts against the libraries that write them."""
import torch

AWQ_ORDER = (0, 2, 4, 6, 1, 3, 5, 7)


def ranges(weight, groups, top, dtype, symmetric):
    """Scale and zero point [out, groups]; groups: that of each column."""
    scales, zeros = [], []
    for g in range(int(groups.max()) + 1):
        part = weight[:, groups == g]
        low, high = part.amin(1).clamp(max=0), part.amax(1).clamp(min=0)
        if symmetric:
            high = torch.maximum(high, -low)
            low = -high
        scale = ((high - low) / top).to(dtype).float()
        scales.append(scale)
        zeros.append(torch.full_like(scale, (top + 1) // 2) if symmetric else (-low / scale).round().clamp(0, top))
    return torch.stack(scales, 1), torch.stack(zeros, 1)


def integers(weight, bits, group, dtype, symmetric, groups=None):
    """Codes, scales, zero points and what they stand for."""
    if groups is None:
        groups = torch.arange(weight.shape[1]) // (group or weight.shape[1])
    scales, zeros = ranges(weight, groups, 2 ** bits - 1, dtype, symmetric)
    codes = (weight / scales[:, groups] + zeros[:, groups]).round().clamp(0, 2 ** bits - 1)
    return codes.to(torch.int64), scales.to(dtype), zeros.to(torch.int64), scales[:, groups] * (codes - zeros[:, groups])


def words(codes, bits, order=None):
    """Neighbours in a row as words of 32 bits, the first one lowest."""
    per_word = 32 // bits
    padded = torch.nn.functional.pad(codes, (0, -codes.shape[1] % per_word)).reshape(codes.shape[0], -1, per_word)
    if order:
        padded = padded[:, :, list(order)]
    packed = (padded << (torch.arange(per_word) * bits)).sum(-1)
    return torch.where(packed >= 2 ** 31, packed - 2 ** 32, packed).to(torch.int32).contiguous()


def awq(weight, group):
    codes, scales, zeros, made = integers(weight, 4, group, torch.float16, False)
    return dict(qweight=words(codes.T, 4, AWQ_ORDER), qzeros=words(zeros.T, 4, AWQ_ORDER), scales=scales.T.contiguous()), made


def gptq(weight, bits, group, groups):
    codes, scales, zeros, made = integers(weight, bits, group, torch.float16, False, groups)
    less_one = torch.zeros_like(zeros.T[:, ::32 // bits]) + sum(1 << (bits * i) for i in range(32 // bits))
    stored = (words(zeros.T, bits).to(torch.int64) - less_one + 2 ** 31) % 2 ** 32 - 2 ** 31  # of whole words
    return dict(qweight=words(codes, bits).T.contiguous(), qzeros=stored.to(torch.int32), scales=scales.T.contiguous(),
                g_idx=groups.to(torch.int32)), made


def packed(weight, bits, group, symmetric):
    codes, scales, zeros, made = integers(weight, bits, group, torch.bfloat16, symmetric)
    tensors = dict(weight_packed=words(codes, bits), weight_scale=scales, weight_shape=torch.tensor(weight.shape))
    if not symmetric:
        tensors["weight_zero_point"] = words(zeros.T, bits).T.contiguous()
    return tensors, made


def int8(weight):
    codes, scales, _, made = integers(weight, 8, 0, torch.float32, True)
    return dict(weight=(codes - 128).to(torch.int8), weight_scale=scales), made


def float8(weight, block, dtype, name):
    """block: of rows and columns that share a scale; 0: all."""
    height, width = (b or n for b, n in zip(block, weight.shape))
    down, across = -(-weight.shape[0] // height), -(-weight.shape[1] // width)
    scale = torch.stack([torch.stack([part.abs().max() / 448 for part in rows.split(width, 1)]) for rows in weight.split(height, 0)]).to(dtype)
    spread = scale.float().repeat_interleave(height, 0).repeat_interleave(width, 1)[:weight.shape[0], :weight.shape[1]]
    codes = (weight / spread).clamp(-448, 448).to(torch.float8_e4m3fn)
    return {"weight": codes, name: scale.reshape(1) if (down, across) == (1, 1) else scale}, spread * codes.float()
