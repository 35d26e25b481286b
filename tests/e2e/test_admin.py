# SPDX-License-Identifier: Apache-2.0
"""What operators ask and order through the admin listener."""
import signal
import time

import openai
import pytest

from contract import check_error, events
from server import MODEL
from wire import completion, connect, receive, request, send

SLOW = ("--device", "fake", "--fake-step-ms", 20)
LONG = {"max_tokens": 1900, "ignore_eos": True}


def ask(server, sock, request_id, **fields):
    send(sock, request(body=completion(**{**LONG, **fields}), headers=[f"X-Request-Id: {request_id}"]))


def admin(server, path, method="GET", status=200, **kwargs):
    response = server.admin.request(method, path, headers=server.headers, **kwargs)
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/json"
    return response.json()


def wait_for(condition, limit_s=20):
    end = time.monotonic() + limit_s
    while time.monotonic() < end:
        if found := condition():
            return found
        time.sleep(0.02)
    raise AssertionError("it did not happen")


def listed(server):
    return {r["id"]: r for r in admin(server, "/admin/requests")["data"]}


@pytest.mark.parametrize(("target", "cut"), [(0, False), (1, True)])
def test_a_prompt_beside_an_answer_keeps_to_the_steps_time(start, target, cut):
    """No step of the demo model takes less than a millisecond, so the prompt no more than doubles each and is cut small."""
    server = start("--step-time-target", target, "--no-enable-prefix-caching")
    with connect(server.port) as first, connect(server.port) as second:
        ask(server, first, "first", stream=True)
        wait_for(lambda: listed(server).get("first", {}).get("state") == "decode")
        ask(server, second, "second", prompt=[(i * 31) % 6000 for i in range(400)], max_tokens=2)
        assert receive(second).statuses == [200]
        (ended,) = wait_for(lambda: admin(server, "/admin/requests/second")["sequences"])
        assert (ended["prefill_chunks"] > 1) == cut, ended
        admin(server, "/admin/requests/first", "DELETE")


def test_list_explain_and_abort(start):
    server = start(*SLOW, "--max-num-seqs", 1, "--max-num-batched-tokens", 16)
    assert admin(server, "/admin/requests") == {"object": "list", "data": []}
    with connect(server.port) as first, connect(server.port) as second, connect(server.port) as third:
        ask(server, first, "first", stream=True)
        wait_for(lambda: listed(server).get("first", {}).get("state") == "decode")
        ask(server, second, "second", prompt=[(i * 31) % 6000 for i in range(1500)], max_tokens=100)
        wait_for(lambda: "second" in listed(server))
        ask(server, third, "third", n=2)
        wait_for(lambda: server.metric("vllm:num_requests_waiting") == 3)
        rows = listed(server)
        assert list(rows) == ["first", "second", "third"], "oldest first"
        assert [r["state"] for r in rows.values()] == ["decode", "queued", "queued"]
        assert rows["first"]["stream"] and not rows["second"]["stream"]
        assert rows["third"]["num_sequences"] == 2
        assert rows["first"]["client"] == "127.0.0.1" and rows["first"]["path"] == "/v1/completions"
        assert rows["first"]["output_tokens"] > 0 and rows["second"]["prompt_tokens"] == 1500

        waiting = admin(server, "/admin/requests/third")["sequences"]
        assert len(waiting) == 2
        assert waiting[0]["behind"] == ["first", "second"]
        assert waiting[0]["running_on_arrival"] == 1 and waiting[0]["waiting_on_arrival"] == 1

        aborted = admin(server, "/admin/requests/first", "DELETE")
        assert aborted == {"id": "first", "aborted": ["cmpl-first"]}
        lines = receive(first).body.decode()
        assert '"code":"aborted"' in lines and "[DONE]" not in lines
        ended = wait_for(lambda: (r := admin(server, "/admin/requests/first"))["state"] == "ended" and r["sequences"] and r)
        assert ended["status"] == 503
        assert ended["sequences"][0]["state"] == "ended" and ended["sequences"][0]["steps"] > 1

        wait_for(lambda: listed(server)["second"]["state"] == "prefill")
        wait_for(lambda: listed(server)["second"]["state"] == "decode")
        second_now = admin(server, "/admin/requests/cmpl-second")["sequences"][0]
        assert second_now["steps_waited_for"]["slot"] > 0
        assert second_now["prefill_chunks"] == 94 and second_now["prefill_s"] > 0.5  # 1500 tokens by 16
        assert any("--max-num-seqs" in line for line in second_now["why"])

        admin(server, "/admin/requests/third", "DELETE")  # while it is queued
        reply = receive(third)
        assert reply.statuses == [503] and reply.json()["error"]["code"] == "aborted"
        assert b"x-should-retry: false" in reply.head and b"retry-after" not in reply.head.lower()
        admin(server, "/admin/requests/second", "DELETE")
        assert receive(second).statuses == [503]
    server.wait_idle()
    assert admin(server, "/admin/requests")["data"] == []


def test_abort_frees_blocks_within_a_step(start):
    server = start("--device", "fake", "--fake-step-ms", 300)
    with connect(server.port) as sock:
        ask(server, sock, "big", prompt=list(range(1000)), max_tokens=1000)
        wait_for(lambda: server.metric("vllm:kv_cache_usage_perc") > 0)
        before = wait_for(lambda: admin(server, "/admin/requests/big")["sequences"])[0]["steps"]
        admin(server, "/admin/requests/big", "DELETE")
        wait_for(lambda: server.metric("vllm:kv_cache_usage_perc") == 0)
        after = wait_for(lambda: admin(server, "/admin/requests/big")["sequences"])[0]
        assert after["state"] == "ended" and after["kv_blocks"] > 0
        assert after["steps"] - before <= 2, "the step that ran when it was asked about, and the one that ran at the abort"


def test_the_ended_are_explained(start):
    server = start("--device", "fake")
    prompt = list(range(100, 164))
    for name in ("cold", "warm"):
        server.client.post("/v1/completions", json={"model": MODEL, "prompt": prompt, "max_tokens": 5, "ignore_eos": True}, headers={"X-Request-Id": name})
    cold, warm = (wait_for(lambda n=n: (r := admin(server, f"/admin/requests/{n}"))["sequences"] and r) for n in ("cold", "warm"))
    assert cold["status"] == warm["status"] == 200
    assert cold["cached_tokens"] == 0 and 0 < warm["cached_tokens"] < 64
    assert cold["sequences"][0]["steps"] == 5 and cold["sequences"][0]["output_tokens"] == 5
    # Ended by a stop string: the engine is told by a cancel.
    text = server.complete("A story", max_tokens=40, temperature=0).json()["choices"][0]["text"]
    server.client.post("/v1/completions", json={"model": MODEL, "prompt": "A story", "max_tokens": 1900, "temperature": 0, "stop": text[3:6]},
                       headers={"X-Request-Id": "stopped"})
    stopped = wait_for(lambda: (r := admin(server, "/admin/requests/stopped"))["sequences"] and r)
    assert stopped["status"] == 200 and stopped["sequences"][0]["state"] == "ended"


def test_the_client_that_left_is_explained(start):
    server = start(*SLOW)
    with connect(server.port) as sock:
        ask(server, sock, "leaver")
        server.wait_metric("vllm:num_requests_running", 1)
    server.wait_idle()
    gone = wait_for(lambda: (r := admin(server, "/admin/requests/leaver"))["sequences"] and r)
    assert gone["status"] == 499


def test_two_requests_of_one_id_are_both_aborted(start):
    server = start(*SLOW)
    with connect(server.port) as a, connect(server.port) as b:
        for sock in (a, b):
            ask(server, sock, "twin")
        server.wait_metric("vllm:num_requests_running", 2)
        assert admin(server, "/admin/requests/twin", "DELETE")["aborted"] == ["cmpl-twin"] * 2
        assert receive(a).statuses == receive(b).statuses == [503]


def test_unknown_ids(fake):
    for method in ("GET", "DELETE"):
        for name in ("nope", "a" * 900, "%00", "..%2f"):
            check_error(fake.admin.request(method, f"/admin/requests/{name}"), 404, code="request_not_found")
    done = fake.complete()
    check_error(fake.admin.delete("/admin/requests/" + done.json()["id"]), 404, code="request_not_found")
    check_error(fake.admin.post("/admin/requests/nope"), 405)
    check_error(fake.admin.get("/admin/drain"), 405)


def test_an_openai_client_does_not_retry_what_was_aborted(start):
    server = start(*SLOW)
    client = openai.OpenAI(base_url=server.url + "/v1", api_key="x", max_retries=5)
    stream = client.completions.create(model=MODEL, prompt="hi", stream=True, max_tokens=1900, extra_body={"ignore_eos": True}, extra_headers={"X-Request-Id": "s"})
    next(iter(stream))
    admin(server, "/admin/requests/s", "DELETE")
    with pytest.raises(openai.APIError, match="aborted"):
        list(stream)
    server.wait_idle()


def test_drain(start):
    server = start(*SLOW)
    with connect(server.port) as sock:
        ask(server, sock, "last", stream=True, max_tokens=60)
        server.wait_metric("vllm:num_requests_running", 1)
        for _ in range(2):  # it is idempotent
            assert admin(server, "/admin/drain", "POST") == {"status": "draining", "unfinished": 1}
        refused = server.complete()
        check_error(refused, 503, code="draining")
        assert 1 <= int(refused.headers["retry-after"]) <= 30
        assert refused.headers["connection"] == "close"
        for one in (server.client, server.admin):
            assert one.get("/readyz").status_code == 503
            assert one.get("/livez").json() == {"status": "draining"}
        body = receive(sock, quiet_s=3).body
        assert body.rstrip().endswith(b"data: [DONE]\n\n\r\n0") and len(body) > 1000
    assert admin(server, "/admin/drain", "POST")["unfinished"] == 0
    assert server.process.poll() is None
    server.terminate()
    assert server.wait(10) == 0


def test_keys_of_the_admin_listener_and_reload(start, tmp_path):
    keys = tmp_path / "keys"
    keys.write_text("sk-old\n")
    keys.chmod(0o600)
    server = start("--device", "fake", "--api-key-file", keys)
    paths = [("GET", "/metrics"), ("GET", "/admin/requests"), ("GET", "/admin/requests/x"), ("DELETE", "/admin/requests/x"), ("POST", "/admin/drain"),
             ("POST", "/admin/reload"), ("GET", "/nope")]
    for method, path in paths:
        for headers in ({}, {"Authorization": "Bearer sk-olD"}, {"x-api-key": "sk-old"}):
            check_error(server.admin.request(method, path, headers=headers), 401, code="invalid_api_key")
    for path in ("/livez", "/readyz", "/health"):
        assert server.admin.get(path).status_code == 200
    old, new = {"Authorization": "Bearer sk-old"}, {"Authorization": "Bearer sk-new"}
    keys.write_text("sk-new\nsk-newer\n")
    assert server.admin.post("/admin/reload", headers=old).json() == {"status": "reloaded", "num_api_keys": 2}
    assert server.client.get("/v1/models", headers=old).status_code == 401
    assert server.client.get("/v1/models", headers=new).status_code == 200
    keys.write_text("")  # a bad file changes nothing
    check_error(server.admin.post("/admin/reload", headers=new), 400, code="invalid_key_file")
    assert server.client.get("/v1/models", headers=new).status_code == 200
    keys.write_text("sk-old\n")
    server.process.send_signal(signal.SIGHUP)
    wait_for(lambda: server.client.get("/v1/models", headers=old).status_code == 200)
    server.headers = old


def test_each_key_is_a_tenant_with_cached_prefixes_of_its_own(start, tmp_path):
    keys = tmp_path / "keys"
    keys.write_text("sk-one\nsk-two\n")
    keys.chmod(0o600)
    server = start("--device", "fake", "--api-key-file", keys)
    prompt = list(range(100, 164))  # four blocks of 16

    def cached(key):
        server.headers = {"Authorization": f"Bearer {key}"}
        return server.complete(prompt).json()["usage"]["prompt_tokens_details"]["cached_tokens"]

    assert [cached(key) for key in ("sk-one", "sk-two")] == [0, 0]
    assert [cached(key) for key in ("sk-one", "sk-two")] == [48, 48]
    keys.write_text("sk-three\nsk-one\n")
    assert server.admin.post("/admin/reload", headers=server.headers).status_code == 200
    assert [cached(key) for key in ("sk-one", "sk-three")] == [48, 0]


def test_reload_sets_the_log_level(start):
    server = start("--device", "fake")
    for level, logs in (("off", False), ("info", True)):
        assert server.admin.post("/admin/reload", json={"log_level": level}).json()["status"] == "reloaded"
        server.client.get("/version", headers={"X-Request-Id": f"with-{level}"})
        assert (f"with-{level}" in server.log()) == logs
    check_error(server.admin.post("/admin/reload", json={"log_level": "loud"}), 400, param="log_level")
    check_error(server.admin.post("/admin/reload", json={"log_level": 5}), 400, param="log_level")
    check_error(server.admin.post("/admin/reload", content="{", headers={"Content-Type": "application/json"}), 400, code="invalid_json")


def test_a_foreign_page_gives_no_orders(start):
    server = start("--device", "fake")
    for method, path in (("POST", "/admin/drain"), ("GET", "/admin/requests"), ("DELETE", "/admin/requests/x")):
        check_error(server.admin.request(method, path, headers={"Origin": "http://evil.example"}), 403, code="cross_origin")
    assert server.client.get("/readyz").status_code == 200


def test_cors_is_off(fake):
    for one in (fake.client, fake.admin):
        for path in ("/v1/models", "/livez", "/readyz", "/nope"):
            preflight = one.options(path, headers={"Origin": "http://a.example", "Access-Control-Request-Method": "POST"})
            plain = one.get(path, headers={"Origin": "http://a.example"})
            for response in (preflight, plain):
                assert not [h for h in response.headers if h.lower().startswith("access-control-")]
            assert preflight.status_code in (403, 404, 405)


def test_snapshot_while_streams_run_changes_nothing(start):
    """A neighbour's stream is the same, bit for bit, while operators look at the server all the time."""
    server = start("--device", "fake", "--fake-step-ms", 1)
    body = {"model": MODEL, "prompt": "hi", "max_tokens": 300, "temperature": 0, "ignore_eos": True, "logprobs": 1, "stream": True}

    def text(watch):
        with server.client.stream("POST", "/v1/completions", json=body) as response:
            lines = []
            for line in response.iter_lines():
                lines.append(line)
                if watch and len(lines) % 5 == 0:
                    admin(server, "/admin/requests")
            return [c["choices"] for c in events(lines)]

    assert text(watch=True) == text(watch=False)
