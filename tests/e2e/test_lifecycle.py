# SPDX-License-Identifier: Apache-2.0
"""Start, drain, stop, clients that leave, queues that fill."""
import json
import signal
import socket
import subprocess
import threading
import time

import httpx
import pytest

from contract import check_error, check_error_body, completion_text, events
from server import BIN, MODEL, MODEL_DIR, Server, clean_environment
from wire import connect, receive, request, send, completion

SLOW = ("--device", "fake", "--fake-step-ms", 20)


def body(tokens=100, **more):
    return {"model": MODEL, "prompt": "hi", "max_tokens": tokens, "temperature": 0, "ignore_eos": True, **more}


class Streaming(threading.Thread):
    """Reads one stream; `lines` when it has ended, `error` if it broke."""

    def __init__(self, server, tokens, until="begun"):
        super().__init__(daemon=True)
        self.server, self.tokens, self.lines, self.error = server, tokens, [], None
        self.accepted, self.begun = threading.Event(), threading.Event()
        self.start()
        assert getattr(self, until).wait(30), f"the stream was not {until}"

    def run(self):
        try:
            with httpx.stream("POST", self.server.url + "/v1/completions", json=body(self.tokens, stream=True), timeout=60) as response:
                self.accepted.set()
                for line in response.iter_lines():
                    self.lines.append(line)
                    if line.startswith("data: "):
                        self.begun.set()
        except httpx.TransportError as e:
            self.error = e


def test_sigterm_lets_streams_finish(start):
    server = start(*SLOW)
    want = server.post("/v1/completions", body()).json()["choices"][0]["text"]
    streams = [Streaming(server, 100) for _ in range(4)]
    server.terminate()
    end = time.monotonic() + 10
    while server.admin.get("/readyz").status_code == 200 and time.monotonic() < end:
        time.sleep(0.01)
    assert server.admin.get("/livez").status_code == 200
    refused = server.complete()
    check_error(refused, 503)
    assert int(refused.headers["retry-after"]) >= 1
    for stream in streams:
        stream.join(30)
        assert stream.error is None
        assert completion_text(events(stream.lines)) == want
    assert server.wait() == 0


def test_second_sigterm_ends_at_once(start):
    server = start(*SLOW, "--shutdown-timeout", 600)
    stream = Streaming(server, 1900)
    server.terminate()
    time.sleep(0.2)
    server.terminate()
    assert server.wait(15) == 0
    stream.join(10)
    assert "data: [DONE]" not in stream.lines


def test_shutdown_timeout_cuts_with_an_error_event(start):
    server = start(*SLOW, "--shutdown-timeout", 1)
    stream = Streaming(server, 1900)
    server.terminate()
    assert server.wait(20) == 0
    stream.join(10)
    assert "data: [DONE]" not in stream.lines
    assert any('"error"' in line for line in stream.lines)


@pytest.mark.parametrize("draining", [False, True])
def test_a_device_that_hangs_ends_the_server(tmp_path, draining):
    """Its engine's thread does not come back: everybody is told, and the process ends."""
    server = Server(tmp_path / "log", "--device", "fake", "--fake-step-ms", 60000, "--device-timeout", 0.2)
    try:
        streams = [Streaming(server, 100, until="accepted") for _ in range(2)]
        if draining:
            server.terminate()
        for stream in streams:
            stream.join(30)
            assert stream.error is None, "the connection broke without an answer"
            data = [line[6:] for line in stream.lines if line.startswith("data: ")]
            check_error_body(json.loads(data[-1]), 503, code="engine_failed")
        assert server.wait(30) == 70
        assert "the device hangs" in server.log()
    finally:
        server.kill()


def test_a_stopped_process_is_not_taken_for_a_hanging_device(start):
    server = start(*SLOW, "--device-timeout", 0.5)
    stream = Streaming(server, 50)
    server.process.send_signal(signal.SIGSTOP)
    time.sleep(2)
    server.process.send_signal(signal.SIGCONT)
    stream.join(60)
    assert stream.error is None and "data: [DONE]" in stream.lines
    server.stop()


@pytest.mark.parametrize("flag", ["port", "admin_port"])
def test_port_in_use(start, flag):
    server = start("--device", "fake")
    ports = {"port": 0, "admin_port": 0, flag: getattr(server, flag)}
    run = subprocess.run([BIN, "serve", str(MODEL_DIR), "--device", "fake", "--port", str(ports["port"]), "--admin-port",
                          str(ports["admin_port"])], capture_output=True, text=True, timeout=60, check=False, env=clean_environment())
    assert run.returncode == 75, run.stderr
    assert str(ports[flag]) in run.stderr
    assert server.golden()


LONG_PROMPT = [(i * 31) % 6000 for i in range(1500)]
PHASES = {  # (fields, wait until this metric is at least 1)
    "decode, streaming": (body(1900, stream=True), "vllm:num_requests_running"),
    "decode, whole": (body(1900), "vllm:num_requests_running"),
    "prefill": (body(400, prompt=LONG_PROMPT), "vllm:num_requests_running"),
    "queued, streaming": (body(1900, stream=True), "vllm:num_requests_waiting"),
    "queued, whole": (body(1900), "vllm:num_requests_waiting"),
}


@pytest.mark.parametrize("phase", PHASES)
def test_client_leaves(start, phase):
    fields, metric = PHASES[phase]
    server = start(*SLOW, "--max-num-seqs", 1, "--max-num-batched-tokens", 16)
    blocker = None
    if phase.startswith("queued"):
        blocker = connect(server.port)
        send(blocker, request(body=completion(max_tokens=1900, ignore_eos=True)))
        server.wait_metric("vllm:num_requests_running", 1)
    leaver = connect(server.port)
    send(leaver, request(body=json.dumps(fields).encode()))
    server.wait_metric(metric, 1)
    leaver.close()
    server.wait_metric(metric, 0, 15)
    if blocker:
        assert server.metric("vllm:num_requests_running") == 1, "the neighbour goes on"
        blocker.close()
    server.wait_idle(15)


def test_half_close_is_a_disconnect(start):
    server = start(*SLOW)
    with connect(server.port) as sock:
        send(sock, request(body=completion(max_tokens=1900, ignore_eos=True, stream=True)))
        server.wait_metric("vllm:num_requests_running", 1)
        sock.shutdown(socket.SHUT_WR)
        server.wait_idle(15)


def test_client_that_does_not_read_is_cut(start):
    server = start("--device", "fake", "--write-timeout", 2)
    with socket.socket() as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
        sock.connect(("127.0.0.1", server.port))
        fields = {"n": 8, "max_tokens": 2000, "ignore_eos": True, "stream": True, "logprobs": 5}
        send(sock, request(body=completion(**fields)))
        server.wait_idle(60)
        assert server.golden()


def test_queue_full(start):
    server = start(*SLOW, "--max-num-seqs", 1, "--max-num-queued-reqs", 2)
    held = []
    for running, waiting in ((1, 0), (1, 1), (1, 2)):
        held.append(connect(server.port))
        send(held[-1], request(body=completion(max_tokens=1900, ignore_eos=True)))
        server.wait_metric("vllm:num_requests_running", running)
        server.wait_metric("vllm:num_requests_waiting", waiting)
    refused = server.complete()
    check_error(refused, 429, code="queue_full")
    assert 1 <= int(refused.headers["retry-after"]) <= 36
    for sock in held:
        sock.close()
    server.wait_idle()
    assert server.complete().status_code == 200


def test_retry_after_is_what_the_queue_takes(start):
    """Queued tokens by the measured speed: 50 steps a second, of one token each while a single answer is written."""
    server = start(*SLOW, "--max-num-seqs", 1, "--max-num-queued-reqs", 1)
    queued = 700
    with connect(server.port) as running, connect(server.port) as waiting:
        send(running, request(body=completion(max_tokens=1900, ignore_eos=True)))
        end = time.monotonic() + 30
        while server.client.get("/status").json()["tokens_per_second"] == 0 and time.monotonic() < end:
            time.sleep(0.05)
        send(waiting, request(body=completion(prompt=[(i * 31) % 6000 for i in range(queued)], max_tokens=1)))
        server.wait_metric("vllm:num_requests_waiting", 1)
        seen = set()
        for path in ("/v1/completions", "/v1/chat/completions", "/v1/messages", "/v1/responses"):
            rate = server.client.get("/status").json()["tokens_per_second"]
            refused = server.post(path, {"model": MODEL})
            assert refused.status_code == 429
            seconds = int(refused.headers["retry-after"])
            seen.add(seconds)
            assert 0.6 * queued / rate < seconds < 1.6 * queued / rate or seconds == 30, (seconds, queued, rate)
        assert min(seen) > 5, "far from the least"


def test_queue_timeout(start):
    server = start(*SLOW, "--max-num-seqs", 1, "--queue-timeout", 1)
    with connect(server.port) as blocker:
        send(blocker, request(body=completion(max_tokens=1900, ignore_eos=True)))
        server.wait_metric("vllm:num_requests_running", 1)
        waited = server.complete()
        check_error(waited, 503, code="queue_timeout")
        assert int(waited.headers["retry-after"]) >= 1


def test_request_timeout(start):
    server = start(*SLOW, "--request-timeout", 1)
    check_error(server.post("/v1/completions", body(1900)), 504, code="deadline_exceeded")
    with server.client.stream("POST", "/v1/completions", json=body(1900, stream=True)) as response:
        lines = list(response.iter_lines())
    assert "data: [DONE]" not in lines
    assert any('"deadline_exceeded"' in line for line in lines)


def test_keep_alive_comments_while_queued(start):
    server = start(*SLOW, "--max-num-seqs", 1, "--sse-keep-alive-interval", 1)
    with connect(server.port) as blocker, connect(server.port) as waiting:
        send(blocker, request(body=completion(max_tokens=1900, ignore_eos=True)))
        server.wait_metric("vllm:num_requests_running", 1)
        send(waiting, request(body=completion(stream=True)))
        reply = receive(waiting, limit_s=15, quiet_s=4)
        assert b"\n:" in reply.raw


def test_keep_alive_connection_serves_many(start):
    server = start("--device", "fake")
    with connect(server.port) as sock:
        for _ in range(300):
            send(sock, request(body=completion()))
            assert receive(sock, quiet_s=0.02).statuses == [200]
