# SPDX-License-Identifier: Apache-2.0
"""A GGUF file of the world: what the commands and the API make of it. scripts/get_gguf_model.sh fetches it."""
import json
import os
import subprocess
from pathlib import Path

import pytest

from server import BIN, ROOT, clean_environment

FILE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "ember/SmolLM2-135M-Instruct.Q4_1.gguf"
pytestmark = pytest.mark.skipif(not FILE.exists(), reason=f"wants {FILE.name}: scripts/get_gguf_model.sh fetches it (95 MB)")
# As transformers' tokenizer gives them with the pre-tokenizer of SmolLM2's own tokenizer.json (digits one by one, then GPT-2's).
IDS = {
    "Hello world, 123 wörld": [19556, 905, 28, 216, 33, 34, 35, 267, 29989, 400],
    "½ ² ³ Ⅷ ٣٤٥": [16738, 216, 19133, 216, 39050, 216, 173, 223, 117, 216, 164, 113, 164, 114, 164, 115],
}


def ember(*arguments):
    return subprocess.run([BIN, *map(str, arguments)], capture_output=True, text=True, timeout=120, check=False, env=clean_environment())


def test_the_file_is_sound():
    run = ember("check", FILE, "--deep")
    assert run.returncode == 0, run.stderr
    assert "LlamaForCausalLM, 30 layers, vocabulary of 49152, context of 8192" in run.stdout
    plan = json.loads(ember("plan", FILE, "--device", "cpu", "--json").stdout)
    assert plan["weight_formats"] == "Q4_1, Q8_0"
    assert 91 << 20 < plan["weight_bytes"] < 94 << 20, "106.2 million weights of 5 bits, 28.3 million of 8.5"
    plan = json.loads(ember("plan", FILE, "--device", "cpu", "--cpu-activations", "float", "--json").stdout)
    assert plan["weight_formats"] == "float16 (from Q4_1, Q8_0)"
    assert 256 << 20 < plan["weight_bytes"] < 260 << 20, "134.5 million weights as float16"


@pytest.mark.parametrize("text", IDS, ids=range(len(IDS)))
def test_ids_are_those_of_its_own_tokenizer(text):
    assert json.loads(ember("tokenize", FILE, text).stdout) == IDS[text]


def test_a_file_that_is_cut_is_refused(tmp_path):
    data = FILE.read_bytes()
    for size in (3, 1000, len(data) // 2, len(data) - 64):
        cut = tmp_path / "cut.gguf"
        cut.write_bytes(data[:size])
        run = ember("check", cut)
        assert run.returncode == 65 and "cut.gguf" in run.stderr, run.stderr


def test_it_answers_and_stops_by_itself(start):
    server = start("--device", "cpu", "--max-model-len", "1024", model_dir=FILE)
    body = {"model": "SmolLM2-135M-Instruct.Q4_1", "temperature": 0, "max_tokens": 64,
            "messages": [{"role": "user", "content": "What is the capital of France? Answer in one sentence."}]}
    answer = server.client.post("/v1/chat/completions", json=body).json()
    assert "Paris" in answer["choices"][0]["message"]["content"], answer
    assert answer["choices"][0]["finish_reason"] == "stop", answer
