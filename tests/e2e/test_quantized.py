# SPDX-License-Identifier: Apache-2.0
"""Quantised checkpoints from config.json to the answer: the demo model with one module of each layout, against the same model with the
numbers that the codes stand for."""
import json
import struct
import subprocess

import pytest

from model_dir import INDEX, SHARDS, ModelDir, copy_model
from server import BIN, MODEL_DIR, clean_environment

MODULE = "model.layers.3.self_attn.k_proj"
ROWS, COLUMNS, GROUP = 128, 384, 64


def halves(values):
    return struct.unpack(f"<{len(values)}e", struct.pack(f"<{len(values)}e", *values))


def codes_and_scales(rows):
    """Four bits each, and a scale for each group, with 8 for zero."""
    scales = [halves([max(map(abs, row[g:g + GROUP])) / 7 for g in range(0, COLUMNS, GROUP)]) for row in rows]
    codes = [[max(0, min(15, round(w / scales[n][k // GROUP]) + 8)) for k, w in enumerate(row)] for n, row in enumerate(rows)]
    made = [[scales[n][k // GROUP] * (code - 8) for k, code in enumerate(row)] for n, row in enumerate(codes)]
    return codes, scales, made


def words(codes, order=range(8)):
    return struct.pack(f"<{len(codes) // 8}I", *(sum(codes[i + c] << (4 * place) for place, c in enumerate(order))
                                                 for i in range(0, len(codes), 8)))


def columns_of(matrix):
    return [list(column) for column in zip(*matrix)]


def packed(codes, scales):
    config = dict(quant_method="compressed-tensors", format="pack-quantized", ignore=["lm_head"], config_groups=dict(group_0=dict(
        targets=["Linear"], weights=dict(num_bits=4, type="int", strategy="group", group_size=GROUP))))
    return config, {
        "weight_packed": ("I32", [ROWS, COLUMNS // 8], b"".join(map(words, codes))),
        "weight_scale": ("F16", [ROWS, COLUMNS // GROUP], b"".join(struct.pack(f"<{len(row)}e", *row) for row in scales)),
        "weight_shape": ("I64", [2], struct.pack("<2q", ROWS, COLUMNS))}


def awq(codes, scales):
    order, zeros = (0, 2, 4, 6, 1, 3, 5, 7), [8] * ROWS
    return dict(quant_method="awq", bits=4, group_size=GROUP, zero_point=True, version="gemm"), {
        "qweight": ("I32", [COLUMNS, ROWS // 8], b"".join(words(column, order) for column in columns_of(codes))),
        "qzeros": ("I32", [COLUMNS // GROUP, ROWS // 8], words(zeros) * (COLUMNS // GROUP)),
        "scales": ("F16", [COLUMNS // GROUP, ROWS], b"".join(struct.pack(f"<{ROWS}e", *group) for group in zip(*scales)))}


def gptq(codes, scales):
    by_row = [words(row) for row in codes]
    qweight = b"".join(by_row[n][4 * k:4 * k + 4] for k in range(COLUMNS // 8) for n in range(ROWS))
    return dict(quant_method="gptq", bits=4, group_size=GROUP, sym=True, desc_act=False), {
        "qweight": ("I32", [COLUMNS // 8, ROWS], qweight),
        "qzeros": ("I32", [COLUMNS // GROUP, ROWS // 8], words([7] * ROWS) * (COLUMNS // GROUP)),
        "scales": ("F16", [COLUMNS // GROUP, ROWS], awq(codes, scales)[1]["scales"][2]),
        "g_idx": ("I32", [COLUMNS], struct.pack(f"<{COLUMNS}i", *(k // GROUP for k in range(COLUMNS))))}


LAYOUTS = {"packed": packed, "awq": awq, "gptq": gptq}


def replace(model, tensors):
    """Instead of the module's weight."""
    shard = next(i for i in range(len(SHARDS)) if MODULE + ".weight" in model.header(i)[0])
    header, data = model.header(shard)
    header["old"] = header.pop(MODULE + ".weight")  # its bytes may not be a hole
    for part, (dtype, shape, raw) in tensors.items():
        header[f"{MODULE}.{part}"] = dict(dtype=dtype, shape=shape, data_offsets=[len(data), len(data) + len(raw)])
        data += raw
    model.write_shard(header, data, shard)

    def edit(index):
        del index["weight_map"][MODULE + ".weight"]
        index["weight_map"].update({f"{MODULE}.{part}": SHARDS[shard] for part in tensors})
    model.edit_json(INDEX, edit)


@pytest.fixture(scope="module")
def weights():
    model = ModelDir(MODEL_DIR)
    shard = next(i for i in range(len(SHARDS)) if MODULE + ".weight" in model.header(i)[0])
    header, data = model.header(shard)
    begin, end = header[MODULE + ".weight"]["data_offsets"]
    assert header[MODULE + ".weight"]["shape"] == [ROWS, COLUMNS]
    numbers = struct.unpack(f"<{ROWS * COLUMNS}e", data[begin:end])
    return codes_and_scales([numbers[n * COLUMNS:(n + 1) * COLUMNS] for n in range(ROWS)])


@pytest.fixture
def quantized(weights, tmp_path):
    def make(layout):
        codes, scales, _ = weights
        (tmp_path / layout).mkdir()
        model = ModelDir(copy_model(MODEL_DIR, tmp_path / layout / "demo-model"))
        config, tensors = LAYOUTS[layout](codes, scales)
        replace(model, tensors)
        model.config(quantization_config=config)
        return model
    return make


@pytest.fixture
def exact(weights, tmp_path):
    """The model with the numbers that the codes stand for."""
    (tmp_path / "exact").mkdir()
    model = ModelDir(copy_model(MODEL_DIR, tmp_path / "exact" / "demo-model"))
    replace(model, {"weight": ("F32", [ROWS, COLUMNS], b"".join(struct.pack(f"<{COLUMNS}f", *row) for row in weights[2]))})
    return model


def ember(*arguments):
    return subprocess.run([BIN, *map(str, arguments)], capture_output=True, text=True, timeout=120, check=False, env=clean_environment())


@pytest.mark.parametrize("layout", LAYOUTS)
def test_the_commands_agree(quantized, layout):
    model = quantized(layout)
    run = ember("check", model.path, "--deep")
    assert run.returncode == 0, run.stderr
    kept = json.loads(ember("plan", model.path, "--device", "cpu", "--json").stdout)
    assert kept["weight_formats"] == "float16, Q4_0"
    made = json.loads(ember("plan", model.path, "--device", "cpu", "--json", "--dtype", "float16").stdout)
    assert made["weight_formats"] == "float16 (from Q4_0)"
    assert made["weight_bytes"] - kept["weight_bytes"] == ROWS * COLUMNS * (16 - 4.5) / 8
    run = ember("bench", "model", model.path, "--device", "cpu", "--decode", "1x16", "--prefill", 16, "--steps", 4, "--repetitions", 1)
    assert run.returncode == 0, run.stderr
    load = json.loads(run.stdout.splitlines()[0])
    assert load["weight_bytes"] == kept["weight_bytes"], load


def test_answers_are_those_of_the_numbers(start, quantized, exact):
    expected = start("--dtype", "float32", model_dir=exact.path).golden()
    for layout in LAYOUTS:
        assert start("--dtype", "float32", model_dir=quantized(layout).path).golden() == expected, layout


def test_as_blocks_it_says_the_same(start, quantized, exact):
    expected = start(model_dir=exact.path).golden()["choices"][0]["text"]
    for layout in LAYOUTS:
        server = start(model_dir=quantized(layout).path)
        assert server.golden()["choices"][0]["text"] == expected, layout


@pytest.mark.parametrize("config, words", [
    (dict(quant_method="bitsandbytes", load_in_4bit=True), ["quantization_config.quant_method", "bitsandbytes", "compressed-tensors"]),
    (dict(quant_method="gptq", bits=3), ["quantization_config.bits", "4 or 8", "3"]),
    (dict(quant_method="awq", bits=4, version="gemv"), ["quantization_config.version", "gemm", "gemv"]),
    (dict(quant_method="awq", bits=4, group_size=50), ["qweight", "multiple of the group size 50"]),
], ids=["Q1", "Q2", "Q3", "Q4"])
def test_what_is_not_supported_is_named(quantized, config, words):
    model = quantized("awq")
    model.config(quantization_config=config)
    for command in ("check", "plan", "serve"):
        run = ember(command, model.path, *(("--device", "cpu") if command != "check" else ()))
        assert run.returncode == 65, (command, run.stderr)
        line = run.stderr.strip().splitlines()[-1]
        for word in words:
            assert word in line, (word, line)
