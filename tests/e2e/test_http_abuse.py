# SPDX-License-Identifier: Apache-2.0
"""Malformed, hostile and slow HTTP: each case is refused as the contract says, and leaves the server as it was."""
import json
import threading
import time

import httpx
import pytest

from contract import check_error_body
from server import MODEL, Server
from wire import chunked, completion, connect, receive, request, send, talk

INNER = b"GET /version HTTP/1.1\r\nHost: localhost\r\n\r\n"  # must stay unanswered where framing is in doubt
MAX_BODY = 1 << 20
BODY = completion()
CHUNKED = "Transfer-Encoding: chunked"
DEADLINE_S = 2
# The deadlines are shortened; every expected answer comes well before this.
SLOW_LIMIT_S = 15


@pytest.fixture(scope="module")
def http(tmp_path_factory):
    running = Server(tmp_path_factory.mktemp("http") / "log", "--device", "fake", "--max-body-bytes", MAX_BODY, "--header-timeout",
                     DEADLINE_S, "--body-timeout", DEADLINE_S, "--idle-timeout", 3)
    running.golden_answer = running.golden()
    yield running
    running.stop()


def raw(text, *more):
    return text.replace("\n", "\r\n").encode() + b"".join(more)


def get(path, *headers):
    return request("GET", path, headers=headers)


def post(*headers, body=BODY, path="/v1/completions", length=True):
    return request("POST", path, body, headers, length)


HOST = "Host: localhost\n"
# name: (bytes, statuses, must the connection close)
CASES = {
    "unknown method": (raw(f"FOO /health HTTP/1.1\n{HOST}\n"), {405}, True),
    "GET on a POST route": (get("/v1/chat/completions"), {405}, False),
    "TRACE": (raw(f"TRACE / HTTP/1.1\n{HOST}\n"), {400, 405, 501}, True),
    "CONNECT": (raw("CONNECT a:1 HTTP/1.1\nHost: a:1\n\n"), {400, 405, 501}, True),
    "HTTP/2 preface": (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", {400, 405, 505}, True),
    "no version": (raw("GET /health\n\n"), {400, 505}, True),
    "HTTP/9.9": (raw(f"GET /health HTTP/9.9\n{HOST}\n"), {400, 505}, True),
    "HTTP/2.0": (raw(f"GET /health HTTP/2.0\n{HOST}\n"), {400, 505}, True),
    "no Host": (raw("GET /health HTTP/1.1\n\n"), {400}, True),
    "two Hosts": (raw("GET /health HTTP/1.1\nHost: a\nHost: b\n\n"), {400}, True),
    "Host with space": (raw("GET /health HTTP/1.1\nHost: a b\n\n"), {400}, True),
    "unknown path": (get("/v1/nope"), {404}, False),
    "double slash": (get("//v1/models"), {404}, False),
    "trailing slash": (get("/v1/models/"), {404}, False),
    "dots": (get("/%2e%2e/etc/passwd"), {400, 404}, False),
    "bad escape": (get("/%zz"), {400, 404}, False),
    "NUL in the path": (get("/%00"), {400, 404}, False),
    "overlong UTF-8": (get("/%c0%af"), {400, 404}, False),
    "long URI": (get("/" + "a" * 9000), {414}, True),
    "long header": (get("/health", "X-A: " + "a" * 9000), {431}, True),
    "101 headers": (get("/health", *[f"X-{i}: 1" for i in range(101)]), {431}, True),
    "no colon": (raw(f"GET /health HTTP/1.1\n{HOST}nocolon\n\n"), {400}, True),
    "folded": (raw(f"GET /health HTTP/1.1\n{HOST}X-A: 1\n 2\n\n"), {400}, True),
    "NUL in a header": (raw(f"GET /health HTTP/1.1\n{HOST}X-A: 1\0002\n\n"), {400}, True),
    "bare CR": (raw(f"GET /health HTTP/1.1\n{HOST}X-A: 1\r2\n\n"), {400}, True),
    "length and chunked": (post("Content-Length: 5", CHUNKED, body=b"0\r\n\r\n" + INNER, length=False), {400}, True),
    "two lengths": (post("Content-Length: 0", f"Content-Length: {len(INNER)}", body=INNER, length=False), {400}, True),
    "space before colon": (post("Content-Length : 0", body=INNER, length=False), {400}, True),
    "signed length": (post("Content-Length: +0", body=INNER, length=False), {400}, True),
    "word as length": (post("Content-Length: abc", body=INNER, length=False), {400}, True),
    "list of lengths": (post("Content-Length: 0, 0", body=INNER, length=False), {400}, True),
    "gzip, chunked": (post("Transfer-Encoding: gzip, chunked", body=b"0\r\n\r\n" + INNER, length=False), {400, 501}, True),
    "xchunked": (post("Transfer-Encoding: xchunked", body=b"0\r\n\r\n" + INNER, length=False), {400, 501}, True),
    "chunked twice": (post(CHUNKED, CHUNKED, body=b"0\r\n\r\n" + INNER, length=False), {400, 501}, True),
    "bad chunk size": (post(CHUNKED, body=b"zz\r\n" + INNER, length=False), {400}, True),
    "length 0 and chunked": (post("Content-Length: 0", CHUNKED, body=chunked(BODY, 9), length=False), {400}, True),
    "neither length nor chunked": (post(body=b"", length=False), {400, 411}, False),
    "length above the limit": (post(f"Content-Length: {MAX_BODY + 1}", body=b"12345", length=False), {413}, True),
    "length 2^64": (post(f"Content-Length: {2**64}", body=b"12345", length=False), {400, 413}, True),
    "chunks above the limit": (post(CHUNKED, body=chunked(b" " * (MAX_BODY + 1), 65536), length=False), {413}, True),
    "body at the limit": (post(body=BODY + b" " * (MAX_BODY - len(BODY))), {200}, False),
    "body above the limit": (post(body=BODY + b" " * (MAX_BODY - len(BODY) + 1)), {413}, True),
    "chunk of 2^64-1": (post(CHUNKED, body=b"ffffffffffffffff\r\n", length=False), {400, 413, 408}, True),
    "1-byte chunks": (post(CHUNKED, body=chunked(BODY + b" " * 50000, 1), length=False), {200, 413}, False),
    "unknown expectation": (post("Expect: x"), {417}, False),
    "expectation and too long": (post("Expect: 100-continue", f"Content-Length: {MAX_BODY + 1}", body=b"", length=False), {413}, True),
    "gzip": (post("Content-Encoding: gzip"), {415}, False),
    "br": (post("Content-Encoding: br"), {415}, False),
    "zstd": (post("Content-Encoding: zstd"), {415}, False),
    "multipart": (post('Content-Type: multipart/form-data; boundary=x', body=b'--x\r\nContent-Disposition: form-data; filename*='
                           + b"a" * 65536 + b"\r\n\r\n1\r\n--x--\r\n"), {415}, False),
    "text/plain": (post("Content-Type: text/plain"), {415}, False),
    "utf-16": (post("Content-Type: application/json; charset=utf-16"), {415}, False),
    "utf-8": (post("Content-Type: application/json; charset=utf-8"), {200}, False),
    "Accept": (post("Accept: image/png"), {200}, False),
    "malformed Accept": (post("Accept: ;;,/"), {200}, False),
    "Range": (get("/v1/models", "Range: bytes=0-1"), {200}, False),
    "X-Forwarded-For": (post("X-Forwarded-For: ,"), {200}, False),
    "REMOTE_ADDR": (post("REMOTE_ADDR: 1.2.3.4"), {200}, False),
    "OPTIONS": (raw(f"OPTIONS /v1/chat/completions HTTP/1.1\n{HOST}Origin: http://a\nContent-Length: 0\n\n"), {405}, False),
    "websocket": (get("/v1/models", "Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Key: x"), {200, 400}, False),
    "h2c": (get("/v1/models", "Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: x"), {200, 400}, False),
}


@pytest.mark.parametrize("name", CASES)
def test_refused(http, name):
    data, statuses, closes = CASES[name]
    reply = talk(http.port, data)
    final = [s for s in reply.statuses if s != 100]
    assert len(final) == 1, (reply.statuses, reply.raw[:600])
    assert final[0] in statuses, reply.raw[:600]
    assert b"access-control-allow-origin" not in reply.head.lower()
    if closes:
        assert reply.closed
    if final[0] >= 400:
        assert b"application/json" in reply.head
        check_error_body(json.loads(reply.raw.split(b"\r\n\r\n")[-1]), final[0])
    if final[0] == 405 and name == "GET on a POST route":
        assert b"allow: post" in reply.head.lower()
    if name == "expectation and too long":
        assert 100 not in reply.statuses
    assert http.golden() == http.golden_answer


def test_missing_content_type_is_accepted(http):
    data = raw(f"POST /v1/completions HTTP/1.1\n{HOST}Content-Length: {len(BODY)}\n\n", BODY)
    assert talk(http.port, data).statuses == [200]


def test_continue_then_body(http):
    with connect(http.port) as sock:
        send(sock, post("Expect: 100-continue", f"Content-Length: {len(BODY)}", body=b"", length=False))
        assert receive(sock).statuses == [100]
        send(sock, BODY)
        assert receive(sock).statuses == [200]


@pytest.mark.parametrize("data", [get("/version", "Content-Length: 7") + b"GET / H", post(path="/v1/nope")], ids=["GET", "404"])
def test_unused_body_is_not_a_request(http, data):
    reply = talk(http.port, data + INNER)
    assert len(reply.statuses) <= 2, reply.raw[:900]
    assert 400 not in reply.statuses[1:]


def test_tls_on_the_plain_port(http):
    hello = bytes.fromhex("16030100c8010000c40303") + b"\x01" * 194
    assert talk(http.port, hello, limit_s=SLOW_LIMIT_S).closed
    assert http.golden() == http.golden_answer


def test_endless_headers(http):
    before = http.rss_bytes()
    with connect(http.port) as sock:
        send(sock, b"GET /health HTTP/1.1\r\nHost: a\r\n" + b"X-A: 1\r\n" * 1_000_000)
        reply = receive(sock, SLOW_LIMIT_S)
    assert reply.closed or reply.statuses == [431]
    assert http.rss_bytes() - before < 16 << 20
    assert http.golden() == http.golden_answer


@pytest.mark.parametrize("streamed", [False, True])
@pytest.mark.parametrize("path", ["/v1/completions", "/v1/chat/completions", "/v1/messages", "/v1/responses"])
def test_http_1_0_gets_no_chunks(http, path, streamed):
    """Its clients know bodies with a length, and bodies that end with the connection."""
    fields = {"input": "hi", "max_output_tokens": 3} if path == "/v1/responses" else {"max_tokens": 3}
    if path == "/v1/completions":
        fields["prompt"] = "hi"
    elif path != "/v1/responses":
        fields["messages"] = [{"role": "user", "content": "hi"}]
    body = json.dumps({"model": MODEL, "stream": streamed, **fields}).encode()
    for more in ("", "Connection: keep-alive\n"):
        reply = talk(http.port, raw(f"POST {path} HTTP/1.0\nContent-Type: application/json\n{more}Content-Length: {len(body)}\n\n", body))
        assert reply.statuses == [200] and reply.closed
        head = reply.head.lower()
        assert b"transfer-encoding" not in head and b"connection: close" in head
        if streamed:
            assert b"content-length" not in head and reply.body.startswith((b"data: ", b"event: ")) and reply.body.endswith(b"\n\n")
        else:
            assert int(head.split(b"content-length: ")[1].split(b"\r")[0]) == len(reply.body) and reply.json()["usage"]


@pytest.mark.parametrize("value", ["a%0d%0aSet-Cookie: z", "a\r\nSet-Cookie: z", "é", "x" * 10000], ids=["escaped", "raw", "latin", "long"])
def test_request_id_is_no_way_in(http, value):
    reply = talk(http.port, raw(f"GET /version HTTP/1.1\n{HOST}") + b"X-Request-Id: " + value.encode() + b"\r\n\r\n")
    assert reply.statuses[0] in (200, 400, 431)
    assert b"\nset-cookie" not in reply.head.lower()
    if value != "a%0d%0aSet-Cookie: z":  # harmless as it stands, as nothing decodes it
        assert value.encode() not in reply.head


def trickle(port, first, more, out):
    """Sends `more` one byte at a time until the server ends it."""
    started = time.monotonic()
    with connect(port) as sock:
        send(sock, first)
        sock.settimeout(0.3)
        while time.monotonic() - started < SLOW_LIMIT_S:
            send(sock, more)
            try:
                if not sock.recv(4096):
                    out.append(True)
                    return
            except TimeoutError:
                continue
            except ConnectionResetError:
                out.append(True)
                return
        out.append(False)


@pytest.mark.parametrize("first, more", [(b"GET /health HTTP/1.1\r\nHost: a\r\nX: ", b"a"), (b"", b""),
                                         (post("Content-Length: 1000", body=b"{", length=False), b" "),
                                         (post("Content-Length: 10", body=b"{1234", length=False), b""),
                                         (post(CHUNKED, body=b"5\r\n12", length=False), b"")],
                         ids=["header", "idle", "body", "stalled body", "stalled chunk"])
def test_slow_clients_are_cut_and_stop_nobody(http, first, more):
    ended = []
    threads = [threading.Thread(target=trickle, args=(http.port, first, more, ended)) for _ in range(48)]
    for t in threads:
        t.start()
    for _ in range(5):
        assert http.admin.get("/health").status_code == 200
        assert http.golden() == http.golden_answer
    for t in threads:
        t.join()
    assert ended == [True] * 48
    assert http.golden() == http.golden_answer


def test_stalled_body_is_told(http):
    reply = talk(http.port, post("Content-Length: 10", body=b"12345", length=False), limit_s=SLOW_LIMIT_S)
    assert reply.statuses == [408]
    assert reply.closed


def test_client_leaves_mid_body(http):
    received = http.metric("vllm:prompt_tokens_total")
    for _ in range(50):
        with connect(http.port) as sock:
            send(sock, post("Content-Length: 500", body=BODY, length=False))
    assert http.golden() == http.golden_answer
    assert http.metric("vllm:prompt_tokens_total") - received == http.golden_answer["usage"]["prompt_tokens"]


def test_connections_above_the_cap(start):
    capped = start("--device", "fake", "--max-connections", 20)
    golden = capped.golden()
    capped.client.close()
    held = [connect(capped.port) for _ in range(19)]
    extra = [connect(capped.port) for _ in range(30)]
    send(held[0], post())
    assert receive(held[0]).statuses == [200]
    for sock in extra[5:]:
        send(sock, post())
        reply = receive(sock, limit_s=5)
        assert reply.closed and reply.statuses in ([], [503]), reply
    for sock in held + extra:
        sock.close()
    capped.client = httpx.Client(base_url=capped.url, timeout=60)
    end = time.monotonic() + 20
    while time.monotonic() < end:  # the server notices the closed ones within a moment
        try:
            assert capped.golden() == golden
            return
        except httpx.TransportError:
            time.sleep(0.1)
    assert capped.golden() == golden


def test_pipelined_requests_are_answered_in_order(http):
    reply = talk(http.port, get("/version") + get("/v1/nope") + get("/v1/models"), quiet_s=0.5)
    assert reply.statuses in ([200, 404, 200], [200, 404], [200]), reply.raw[:900]


KEY = "sk-test-0123456789"
OPEN = {"/health", "/livez", "/readyz"}
ROUTES = [("GET", p) for p in ("/health", "/livez", "/readyz", "/v1/models", "/v1/models/demo-model", "/version", "/v1/nope")]
ROUTES += [("POST", p) for p in ("/v1/completions", "/v1/chat/completions", "/tokenize", "/detokenize")]
WRONG = ["Bearer sk-test-0123456789 x", f"Bearer {KEY.upper()}", KEY, f"Basic {KEY}", f"Bearer {KEY[:-1]}", ""]


@pytest.fixture(scope="module")
def locked(tmp_path_factory):
    running = Server(tmp_path_factory.mktemp("locked") / "log", "--device", "fake", "--api-key", KEY)
    running.headers = {"Authorization": f"Bearer {KEY}"}
    yield running
    running.stop()


@pytest.mark.parametrize("method, path", ROUTES)
def test_deny_by_default(locked, method, path):
    expected_open = path in OPEN
    status = locked.client.request(method, path, json={} if method == "POST" else None).status_code
    assert status == (200 if expected_open else 401)
    with_key = locked.client.request(method, path, json={} if method == "POST" else None, headers=locked.headers)
    assert with_key.status_code != 401


@pytest.mark.parametrize("value", WRONG)
def test_almost_the_key(locked, value):
    response = locked.client.get("/v1/models", headers={"Authorization": value})
    assert response.status_code == 401
    check_error_body(response.json(), 401, code="invalid_api_key")
    assert KEY not in response.text


def test_key_in_the_query(locked):
    assert locked.client.get(f"/v1/models?api_key={KEY}").status_code == 401
    assert locked.client.get("/v1/models", headers=locked.headers).status_code == 200
