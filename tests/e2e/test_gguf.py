# SPDX-License-Identifier: Apache-2.0
"""A GGUF file of the world: what the commands and the API make of it. scripts/get_gguf_model.sh fetches it."""
import json
import os
import subprocess
from pathlib import Path

import pytest

from server import BIN, MODEL, ROOT, Server, clean_environment
from test_determinism import REQUESTS, answer, check

FILE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "ember/SmolLM2-135M-Instruct.Q4_1.gguf"
pytestmark = pytest.mark.skipif(not FILE.exists(), reason=f"wants {FILE.name}: scripts/get_gguf_model.sh fetches it (95 MB)")
FLAGS = ("--device", "cpu", "--max-model-len", 512, "--served-model-name", MODEL)
MARGIN = 0.02  # of the reference's two best logits: below it either is right


def reference():
    """transformers on the dequantised weights in float32 (scripts/check_real_models.sh --write)."""
    return json.loads((ROOT / "tests/data/smollm2_reference.json").read_text())


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


@pytest.fixture(scope="module")
def smollm2(tmp_path_factory):
    running = Server(tmp_path_factory.mktemp("smollm2") / "log", *FLAGS, model_dir=FILE)
    yield running
    running.stop()


def test_ids_are_those_of_its_own_tokenizer(smollm2):
    """200 lines in twelve scripts."""
    known = reference()
    assert len(known["lines"]) == len(known["ids"]) == 200
    for line, ids in zip(known["lines"], known["ids"]):
        assert smollm2.post("/tokenize", {"model": MODEL, "prompt": line}).json()["tokens"] == ids, repr(line)
    assert json.loads(ember("tokenize", FILE, known["lines"][0]).stdout) == known["ids"][0]


@pytest.mark.parametrize("number", range(8))
def test_greedy_tokens_are_those_of_transformers(smollm2, number):
    """Behind a token where either is right, the answer goes on with the reference's."""
    prompt = reference()["prompts"][number]
    wanted, done = prompt["greedy_ids"], 0
    while done < len(wanted):
        got = smollm2.complete(prompt["input_ids"] + wanted[:done], max_tokens=len(wanted) - done, temperature=0, ignore_eos=True,
                               return_token_ids=True).json()["choices"][0]["token_ids"]
        assert len(got) == len(wanted) - done
        done += next((i for i, (a, b) in enumerate(zip(got, wanted[done:])) if a != b), len(got))
        assert done == len(wanted) or prompt["margins"][done] < MARGIN, (done, wanted[done])
        done += 1


@pytest.fixture(scope="module")
def expected(smollm2):
    return {name: answer(smollm2, fields) for name, fields in REQUESTS.items()}


@pytest.mark.parametrize("flags", [
    ("--max-num-batched-tokens", 64, "--max-num-seqs", 8),
    ("--cpu-isa", "avx2", "--cpu-threads", 1)], ids=["chunks", "avx2"])
def test_an_answer_has_the_same_bits_in_any_company(start, expected, flags):
    server = start(*FLAGS, *flags, model_dir=FILE)
    check(server, expected, 12)


def test_a_file_that_is_cut_is_refused(tmp_path):
    data = FILE.read_bytes()
    for size in (3, 1000, len(data) // 2, len(data) - 64):
        cut = tmp_path / "cut.gguf"
        cut.write_bytes(data[:size])
        run = ember("check", cut)
        assert run.returncode == 65 and "cut.gguf" in run.stderr, run.stderr


def test_it_answers_and_stops_by_itself(smollm2):
    choice = smollm2.chat("What is the capital of France? Answer in one sentence.", temperature=0, max_tokens=64).json()["choices"][0]
    assert "Paris" in choice["message"]["content"], choice
    assert choice["finish_reason"] == "stop", choice
