# SPDX-License-Identifier: Apache-2.0
"""What well-known clients send with their defaults (tests/data/clients), each request whole and as a stream.

A file has the client's path, its headers and its requests. `ignored` lists what the answer must name in X-Ember-Ignored; `status` and `param`
say how a request is refused, here for images. The name of the model is replaced, and a request without a limit gets one."""
import json

import pytest

from server import MODEL, ROOT

FILES = sorted((ROOT / "tests/data/clients").glob("*.json"))
LIMITS = {"/v1/chat/completions": "max_tokens", "/v1/completions": "max_tokens", "/v1/messages": "max_tokens", "/v1/responses": "max_output_tokens"}
LAST_EVENT = {"/v1/messages": "message_stop", "/v1/responses": "response.completed response.incomplete"}


def cases():
    for path in FILES:
        client = json.loads(path.read_text())
        for request in client["requests"]:
            yield pytest.param(client, request, id=f"{path.stem}: {request['name']}")


def body_of(client, request, streamed):
    body = {**request["body"], "model": MODEL, "stream": streamed}
    if not streamed:
        body.pop("stream_options", None)
    limit = LIMITS[client["path"]]
    if not body.keys() & {limit, "max_completion_tokens"}:
        body[limit] = 60
    return body


def post(server, client, request, streamed):
    response = server.client.post(client["path"], json=body_of(client, request, streamed), headers=client["headers"])
    assert response.status_code == request.get("status", 200), response.text
    return response


def check_ignored(response, request):
    named = response.headers.get("x-ember-ignored", "")
    assert sorted(filter(None, named.split(", "))) == sorted(request.get("ignored", [])), named


@pytest.mark.parametrize("client, request_", list(cases()))
def test_whole(server, client, request_):
    response = post(server, client, request_, False)
    if response.status_code != 200:
        error = response.json()["error"]
        assert error["message"] and error.get("param", request_.get("param")) == request_.get("param")
        return
    check_ignored(response, request_)
    answer = response.json()
    parts = answer.get("choices") or answer.get("content") or answer.get("output")
    assert parts and answer["usage"]
    if request_["body"].get("tool_choice") in ("required", {"type": "any", "disable_parallel_tool_use": True}):
        assert "get_" in json.dumps(parts)


@pytest.mark.parametrize("client, request_", list(cases()))
def test_streamed(server, client, request_):
    response = post(server, client, request_, True)
    if response.status_code != 200:
        return
    check_ignored(response, request_)
    assert response.headers["content-type"].startswith("text/event-stream")
    events = [line[6:] for line in response.text.splitlines() if line.startswith("data: ")]
    last = LAST_EVENT.get(client["path"])
    if last is None:
        assert events[-1] == "[DONE]"
        events.pop()
    else:
        assert json.loads(events[-1])["type"] in last
    assert all("error" not in json.loads(e) or json.loads(e)["error"] is None for e in events)


def test_a_prefilled_answer_goes_on(server):
    """The words come from where the assistant stopped: the model is not asked anew."""
    story = [{"role": "user", "content": "Tell me a story about a fox."}, {"role": "assistant", "content": "Once upon a time, a brave"}]
    body = {"model": MODEL, "max_tokens": 24, "temperature": 0, "messages": story}
    answer = server.post("/v1/messages", body).json()
    same = server.post("/v1/chat/completions", {**body, "continue_final_message": True, "add_generation_prompt": False}).json()
    assert answer["content"][0]["text"] == same["choices"][0]["message"]["content"]
    usage = answer["usage"]
    assert usage["input_tokens"] + usage["cache_read_input_tokens"] == same["usage"]["prompt_tokens"]
    fresh = server.post("/v1/messages", {**body, "messages": story[:1]}).json()
    assert answer["content"][0]["text"] != fresh["content"][0]["text"]
    blank = server.post("/v1/messages", {**body, "messages": [story[0], {"role": "assistant", "content": [{"type": "text", "text": "Once"}]}]})
    assert blank.status_code == 200


@pytest.mark.parametrize("path", LIMITS)
def test_sixty_four_stop_strings(server, path):
    stops = [f"<stop_{i}>" for i in range(64)]
    name = "stop_sequences" if path == "/v1/messages" else "stop"
    prompt = {"prompt": "hi"} if path == "/v1/completions" else {"input": "hi"} if path == "/v1/responses" else {"messages": [{"role": "user", "content": "hi"}]}
    for count, status in ((64, 200), (65, 400)):
        body = {"model": MODEL, **prompt, LIMITS[path]: 2, name: (stops + ["x"])[:count]}
        assert server.post(path, body).status_code == status


def test_ignored_hints_are_counted(server):
    before = server.metric("ember_ignored_fields_total")
    answer = server.chat(service_tier="flex", prompt_cache_key="k", store=False)
    assert answer.headers["x-ember-ignored"] == "service_tier, prompt_cache_key"
    assert "x-ember-ignored" not in server.chat().headers
    assert server.metric("ember_ignored_fields_total") == before + 2
    assert server.chat(store=True).status_code == 400
