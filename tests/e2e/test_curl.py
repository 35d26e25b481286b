# SPDX-License-Identifier: Apache-2.0
"""curl as the README shows it."""
import json
import subprocess

from contract import chat_text, events
from server import MODEL

BODY = {"model": MODEL, "messages": [{"role": "user", "content": "Hello!"}], "max_tokens": 20, "temperature": 0}


def curl(server, body, *flags):
    command = ["curl", "-sS", "--max-time", "60", *flags, f"{server.url}/v1/chat/completions", "-H", "Content-Type: application/json",
               "-d", json.dumps(body)]
    return subprocess.run(command, capture_output=True, check=True).stdout.decode()


def test_whole_and_stream(server):
    whole = json.loads(curl(server, BODY))["choices"][0]["message"]["content"]
    assert whole
    assert chat_text(events(curl(server, {**BODY, "stream": True}, "-N").split("\n"))) == whole


def test_large_body_with_continue(server):
    body = {**BODY, "messages": [{"role": "user", "content": "a " * 3000}]}
    answer = json.loads(curl(server, body, "-H", "Expect: 100-continue"))
    assert answer["error"]["code"] == "context_length_exceeded"


def test_head_and_request_id(server):
    answer = curl(server, BODY, "-i", "-H", "X-Request-Id: my-id-1")
    assert answer.startswith("HTTP/1.1 200")
    assert "x-request-id: my-id-1" in answer.lower()
