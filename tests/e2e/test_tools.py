# SPDX-License-Identifier: Apache-2.0
"""Function calls by the demo model, as openai-python sees them."""
import json

import jsonschema
import openai
import pytest

from contract import ANY, check_error, stream
from people import Person
from server import MODEL

WEATHER = {"type": "function", "function": {"name": "get_weather", "description": "Get the current weather for a city.",
           "parameters": {"type": "object", "properties": {"city": {"type": "string", "description": "The city"}}, "required": ["city"]}}}
ADD = {"type": "function", "function": {"name": "add", "description": "Add two numbers.", "parameters": {
    "type": "object", "properties": {"a": {"type": "number"}, "b": {"type": "number"}}, "required": ["a", "b"]}}}
BOUNDED = [
    {"type": "function", "function": {"name": "get_weather", "parameters": {
        "type": "object", "properties": {"city": {"type": "string", "maxLength": 20}}, "required": ["city"], "additionalProperties": False}}},
    {"type": "function", "function": {"name": "add", "parameters": {
        "type": "object", "properties": {k: {"type": "integer", "minimum": 0, "maximum": 999} for k in "ab"}, "required": ["a", "b"],
        "additionalProperties": False}}},
]
ASK = {"role": "user", "content": "What is the weather in Paris?"}
FIELDS = {"model": MODEL, "messages": [ASK], "tools": [WEATHER, ADD], "temperature": 0, "max_tokens": 100}


@pytest.fixture(scope="module")
def client(server):
    with openai.OpenAI(base_url=server.url + "/v1", api_key="unused", max_retries=0, timeout=60, _strict_response_validation=True) as made:
        yield made


def calls_of(message):
    return [(c.function.name, json.loads(c.function.arguments)) for c in message.tool_calls or []]


def named(name):
    return {"type": "function", "function": {"name": name}}


def test_call_and_follow_up(client):
    choice = client.chat.completions.create(**FIELDS).choices[0]
    assert choice.finish_reason == "tool_calls" and choice.message.content is None
    assert calls_of(choice.message) == [("get_weather", {"city": "Paris"})]
    call = choice.message.tool_calls[0]
    assert call.type == "function" and call.id.startswith("call_")
    result = {"role": "tool", "tool_call_id": call.id, "content": '{"temperature": 21, "condition": "sunny"}'}
    answer = client.chat.completions.create(**{**FIELDS, "messages": [ASK, choice.message, result]}).choices[0]
    assert answer.finish_reason == "stop" and answer.message.tool_calls is None
    assert "sunny" in answer.message.content and "21" in answer.message.content


def test_stream_equals_whole(client, server):
    whole = client.chat.completions.create(**FIELDS).choices[0]
    chunks = [c for c in stream(server, "/v1/chat/completions", FIELDS) if c["choices"]]
    assert chunks[0]["choices"][0]["delta"]["role"] == "assistant"
    deltas = [d for c in chunks for d in c["choices"][0]["delta"].get("tool_calls", [])]
    assert [d["index"] for d in deltas] == [0] * len(deltas)
    assert deltas[0]["id"] and deltas[0]["type"] == "function" and deltas[0]["function"]["name"] == "get_weather"
    assert all("id" not in d and "name" not in d["function"] for d in deltas[1:])
    arguments = "".join(d["function"]["arguments"] for d in deltas)
    assert json.loads(arguments) == json.loads(whole.message.tool_calls[0].function.arguments)
    assert chunks[-1]["choices"][0]["finish_reason"] == whole.finish_reason == "tool_calls"
    assert not any(c["choices"][0]["delta"].get("content") for c in chunks)


def test_streaming_helper(client):
    with client.chat.completions.stream(**FIELDS) as events:
        final = events.get_final_completion()
    assert calls_of(final.choices[0].message) == [("get_weather", {"city": "Paris"})]
    assert final.choices[0].finish_reason == "tool_calls"


@pytest.mark.parametrize("choice, names", [("required", {"get_weather", "add"}), (named("add"), {"add"}), (named("get_weather"), {"get_weather"}),
                                           ({"type": "allowed_tools", "allowed_tools": {"mode": "required", "tools": [named("add")]}}, {"add"})], ids=str)
def test_calls_that_must_be_made(client, choice, names):
    """Even of a model that would rather say hello, and whole or streamed the same."""
    fields = {**FIELDS, "messages": [{"role": "user", "content": "Hello!"}], "tool_choice": choice, "parallel_tool_calls": False}
    whole = client.chat.completions.create(**fields).choices[0]
    assert whole.finish_reason == "tool_calls" and not whole.message.content
    [(name, arguments)] = calls_of(whole.message)
    parameters = {t["function"]["name"]: t["function"]["parameters"] for t in (WEATHER, ADD)}
    assert name in names
    jsonschema.validate(arguments, parameters[name])
    with client.chat.completions.stream(**fields) as events:
        assert calls_of(events.get_final_completion().choices[0].message) == [(name, arguments)]


# The demo model ends after one call. Where its end is held back, another call is all that may follow.
SEVERAL = {**FIELDS, "tools": BOUNDED, "max_tokens": 400, "extra_body": {"min_tokens": 40}}
GUESSES = {**SEVERAL, "messages": [{"role": "user", "content": "Hello!"}], "tool_choice": "required", "temperature": 1}  # of one that has nothing to call for


def check_several(calls):
    assert len(calls) >= 2 and len({c.id for c in calls}) == len(calls)
    for call in calls:
        jsonschema.validate(json.loads(call.function.arguments), {t["function"]["name"]: t["function"]["parameters"] for t in BOUNDED}[call.function.name])


@pytest.mark.parametrize("fields", [SEVERAL, {**SEVERAL, "tool_choice": "required"}, *[{**GUESSES, "seed": seed} for seed in range(6)]],
                         ids=["auto", "required", *[f"guess{seed}" for seed in range(6)]])
def test_parallel_calls(client, fields):
    whole = client.chat.completions.create(**fields).choices[0]
    assert whole.finish_reason == "tool_calls" and whole.message.content is None
    check_several(whole.message.tool_calls)
    with client.chat.completions.stream(**fields) as events:
        deltas = [d for e in events if e.type == "chunk" for c in e.chunk.choices for d in c.delta.tool_calls or []]
        final = events.get_final_completion().choices[0]
    assert final.finish_reason == "tool_calls" and calls_of(final.message) == calls_of(whole.message)
    check_several(final.message.tool_calls)
    assert [(d.index, d.id) for d in deltas if d.id] == [(i, c.id) for i, c in enumerate(final.message.tool_calls)]
    assert [d.index for d in deltas] == sorted(d.index for d in deltas), "one call ends before the next begins"


def test_parallel_calls_may_differ(client):
    """So what is compared above shows whose arguments are whose."""
    answers = [client.chat.completions.create(**GUESSES, seed=seed).choices[0].message for seed in range(6)]
    assert any(first != second for first, second, *_ in map(calls_of, answers))


def test_results_of_parallel_calls(client):
    """The answer is to both results, in the order of the calls."""
    said = client.chat.completions.create(**SEVERAL).choices[0].message
    answers = []
    for weather in ("sunny", "rainy"):
        results = [{"role": "tool", "tool_call_id": call.id, "content": json.dumps({"temperature": 21, "condition": weather})} for call in said.tool_calls]
        answer = client.chat.completions.create(**{**FIELDS, "messages": [ASK, said, *results]}).choices[0]
        assert answer.finish_reason == "stop" and answer.message.tool_calls is None
        answers.append(weather in answer.message.content and "21" in answer.message.content)
    assert answers == [True, True]


@pytest.mark.parametrize("fields", [SEVERAL, {**SEVERAL, "tool_choice": "required"}, {**GUESSES, "seed": 1}], ids=["auto", "required", "guess"])
def test_one_call_where_parallel_ones_are_not_allowed(client, fields):
    single = {**fields, "parallel_tool_calls": False}
    whole = client.chat.completions.create(**single).choices[0]
    assert whole.finish_reason == "tool_calls" and len(whole.message.tool_calls) == 1
    with client.chat.completions.stream(**single) as events:
        assert calls_of(events.get_final_completion().choices[0].message) == calls_of(whole.message)


def test_parse_with_pydantic(client):
    messages = [{"role": "user", "content": "Anna is 12 years old."}]
    answer = client.chat.completions.parse(model=MODEL, messages=messages, response_format=Person, temperature=0, max_tokens=200)
    assert isinstance(answer.choices[0].message.parsed, Person)


def test_parsed_arguments(client):
    tool = openai.pydantic_function_tool(Person, name="remember", description="Remember a person.")
    answer = client.chat.completions.parse(model=MODEL, messages=[{"role": "user", "content": "Anna is 12 years old."}], tools=[tool], tool_choice="required",
                                           parallel_tool_calls=False, temperature=0, max_tokens=200)
    assert isinstance(answer.choices[0].message.tool_calls[0].function.parsed_arguments, Person)


def test_words_stay_words(client):
    choice = client.chat.completions.create(**{**FIELDS, "messages": [{"role": "user", "content": "Hello, who are you?"}]}).choices[0]
    assert choice.finish_reason == "stop" and choice.message.content and choice.message.tool_calls is None


def test_choice_none_leaves_the_text(client):
    choice = client.chat.completions.create(**FIELDS, tool_choice="none").choices[0]
    assert choice.message.tool_calls is None and choice.finish_reason == "stop"
    assert json.loads(choice.message.content)["name"] == "get_weather"


def test_logprobs_cover_every_token_of_a_call(client, server):
    whole = client.chat.completions.create(**FIELDS, logprobs=True)
    assert len(whole.choices[0].logprobs.content) == whole.usage.completion_tokens
    chunks = stream(server, "/v1/chat/completions", {**FIELDS, "logprobs": True})
    told = [t["token"] for c in chunks for t in (c["choices"][0]["logprobs"] or {"content": []})["content"]]
    assert told == [t.token for t in whole.choices[0].logprobs.content]


REFUSED = [
    ({"tool_choice": "sometimes"}, "tool_choice", ANY), ({"tool_choice": 5}, "tool_choice", ANY), ({"tool_choice": {}}, "tool_choice", ANY),
    ({"tool_choice": named("other")}, "tool_choice", ANY), ({"tool_choice": "required", "tools": None}, "tool_choice", ANY),
    ({"tool_choice": {"type": "allowed_tools", "allowed_tools": {"mode": "maybe", "tools": [named("add")]}}}, "tool_choice", ANY),
    ({"tool_choice": {"type": "allowed_tools", "allowed_tools": {"mode": "auto", "tools": [named("x")]}}}, "tool_choice", ANY),
    ({"parallel_tool_calls": "yes"}, "parallel_tool_calls", "invalid_type"),
    ({"tools": [{"type": "function", "function": {"name": "f", "description": 5}}]}, "tools[0]", ANY),
]
CALL = {"id": "a", "type": "function", "function": {"name": "add", "arguments": "{}"}}
HISTORY_REFUSED = [
    ({"tool_calls": 5}, "messages[1].tool_calls"), ({"tool_calls": [5]}, "messages[1].tool_calls[0]"), ({"tool_calls": [{}]}, "messages[1].tool_calls[0]"),
    ({"tool_calls": [{**CALL, "function": {"name": 5}}]}, "messages[1].tool_calls[0].function.name"),
    *[({"tool_calls": [{**CALL, "function": {"name": "add", "arguments": a}}]}, "messages[1].tool_calls[0].function.arguments")
      for a in ("{", "5", "[1]", 5, '{"a": ' + "[" * 100 + "]" * 100 + "}")],
    ({"tool_calls": [CALL] * 129}, "messages[1].tool_calls"),
]


@pytest.mark.parametrize("fields, param, code", REFUSED, ids=str)
def test_refused(fake, fields, param, code):
    check_error(fake.post("/v1/chat/completions", {**FIELDS, **fields}), 400, param, code)


@pytest.mark.parametrize("fields, param", HISTORY_REFUSED, ids=lambda v: str(v)[:50])
def test_history_refused(fake, fields, param):
    messages = [ASK, {"role": "assistant", "content": None, **fields}]
    check_error(fake.post("/v1/chat/completions", {**FIELDS, "messages": messages}), 400, param)


def test_result_of_no_call(fake):
    messages = [ASK, {"role": "assistant", "content": None, "tool_calls": [CALL]}, {"role": "tool", "tool_call_id": "b", "content": "5"}]
    check_error(fake.post("/v1/chat/completions", {**FIELDS, "messages": messages}), 400, "messages[2].tool_call_id")


def test_history_in_either_form_gives_the_same_prompt(fake):
    prompts = []
    for arguments in ('{"a": 1, "b": 2}', {"a": 1, "b": 2}):
        call = {**CALL, "function": {"name": "add", "arguments": arguments}}
        messages = [ASK, {"role": "assistant", "content": None, "tool_calls": [call]}, {"role": "tool", "tool_call_id": "a", "content": "3"}]
        prompts.append(fake.post("/v1/chat/completions/render", {**FIELDS, "messages": messages}).json()["prompt"])
    assert prompts[0] == prompts[1] and '{"name": "add", "parameters": {"a": 1, "b": 2}}' in prompts[0]


def test_a_model_that_is_said_to_have_no_tools(start):
    server = start("--device", "fake", "--tool-call-parser", "none")
    check_error(server.post("/v1/chat/completions", FIELDS), 400, "tools", "unsupported_parameter")


def test_required_is_a_call_by_the_schema(client):
    """At any temperature: what binds the answer and what reads it are one definition."""
    for seed in range(12):
        for choice, names in (("required", {"get_weather", "add"}), (named("add"), {"add"})):
            asked = {**FIELDS, "tools": BOUNDED, "temperature": 1.5, "max_tokens": 500}
            answer = client.chat.completions.create(**asked, seed=seed, tool_choice=choice, parallel_tool_calls=False).choices[0]
            assert answer.finish_reason == "tool_calls" and answer.message.content is None
            (name, arguments), = calls_of(answer.message)
            assert name in names
            jsonschema.validate(arguments, {t["function"]["name"]: t["function"]["parameters"] for t in BOUNDED}[name])


def test_required_streams_the_same(client, server):
    asked = {**FIELDS, "tools": BOUNDED, "tool_choice": "required", "seed": 5, "temperature": 1.0}
    whole = client.chat.completions.create(**asked).choices[0]
    chunks = [c for c in stream(server, "/v1/chat/completions", asked) if c["choices"]]
    deltas = [d for c in chunks for d in c["choices"][0]["delta"].get("tool_calls", [])]
    first = "".join(d["function"]["arguments"] for d in deltas if d["index"] == 0)
    assert first == whole.message.tool_calls[0].function.arguments


def test_a_format_and_tools_exclude_each_other(server):
    check_error(server.chat(tools=[WEATHER], response_format={"type": "json_object"}), 400, "response_format", ANY)
    assert server.chat(tools=[WEATHER], tool_choice="none", response_format={"type": "json_object"}).status_code == 200
    bad = {"type": "function", "function": {"name": "f", "parameters": {"type": "object", "not": {}}}}
    check_error(server.chat(tools=[bad], tool_choice="required"), 400, "tools", ANY)
    assert server.chat(tools=[bad]).status_code == 200  # calls are possible, and only parsed
