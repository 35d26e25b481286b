# SPDX-License-Identifier: Apache-2.0
"""Answers bound to a format: every one is valid, whatever else is asked for, and a bad format costs only its own request."""
import concurrent.futures
import datetime
import json
import random
import re
import time

import jsonschema
import openai
import pytest

from contract import ANY, check_error, stream
from people import Person
from server import MODEL

SEED = 20260303
PERSON = {"type": "object", "properties": {"name": {"type": "string", "maxLength": 12}, "age": {"type": "integer", "minimum": 0, "maximum": 120}},
          "required": ["name", "age"], "additionalProperties": False}

FORMATS = jsonschema.FormatChecker()


@FORMATS.checks("date", raises=ValueError)
def is_date(value):
    """RFC 3339 has a year 0000 (a leap year); Python's dates begin with 0001."""
    return not isinstance(value, str) or bool(datetime.date.fromisoformat("2000" + value[4:] if value.startswith("0000-") else value))


def schema_format(schema):
    return {"type": "json_schema", "json_schema": {"name": "answer", "strict": True, "schema": schema}}


def random_schema(rng, depth=0):
    """A schema whose every text is short: what is not bounded could go on until the tokens are used up."""
    kinds = ["string", "pattern", "enum", "integer", "number", "boolean", "null", "const", "format"]
    kinds += ["object", "object", "array", "anyOf", "ref"] if depth < 2 else []
    kind = "object" if depth == 0 and rng.random() < 0.7 else rng.choice(kinds)
    if kind == "string":
        low = rng.randrange(4)
        return {"type": "string", "minLength": low, "maxLength": low + rng.randrange(1, 8)}
    if kind == "pattern":
        return {"type": "string", "pattern": rng.choice(["^[A-Z]{2}-[0-9]{3}$", "^(red|green|blue)$", "^\\d{4}-\\d{2}$", "^[a-f]{1,6}$"])}
    if kind == "format":
        return {"type": "string", "format": rng.choice(["date", "ipv4", "uuid"])}
    if kind == "enum":
        return {"enum": rng.sample(["a", "b c", "\u00e9\n\"", 1, -2.5, None, True, ["x"], {"k": 0}], rng.randrange(1, 5))}
    if kind == "const":
        return {"const": rng.choice(["fixed", 7, None, False, {"a": [1, "x"]}])}
    if kind == "integer":
        low = rng.randrange(-100, 100)
        return {"type": "integer", "minimum": low, "maximum": low + rng.randrange(1000)}
    if kind == "number":
        return {"type": "number", "enum": [rng.randrange(100) / 8, 1000.25, -0.5]}
    if kind == "array":
        low = rng.randrange(3)
        return {"type": "array", "items": random_schema(rng, depth + 1), "minItems": low, "maxItems": low + rng.randrange(3)}
    if kind == "anyOf":
        return {"anyOf": [random_schema(rng, depth + 1) for _ in range(2)]}
    if kind == "ref":
        return {"type": "array", "items": {"anyOf": [{"type": "boolean"}, {"type": "null"}]}, "maxItems": 3}
    if kind == "object":
        names = rng.sample(["id", "name", "tags", "nested value", "\u00fcber", "x-y", "$ref-like", "n"], rng.randrange(1, 5))
        properties = {n: random_schema(rng, depth + 1) for n in names}
        required = [n for n in names if rng.random() < 0.7]
        return {"type": "object", "properties": properties, "required": required, "additionalProperties": False}
    return {"type": kind}


def check(text, schema):
    jsonschema.Draft202012Validator(schema, format_checker=FORMATS).validate(json.loads(text))


def in_format(schema):
    return {"response_format": schema_format(schema)}


def in_content(choice):
    assert choice["finish_reason"] == "stop", choice
    return choice["message"]["content"]


def in_tool(schema):
    return {"tools": [{"type": "function", "function": {"name": "tell", "parameters": schema}}], "tool_choice": "required", "parallel_tool_calls": False}


def in_call(choice):
    assert choice["finish_reason"] == "tool_calls" and not choice["message"]["content"], choice
    [call] = choice["message"]["tool_calls"]
    assert call["function"]["name"] == "tell"
    return call["function"]["arguments"]


def arguments_schema(rng):
    return {"type": "object", "properties": {name: random_schema(rng, 1) for name in ("a", "b")}, "required": ["a", "b"], "additionalProperties": False}


def thousand(server, rounds, n, make_schema=random_schema, ask=in_format, find=in_content):
    rng = random.Random(SEED)
    schemas = [make_schema(rng) for _ in range(50)]
    jobs = [(schema, seed) for schema in schemas for seed in range(rounds)]

    # The model likes long runs of white space, which are allowed and make the test slow.
    blank = [server.post("/tokenize", {"model": MODEL, "prompt": t, "add_special_tokens": False}).json()["tokens"] for t in ("\n", "\n\n", " \n", "\t", "\r", "  ")]
    bias = {str(token): -20 for tokens in blank for token in tokens}

    def run(job):
        schema, seed = job
        body = {"model": MODEL, "messages": [{"role": "user", "content": "Answer in JSON."}], **ask(schema), "n": n, "seed": seed, "max_tokens": 1800,
                "logit_bias": bias}
        response = server.post("/v1/chat/completions", body, timeout=600)  # a busy machine is no fault
        assert response.status_code == 200, (response.text, schema)
        return schema, response.json()["choices"]

    count = 0
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        for schema, choices in pool.map(run, jobs):
            for choice in choices:
                check(find(choice), schema)
                count += 1
    return count


@pytest.mark.timeout(1200)
def test_a_thousand_answers_over_fifty_schemas(server):
    assert thousand(server, rounds=4, n=5) == 1000


@pytest.mark.timeout(600)
def test_a_thousand_answers_of_a_device_that_chooses_at_random(fake):
    assert thousand(fake, rounds=4, n=5) == 1000


@pytest.mark.timeout(1200)
def test_a_thousand_tool_calls_over_fifty_schemas(server):
    assert thousand(server, rounds=4, n=5, make_schema=arguments_schema, ask=in_tool, find=in_call) == 1000


def test_every_way_to_ask(server):
    for fields, pattern in (
        ({"structured_outputs": {"regex": "[ab]{3}-\\d"}}, r"[ab]{3}-\d"), ({"guided_regex": "^(yes|no)$"}, "yes|no"),
        ({"structured_outputs": {"choice": ["red", "green", "a \"b\"/c"]}}, 'red|green|a "b"/c'), ({"guided_choice": ["x", "y"]}, "x|y"),
        ({"structured_outputs": {"grammar": 'start: "a" item{2}\nitem: /[0-9]/ ";"'}}, "a([0-9];){2}"),
        ({"guided_grammar": 'start: "q" | "r"'}, "q|r"),
    ):
        for ask in (server.chat, server.complete):
            choice = ask("Choose.", max_tokens=40, **fields).json()["choices"][0]
            text = choice["message"]["content"] if "message" in choice else choice["text"]
            assert choice["finish_reason"] == "stop" and re.fullmatch(pattern, text), (fields, text)
    for fields in ({"response_format": schema_format(PERSON)}, {"structured_outputs": {"json": PERSON}}, {"guided_json": json.dumps(PERSON)},
                   {"response_format": {"type": "json_object", "schema": PERSON}}):
        check(server.chat("Who?", max_tokens=400, **fields).json()["choices"][0]["message"]["content"], PERSON)
    for fields in ({"response_format": {"type": "json_object"}}, {"structured_outputs": {"json_object": True}}):
        choice = server.chat("Give me JSON.", max_tokens=1500, temperature=0, **fields).json()["choices"][0]
        assert choice["message"]["content"].startswith("{")
        assert choice["finish_reason"] == "length" or isinstance(json.loads(choice["message"]["content"]), dict)


def test_with_everything_else(server):
    ask = {"response_format": schema_format(PERSON), "max_tokens": 400, "seed": 3}
    whole = server.chat("Who?", n=3, logprobs=True, top_logprobs=2, **ask).json()
    for choice in whole["choices"]:
        check(choice["message"]["content"], PERSON)
        tokens = [t["token"] for t in choice["logprobs"]["content"]]
        assert "".join(tokens).startswith(choice["message"]["content"])
        assert all(t["logprob"] <= 0 and len(t["top_logprobs"]) == 2 for t in choice["logprobs"]["content"])
    body = {"model": MODEL, "messages": [{"role": "user", "content": "Who?"}], **ask}
    chunks = [c for c in stream(server, "/v1/chat/completions", body) if c["choices"]]
    text = "".join(c["choices"][0]["delta"].get("content", "") for c in chunks)
    assert text == server.chat("Who?", **ask).json()["choices"][0]["message"]["content"]
    # A stop string ends the answer before the format would.
    stopped = server.chat("Who?", stop=["\"age\""], **ask).json()["choices"][0]
    assert stopped["stop_reason"] == '"age"' and '"age"' not in stopped["message"]["content"]
    # The end is held back while the format has another way on, and no longer.
    for more in ({"min_tokens": 20}, {"ignore_eos": True}):
        regex = server.chat("A", **{**ask, "response_format": None}, structured_outputs={"regex": "a{1,30}"}, **more).json()
        assert regex["choices"][0]["finish_reason"] == "stop"
        fixed = server.chat("A", **{**ask, "response_format": None}, structured_outputs={"regex": "abc"}, **more).json()["choices"][0]
        assert fixed["message"]["content"] == "abc" and fixed["finish_reason"] == "stop"
    long = server.chat("A", **{**ask, "response_format": None, "max_tokens": 30}, structured_outputs={"regex": "[a-z ]*"}, ignore_eos=True).json()
    assert long["usage"]["completion_tokens"] == 30 and long["choices"][0]["finish_reason"] == "length"
    greedy = [server.chat("Who?", temperature=0, **ask).json()["choices"][0]["message"]["content"] for _ in range(2)]
    assert greedy[0] == greedy[1]


def test_openai_parse(server):
    client = openai.OpenAI(base_url=server.url + "/v1", api_key="none", _strict_response_validation=True)
    completion = client.chat.completions.parse(model=MODEL, messages=[{"role": "user", "content": "Who?"}], response_format=Person, max_tokens=1500, temperature=0)
    assert isinstance(completion.choices[0].message.parsed, Person)


REFUSED = [
    ({"response_format": {"type": "sound"}}, "response_format"), ({"response_format": {"type": "json_object", "schema": 123}}, "response_format"),
    ({"response_format": {"type": "json_schema"}}, "response_format"), ({"response_format": schema_format({"type": "hiccup"})}, "response_format"),
    ({"response_format": schema_format({"$ref": "#"})}, "response_format"),
    ({"response_format": schema_format({"$ref": "https://example.com/s.json"})}, "response_format"),
    ({"response_format": schema_format({"type": "array", "minItems": 10**9})}, "response_format"),
    ({"response_format": schema_format({"type": "string", "pattern": "(?=a)b"})}, "response_format"),
    ({"response_format": schema_format({"type": "integer", "multipleOf": 100000007})}, "response_format"),
    ({"response_format": schema_format({"title": "a" * 70_000})}, "response_format.json_schema.schema"),
    ({"response_format": schema_format({"not": {}})}, "response_format"),
    ({"structured_outputs": {"regex": "(" * 600 + "a" + ")" * 600}}, "structured_outputs"), ({"structured_outputs": {"regex": "("}}, "structured_outputs"),
    ({"structured_outputs": {"grammar": "start: missing"}}, "structured_outputs"), ({"structured_outputs": {"json": {}, "regex": "a"}}, "structured_outputs"),
    ({"response_format": {"type": "json_object"}, "guided_regex": "a"}, "guided_regex"),
    ({"guided_regex": "a", "allowed_token_ids": [1]}, "allowed_token_ids"),
]


@pytest.mark.parametrize("fields,param", REFUSED, ids=lambda v: json.dumps(v)[:60])
def test_refused(server, fields, param):
    golden = server.golden()
    for ask in (server.chat, server.complete):
        check_error(ask(**fields), 400, param, ANY)
    assert server.golden() == golden


def test_nesting(server):
    deep = '{"items":' * 1000 + "{}" + "}" * 1000
    body = json.dumps({"model": MODEL, "messages": [{"role": "user", "content": "hi"}], "guided_json": "SCHEMA"}).replace('"SCHEMA"', deep)
    check_error(server.client.post("/v1/chat/completions", content=body, headers={"Content-Type": "application/json"}), 400, ANY, "nesting_too_deep")
    check_error(server.chat(guided_json=deep), 400, "guided_json", ANY)


def test_a_nasty_schema_hurts_nobody(server):
    alone = [server.chat("Tell me a story.", max_tokens=60, seed=s, temperature=0.8, logprobs=True).json()["choices"] for s in range(4)]
    nasty = [schema_format({"type": "integer", "multipleOf": 10007 + 2 * i}) for i in range(6)]
    nasty += [schema_format({"type": "object", "properties": {f"p{i}_{j}": {"type": "string"} for i in range(600)}}) for j in range(3)]
    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        bad = [pool.submit(server.chat, response_format=f) for f in nasty]
        good = [pool.submit(server.chat, "Tell me a story.", max_tokens=60, seed=s, temperature=0.8, logprobs=True) for s in range(4)]
        assert [g.result().json()["choices"] for g in good] == alone
        assert all(b.result().status_code in (200, 400, 429) for b in bad)


def resident_kb(server):
    with open(f"/proc/{server.process.pid}/status") as status:
        return int(re.search(r"VmRSS:\s+(\d+)", status.read())[1])


@pytest.mark.timeout(300)
def test_a_thousand_schemas_leave_no_memory_behind(fake):
    def ask(i):
        schema = {"type": "object", "properties": {f"key{i}": {"type": "integer", "minimum": i}, "s": {"type": "string", "maxLength": i % 7 + 1}}}
        return fake.chat(response_format=schema_format(schema), max_tokens=3).status_code

    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        assert set(pool.map(ask, range(300))) == {200}
        time.sleep(0.5)
        before = resident_kb(fake)
        assert set(pool.map(ask, range(300, 1300))) == {200}
    time.sleep(0.5)
    assert resident_kb(fake) < before + 20_000
