# SPDX-License-Identifier: Apache-2.0
"""Bodies that are no valid JSON request: refused with a reason, and the server stays as it was."""
import json
import random

import pytest

from contract import ANY, check_error, check_error_body

PATH = "/v1/chat/completions"
VALID = {"model": "demo-model", "messages": [{"role": "user", "content": "hi"}], "max_tokens": 2, "temperature": 0}
TEXT = json.dumps(VALID)


def send(server, body):
    content = body if isinstance(body, bytes) else body.encode()
    return server.client.post(PATH, content=content, headers={"Content-Type": "application/json"})


def with_field(text):
    return TEXT[:-1] + ", " + text + "}"


def nested(depth, kind):
    return "[" * depth + "]" * depth if kind == "array" else '{"a":' * depth + "1" + "}" * depth


# name: body; expected 400 with code invalid_json
INVALID = {
    "empty": "", "spaces": "   ", "null": "null", "array": "[]", "string": '"x"', "number": "1",
    "trailing comma": TEXT[:-1] + ",}", "comment": TEXT[:-1] + "/* */}", "single quotes": TEXT.replace('"', "'"),
    "NaN": with_field('"temperature": NaN'), "Infinity": with_field('"temperature": Infinity'),
    "plus": with_field('"x": +1'), "leading zero": with_field('"x": 01'), "leading point": with_field('"x": .5'),
    "two documents": TEXT + TEXT, "garbage": TEXT + "x", "NUL behind": TEXT + "\0", "a document behind NUL": TEXT + "\0" + TEXT,
    "key twice": with_field('"max_tokens": 3'), "key twice below": with_field('"metadata": {"a": "1", "b": "2", "a": "1"}'),
    "key twice in a list": with_field('"tools": [{"type": "function", "function": {"name": "f", "name": "g"}}]'),
    "key twice, escaped": with_field('"m\\u0061x_tokens": 3'),
    "ff": TEXT.encode().replace(b"hi", b"\xff"), "overlong": TEXT.encode().replace(b"hi", b"\xc0\xaf"),
    "surrogate": TEXT.encode().replace(b"hi", b"\xed\xa0\x80"), "truncated": TEXT.encode().replace(b"hi", b"\xe2\x82"),
    "newline in a string": TEXT.replace("hi", "h\ni"), "NUL in a string": TEXT.replace("hi", "h\0i"),
    "UTF-16": TEXT.encode("utf-16"), "lone surrogate escape": TEXT.replace("hi", "\\ud800"),
}
# name: (body, param, code)
OTHER = {
    "NUL in model": (TEXT.replace("demo-model", "demo-model\\u0000"), 404, "model", "model_not_found"),
    "1e999": (with_field('"top_p": 1e999'), 400, ANY, ANY),
    "-1e400": (with_field('"top_p": -1e400'), 400, ANY, ANY),
    "400 digits": (with_field(f'"seed": {"9" * 400}'), 400, ANY, ANY),
}
for value in ('"5"', "true", "1.5", "[1]", "{}"):
    OTHER[f"max_tokens {value}"] = (with_field(f'"max_tokens": {value}').replace('"max_tokens": 2, ', ""), 400, "max_tokens", "invalid_type")
for value in ("1", '"true"'):
    OTHER[f"stream {value}"] = (with_field(f'"stream": {value}'), 400, "stream", "invalid_type")
for depth in (65, 1000, 100_000, 1_000_000):
    for kind in ("array", "object"):
        OTHER[f"{depth} of {kind}"] = (with_field(f'"x": {nested(depth, kind)}'), 400, ANY, "nesting_too_deep")
for field in ('"metadata": %s', '"tools": [{"type": "function", "function": {"name": "f", "parameters": %s}}]'):
    OTHER[f"in {field[1:6]}"] = (with_field(field % nested(100_000, "object")), 400, ANY, "nesting_too_deep")
GOOD = {
    "NUL in content": TEXT.replace("hi", "h\\u0000i"), "NUL in stop": with_field('"stop": "\\u0000"'),
    "stream null": with_field('"stream": null'), "unknown field": with_field('"foo": 1'),
    "escaped emoji": TEXT.replace("hi", "\\ud83d\\ude00"), "unknown nested": with_field('"foo": {"a": [1, null, "x"]}'),
}
OPTIONAL = ("temperature top_p top_k min_p n stop stop_token_ids seed presence_penalty frequency_penalty repetition_penalty logit_bias "
            "logprobs top_logprobs min_tokens ignore_eos stream stream_options user tools tool_choice response_format bad_words "
            "allowed_token_ids max_tokens max_completion_tokens priority cache_salt return_token_ids metadata").split()


@pytest.fixture(scope="module", autouse=True)
def golden(fake):
    return fake.golden()


@pytest.mark.parametrize("name", INVALID)
def test_invalid(fake, golden, name):
    check_error(send(fake, INVALID[name]), 400, ANY, "invalid_json")
    assert fake.golden() == golden


@pytest.mark.parametrize("name", OTHER)
def test_refused(fake, golden, name):
    body, status, param, code = OTHER[name]
    check_error(send(fake, body), status, param, code)
    assert fake.golden() == golden


@pytest.mark.parametrize("name", GOOD)
def test_accepted(fake, golden, name):
    response = send(fake, GOOD[name])
    assert response.status_code == 200, response.text
    assert fake.golden() == golden


@pytest.mark.parametrize("field", OPTIONAL)
def test_null_is_absent(fake, field):
    body = {k: v for k, v in {"seed": 1, **VALID}.items() if k != field}
    absent, null = send(fake, json.dumps(body)), send(fake, json.dumps({**body, field: None}))
    assert absent.status_code == null.status_code == 200, null.text
    if field not in ("max_tokens", "temperature", "seed"):
        assert absent.json()["choices"] == null.json()["choices"]


def test_truncated_everywhere(fake, golden):
    for end in range(len(TEXT)):
        check_error(send(fake, TEXT[:end]), 400, ANY, "invalid_json")
    assert fake.golden() == golden


@pytest.mark.parametrize("body", [
    "{" + ",".join(f'"k{i}":1' for i in range(1_000_000)) + "}",
    with_field('"x": "' + "a" * 8_000_000 + '"'),
    with_field('"x": [' + ",".join("1" for _ in range(1_000_000)) + "]"),
], ids=["10^6 keys", "8 MB string", "10^6 elements"])
def test_large(fake, golden, body):
    response = send(fake, body)
    assert response.status_code in (200, 400, 413), response.text[:300]
    if response.status_code != 200:
        check_error_body(response.json(), response.status_code)
    assert fake.golden() == golden


def test_mutations(fake, golden):
    seed = random.randrange(1 << 32)
    rng = random.Random(seed)
    for _ in range(1000):
        data = bytearray(TEXT.encode())
        for _ in range(rng.randint(1, 4)):
            at = rng.randrange(len(data))
            kind = rng.randrange(4)
            if kind == 0:
                data[at] = rng.randrange(256)
            elif kind == 1:
                del data[at:at + rng.randint(1, 8)]
            elif kind == 2:
                data[at:at] = data[at:at + rng.randint(1, 20)]
            else:
                data[at:at] = rng.choice([b"{", b"]", b'"', b"-", b"9" * 20, b"\\u", b"null", b"\x00", b"1e9"])
            if not data:
                break
        response = send(fake, bytes(data))
        assert response.status_code < 500, (seed, bytes(data), response.text)
        if response.status_code != 200:
            check_error_body(response.json(), response.status_code)
    assert fake.golden() == golden
