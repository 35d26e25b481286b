# SPDX-License-Identifier: Apache-2.0
"""HTTP as bytes: what no client library would send."""
import json
import re
import socket
import time
from dataclasses import dataclass

STATUS = re.compile(rb"(?:^|\n|(?<=[}\]]))HTTP/1\.[01] (\d{3}) ")


@dataclass
class Reply:
    raw: bytes
    closed: bool
    seconds: float

    @property
    def statuses(self):
        return [int(s) for s in STATUS.findall(self.raw)]

    @property
    def head(self):
        return self.raw.split(b"\r\n\r\n")[0]

    @property
    def body(self):
        return self.raw.split(b"\r\n\r\n", 1)[1]

    def json(self):
        return json.loads(self.body)


def receive(sock, limit_s=20.0, quiet_s=0.3):
    """Reads until the peer closes, or nothing has come for quiet_s after a first answer."""
    raw, closed, started = b"", False, time.monotonic()
    while time.monotonic() - started < limit_s:
        sock.settimeout(quiet_s if STATUS.search(raw) else limit_s)
        try:
            part = sock.recv(65536)
        except TimeoutError:
            break
        except (ConnectionResetError, BrokenPipeError):
            closed = True
            break
        if not part:
            closed = True
            break
        raw += part
    return Reply(raw, closed, time.monotonic() - started)


def connect(port):
    return socket.create_connection(("127.0.0.1", port), timeout=20)


def send(sock, data):
    try:
        sock.sendall(data)
    except (ConnectionResetError, BrokenPipeError):
        pass  # refused before all of it was read; the answer is still to be had


def talk(port, data, limit_s=20.0, quiet_s=0.3):
    with connect(port) as sock:
        send(sock, data)
        return receive(sock, limit_s, quiet_s)


def request(method="POST", path="/v1/completions", body=b"", headers=(), length=True):
    lines = [f"{method} {path} HTTP/1.1", "Host: localhost", *headers]
    if length and (body or method == "POST"):
        lines.append(f"Content-Length: {len(body)}")
    if method == "POST" and not any(h.lower().startswith("content-type") for h in headers):
        lines.append("Content-Type: application/json")
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def completion(**fields):
    return json.dumps({"model": "demo-model", "prompt": "hi", "max_tokens": 2, **fields}).encode()


def chunked(data, size):
    parts = [data[i:i + size] for i in range(0, len(data), size)]
    return b"".join(b"%x\r\n%s\r\n" % (len(p), p) for p in parts) + b"0\r\n\r\n"
