# SPDX-License-Identifier: Apache-2.0
"""Directories without a tokenizer.json, and --tokenizer."""
import json
import re
import shutil
import subprocess

import pytest

from model_dir import ModelDir, copy_model
from server import BIN, MODEL, MODEL_DIR, ROOT, clean_environment

DATA = ROOT / "tests/data/sentencepiece"
REFERENCE = json.loads((DATA / "reference.json").read_text())
# Where a text spells a special token, the program makes the token of it and the libraries do not.
TEXTS = [i for i, text in enumerate(REFERENCE["texts"]) if text and not re.search("<(unk|s|/s|pad)>", text)][::15]


def ember(*arguments, text=None):
    return subprocess.run([BIN, *map(str, arguments)], input=text, capture_output=True, text=True, timeout=60, check=False, env=clean_environment())


def ids(*arguments, text):
    run = ember("tokenize", *arguments, text=text)
    assert run.returncode == 0, run.stderr
    return json.loads(run.stdout)


def refused(*arguments, words):
    run = ember(*arguments)
    assert run.returncode == 65, (run.returncode, run.stderr)
    lines = [line for line in run.stderr.splitlines() if line.startswith("ember:")]
    assert len(lines) == 1, run.stderr
    for word in words:
        assert word in lines[0], lines[0]


@pytest.fixture
def directory(tmp_path):
    def make(model, name="tokenizer.model", **config):
        shutil.copy(DATA / model, tmp_path / name)
        (tmp_path / "tokenizer_config.json").write_text(json.dumps(config))
        return tmp_path
    return make


@pytest.mark.parametrize("name", ["bpe_llama", "unigram_t5"])
def test_ids_are_those_of_the_sentencepiece_library(directory, name):
    path = directory(f"{name}.model")
    for i in TEXTS:
        text = REFERENCE["texts"][i]
        assert ids(path, "--no-special-tokens", text=text) == REFERENCE["models"][name]["ids"][i], text


def test_ids_are_those_of_the_tiktoken_library(directory):
    path = directory("ranks.tiktoken", "vocabulary.tiktoken", tokenizer_class="ChatGLM4Tokenizer")
    for i in TEXTS:
        text = REFERENCE["texts"][i]
        assert ids(path, "--no-special-tokens", text=text) == REFERENCE["tiktoken"][i], text
    assert ids(path, text="a") == [702, 704, *ids(path, "--no-special-tokens", text="a")]


def test_tokenizers_that_only_their_code_describes_are_refused_by_name(directory):
    refused("tokenize", directory("bpe_llama.model", tokenizer_class="OddTokenizer"), "text", words=["tokenizer_config.json", "OddTokenizer", "LlamaTokenizer"])


def test_a_broken_file_is_refused(directory):
    path = directory("bpe_llama.model")
    data = (path / "tokenizer.model").read_bytes()
    for cut in (b"", data[:1], data[:1000], b"version https://git-lfs.github.com/spec/v1\n"):
        (path / "tokenizer.model").write_bytes(cut)
        refused("tokenize", path, "text", words=["tokenizer.model"])


def test_another_tokenizer_serves(start, tmp_path):
    model = ModelDir(copy_model(MODEL_DIR, tmp_path / "demo-model"))
    (tmp_path / "other").mkdir()
    for name in ("tokenizer.json", "tokenizer_config.json"):
        shutil.move(model.path / name, tmp_path / "other" / name)
    refused("check", model.path, words=["tokenizer.json"])
    assert ember("check", model.path, "--tokenizer", tmp_path / "other").returncode == 0
    assert start("--tokenizer", tmp_path / "other", model_dir=model.path).golden() == start().golden()


def test_a_tokenizer_with_more_tokens_than_the_model_is_refused(tmp_path):
    model = ModelDir(copy_model(MODEL_DIR, tmp_path / "model"))
    assert ember("check", model.path).returncode == 0
    model.edit_json("tokenizer.json", lambda json: json["model"]["vocab"].update({"one more": 6144}))
    refused("check", model.path, words=["tokenizer.json", "ids up to 6144", "vocab_size is 6144"])


def test_added_tokens_without_a_row_in_the_model_are_text(start, directory, tmp_path):
    """As Gemma 3 of 1B has one for images."""
    model = ModelDir(copy_model(MODEL_DIR, tmp_path / "demo-model"))
    token = dict(id=6144, content="<image_soft_token>", single_word=False, lstrip=False, rstrip=False, normalized=False, special=True)
    model.edit_json("tokenizer.json", lambda json: json["added_tokens"].append(token))
    server = start(model_dir=model.path)
    for body in (dict(model=MODEL, prompt="<image_soft_token>"), dict(model=MODEL, messages=[dict(role="user", content="<image_soft_token>")])):
        found = server.post("/tokenize", body).json()["tokens"]
        assert len(found) > 5 and max(found) < 6144, found
    assert server.golden() == start().golden()
    path = directory("bpe_llama.model", added_tokens_decoder={"6144": {"content": "<x>"}})
    assert ember("check", MODEL_DIR, "--tokenizer", path).returncode == 0
