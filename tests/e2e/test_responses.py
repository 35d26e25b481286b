# SPDX-License-Identifier: Apache-2.0
"""POST /v1/responses with OpenAI's own Python client, and against what chat completions answers."""
import json

import openai
import pytest

from contract import check_error
from people import Owner, Person
from server import MODEL

INPUT = "Tell me a story about a fox."
MESSAGES = [{"role": "user", "content": INPUT}]
SAME = {"model": MODEL, "input": INPUT, "max_output_tokens": 30, "temperature": 0}


@pytest.fixture(scope="module")
def client(server):
    with openai.OpenAI(base_url=server.url + "/v1", api_key="unused", max_retries=0, timeout=60, _strict_response_validation=True) as made:
        yield made


def chat(server, messages=None, **fields):
    response = server.post("/v1/chat/completions", {"model": MODEL, "messages": messages or MESSAGES, "max_tokens": 30, "temperature": 0, **fields})
    assert response.status_code == 200, response.text
    return response.json()


def check_equal(response, completion):
    choice = completion["choices"][0]
    assert response.output_text == choice["message"]["content"]
    assert response.usage.input_tokens == completion["usage"]["prompt_tokens"]
    assert response.usage.output_tokens == completion["usage"]["completion_tokens"]
    assert response.usage.total_tokens == completion["usage"]["total_tokens"]
    assert response.status == {"stop": "completed", "length": "incomplete"}[choice["finish_reason"]]


def test_response_equals_chat(client, server):
    response = client.responses.create(**SAME)
    assert response.object == "response" and response.model == MODEL and response.id.startswith("resp_")
    assert response.store is False and response.error is None
    check_equal(response, chat(server))
    again = client.responses.create(**SAME)
    assert again.usage.input_tokens_details.cached_tokens == chat(server)["usage"]["prompt_tokens_details"]["cached_tokens"] > 0


def test_incomplete_and_completed(client, server):
    cut = client.responses.create(**{**SAME, "max_output_tokens": 2})
    assert cut.status == "incomplete" and cut.incomplete_details.reason == "max_output_tokens"
    whole = client.responses.create(model=MODEL, input="Hello!", temperature=0, max_output_tokens=400)
    assert whole.status == "completed" and whole.incomplete_details is None
    check_equal(whole, chat(server, [{"role": "user", "content": "Hello!"}], max_tokens=400))


@pytest.mark.parametrize("tokens", [5, 400])
def test_stream_equals_whole(client, tokens):
    fields = {**SAME, "max_output_tokens": tokens}
    whole = client.responses.create(**fields)
    events = list(client.responses.create(**fields, stream=True))
    assert [e.sequence_number for e in events] == list(range(len(events)))
    types = [e.type for e in events]
    assert types[:4] == ["response.created", "response.in_progress", "response.output_item.added", "response.content_part.added"]
    assert set(types[4:-4]) == {"response.output_text.delta"}
    assert types[-4:] == ["response.output_text.done", "response.content_part.done", "response.output_item.done",
                          "response.incomplete" if whole.status == "incomplete" else "response.completed"]
    assert "".join(e.delta for e in events if e.type == "response.output_text.delta") == whole.output_text
    last = events[-1].response
    volatile = {"id", "created_at", "output", "usage"}
    assert last.model_dump(exclude=volatile) == whole.model_dump(exclude=volatile)
    assert last.output_text == whole.output_text
    assert last.usage.output_tokens == whole.usage.output_tokens and last.usage.input_tokens == whole.usage.input_tokens


def test_the_clients_stream_helper(client):
    whole = client.responses.create(**{**SAME, "input": "Hello!", "max_output_tokens": 400})
    with client.responses.stream(**{**SAME, "input": "Hello!", "max_output_tokens": 400}) as stream:
        text = "".join(event.delta for event in stream if event.type == "response.output_text.delta")
        final = stream.get_final_response()
    assert text == final.output_text == whole.output_text


def test_items_and_instructions(client, server):
    items = [{"role": "user", "content": "Hello!"},
             {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "Hi.", "annotations": []}]},
             {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "Who are you?"}]}]
    plain = [{"role": "user", "content": "Hello!"}, {"role": "assistant", "content": "Hi."}, {"role": "user", "content": "Who are you?"}]
    response = client.responses.create(**{**SAME, "input": items}, instructions="Answer in one sentence.", metadata={"a": "b"}, user="me")
    check_equal(response, chat(server, [{"role": "system", "content": "Answer in one sentence."}, *plain]))
    assert response.instructions == "Answer in one sentence." and response.metadata == {"a": "b"}
    sampled = client.responses.create(**{**SAME, "temperature": 0.9}, top_p=0.8, extra_body={"seed": 7})
    check_equal(sampled, chat(server, temperature=0.9, top_p=0.8, seed=7))
    assert sampled.temperature == 0.9 and sampled.top_p == 0.8


def test_a_conversation_goes_on_with_the_output_as_input(client):
    first = client.responses.create(**SAME)
    items = [{"role": "user", "content": INPUT}, *[item.model_dump(exclude_none=True) for item in first.output], {"role": "user", "content": "Go on."}]
    assert client.responses.create(**{**SAME, "input": items}).output_text


ERRORS = [  # (fields, error class, param)
    ({"model": "nope"}, openai.NotFoundError, "model"),
    ({"max_output_tokens": 0}, openai.BadRequestError, "max_output_tokens"),
    ({"max_output_tokens": 10 ** 6}, openai.BadRequestError, "max_output_tokens"),
    ({"temperature": 5}, openai.BadRequestError, "temperature"),
    ({"input": []}, openai.BadRequestError, "input"),
    ({"input": 5}, openai.BadRequestError, "input"),
    ({"input": "a " * 3000}, openai.BadRequestError, "input"),
    ({"input": [{"role": "tool", "content": "x"}]}, openai.BadRequestError, "input[0].role"),
    ({"input": [{"role": "user", "content": [{"type": "input_image", "image_url": "http://127.0.0.1:1/x"}]}]}, openai.BadRequestError, "input[0].content[0]"),
    ({"input": [{"type": "item_reference", "id": "x"}]}, openai.BadRequestError, "input[0]"),
    ({"input": [{"type": "function_call", "call_id": "a", "name": "f"}]}, openai.BadRequestError, "input[0].arguments"),
    ({"instructions": 5}, openai.BadRequestError, "instructions"),
    ({"store": True}, openai.BadRequestError, "store"),
    ({"background": True}, openai.BadRequestError, "background"),
    ({"previous_response_id": "resp_1"}, openai.BadRequestError, "previous_response_id"),
    ({"conversation": "c"}, openai.BadRequestError, "conversation"),
    ({"truncation": "half"}, openai.BadRequestError, "truncation"),
    ({"reasoning": {"effort": 5}}, openai.BadRequestError, "reasoning.effort"),
    ({"text": {"format": {"type": "yaml"}}}, openai.BadRequestError, "text.format"),
    ({"text": {"format": {"type": "json_schema", "name": "x", "schema": 5}}}, openai.BadRequestError, "text.format.schema"),
    ({"text": {"format": {"type": "json_schema", "name": "x y", "schema": {}}}}, openai.BadRequestError, "text.format.name"),
    ({"text": {"format": {"type": "json_schema", "name": "x", "schema": {"not": {}}}}}, openai.BadRequestError, "text.format"),
    ({"text": {"verbosity": 1}}, openai.BadRequestError, "text.verbosity"),
    ({"tools": [{"name": "web_search"}]}, openai.BadRequestError, "tools[0]"),
    ({"tools": [{"type": "function", "name": "f g"}]}, openai.BadRequestError, "tools[0]"),
    ({"tool_choice": {"type": "web_search"}}, openai.BadRequestError, "tool_choice"),
]


@pytest.mark.parametrize("fields, error, param", ERRORS, ids=lambda v: str(v)[:60])
@pytest.mark.parametrize("streaming", [False, True], ids=["whole", "stream"])
def test_errors(client, fields, error, param, streaming):
    with pytest.raises(error) as raised:
        client.responses.create(**{**SAME, **fields}, stream=streaming)
    check_error(raised.value.response, raised.value.status_code, param=param)
    error_body = raised.value.response.json()["error"]
    assert param in error_body["message"] or error_body["code"] in ("model_not_found", "context_length_exceeded")


def test_function_calls_are_rendered_as_chat_renders_them(server):
    call = {"type": "function_call", "call_id": "t1", "name": "weather", "arguments": '{"city": "Rome"}'}
    items = [{"role": "user", "content": "Weather in Rome?"}, call, {**call, "call_id": "t2"},
             {"type": "function_call_output", "call_id": "t1", "output": "Sunny"}, {"type": "function_call_output", "call_id": "t2", "output": "Hot"}]
    calls = [{"id": i, "type": "function", "function": {"name": "weather", "arguments": '{"city": "Rome"}'}} for i in ("t1", "t2")]
    messages = [items[0], {"role": "assistant", "content": None, "tool_calls": calls}, {"role": "tool", "tool_call_id": "t1", "content": "Sunny"},
                {"role": "tool", "tool_call_id": "t2", "content": "Hot"}]
    response = server.post("/v1/responses", {**SAME, "input": items, "max_output_tokens": 1})
    assert response.status_code == 200, response.text
    rendered = server.post("/v1/chat/completions/render", {"model": MODEL, "messages": messages})
    assert response.json()["usage"]["input_tokens"] == len(rendered.json()["prompt_token_ids"])


def test_an_abort_ends_the_stream_as_failed(start):
    server = start("--device", "fake", "--fake-step-ms", 20)
    body = {**SAME, "max_output_tokens": 1500, "ignore_eos": True, "stream": True}
    with server.client.stream("POST", "/v1/responses", json=body, headers={"X-Request-Id": "r"}) as response:
        lines = response.iter_lines()
        next(lines)
        server.admin.delete("/admin/requests/r")
        rest = [line for line in lines if line]
    assert rest[-2] == "event: response.failed"
    failed = json.loads(rest[-1][6:])["response"]
    assert failed["status"] == "failed" and "aborted" in failed["error"]["message"]


WEATHER = {"type": "function", "name": "get_weather", "description": "Get the current weather for a city.", "strict": None,
           "parameters": {"type": "object", "properties": {"city": {"type": "string", "description": "The city"}}, "required": ["city"]}}
ASK = {"role": "user", "content": "What is the weather in Paris?"}
TOOL_FIELDS = {"model": MODEL, "input": [ASK], "tools": [WEATHER], "temperature": 0, "max_output_tokens": 100}


def test_function_call_and_follow_up(client, server):
    response = client.responses.create(**TOOL_FIELDS)
    assert response.status == "completed"
    call = response.output[-1]
    assert (call.type, call.name, json.loads(call.arguments)) == ("function_call", "get_weather", {"city": "Paris"})
    function = {k: v for k, v in WEATHER.items() if k not in ("type", "strict")}
    theirs = chat(server, [ASK], tools=[{"type": "function", "function": function}], max_tokens=100)
    assert theirs["choices"][0]["message"]["tool_calls"][0]["function"]["arguments"] == call.arguments
    assert response.usage.input_tokens == theirs["usage"]["prompt_tokens"] and response.usage.output_tokens == theirs["usage"]["completion_tokens"]
    items = [ASK, *[item.model_dump(exclude_none=True) for item in response.output],
             {"type": "function_call_output", "call_id": call.call_id, "output": '{"temperature": 21, "condition": "sunny"}'}]
    answer = client.responses.create(**{**TOOL_FIELDS, "input": items})
    assert "sunny" in answer.output_text and "21" in answer.output_text


def test_function_call_in_a_stream(client):
    whole = client.responses.create(**TOOL_FIELDS)
    events = list(client.responses.create(**TOOL_FIELDS, stream=True))
    arguments = "".join(e.delta for e in events if e.type == "response.function_call_arguments.delta")
    assert json.loads(arguments) == {"city": "Paris"} == json.loads(whole.output[-1].arguments)
    done = [e for e in events if e.type == "response.function_call_arguments.done"]
    assert [e.arguments for e in done] == [arguments]
    assert events[-1].type == "response.completed" and events[-1].response.output[-1].arguments == arguments
    with client.responses.stream(**TOOL_FIELDS) as stream:
        final = stream.get_final_response()
    assert json.loads(final.output[-1].arguments) == {"city": "Paris"}


def test_parallel_function_calls(client):
    """The demo model ends after one call. Where its end is held back, another one is all that may follow."""
    several = {**TOOL_FIELDS, "max_output_tokens": 200, "tool_choice": "required", "extra_body": {"min_tokens": 40}}
    calls = client.responses.create(**several).output
    assert len(calls) >= 2 and {c.type for c in calls} == {"function_call"} and len({c.call_id for c in calls}) == len({c.id for c in calls}) == len(calls)
    with client.responses.stream(**several) as stream:
        added = [event.output_index for event in stream if event.type == "response.output_item.added"]
        final = stream.get_final_response()
    assert added == list(range(len(calls))) and [c.arguments for c in final.output] == [c.arguments for c in calls]
    results = [{"type": "function_call_output", "call_id": c.call_id, "output": '{"temperature": 21, "condition": "sunny"}'} for c in calls]
    answer = client.responses.create(**{**TOOL_FIELDS, "input": [ASK, *[c.model_dump(exclude_none=True) for c in calls], *results]})
    assert "sunny" in answer.output_text
    assert len(client.responses.create(**several, parallel_tool_calls=False).output) == 1


def test_function_choice_none(client):
    assert all(item.type == "message" for item in client.responses.create(**TOOL_FIELDS, tool_choice="none").output)


@pytest.mark.parametrize("kind", [Person, Owner])
def test_parse_with_pydantic(client, kind):
    fields = {"model": MODEL, "input": "Anna is 12 years old.", "text_format": kind, "temperature": 0, "max_output_tokens": 200}
    whole = client.responses.parse(**fields)
    assert whole.status == "completed" and isinstance(whole.output_parsed, kind)
    assert whole.text.format.type == "json_schema" and whole.text.format.name == kind.__name__
    with client.responses.stream(**fields) as stream:
        assert stream.get_final_response().output_parsed == whole.output_parsed


def test_json_objects(client):
    response = client.responses.create(**{**SAME, "input": "Anna is 12 years old.", "max_output_tokens": 200}, text={"format": {"type": "json_object"}})
    assert isinstance(json.loads(response.output_text), dict)
