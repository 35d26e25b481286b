# SPDX-License-Identifier: Apache-2.0
"""What one client sends costs nobody else anything: a stream that runs beside it is the same, bit for bit."""
import json
import os
import threading
from pathlib import Path

import pytest

from contract import check_error_body, events
from server import MODEL

NEIGHBOUR = {"model": MODEL, "prompt": "Once upon a time", "max_tokens": 150, "temperature": 0.8, "seed": 5, "ignore_eos": True, "logprobs": 2, "stream": True}
CHAT = {"model": MODEL, "messages": [{"role": "user", "content": "hi"}], "max_tokens": 2}
COMPLETION = {"model": MODEL, "prompt": "hi", "max_tokens": 2}
HI = {"role": "user", "content": "hi"}
KEYS = {f"k{i}": 1 for i in range(100_000)}
MAPS = [{f"key number {i}": i for i in range(1_000)} for _ in range(400)]
LIMIT_S = 1


def tool(parameters):
    return [{"type": "function", "function": {"name": "f", "parameters": parameters}}]


def nested(depth):
    return json.loads("[" * depth + "]" * depth)


# name: (path, body); all of them are refused
BAD = {
    "100,000 keys": ("/v1/chat/completions", {**CHAT, **KEYS}),
    "900,000 keys": ("/v1/chat/completions", {**CHAT, "x": {str(i): 1 for i in range(900_000)}}),
    "100,000 keys in metadata": ("/v1/chat/completions", {**CHAT, "metadata": KEYS}),
    "100,000 keys in a schema": ("/v1/chat/completions", {**CHAT, "tools": tool(KEYS)}),
    "400 maps of 1,000 keys": ("/v1/chat/completions", {**CHAT, "x": MAPS}),
    "100,000 biases": ("/v1/completions", {**COMPLETION, "logit_bias": {str(i): 1 for i in range(100_000)}}),
    "1,025 biases": ("/v1/completions", {**COMPLETION, "logit_bias": {str(i): 1 for i in range(1_025)}}),
    "100,000 messages": ("/v1/chat/completions", {**CHAT, "messages": [HI] * 100_000}),
    "100,000 messages to render": ("/v1/chat/completions/render", {**CHAT, "messages": [HI] * 100_000}),
    "100,000 messages to tokenize": ("/tokenize", {"messages": [HI] * 100_000}),
    "100,000 of Anthropic's messages": ("/v1/messages", {**CHAT, "messages": [HI] * 100_000}),
    "100,000 of Anthropic's blocks": ("/v1/messages", {**CHAT, "messages": [{"role": "user", "content": [{"type": "text", "text": "a"}] * 100_000}]}),
    "100,000 results of tools": ("/v1/messages", {**CHAT, "messages": [
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "a", "content": "b"}] * 1_000}] * 100}),
    "100,000 items": ("/v1/responses", {"model": MODEL, "input": [HI] * 100_000}),
    "100,000 parts": ("/v1/chat/completions", {**CHAT, "messages": [{"role": "user", "content": [{"type": "text", "text": "a"}] * 100_000}]}),
    "100,000 tools": ("/v1/chat/completions", {**CHAT, "tools": tool({}) * 100_000}),
    "100,000 stop ids": ("/v1/completions", {**COMPLETION, "stop_token_ids": [1] * 100_000}),
    "100,000 stop strings": ("/v1/completions", {**COMPLETION, "stop": ["a"] * 100_000}),
    "100,000 prompts": ("/v1/completions", {**COMPLETION, "prompt": ["a"] * 100_000}),
    "depth 900": ("/v1/chat/completions", {**CHAT, "tools": tool({"x": nested(900)})}),
    "12 MB of text": ("/v1/chat/completions", {**CHAT, "messages": [{"role": "user", "content": "a b " * 3_000_000}]}),
}


def neighbour(server):
    with server.client.stream("POST", "/v1/completions", json=NEIGHBOUR) as response:
        return [event["choices"] for event in events(response.iter_lines())]


@pytest.fixture(scope="module")
def alone(server):
    return neighbour(server)


def cpu_seconds(server):
    """Of all its threads: what a request costs, however busy the machine is with something else."""
    fields = Path(f"/proc/{server.process.pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@pytest.mark.parametrize("name", BAD)
def test_bad_requests(server, alone, name):
    path, body = BAD[name]
    content = json.dumps(body).encode()
    headers, seen = {"Content-Type": "application/json"}, []
    watch = threading.Thread(target=lambda: seen.append(neighbour(server)))
    watch.start()
    response = server.client.post(path, content=content, headers=headers)
    watch.join(120)
    assert seen == [alone]
    assert response.status_code == 400, response.text[:300]
    if path.startswith("/v1/messages"):
        assert response.json()["error"]["type"] == "invalid_request_error"
    else:
        check_error_body(response.json(), 400)
    server.wait_idle()
    before = cpu_seconds(server)
    assert server.client.post(path, content=content, headers=headers).status_code == 400
    assert cpu_seconds(server) - before < LIMIT_S


def test_a_map_of_1000_keys_is_fine(server, alone):
    body = {**COMPLETION, "x": MAPS[0], "logit_bias": {str(i): 0 for i in range(1_000)}}
    assert server.post("/v1/completions", body).status_code == 200
    assert neighbour(server) == alone


def test_all_of_it_at_once(server, alone):
    """More of them than there are threads that read requests."""
    bodies = [(path, json.dumps(body).encode()) for path, body in list(BAD.values())[:12]]
    statuses = []

    def send(path, body):
        statuses.append(server.client.post(path, content=body, headers={"Content-Type": "application/json"}).status_code)

    threads = [threading.Thread(target=send, args=one) for one in bodies]
    for thread in threads:
        thread.start()
    assert neighbour(server) == alone
    for thread in threads:
        thread.join(60)
    assert statuses == [400] * len(bodies)
