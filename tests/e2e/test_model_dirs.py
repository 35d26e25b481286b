# SPDX-License-Identifier: Apache-2.0
"""`ember check` on broken model directories: exit status 65 and one line that names what is wrong and where."""
import json
import os
import shutil
import struct
import subprocess

import pytest

from model_dir import INDEX, SHARDS, ModelDir, copy_model
from server import BIN, MODEL_DIR, clean_environment

SHARD = SHARDS[0]
LIMIT_S = 60


@pytest.fixture(scope="session")
def pristine(tmp_path_factory):
    target = tmp_path_factory.mktemp("pristine") / "demo-model"
    shutil.copytree(MODEL_DIR, target)
    return target


@pytest.fixture
def model(pristine, tmp_path):
    return ModelDir(copy_model(pristine, tmp_path / "demo-model"))


def check(path, *flags):
    return subprocess.run([BIN, "check", str(path), *flags], capture_output=True, text=True, timeout=LIMIT_S, check=False,
                          env=clean_environment())


def refused(path, *words, flags=(), status=65):
    run = check(path, *flags)
    assert run.returncode == status, (run.returncode, run.stdout, run.stderr)
    lines = [line for line in run.stderr.splitlines() if line.startswith("ember:")]
    assert len(lines) == 1, run.stderr
    for word in words:
        assert word.lower() in lines[0].lower(), (word, lines[0])


def tensor(**fields):
    return lambda m: m.edit_tensor(lambda entry: entry.update(fields))


def first_header(change):
    """change(header, data) -> (header, data) of the first shard."""
    def apply(m):
        m.write_shard(*change(*m.header()))
    return apply


def hole(header, data):
    for name, entry in header.items():
        if name != "__metadata__" and entry["data_offsets"][0] > 0:
            entry["data_offsets"] = [x + 8 for x in entry["data_offsets"]]
    return header, data + b"\0" * 8


def overlap(header, data):
    names = sorted((k for k in header if k != "__metadata__"), key=lambda k: header[k]["data_offsets"])
    size = header[names[1]]["data_offsets"][1] - header[names[1]]["data_offsets"][0]
    header[names[1]]["data_offsets"] = [0, size]
    return header, data


def duplicate(header, data):
    text = json.dumps(header)
    name = next(k for k in header if k != "__metadata__")
    return (text[:-1] + f', "{name}": ' + json.dumps(header[name]) + "}").encode(), data


def index_names(value):
    def apply(m):
        def edit(content):
            name = next(k for k, v in content["weight_map"].items() if v == SHARD)
            content["weight_map"][name] = value
        m.edit_json(INDEX, edit)
    return apply


def link_to_itself(name):
    def apply(m):
        (m.path / name).unlink(missing_ok=True)
        (m.path / name).symlink_to(name)
        if name == "special_tokens_map.json":  # read only where the other lists no tokens
            m.edit_json("tokenizer_config.json", lambda c: c.pop("added_tokens_decoder", None))
    return apply


def fifo(m):
    m.remove(SHARD)
    os.mkfifo(m.path / SHARD)


def directory(m):
    m.remove(SHARD)
    (m.path / SHARD).mkdir()


def absent_tensor(m):
    m.edit_json(INDEX, lambda c: c["weight_map"].update({"model.layers.0.extra.weight": SHARD}))


def missing_tensor(m):
    header, data = m.header(1)
    name = next(k for k in header if "mlp" in k)
    header["renamed"] = header.pop(name)
    m.write_shard(header, data, 1)
    m.edit_json(INDEX, lambda c: c["weight_map"].update({"renamed": c["weight_map"].pop(name)}))


def tokenizer(edit):
    return lambda m: m.edit_json("tokenizer.json", edit)


def vocab_hole(content):
    vocab = content["model"]["vocab"]
    vocab[next(k for k, v in vocab.items() if v == 300)] = 301


def nan_weight(m):
    header, data = m.header()
    name = min((k for k in header if k != "__metadata__"), key=lambda k: header[k]["data_offsets"])
    m.write_shard(header, struct.pack("<H", 0x7E00) + data[2:])
    return name


# name: (break it, words of the message)
CASES = {
    "empty shard": (lambda m: m.write(SHARD, b""), [SHARD]),
    "seven bytes": (lambda m: m.write(SHARD, b"\0" * 7), [SHARD]),
    "header of length 0": (lambda m: m.write(SHARD, struct.pack("<Q", 0) + b"x"), [SHARD]),
    "header longer than the file": (lambda m: m.write(SHARD, struct.pack("<Q", 1000) + b"{}"), [SHARD]),
    "header of length 2^64-1": (lambda m: m.write(SHARD, struct.pack("<Q", 2**64 - 1) + b"{}"), [SHARD]),
    "header of 100 MB + 1": (lambda m: m.write(SHARD, struct.pack("<Q", 100_000_001) + b"{}"), [SHARD]),
    "file cut": (lambda m: m.write(SHARD, m.read(SHARD)[:-1]), [SHARD]),
    "file cut in half": (lambda m: m.write(SHARD, m.read(SHARD)[:6_000_000]), [SHARD]),
    "begin after end": (tensor(data_offsets=[8, 0]), [SHARD]),
    "overlap": (first_header(overlap), [SHARD]),
    "hole": (first_header(hole), [SHARD]),
    "bytes after the last tensor": (lambda m: m.write(SHARD, m.read(SHARD) + b"PK"), [SHARD]),
    "shape and size differ": (tensor(shape=[1, 1]), [SHARD]),
    "huge shape": (tensor(shape=[2**40, 2**40]), [SHARD]),
    "product that wraps": (tensor(shape=[2**32, 2**32]), [SHARD]),
    "negative": (tensor(shape=[-1, -1]), [SHARD]), "fraction": (tensor(shape=[1.5]), [SHARD]),
    "nine dimensions": (tensor(shape=[1] * 9), [SHARD]),
    "unknown dtype": (tensor(dtype="F8_WEIRD"), [SHARD]), "dtype a number": (tensor(dtype=5), [SHARD]),
    "no dtype": (lambda m: m.edit_tensor(lambda e: e.pop("dtype")), [SHARD]),
    "duplicate name": (first_header(duplicate), [SHARD]),
    "no JSON": (first_header(lambda h, d: (b"{nonsense", d)), [SHARD]),
    "array": (first_header(lambda h, d: (b"[]", d)), [SHARD]),
    "invalid UTF-8": (first_header(lambda h, d: (b'{"\xff": 1}', d)), [SHARD]),
    "leading space": (first_header(lambda h, d: (b" " + json.dumps(h).encode(), d)), [SHARD]),
    "shard outside": (index_names("../../x.safetensors"), [INDEX]),
    "absolute shard": (index_names("/dev/zero"), [INDEX]),
    "FIFO": (fifo, [SHARD]), "directory": (directory, [SHARD]),
    **{f"link to itself: {name}": (link_to_itself(name), [name]) for name in (
        SHARD, INDEX, "model.safetensors", "config.json", "generation_config.json", "tokenizer.json", "tokenizer_config.json",
        "special_tokens_map.json")},
    "shard with a long name": (index_names("x" * 300), ["x" * 100]),
    "shard missing": (lambda m: m.remove(SHARD), [SHARD]),
    "index names an absent tensor": (absent_tensor, ["model.layers.0.extra.weight"]),
    "tensor missing": (missing_tensor, ["mlp"]),
    "wrong shape for the config": (lambda m: m.config(intermediate_size=1024), ["mlp"]),
    "no config": (lambda m: m.remove("config.json"), ["config.json"]),
    "empty config": (lambda m: m.write("config.json", ""), ["config.json"]),
    "config an array": (lambda m: m.write("config.json", "[]"), ["config.json"]),
    "config of 50 MB": (lambda m: m.write("config.json", b" " * 50_000_000), ["config.json"]),
    "deep config": (lambda m: m.write("config.json", '{"a":' * 100_000 + "1" + "}" * 100_000), ["config.json"]),
    **{f"hidden_size {v}": (lambda m, v=v: m.config(hidden_size=v), ["hidden_size"]) for v in (0, -1, 2**31, "4096", 1e30)},
    **{f"layers {v}": (lambda m, v=v: m.config(num_hidden_layers=v), ["num_hidden_layers"]) for v in (0, 10**6)},
    **{f"KV heads {v}": (lambda m, v=v: m.config(num_key_value_heads=v), ["num_key_value_heads"]) for v in (0, 7, 4)},
    "vocab_size": (lambda m: m.config(vocab_size=6145), ["vocab"]),
    **{f"context {v}": (lambda m, v=v: m.config(max_position_embeddings=v), ["max_position_embeddings"]) for v in (0, 2**40)},
    "rope_theta 0": (lambda m: m.config(rope_theta=0), ["rope_theta"]),
    "unknown rope_scaling": (lambda m: m.config(rope_scaling={"rope_type": "odd", "factor": 2}), ["rope"]),
    "odd head_dim": (lambda m: m.config(head_dim=63), ["head_dim"]),
    "unknown architecture": (lambda m: m.config(architectures=["OddForCausalLM"]), ["OddForCausalLM"]),
    "unknown torch_dtype": (lambda m: m.config(torch_dtype="float7"), ["dtype"]),
    "quantised": (lambda m: m.config(quantization_config={"quant_method": "odd"}), ["quantization"]),
    "no tokenizer": (lambda m: m.remove("tokenizer.json"), ["tokenizer.json"]),
    "tokenizer cut": (lambda m: m.write("tokenizer.json", m.read("tokenizer.json")[:1000]), ["tokenizer.json"]),
    "duplicate token id": (tokenizer(vocab_hole), ["tokenizer.json"]),
    "merge of unknown tokens": (tokenizer(lambda c: c["model"]["merges"].append(["qqqqzz", "zzqqq"])), ["tokenizer.json"]),
    "EOS out of range": (lambda m: m.edit_json("generation_config.json", lambda c: c.update(eos_token_id=6144)), ["eos_token_id"]),
    "template error": (lambda m: m.edit_json("tokenizer_config.json", lambda c: c.update(chat_template="{% if %}")), ["template"]),
}


@pytest.mark.parametrize("name", CASES)
def test_refused(model, name):
    damage, words = CASES[name]
    damage(model)
    refused(model.path, *words)


def test_links_may_lead_anywhere(model):
    for path in [p for p in model.path.iterdir() if p.is_file()]:
        outside = model.path.parent / f"outside {path.name}"
        os.rename(path, outside)
        path.symlink_to(outside)
    run = check(model.path, "--deep")
    assert run.returncode == 0, run.stderr


def test_whole_model_passes(model):
    for flags in ((), ("--deep",)):
        run = check(model.path, *flags)
        assert run.returncode == 0, run.stderr


def test_template_absent_passes(model):
    model.edit_json("tokenizer_config.json", lambda c: c.pop("chat_template", None))
    assert check(model.path).returncode == 0


def test_nan_is_found_with_deep(model):
    refused(model.path, nan_weight(model), flags=["--deep"])


@pytest.mark.parametrize("name", ["x" * 300, "x" * 300 + ".gguf"], ids=["directory", "GGUF"])
def test_a_long_name(tmp_path, name):
    refused(tmp_path / name, name)


@pytest.mark.parametrize("kind", ["file", "absent", "empty", "other format"])
def test_no_model(tmp_path, kind):
    path = tmp_path / "x"
    if kind == "file":
        path.write_text("x")
    elif kind != "absent":
        path.mkdir()
    if kind == "other format":
        (path / "model.gguf").write_bytes(b"GGUF")
    refused(path, str(path))


@pytest.mark.parametrize("percent", range(0, 100, 7))
def test_cut_anywhere(model, percent):
    raw = model.read(SHARDS[1])
    model.write(SHARDS[1], raw[:len(raw) * percent // 100])
    refused(model.path, SHARDS[1])


def test_nothing_is_written(start, model):
    before = {f.name: f.stat().st_mtime_ns for f in model.path.iterdir()}
    first, second = start(model_dir=model.path), start(model_dir=model.path)
    assert first.golden()["choices"] == second.golden()["choices"]
    assert {f.name: f.stat().st_mtime_ns for f in model.path.iterdir()} == before


def test_weights_cut_while_serving(start, model):
    shard = model.path / SHARD
    model.write(SHARD, model.read(SHARD))  # a file of its own, not a link
    server = start(model_dir=model.path)
    golden = server.golden()
    os.truncate(shard, 1000)
    assert server.golden() == golden


@pytest.mark.parametrize("data, words", [(b"", "0 bytes"), (b"PK\3\4 an archive", "does not begin with"), (b"GGUF\1\0\0\0", "version 1"),
                                         (b"GGUF\3\0\0\0" + b"\xff" * 16, "tensors, expected at most")], ids=["G1", "G2", "G3", "G4"])
def test_a_broken_gguf_file(tmp_path, data, words):
    (tmp_path / "model.gguf").write_bytes(data)
    refused(tmp_path / "model.gguf", "model.gguf", words)
    refused(tmp_path, "model.gguf", words)


def test_a_gguf_file_that_is_not_there(tmp_path):
    refused(tmp_path / "absent.gguf", "absent.gguf", "missing")
