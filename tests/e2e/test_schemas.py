# SPDX-License-Identifier: Apache-2.0
"""Schemas as generators write them, with tokens favoured and banned: every finished answer is valid, none dies, and what cannot be honoured is
refused by its path in the request. EMBER_SCHEMA_ROUNDS: how many schemas (60)."""
import concurrent.futures
import json
import os
import random
import re

import jsonschema
import pytest

from schema_shapes import Shapes
from server import MODEL
from test_structured_output import FORMATS, schema_format



@FORMATS.checks("time")
def is_time(value):
    """RFC 3339's, with an offset; jsonschema's is that of draft 3."""
    return not isinstance(value, str) or bool(re.fullmatch(r"\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)", value))


SEED = int(os.environ.get("EMBER_SCHEMA_SEED", 20260404))
ROUNDS = int(os.environ.get("EMBER_SCHEMA_ROUNDS", 60))
MARKS = [",", "\"", "{", "}", "[", "]", ":", "1", "9", " ", "\n", "-", "\\", "\":", "\",", "{\"", "a"]


def unique(pairs):
    keys = [key for key, _ in pairs]
    assert len(keys) == len(set(keys)), f"a key comes twice: {keys}"
    return dict(pairs)


def check(text, schema):
    answer = json.loads(text, object_pairs_hook=unique)
    jsonschema.Draft202012Validator(schema, format_checker=FORMATS).validate(answer)


def random_bias(rng, tokens):
    bias = {tokens[mark]: rng.choice([-100, -100, 3, 10, 30]) for mark in rng.sample(MARKS, rng.randrange(4)) if mark in tokens}
    for blank in (" ", "\n"):  # the model likes long runs of white space, which are allowed and make the test slow
        bias.setdefault(tokens[blank], -20)
    return {str(token): value for token, value in bias.items()}


def single_tokens(server):
    tokens = {}
    for mark in MARKS:
        ids = server.post("/tokenize", {"model": MODEL, "prompt": mark, "add_special_tokens": False}).json()["tokens"]
        if len(ids) == 1:
            tokens[mark] = ids[0]
    return tokens


def by_chat(server, schema, more):
    ask = {"response_format": schema_format(schema)}
    response = server.chat("Answer in JSON.", max_tokens=700, **ask, **more)
    return response, lambda body: (body["choices"][0]["finish_reason"], body["choices"][0]["message"]["content"])


def by_guided(server, schema, more):
    response = server.complete("JSON: ", max_tokens=700, guided_json=schema, **more)
    return response, lambda body: (body["choices"][0]["finish_reason"], body["choices"][0]["text"])


def by_tool(server, schema, more):
    tool = {"type": "function", "function": {"name": "tell", "parameters": schema, "strict": more["seed"] % 2 == 0}}
    response = server.chat("Tell.", max_tokens=700, tools=[tool], tool_choice="required", parallel_tool_calls=False, **more)

    def read(body):
        choice = body["choices"][0]
        calls = choice["message"].get("tool_calls")
        return ("stop" if choice["finish_reason"] == "tool_calls" else choice["finish_reason"]), calls and calls[0]["function"]["arguments"]

    return response, read


ROUTES = {"chat": by_chat, "guided": by_guided, "tool": by_tool}
FIELDS = {"chat": "response_format.json_schema.schema", "guided": "guided_json", "tool": "tools[0].function.parameters"}


@pytest.mark.timeout(3000)
@pytest.mark.parametrize("route", ROUTES)
def test_finished_answers_are_valid_and_none_dies(fake, route):
    tokens, rng, jobs = single_tokens(fake), random.Random(f"{SEED} {route}"), []
    for number in range(ROUNDS):
        schema = Shapes(rng).schema()
        if route == "tool":
            schema = schema if schema.get("type") == "object" else {"type": "object", "properties": {"a": schema}, "required": ["a"], **{
                k: schema.pop(k) for k in ("$defs", "definitions", "$schema") if k in schema}}
        jobs += [(number, schema, {"seed": rng.randrange(1000), "logit_bias": random_bias(rng, tokens)}) for _ in range(4)]

    def run(job):
        number, schema, more = job
        told = f"seed {SEED}, schema {number}: {json.dumps(schema)} with {more}"
        response, read = ROUTES[route](fake, schema, more)
        if response.status_code == 400:
            error = response.json()["error"]
            if "exceed the context" in error["message"]:  # the prompt holds the tools' schemas
                return "open"
            assert error["message"].startswith(FIELDS[route]) and "nothing satisfies" in error["message"], (error, told)
            return "refused"
        assert response.status_code == 200, (response.text, told)
        reason, text = read(response.json())
        if reason == "length":
            return "open"
        assert reason == "stop", (response.text, told)
        try:
            check(text, schema)
        except Exception as e:
            raise AssertionError(f"{type(e).__name__} {str(e)[:500]}: {text} {told}") from e
        return "valid"

    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        results = list(pool.map(run, jobs))
    counts = {result: results.count(result) for result in set(results)}
    print(f"seed {SEED}, {route}: {counts}")
    assert counts.get("valid", 0) > len(jobs) / 3, counts
    assert counts.get("refused", 0) < len(jobs) / 10, counts


REFUSED = [
    ({"type": "object", "properties": {"a": {"not": {"type": "string"}}}}, '.properties.a.not: "not" is not supported'),
    ({"type": "object", "properties": {"a": {"type": "array", "uniqueItems": True}}}, '.properties.a.uniqueItems: "uniqueItems" is not supported'),
    ({"type": "object", "properties": {"b c": {"if": {}, "then": {}}}}, '.properties["b c"].if: "if" is not supported'),
    ({"type": "object", "properties": {"a": {"contains": {}}}}, '.properties.a.contains: "contains" is not supported'),
    ({"type": "object", "properties": {"a": {"$ref": "https://example.com/s.json"}}}, '.properties.a.$ref: "https://example.com/s.json" is outside of the schema'),
    ({"type": "object", "properties": {"a": {"oneOf": [{"type": "string"}, {"minLength": 1}]}}}, ".properties.a.oneOf: options 0 and 1"),
    ({"type": "object", "properties": {"a": {"pattern": "(?=a)b"}}}, ".properties.a.pattern: "),
    ({"type": "object", "patternProperties": {"^a": {}, "b$": {}}}, '.patternProperties: "^a" and "b$"'),
]


def refusal_routes(server):
    """Each way to give a schema: the field at which it stands, the param of the error, and the request."""
    function = {"name": "tell", "parameters": {"type": "object"}}
    other = {"type": "function", "function": {**function, "name": "other"}}
    message = [{"role": "user", "content": "Hi"}]
    return [
        ("response_format.json_schema.schema", "response_format", lambda s: server.chat(response_format=schema_format(s))),
        ("response_format.schema", "response_format", lambda s: server.chat(response_format={"type": "json_object", "schema": s})),
        ("guided_json", "guided_json", lambda s: server.complete(guided_json=json.dumps(s))),
        ("structured_outputs.json", "structured_outputs", lambda s: server.complete(structured_outputs={"json": s})),
        ("tools[1].function.parameters", "tools", lambda s: server.chat(
            tools=[other, {"type": "function", "function": {**function, "parameters": s}}], tool_choice="required")),
        ("text.format.schema", "text.format", lambda s: server.post(
            "/v1/responses", {"model": MODEL, "input": "Hi", "text": {"format": {"type": "json_schema", "name": "x", "schema": s}}})),
        ("tools[0].parameters", "tools", lambda s: server.post(
            "/v1/responses", {"model": MODEL, "input": "Hi", "tool_choice": "required", "tools": [{"type": "function", **function, "parameters": s}]})),
        ("output_config.format.schema", None, lambda s: server.post(
            "/v1/messages", {"model": MODEL, "max_tokens": 9, "messages": message, "output_config": {"format": {"type": "json_schema", "schema": s}}})),
        ("tools[0].input_schema", None, lambda s: server.post(
            "/v1/messages", {"model": MODEL, "max_tokens": 9, "messages": message, "tool_choice": {"type": "any"}, "tools": [{"name": "tell", "input_schema": s}]})),
    ]


@pytest.mark.parametrize("schema,why", REFUSED, ids=lambda v: v[:40] if isinstance(v, str) else "")
def test_a_refusal_names_the_field_and_the_path(fake, schema, why):
    for field, param, ask in refusal_routes(fake):
        response = ask(schema)
        assert response.status_code == 400, (field, response.text)
        error = response.json()["error"]
        assert error["message"].startswith(field + why), (field, error)
        assert param is None or error["param"] == param
        assert field.startswith("tools") == ("(tool tell)" in error["message"]), error


def test_a_tool_that_only_may_be_called_is_offered_whatever_its_schema(fake):
    tool = {"type": "function", "function": {"name": "tell", "parameters": REFUSED[0][0]}}
    assert fake.chat(tools=[tool], max_tokens=5).status_code == 200


def test_a_favoured_comma_leads_to_no_dead_end(fake):
    """The comma is favoured where the pattern's only key has been written."""
    schema = {"type": "object", "properties": {"a": {"type": "integer", "minimum": 0, "maximum": 99}}, "required": ["a"], "additionalProperties": False,
              "patternProperties": {"^a$": {"type": "integer"}}}
    comma = single_tokens(fake)[","]
    for seed in range(20):
        choice = fake.chat(response_format=schema_format(schema), logit_bias={str(comma): 30}, seed=seed, max_tokens=600).json()["choices"][0]
        assert choice["finish_reason"] == "stop", choice
        check(choice["message"]["content"], schema)
