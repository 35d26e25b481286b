# SPDX-License-Identifier: Apache-2.0
"""Every parameter outside its range is a 400 that names it; inside, it is honoured."""
import json

import pytest

from contract import ANY, check_error, check_error_body
from server import MODEL

VOCAB, CONTEXT = 6144, 2048
IV, IT, US = "invalid_value", "invalid_type", "unsupported_parameter"
BAD = {IV, IT}
USER = {"role": "user", "content": "hi"}


def function(name="f", **more):
    return {"type": "function", "function": {"name": name, **more}}


# (fields laid over a chat request, status, param, code)
CHAT = [
    ({"model": "nope"}, 404, "model", "model_not_found"),
    ({"model": "x" * 1_000_000}, 404, "model", "model_not_found"),
    ({"model": "a\nb"}, 404, "model", "model_not_found"),
    ({"model": "../../etc/passwd"}, 404, "model", "model_not_found"),
    ({"model": "/dev/random"}, 404, "model", "model_not_found"),
    ({"model": 5}, 400, "model", IT), ({"model": ""}, 400, "model", IV),
    ({"messages": None}, 400, "messages", ANY), ({"messages": {}}, 400, "messages", IT), ({"messages": "x"}, 400, "messages", IT),
    ({"messages": []}, 400, "messages", IV), ({"messages": [None]}, 400, "messages[0]", ANY), ({"messages": [1]}, 400, "messages[0]", ANY),
    ({"messages": [{}]}, 400, "messages[0]", ANY), ({"messages": [{"content": "x"}]}, 400, "messages[0]", ANY),
    *[({"messages": [{"role": r, "content": "x"}]}, 400, "messages[0].role", BAD) for r in ("admin", 5, "", "x" * 1_000_000, "<|eot_id|>")],
    *[({"messages": [{"role": "user", "content": c}]}, 400, "messages[0].content", ANY) for c in (None, 5, {})],
    *[({"messages": [{"role": "user", "content": [p]}]}, 400, "messages[0].content", "unsupported_content")
      for p in ({"type": "image_url", "image_url": {"url": "http://127.0.0.1:1/x"}}, {"type": "input_audio", "input_audio": {}}, {"type": "odd"})],
    ({"messages": [{"role": "user", "content": [{"type": "text"}]}]}, 400, "messages[0].content", ANY),
    ({"messages": [{"role": "user", "content": []}]}, 400, "messages[0].content", ANY),
    ({"messages": [{"role": "user", "content": [{"type": "text", "text": "x"}] * 10_000}]}, 400, "messages[0].content", IV),
    ({"messages": [USER] * 100_000}, 400, "messages", IV),
    ({"messages": [USER, {"role": "tool", "content": "x"}]}, 400, "messages[1]", ANY),
    *[({"max_tokens": v}, 400, "max_tokens", IV) for v in (0, -1, 2**31, 2**63, 1e18)],
    ({"max_tokens": CONTEXT}, 400, "max_tokens", "context_length_exceeded"),
    ({"messages": [{"role": "user", "content": "one two " * 3000}]}, 400, "messages", "context_length_exceeded"),
    *[({"n": v}, 400, "n", BAD) for v in (0, -1, 9, 10**6, 2**63, 1.5, "2")],
    *[({"temperature": v}, 400, "temperature", BAD) for v in (-0.1, 2.01, 1e308, "hot")],
    *[({"top_p": v}, 400, "top_p", IV) for v in (0, -1, 1.01)],
    *[({"top_k": v}, 400, "top_k", BAD) for v in (-2, 1.5, 2**31)],
    *[({"min_p": v}, 400, "min_p", IV) for v in (-0.1, 1.1)],
    *[({f: v}, 400, f, IV) for f in ("presence_penalty", "frequency_penalty") for v in (2.01, -2.01)],
    *[({"repetition_penalty": v}, 400, "repetition_penalty", IV) for v in (0, -1, 1e308)],
    *[({"seed": v}, 400, "seed", BAD) for v in (2**63, 2**64, 1.5, "x")],
    *[({"stop": v}, 400, "stop", BAD) for v in (["x"] * 65, "", [""], [1], "x" * 10_000, ["x"] * 10_000)],
    *[({"stop_token_ids": v}, 400, "stop_token_ids", BAD) for v in ([VOCAB], [-1], ["a"], [1] * 100_000)],
    *[({"logit_bias": v}, 400, "logit_bias", BAD) for v in ({str(VOCAB): 1}, {"-1": 1}, {"a": 1}, {"1": 101}, {"1": "x"},
                                                            {str(i): 1 for i in range(100_000)}, [])],
    ({"logprobs": "yes"}, 400, "logprobs", IT),
    *[({"logprobs": True, "top_logprobs": v}, 400, "top_logprobs", IV) for v in (21, -1, 10**6)],
    ({"top_logprobs": 2}, 400, "top_logprobs", ANY),
    ({"stream_options": {"include_usage": True}}, 400, "stream_options", ANY),
    ({"stream": True, "stream_options": {"include_usage": "x"}}, 400, "stream_options", ANY),
    *[({"response_format": v}, 400, "response_format", ANY) for v in (
        {"type": "sound"}, {"type": "json_schema"}, 5, {"type": "json_object", "schema": 123},
        {"type": "json_schema", "json_schema": {"name": "x", "schema": {"type": "hiccup"}}})],
    ({"tools": {}}, 400, "tools", IT), ({"tools": [1]}, 400, "tools[0]", ANY), ({"tools": [function()] * 129}, 400, "tools", IV),
    *[({"tools": [function(n)]}, 400, "tools[0]", ANY) for n in ("a b", "x" * 65, "")],
    ({"tools": [function(parameters="x")]}, 400, "tools[0]", ANY), ({"tools": [function(), function()]}, 400, "tools[1]", ANY),
    *[({f: v}, 400, f, US) for f, v in (("chat_template", "{{ 1 }}"), ("prompt_embeds", "x"), ("kv_transfer_params", {"a": 1}))],
    ({"chat_template_kwargs": {"tokenize": True}}, 400, "chat_template_kwargs", ANY),
    ({"chat_template_kwargs": {"a": {"b": 1}}}, 400, "chat_template_kwargs", ANY),
    *[({"cache_salt": v}, 400, "cache_salt", BAD) for v in ("", "x" * 1025, 5)],
    *[({"user": v}, 400, "user", BAD) for v in ("x" * 10_240, {})],
    *[({"metadata": v}, 400, "metadata", ANY) for v in ({str(i): "x" for i in range(17)}, {"a": "x" * 10_240})],
    ({"min_tokens": 5, "max_tokens": 4}, 400, "min_tokens", IV), ({"min_tokens": -1}, 400, "min_tokens", IV),
    *[({"priority": v}, 400, "priority", ANY) for v in ("x", 2**63)],
    *[({"bad_words": v}, 400, "bad_words", BAD) for v in ("x", [1], [""], ["x" * 2000], ["x"] * 65)],
    *[({"documents": v}, 400, "documents", ANY) for v in ("x", [], [1], [{"a": 1}], [{"title": "t", "text": "x"}])],
    *[({"add_generation_prompt": v}, 400, "add_generation_prompt", IT) for v in (1, "true")],
    ({"continue_final_message": True, "add_generation_prompt": True}, 400, "continue_final_message", ANY),
    ({"reasoning_effort": 5}, 400, "reasoning_effort", IT), ({"web_search_options": {"a": 1}}, 400, "web_search_options", US),
    *[({"timeout": v}, 400, "timeout", BAD) for v in (-1, "x", [])],
]
COMPLETION = [
    ({"best_of": 2}, 400, "best_of", US), ({"suffix": "x"}, 400, "suffix", US),
    *[({"logprobs": v}, 400, "logprobs", IV) for v in (-1, 10**6)],
    *[({"prompt": v}, 400, "prompt", ANY) for v in ([], [[]], None, {}, 5, [1, "a"], [[1], ["a"]], [VOCAB], [-1], [2**40], [1.5])],
    ({"prompt": ["hi"] * 10_000}, 400, "prompt", IV), ({"prompt": ["hi"] * 65}, 400, "prompt", IV),
    ({"prompt": ["hi"] * 33, "n": 2}, 400, ANY, IV),
    ({"prompt": [1] * CONTEXT}, 400, "prompt", "context_length_exceeded"),
    ({"prompt": [1] * (CONTEXT * 10)}, 400, "prompt", "context_length_exceeded"),
    ({"prompt": [1] * 100, "max_tokens": CONTEXT - 99}, 400, "max_tokens", "context_length_exceeded"),
]
CHAT_GOOD = [
    {"top_p": 1.0}, {"top_p": 1e-9}, {"top_k": -1}, {"top_k": 0}, {"top_k": VOCAB * 2}, {"min_p": 1.0}, {"temperature": 0}, {"temperature": 2},
    {"n": 8}, {"stop": [f"stop {i}" for i in range(64)]}, {"stop": "x"}, {"repetition_penalty": 10}, {"presence_penalty": -2}, {"frequency_penalty": 2},
    {"logit_bias": {"5": 100, "6": -100}}, {"seed": 2**63 - 1}, {"seed": -1}, {"logprobs": True, "top_logprobs": 20}, {"logprobs": True},
    {"max_completion_tokens": 3}, {"max_completion_tokens": 3, "max_tokens": 2}, {"model": None}, {"timeout": 1e9}, {"user": "u"}, {"cache_salt": "s"}, {"messages": [{"role": "system", "content": "a"}, USER]},
    {"messages": [{"role": "user", "content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]}]},
    {"response_format": {"type": "text"}}, {"unknown": 1}, {"min_tokens": 2}, {"ignore_eos": True}, {"stop_token_ids": [0, VOCAB - 1]},
    {"allowed_token_ids": [5, 6]}, {"return_token_ids": True}, {"bad_words": ["fox", " the quick brown"]}, {"reasoning_effort": "low"},
    {"chat_template_kwargs": {"enable_thinking": False}}, {"timeout": 60}, {"priority": -5},
    {"messages": [USER, {"role": "assistant", "content": "I am"}], "continue_final_message": True, "add_generation_prompt": False},
]
COMPLETION_GOOD = [
    {"prompt": [1, 2, 3]}, {"prompt": ["a", "b"]}, {"prompt": [[1], [2, 3]]}, {"prompt": [1] * (CONTEXT - 1), "max_tokens": 1},
    {"echo": True, "max_tokens": 1}, {"logprobs": 5}, {"logprobs": 0}, {"prompt": [6136]}, {"prompt": "   "}, {"prompt": "<|eot_id|>"},
]


def shown(case):
    text = json.dumps(case[0] if isinstance(case, tuple) else case)
    return text if len(text) < 60 else text[:40] + f"...{len(text)}"


@pytest.fixture(scope="module")
def golden(fake):
    return fake.golden()


@pytest.mark.parametrize("case", CHAT, ids=shown)
def test_chat_refused(fake, golden, case):
    fields, status, param, code = case
    check_error(fake.chat(**fields), status, param, code)
    assert fake.golden() == golden


@pytest.mark.parametrize("case", COMPLETION, ids=shown)
def test_completion_refused(fake, golden, case):
    fields, status, param, code = case
    check_error(fake.complete(**fields), status, param, code)
    assert fake.golden() == golden


@pytest.mark.parametrize("fields", CHAT_GOOD, ids=shown)
def test_chat_accepted(fake, golden, fields):
    response = fake.chat(**fields)
    assert response.status_code == 200, response.text
    assert len(response.json()["choices"]) == fields.get("n", 1)
    assert fake.golden() == golden


@pytest.mark.parametrize("fields", COMPLETION_GOOD, ids=shown)
def test_completion_accepted(fake, golden, fields):
    response = fake.complete(**fields)
    assert response.status_code == 200, response.text
    assert response.json()["usage"]["completion_tokens"] >= 1
    assert fake.golden() == golden


def test_both_numbers_are_told(fake):
    message = fake.complete([1] * 5000).json()["error"]["message"]
    assert "5000" in message.replace(",", "") and str(CONTEXT) in message.replace(",", "")


def test_long_names_are_cut(fake):
    assert len(fake.chat(model="x" * 1_000_000).text) < 1000


NUMERIC = ("max_tokens n temperature top_p top_k min_p presence_penalty frequency_penalty repetition_penalty seed min_tokens priority "
           "prompt_logprobs timeout").split()
FIELDS = [("chat", f) for f in [*NUMERIC, "max_completion_tokens", "top_logprobs"]] + [("complete", f) for f in [*NUMERIC, "logprobs"]]
VALUES = [-1, 0, 1, 2**31 - 1, 2**31, 2**32, 2**53 + 1, 2**63 - 1, 2**63, 2**64, 1e308, "1", True, None, [], {}]


@pytest.mark.parametrize("endpoint, field", FIELDS)
def test_every_number(fake, golden, endpoint, field):
    ask = getattr(fake, endpoint)
    for value in VALUES:
        more = {"logprobs": True} if field == "top_logprobs" else {}
        response = ask(**{"max_tokens": 2, field: value}, **more)
        assert response.status_code in (200, 400), (field, value, response.text)
        if response.status_code == 400:
            check_error_body(response.json(), 400, field)
        if isinstance(value, (str, list, dict, bool)):
            check_error(response, 400, field, IT)
        elif response.status_code == 200 and field in ("max_tokens", "max_completion_tokens") and value is not None:
            assert response.json()["usage"]["completion_tokens"] <= value
    assert fake.golden() == golden


def test_models(fake):
    assert fake.client.get(f"/v1/models/{MODEL}?x=1").status_code == 200
    check_error(fake.client.get("/v1/models/nope"), 404, "model", "model_not_found")
    listed = fake.client.get("/v1/models").json()
    assert [m["id"] for m in listed["data"]] == [MODEL] and listed["data"][0]["max_model_len"] == CONTEXT


def test_tokenize_large(fake, golden):
    response = fake.post("/tokenize", {"model": MODEL, "prompt": "a tale " * (8_000_000 // 7)})
    assert response.status_code in (200, 400, 413), response.text[:300]
    if response.status_code != 200:
        check_error_body(response.json(), response.status_code)
    assert fake.golden() == golden


@pytest.mark.parametrize("tokens", [[2**31], [VOCAB], [-1], "x", ["a"], None, [1.5]])
def test_detokenize_refused(fake, tokens):
    check_error(fake.post("/detokenize", {"model": MODEL, "tokens": tokens}), 400, "tokens")
