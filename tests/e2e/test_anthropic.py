# SPDX-License-Identifier: Apache-2.0
"""POST /v1/messages with Anthropic's own Python client, and against what chat completions answers."""
import json

import anthropic
import pytest

from people import Owner, Person
from server import MODEL

MESSAGES = [{"role": "user", "content": "Tell me a story about a fox."}]
SAME = {"model": MODEL, "messages": MESSAGES, "max_tokens": 30, "temperature": 0}


def client_of(server, key="unused", **more):
    return anthropic.Anthropic(base_url=server.url, api_key=key, max_retries=0, timeout=60, _strict_response_validation=True, **more)


@pytest.fixture(scope="module")
def client(server):
    with client_of(server) as made:
        yield made


def split(fields):
    """What the client has no argument for goes beside."""
    known = {"model", "messages", "max_tokens", "system", "stop_sequences", "metadata", "tools", "tool_choice", "thinking", "stream"}
    return {**{k: v for k, v in fields.items() if k in known}, "extra_body": {k: v for k, v in fields.items() if k not in known}}


def create(client, **fields):
    return client.messages.create(**split({**SAME, **fields}))


def chat(server, **fields):
    response = server.post("/v1/chat/completions", {**SAME, **fields})
    assert response.status_code == 200, response.text
    return response.json()


def prompt_tokens(usage):
    return usage.input_tokens + usage.cache_creation_input_tokens + usage.cache_read_input_tokens


def check_equal(message, completion, stop_reasons):
    choice = completion["choices"][0]
    assert "".join(b.text for b in message.content) == choice["message"]["content"]
    assert prompt_tokens(message.usage) == completion["usage"]["prompt_tokens"]
    assert message.usage.output_tokens == completion["usage"]["completion_tokens"]
    assert message.stop_reason == stop_reasons[choice["finish_reason"]]


def test_message_equals_chat(client, server):
    message = create(client)
    assert message.type == "message" and message.role == "assistant" and message.model == MODEL
    assert message.content and message.id.startswith("msg_")
    assert message.stop_sequence is None
    check_equal(message, chat(server), {"stop": "end_turn", "length": "max_tokens"})
    again = create(client)
    assert again.usage.cache_read_input_tokens == chat(server)["usage"]["prompt_tokens_details"]["cached_tokens"] > 0


def test_stream_equals_whole(client):
    whole = create(client)
    with client.messages.stream(**split(SAME)) as stream:
        types, text = [], ""
        for event in stream:
            types.append(event.type)
            if event.type == "text":
                text += event.text
        final = stream.get_final_message()
    assert text == final.content[0].text == whole.content[0].text
    assert final.usage.output_tokens == whole.usage.output_tokens
    assert prompt_tokens(final.usage) == prompt_tokens(whole.usage)
    assert final.stop_reason == whole.stop_reason
    raw = [t for t in types if t != "text"]
    assert raw[:3] == ["message_start", "content_block_start", "content_block_delta"]
    assert raw[-3:] == ["content_block_stop", "message_delta", "message_stop"]
    assert set(raw[3:-3]) <= {"content_block_delta", "content_block_stop"}


def test_raw_events(server):
    lines = []
    with server.client.stream("POST", "/v1/messages", json={**SAME, "stream": True}) as response:
        assert response.headers["content-type"].startswith("text/event-stream")
        lines = [line for line in response.iter_lines() if line]
    names, data = lines[::2], [json.loads(line.removeprefix("data: ")) for line in lines[1::2]]
    assert names == [f"event: {d['type']}" for d in data]
    assert data[-1] == {"type": "message_stop"}
    assert "[DONE]" not in "".join(lines)


def test_system_and_blocks(client, server):
    blocks = [{"role": "user", "content": [{"type": "text", "text": "Hello!", "cache_control": {"type": "ephemeral"}}]},
              {"role": "assistant", "content": [{"type": "text", "text": "Hi."}]}, {"role": "user", "content": "Who are you?"}]
    plain = [{"role": "user", "content": "Hello!"}, {"role": "assistant", "content": "Hi."}, {"role": "user", "content": "Who are you?"}]
    want = chat(server, messages=[{"role": "system", "content": "Answer in one sentence."}, *plain])
    for system in ("Answer in one sentence.", [{"type": "text", "text": "Answer in one sentence."}]):
        message = create(client, messages=blocks, system=system)
        check_equal(message, want, {"stop": "end_turn", "length": "max_tokens"})
    two = [{"type": "text", "text": "A fox"}, {"type": "text", "text": "and a bear."}]
    check_equal(create(client, messages=[{"role": "user", "content": two}]), chat(server, messages=[{"role": "user", "content": two}]),
                {"stop": "end_turn", "length": "max_tokens"})


def test_stop_sequences_and_sampling(client, server):
    text = create(client).content[0].text
    stop = text[12:16]
    message = create(client, stop_sequences=[stop])
    assert message.content[0].text == text[:text.index(stop)]
    assert message.stop_reason == "stop_sequence" and message.stop_sequence == stop
    with client.messages.stream(**split({**SAME, "stop_sequences": [stop]})) as stream:
        final = stream.get_final_message()
    assert final.content[0].text == message.content[0].text and final.stop_sequence == stop
    sampled = {"temperature": 0.9, "top_k": 5, "top_p": 0.8, "seed": 7}
    drawn = create(client, **sampled)
    check_equal(drawn, chat(server, **sampled), {"stop": "end_turn", "length": "max_tokens"})


def test_count_tokens(client, server):
    fields = {"messages": MESSAGES, "system": "Be brief."}
    counted = client.messages.count_tokens(model=MODEL, **fields)
    assert counted.input_tokens == prompt_tokens(create(client, **fields).usage)
    with pytest.raises(anthropic.NotFoundError):
        client.messages.count_tokens(model="nope", messages=MESSAGES)


ERRORS = [  # (fields, error class, what the message names)
    ({"model": "nope"}, anthropic.NotFoundError, "nope"),
    ({"max_tokens": 0}, anthropic.BadRequestError, "max_tokens"),
    ({"max_tokens": 10 ** 6}, anthropic.BadRequestError, "max_tokens"),
    ({"temperature": 5}, anthropic.BadRequestError, "temperature"),
    ({"top_k": "x"}, anthropic.BadRequestError, "top_k"),
    ({"stop_sequences": ["a"] * 65}, anthropic.BadRequestError, "stop_sequences"),
    ({"stop_sequences": "a"}, anthropic.BadRequestError, "stop_sequences"),
    ({"stop_sequences": [""]}, anthropic.BadRequestError, "stop_sequences"),
    ({"messages": []}, anthropic.BadRequestError, "messages"),
    ({"messages": "x"}, anthropic.BadRequestError, "messages"),
    ({"messages": [1]}, anthropic.BadRequestError, "messages[0]"),
    ({"messages": [{"role": "tool", "content": "x"}]}, anthropic.BadRequestError, "messages[0].role"),
    ({"messages": [{"role": "user", "content": []}]}, anthropic.BadRequestError, "messages[0].content"),
    ({"messages": [{"role": "user"}]}, anthropic.BadRequestError, "messages[0].content"),
    ({"messages": [{"role": "user", "content": [{"type": "image", "source": {"type": "url", "url": "http://127.0.0.1:1/x"}}]}]},
     anthropic.BadRequestError, "messages[0].content[0]"),
    ({"messages": [*MESSAGES, {"role": "assistant", "content": [{"type": "tool_use", "id": "a", "name": "f", "input": 5}]}]},
     anthropic.BadRequestError, "messages[1].content[0].input"),
    ({"messages": [{"role": "user", "content": [{"type": "tool_use", "id": "a", "name": "f", "input": {}}]}]}, anthropic.BadRequestError, "messages[0].content[0]"),
    ({"messages": [{"role": "user", "content": [{"type": "tool_result"}]}]}, anthropic.BadRequestError, "tool_use_id"),
    ({"system": 5}, anthropic.BadRequestError, "system"),
    ({"system": [{"type": "image"}]}, anthropic.BadRequestError, "system[0]"),
    ({"metadata": {"user_id": 5}}, anthropic.BadRequestError, "metadata.user_id"),
    ({"thinking": {"type": "enabled", "budget_tokens": "much"}}, anthropic.BadRequestError, "thinking.budget_tokens"),
    ({"tools": [{"type": "bash", "name": "bash"}]}, anthropic.BadRequestError, "tools[0].type"),
    ({"tools": [{"name": "f"}]}, anthropic.BadRequestError, "tools[0].input_schema"),
    ({"tools": [{"name": "f g", "input_schema": {}}]}, anthropic.BadRequestError, "tools[0]"),
    ({"tools": [{"name": "f", "input_schema": {}}], "tool_choice": {"type": "some"}}, anthropic.BadRequestError, "tool_choice"),
    ({"output_config": {"effort": 3}}, anthropic.BadRequestError, "output_config.effort"),
    ({"output_config": {"format": {"type": "xml"}}}, anthropic.BadRequestError, "output_config.format"),
    ({"output_config": {"format": {"type": "json_schema", "schema": 5}}}, anthropic.BadRequestError, "output_config.format.schema"),
    ({"output_config": {"format": {"type": "json_schema", "schema": {"not": {}}}}}, anthropic.BadRequestError, "output_config.format"),
    ({"output_format": {"type": "xml"}}, anthropic.BadRequestError, "output_format"),
]


@pytest.mark.parametrize("fields, error, named", ERRORS, ids=lambda v: str(v)[:60])
@pytest.mark.parametrize("streaming", [False, True], ids=["whole", "stream"])
def test_errors(client, fields, error, named, streaming):
    with pytest.raises(error) as raised:
        create(client, **fields, stream=streaming)
    detail = raised.value.response.json()
    assert set(detail) == {"type", "error"} and detail["type"] == "error"
    assert set(detail["error"]) == {"type", "message"}
    assert named in detail["error"]["message"]
    assert detail["error"]["type"] == ("not_found_error" if raised.value.status_code == 404 else "invalid_request_error")


def test_request_ids(client):
    """The client gives them by a name that is Anthropic's, of answers, streams and errors."""
    named = {"extra_headers": {"X-Request-Id": "mine"}}
    assert client.messages.create(**split(SAME), **named)._request_id == "mine"
    with client.messages.stream(**split(SAME), **named) as stream:
        assert stream.request_id == "mine"
    for wrong in ({"model": "nope"}, {"temperature": 5}):
        with pytest.raises(anthropic.APIStatusError) as raised:
            client.messages.create(**split({**SAME, **wrong}), **named)
        assert raised.value.request_id == "mine"


def test_missing_max_tokens(server):
    response = server.post("/v1/messages", {"model": MODEL, "messages": MESSAGES})
    assert response.status_code == 400 and "max_tokens" in response.json()["error"]["message"]


def test_tool_history_is_rendered_as_chat_renders_it(server):
    """Calls and results of tools become the messages that a chat would have."""
    tools = [{"name": "weather", "description": "The weather", "input_schema": {"type": "object", "properties": {"city": {"type": "string"}}}}]
    ours = [{"role": "user", "content": "Weather in Rome?"},
            {"role": "assistant", "content": [{"type": "text", "text": "One moment."}, {"type": "tool_use", "id": "t1", "name": "weather", "input": {"city": "Rome"}}]},
            {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t1", "content": [{"type": "text", "text": "Sunny"}]}, {"type": "text", "text": "And?"}]}]
    theirs = [ours[0],
              {"role": "assistant", "content": "One moment.",
               "tool_calls": [{"id": "t1", "type": "function", "function": {"name": "weather", "arguments": '{"city":"Rome"}'}}]},
              {"role": "tool", "tool_call_id": "t1", "content": "Sunny"}, {"role": "user", "content": "And?"}]
    chat_tools = [{"type": "function", "function": {"name": "weather", "parameters": tools[0]["input_schema"], "description": "The weather"}}]
    counted = server.post("/v1/messages/count_tokens", {"model": MODEL, "messages": ours, "tools": tools, "tool_choice": {"type": "none"}})
    assert counted.status_code == 200, counted.text
    rendered = server.post("/v1/chat/completions/render", {"model": MODEL, "messages": theirs, "tools": chat_tools, "tool_choice": "none"})
    assert counted.json() == {"input_tokens": len(rendered.json()["prompt_token_ids"])}


def test_keys(start):
    server = start("--device", "fake", "--api-key", "sk-right")
    server.headers = {"Authorization": "Bearer sk-right"}
    with client_of(server, "sk-right") as right:  # sends x-api-key
        assert right.messages.count_tokens(model=MODEL, messages=MESSAGES).input_tokens > 0
    with client_of(server, "sk-wrong") as wrong, pytest.raises(anthropic.AuthenticationError) as raised:
        create(wrong)
    assert raised.value.response.json()["error"]["type"] == "authentication_error"
    with anthropic.Anthropic(base_url=server.url, auth_token="sk-right", max_retries=0) as bearer:
        assert create(bearer).usage.output_tokens > 0


def test_overload_and_aborts_in_anthropics_words(start):
    server = start("--device", "fake", "--fake-step-ms", 20, "--max-num-seqs", 1, "--max-num-queued-reqs", 1, "--sse-keep-alive-interval", 1)
    endless = {**SAME, "max_tokens": 1500, "ignore_eos": True, "stream": True}
    with server.client.stream("POST", "/v1/messages", json=endless, headers={"X-Request-Id": "first"}) as first:
        lines = first.iter_lines()
        next(lines)
        with server.client.stream("POST", "/v1/messages", json=endless, headers={"X-Request-Id": "queued"}) as queued:
            waiting = queued.iter_lines()
            assert next(waiting) == "event: ping", "keep-alive while it waits"
            full = server.post("/v1/messages", SAME)
            assert full.status_code == 429 and full.json()["error"]["type"] == "rate_limit_error"
            assert 1 <= int(full.headers["retry-after"]) <= 30
            for name in ("first", "queued"):
                assert server.admin.delete(f"/admin/requests/{name}").status_code == 200
            assert "event: message_stop" not in (rest := list(waiting))
            assert json.loads(rest[rest.index("event: error") + 1][6:])["error"]["type"] == "overloaded_error"
        assert "event: error" in list(lines)


WEATHER = {"name": "get_weather", "description": "Get the current weather for a city.",
           "input_schema": {"type": "object", "properties": {"city": {"type": "string", "description": "The city"}}, "required": ["city"]}}
ASK = {"role": "user", "content": "What is the weather in Paris?"}
TOOL_FIELDS = {"messages": [ASK], "tools": [WEATHER], "max_tokens": 100}


def test_tool_call_and_follow_up(client, server):
    message = create(client, **TOOL_FIELDS)
    assert message.stop_reason == "tool_use"
    call = message.content[-1]
    assert (call.type, call.name, call.input) == ("tool_use", "get_weather", {"city": "Paris"})
    function = {"name": WEATHER["name"], "description": WEATHER["description"], "parameters": WEATHER["input_schema"]}
    theirs = chat(server, messages=[ASK], tools=[{"type": "function", "function": function}], max_tokens=100)
    assert json.loads(theirs["choices"][0]["message"]["tool_calls"][0]["function"]["arguments"]) == call.input
    assert prompt_tokens(message.usage) == theirs["usage"]["prompt_tokens"]
    assert message.usage.output_tokens == theirs["usage"]["completion_tokens"]
    result = {"role": "user", "content": [{"type": "tool_result", "tool_use_id": call.id, "content": '{"temperature": 21, "condition": "sunny"}'}]}
    said = {"role": "assistant", "content": [block.model_dump(exclude_none=True) for block in message.content]}
    answer = create(client, **{**TOOL_FIELDS, "messages": [ASK, said, result]})
    assert answer.stop_reason == "end_turn" and "sunny" in answer.content[0].text and "21" in answer.content[0].text


def test_tool_call_in_a_stream(client):
    with client.messages.stream(**split({**SAME, **TOOL_FIELDS})) as stream:
        kinds = [event.type for event in stream]
        final = stream.get_final_message()
    assert "input_json" in kinds
    assert final.stop_reason == "tool_use" and final.content[-1].input == {"city": "Paris"}


def test_parallel_tool_calls(client):
    """The demo model ends after one call. Where its end is held back, another one is all that may follow."""
    several = {**TOOL_FIELDS, "max_tokens": 200, "tool_choice": {"type": "any"}, "min_tokens": 40}
    calls = create(client, **several).content
    assert len(calls) >= 2 and {b.type for b in calls} == {"tool_use"} and len({b.id for b in calls}) == len(calls)
    with client.messages.stream(**split({**SAME, **several})) as stream:
        starts = [event.index for event in stream if event.type == "content_block_start"]
        final = stream.get_final_message()
    assert final.stop_reason == "tool_use" and starts == list(range(len(calls)))
    assert [b.input for b in final.content] == [b.input for b in calls]
    results = [{"type": "tool_result", "tool_use_id": b.id, "content": '{"temperature": 21, "condition": "sunny"}'} for b in calls]
    said = {"role": "assistant", "content": [b.model_dump(exclude_none=True) for b in calls]}
    answer = create(client, **{**TOOL_FIELDS, "messages": [ASK, said, {"role": "user", "content": results}]})
    assert answer.stop_reason == "end_turn" and "sunny" in answer.content[0].text
    assert len(create(client, **{**several, "tool_choice": {"type": "any", "disable_parallel_tool_use": True}}).content) == 1


def test_tool_choice_none(client):
    message = create(client, **TOOL_FIELDS, tool_choice={"type": "none"})
    assert message.stop_reason != "tool_use" and all(block.type == "text" for block in message.content)


@pytest.mark.parametrize("kind", [Person, Owner])
def test_parse_with_pydantic(client, kind):
    fields = {"model": MODEL, "messages": [{"role": "user", "content": "Anna is 12 years old."}], "max_tokens": 200, "output_format": kind, "extra_body": {"temperature": 0}}
    whole = client.messages.parse(**fields)
    assert whole.stop_reason == "end_turn" and isinstance(whole.parsed_output, kind)
    with client.messages.stream(**fields) as stream:
        assert stream.get_final_message().parsed_output == whole.parsed_output


@pytest.mark.parametrize("place", [lambda f: {"output_config": {"format": f, "effort": None}}, lambda f: {"output_format": f}], ids=["output_config", "output_format"])
def test_schemas(client, place):
    schema = {"type": "object", "properties": {"pet": {"enum": ["cat", "dog"]}}, "required": ["pet"], "additionalProperties": False}
    [block] = create(client, **place({"type": "json_schema", "schema": schema}), max_tokens=200).content
    assert json.loads(block.text)["pet"] in ("cat", "dog")
