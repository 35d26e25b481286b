# SPDX-License-Identifier: Apache-2.0
"""The CUDA backend behind the whole server, on the emulated GPU. Its device can be lost: see fake_runtime.cpp."""
import json
import os
import subprocess
import threading

import httpx
import pytest

from contract import check_error, check_error_body
from model_dir import ModelDir, copy_model
from server import MODEL, MODEL_DIR, Server, clean_environment

BIN = os.environ.get("EMBER_EMULATED_BIN")
pytestmark = pytest.mark.skipif(not BIN, reason="EMBER_EMULATED_BIN names no binary of the preset `emulated`")

SMALL = ("--max-num-seqs", 2, "--max-model-len", 256, "--max-num-batched-tokens", 64, "--kv-cache-memory-bytes", "16MiB")
CUDA = ("--device", "cuda", *SMALL)


@pytest.fixture
def tiny(tmp_path):
    """A model that the emulator is quick with: one narrow layer, to be filled with random weights."""
    model = ModelDir(copy_model(MODEL_DIR, tmp_path / MODEL))
    model.config(hidden_size=128, intermediate_size=128, num_attention_heads=2, num_key_value_heads=1, num_hidden_layers=1)
    return model.path


@pytest.fixture
def doomed(tmp_path, tiny):
    """doomed() -> a server with the tiny model, and what loses its device."""
    servers = []

    def start():
        file = tmp_path / "lost"
        servers.append(Server(tmp_path / "log", *CUDA, "--load-format", "dummy", binary=BIN, model_dir=tiny, env={"FAKE_CUDA_LOST_FILE": str(file)}))
        return servers[-1], file.touch

    yield start
    for server in servers:
        server.kill()


def body(**more):
    return {"model": MODEL, "prompt": "hi", "max_tokens": 200, "temperature": 0, "ignore_eos": True, **more}


class Asking(threading.Thread):
    """One request, to its end."""

    def __init__(self, server, **fields):
        super().__init__(daemon=True)
        self.server, self.body, self.status, self.lines, self.begun = server, body(**fields), None, [], threading.Event()
        self.start()

    def run(self):
        with httpx.stream("POST", self.server.url + "/v1/completions", json=self.body, timeout=60) as response:
            self.status = response.status_code
            for line in response.iter_lines():
                self.lines.append(line)
                if line.startswith("data: "):
                    self.begun.set()

    def error(self):
        """The error that ended the answer."""
        self.join(60)
        assert not self.is_alive(), "the request was not answered"
        if self.status != 200:
            return json.loads("".join(self.lines))
        data = [line[6:] for line in self.lines if line.startswith("data: ")]
        assert "[DONE]" not in data
        return json.loads(data[-1])


def readiness(server):
    try:
        return server.admin.get("/readyz").status_code
    except httpx.TransportError:
        return None  # the process is gone


def check_death(server):
    assert readiness(server) in (503, None)
    assert server.wait() == 70
    assert "the engine failed: CUDA: " in server.log() and "cudaErrorIllegalAddress" in server.log(), server.log()


def test_greedy_answers_are_the_cpus(tmp_path):
    """The demo model itself, whole and streamed in one batch."""
    fields = {"prompt": "Once upon a time", "max_tokens": 6, "logprobs": 2, "ignore_eos": False}
    answers = []
    for device in ("cpu", "cuda"):
        server = Server(tmp_path / device, "--device", device, *SMALL, binary=BIN)
        try:
            streamed = Asking(server, **fields, stream=True)
            whole = server.complete(**fields, temperature=0).json()["choices"][0]
            streamed.join(60)
            chunks = [json.loads(line[6:]) for line in streamed.lines if line.startswith("data: {")]
            assert "".join(c["choices"][0]["text"] for c in chunks if c["choices"]) == whole["text"]
            answers.append(whole)
            server.stop()
        finally:
            server.kill()
    cpu, cuda = answers
    assert cuda["text"] == cpu["text"]
    assert cuda["logprobs"]["tokens"] == cpu["logprobs"]["tokens"]
    assert cuda["logprobs"]["token_logprobs"] == pytest.approx(cpu["logprobs"]["token_logprobs"], abs=0.03)


def test_lost_device_fails_everybody(doomed):
    server, lose = doomed()
    running = [Asking(server, stream=True), Asking(server, stream=True)]
    assert all(request.begun.wait(60) for request in running)
    waiting = [Asking(server, stream=True), Asking(server)]
    server.wait_metric("vllm:num_requests_waiting", 2)
    assert readiness(server) == 200
    lose()
    for request in running + waiting:
        check_error_body(request.error(), 503, code="engine_failed")
    assert [request.status for request in running] == [200, 200] and waiting[1].status == 503
    check_death(server)


def test_lost_device_is_found_by_the_next_request(doomed):
    server, lose = doomed()
    assert server.complete().status_code == 200
    lose()
    check_error(server.complete(), 503, code="engine_failed")
    check_death(server)


def test_lost_device_while_draining(doomed):
    server, lose = doomed()
    running = Asking(server, stream=True)
    assert running.begun.wait(60)
    server.terminate()
    while readiness(server) == 200:
        pass
    lose()
    check_error_body(running.error(), 503, code="engine_failed")
    check_death(server)


@pytest.mark.parametrize("calls", [0, 8, 30, 50])
def test_lost_device_while_loading(tiny, calls):
    run = subprocess.run([BIN, "serve", "--model-path", str(tiny), "--load-format", "dummy", "--port", "0", "--admin-port", "0", *map(str, CUDA)],
                         env={**clean_environment(), "FAKE_CUDA_LOST_AFTER": str(calls)}, capture_output=True, text=True, timeout=60, check=False)
    assert run.returncode == 69, run.stderr
    errors = [line for line in run.stderr.splitlines() if line.startswith("ember: ")]
    assert len(errors) == 1 and "cudaErrorIllegalAddress" in errors[0], run.stderr


@pytest.mark.parametrize("when", ["serving", "draining"])
def test_hanging_device_fails_everybody(tmp_path, tiny, when):
    """A kernel never ends."""
    hang = tmp_path / "hang"
    server = Server(tmp_path / "log", *CUDA, "--load-format", "dummy", "--device-timeout", 5, binary=BIN, model_dir=tiny,
                    env={"FAKE_CUDA_HANG_FILE": str(hang)})
    try:
        requests = [Asking(server, stream=True), Asking(server, stream=True)]
        assert all(request.begun.wait(60) for request in requests)
        requests.append(Asking(server))
        server.wait_metric("vllm:num_requests_waiting", 1)
        if when == "draining":
            server.terminate()
            while readiness(server) == 200:
                pass
        hang.touch()
        for request in requests:
            check_error_body(request.error(), 503, code="engine_failed")
        assert server.wait() == 70
        assert "the device hangs" in server.log() and "the last call was cuda" in server.log(), server.log()
    finally:
        server.kill()


@pytest.mark.parametrize("work", [0, 8, 30, 100])
def test_hanging_device_while_loading(tiny, work):
    run = subprocess.run([BIN, "serve", "--model-path", str(tiny), "--load-format", "dummy", "--port", "0", "--admin-port", "0", *map(str, CUDA),
                          "--device-timeout", "0.5"], env={**clean_environment(), "FAKE_CUDA_HANG_AFTER": str(work)}, capture_output=True,
                         text=True, timeout=120, check=False)
    assert run.returncode == 70, run.stderr
    assert "the device hangs" in run.stderr and "ready" not in run.stderr, run.stderr


def test_switches_change_no_answer(tmp_path, tiny):
    """Each part that may be switched off to find a fault: what is left computes the same."""
    texts = {}
    for flag in ("--cuda-graphs", "--no-cuda-graphs", "--no-cuda-overlap", "--no-cuda-cublas", "--cuda-sync"):
        server = Server(tmp_path / flag, *CUDA, flag, "--load-format", "dummy", binary=BIN, model_dir=tiny)
        answer = server.complete(list(range(10, 30)), max_tokens=4, temperature=0, return_token_ids=True)
        server.stop()
        assert answer.status_code == 200, answer.text
        texts[flag] = answer.json()["choices"][0]["token_ids"]
        assert ("cuBLASLt" in server.log_path.read_text()) == (flag != "--no-cuda-cublas")
    assert len(texts["--cuda-graphs"]) == 4 and all(ids == texts["--cuda-graphs"] for ids in texts.values()), texts
