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
