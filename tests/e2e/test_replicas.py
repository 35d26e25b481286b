# SPDX-License-Identifier: Apache-2.0
"""Several replicas behind one address: a crash of one is seen by no client."""
import json
import signal
import subprocess
from concurrent.futures import ThreadPoolExecutor

import pytest

from server import BIN, MODEL, MODEL_DIR, Server, clean_environment

FAKE = ("--device", "fake", "--fake-step-ms", 1)
KINDS = {
    "greedy": {"temperature": 0},
    "seeded": {"temperature": 0.9, "seed": 7},
    "several": {"temperature": 0.8, "seed": 3, "n": 2},
    "logprobs": {"temperature": 0.7, "seed": 11, "logprobs": 3},
    "penalties": {"temperature": 0.7, "seed": 5, "presence_penalty": 0.5},
    "digits": {"temperature": 0.5, "seed": 2, "structured_outputs": {"regex": "[0-9]{60}"}},
}


def body(i, **fields):
    return {"model": MODEL, "prompt": [(i * 101 + j * 7) % 6000 for j in range(20 + 9 * i)], "max_tokens": 60, "ignore_eos": True,
            "return_token_ids": True, **fields}


def whole(server, i, fields):
    response = server.post("/v1/completions", body(i, **fields))
    assert response.status_code == 200, response.text
    return [(c["index"], c["text"], c["token_ids"], c["logprobs"], c["finish_reason"]) for c in response.json()["choices"]]


def stream(server, i, fields):
    texts, ids, ends = {}, {}, {}
    with server.client.stream("POST", server.url + "/v1/completions", headers=server.headers, json=body(i, stream=True, **fields)) as response:
        assert response.status_code == 200
        for line in response.iter_lines():
            if not line.startswith("data: {"):
                continue
            for choice in json.loads(line[6:])["choices"]:
                index = choice["index"]
                texts[index] = texts.get(index, "") + choice["text"]
                ids.setdefault(index, []).extend(choice["token_ids"] or [])
                ends[index] = choice["finish_reason"] or ends.get(index)
    return texts, ids, ends


def answers(server):
    """Every kind as a whole and as a stream, all at once."""
    with ThreadPoolExecutor(2 * len(KINDS)) as pool:
        futures = [pool.submit(ask, server, i, fields) for i, fields in enumerate(KINDS.values()) for ask in (whole, stream)]
        return [future.result() for future in futures]


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    server = Server(tmp_path_factory.mktemp("undisturbed") / "log", *FAKE)
    yield answers(server)
    server.stop()


@pytest.mark.parametrize("replicas, faults", [(2, "step=15:throw"), (2, "step=10:throw,step=25:throw"), (3, "step=20:throw,step=20:throw,step=9:throw")])
def test_a_crash_is_seen_by_no_client(start, undisturbed, replicas, faults):
    server = start(*FAKE, "--data-parallel-size", replicas, "--fake-faults", faults, "--max-replays", 5)
    assert answers(server) == undisturbed
    assert answers(server) == undisturbed, "again, when all are there"
    log = server.log_path.read_text()
    assert "the engine failed" in log
    for i in range(replicas):
        assert server.metric("vllm:num_requests_running", f'engine="{i}"') == 0


@pytest.mark.parametrize("policy", ["prefix", "least", "power-of-two", "round-robin", "hash"])
def test_every_policy_answers(start, undisturbed, policy):
    server = start(*FAKE, "--dp", 2, "--routing-policy", policy)
    assert answers(server) == undisturbed
    assert server.metric("ember_router_choices_total", f'policy="{policy}"') == server.metric("ember_router_choices_total") > 0


def test_both_replicas_get_requests(start):
    server = start(*FAKE, "--dp", 2, "--routing-policy", "round-robin")
    answers(server)
    for engine in ('engine="0"', 'engine="1"'):
        assert server.metric("vllm:iteration_tokens_total_sum", engine) > 0


def test_orders_of_the_operator(start, undisturbed):
    server = start(*FAKE, "--dp", 2, "--max-replays", 9)

    def order(path, status=200, **body):
        response = server.admin.post(path, json=body)
        assert response.status_code == status, response.text
        return response.json()

    def replicas():
        return server.admin.get("/admin/replicas").json()["data"][0]

    assert [r["state"] for r in replicas()["replicas"]] == ["closed", "closed"]
    assert order("/admin/routing", policy="round-robin")["policy"] == "round-robin"
    with ThreadPoolExecutor(1) as pool:
        future = pool.submit(answers, server)
        for replica in (0, 1, 0):
            order("/admin/replicas/restart", replica=replica)
        assert future.result() == undisturbed
    assert replicas()["policy"] == "round-robin"
    assert server.metric("ember_replica_restarts_total") >= 1
    assert server.metric("ember_router_choices_total", 'policy="round-robin"') > 0
    assert server.metric("ember_replica_state", 'engine="0"') == 1
    assert order("/admin/replicas/restart", 400, replica=2)["error"]["param"] == "replica"
    assert order("/admin/routing", 400, policy="best")["error"]["param"] == "policy"


def test_a_model_on_the_cpu(server, start):
    fields = {"temperature": 0.9, "seed": 5, "logprobs": 2}
    other = start("--dp", 2, "--routing-policy", "round-robin")
    for i in range(4):
        assert whole(other, i, fields) == whole(server, i, fields)
    for engine in ('engine="0"', 'engine="1"'):
        assert other.metric("vllm:iteration_tokens_total_sum", engine) > 0


def test_a_request_ends_with_its_last_replay(start):
    server = start(*FAKE, "--dp", 2, "--fake-faults", "step=10:throw,step=10:throw", "--max-replays", 0)
    with ThreadPoolExecutor(4) as pool:
        responses = list(pool.map(lambda i: server.post("/v1/completions", body(i)), range(4)))
    assert {r.status_code for r in responses} == {503}
    assert {r.json()["error"]["code"] for r in responses} == {"engine_failed"}


def test_a_replica_that_hangs_is_left(start, undisturbed, tmp_path):
    server = Server(tmp_path / "hangs", *FAKE, "--dp", 2, "--fake-faults", "step=15:hang", "--replica-stall-timeout", 1, "--max-replays", 5)
    assert answers(server) == undisturbed
    server.terminate()
    assert server.wait() == 70, "a thread in a device's call cannot be ended"
    server.kill()


def test_the_end_when_all_are_out_of_service(tmp_path):
    server = Server(tmp_path / "log", *FAKE, "--dp", 2, "--fake-faults", "step=5:hang,step=5:hang", "--replica-stall-timeout", 0.5)
    with ThreadPoolExecutor(4) as pool:
        statuses = {r.status_code for r in pool.map(lambda i: server.post("/v1/completions", body(i)), range(4))}
    assert statuses == {503}
    assert server.wait() == 70
    server.kill()


def test_the_end_while_it_loads(tmp_path):
    log = open(tmp_path / "log", "wb")
    process = subprocess.Popen([BIN, "serve", "--model-path", str(MODEL_DIR), "--port", "0", "--admin-port", "-1", "--dp", "64"], stdout=log, stderr=log,
                               env=clean_environment())
    while b"listening" not in (tmp_path / "log").read_bytes():
        assert process.poll() is None
    process.send_signal(signal.SIGTERM)
    assert process.wait(30) == 0


@pytest.mark.parametrize("flags, words", [
    (("--dp", 2, "--device", "cuda"), "--data-parallel-size 2"),
    (("--dp", 0), "--data-parallel-size 0"),
    (("--dp", 2, "--max-replays", -1), "--max-replays -1"),
    (("--dp", 2, "--routing-policy", "best"), "--routing-policy"),
    (("--dp", 2, "--device", "fake", "--fake-faults", "step=x"), "--fake-faults"),
])
def test_refusals(flags, words):
    process = subprocess.run([BIN, "serve", "--model-path", str(MODEL_DIR), "--port", "0", "--admin-port", "-1", *map(str, flags)], capture_output=True,
                             text=True, timeout=30, env=clean_environment())
    assert process.returncode != 0
    assert words in process.stderr
