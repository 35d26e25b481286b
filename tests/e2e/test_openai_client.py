# SPDX-License-Identifier: Apache-2.0
"""openai-python with strict validation of every answer."""
import threading

import openai
import pytest

from contract import check_error_body
from server import MODEL

MESSAGES = [{"role": "user", "content": "Tell me a story about a fox."}]


def client_of(server, key="unused", strict=True):
    return openai.OpenAI(base_url=server.url + "/v1", api_key=key, max_retries=0, timeout=60, _strict_response_validation=strict)


@pytest.fixture(scope="module")
def client(server):
    with client_of(server) as made:
        yield made


@pytest.fixture(scope="module")
def lenient(server):
    """For what OpenAI itself answers against its client's types: nulls in a completion's chunks, and for an echo's first token."""
    with client_of(server, strict=False) as made:
        yield made


def test_chat(client):
    answer = client.chat.completions.create(model=MODEL, messages=MESSAGES, max_tokens=20, temperature=0)
    assert answer.object == "chat.completion" and answer.model == MODEL
    assert answer.choices[0].message.role == "assistant" and answer.choices[0].message.content
    assert answer.usage.total_tokens == answer.usage.prompt_tokens + answer.usage.completion_tokens
    assert answer.usage.prompt_tokens_details.cached_tokens >= 0
    assert answer.choices[0].finish_reason in ("stop", "length")


def test_chat_stream_equals_whole(client):
    fields = {"model": MODEL, "messages": MESSAGES, "max_tokens": 40, "temperature": 0}
    whole = client.chat.completions.create(**fields)
    chunks = list(client.chat.completions.create(**fields, stream=True, stream_options={"include_usage": True}))
    assert len({c.id for c in chunks}) == 1
    assert chunks[0].choices[0].delta.role == "assistant"
    with_choices = [c for c in chunks if c.choices]
    assert "".join(c.choices[0].delta.content or "" for c in with_choices) == whole.choices[0].message.content
    assert [c.choices[0].finish_reason for c in with_choices if c.choices[0].finish_reason] == [whole.choices[0].finish_reason]
    assert chunks[-1].choices == []
    assert chunks[-1].usage.completion_tokens == whole.usage.completion_tokens
    assert all(c.usage is None for c in chunks[:-1])


def test_chat_logprobs(client):
    answer = client.chat.completions.create(model=MODEL, messages=MESSAGES, max_tokens=5, temperature=0, logprobs=True, top_logprobs=3)
    for token in answer.choices[0].logprobs.content:
        assert len(token.top_logprobs) == 3
        assert token.top_logprobs[0].logprob == token.logprob <= 0
        assert token.top_logprobs[0].token == token.token
        assert token.logprob >= token.top_logprobs[1].logprob >= token.top_logprobs[2].logprob


def test_completion_with_echo_and_logprobs(lenient):
    answer = lenient.completions.create(model=MODEL, prompt="Once upon a time", max_tokens=1, temperature=0, echo=True, logprobs=1)
    choice = answer.choices[0]
    assert choice.text.startswith("Once upon a time")
    assert len(choice.logprobs.tokens) == len(choice.logprobs.token_logprobs) == answer.usage.total_tokens
    assert choice.logprobs.token_logprobs[0] is None
    assert all(p <= 0 for p in choice.logprobs.token_logprobs[1:])


def test_completion_stream_equals_whole(client, lenient):
    fields = {"model": MODEL, "prompt": "Once upon a time", "max_tokens": 30, "temperature": 0}
    whole = client.completions.create(**fields)
    chunks = list(lenient.completions.create(**fields, stream=True))
    assert "".join(c.choices[0].text for c in chunks if c.choices) == whole.choices[0].text


def test_several_prompts_and_choices(client):
    answer = client.completions.create(model=MODEL, prompt=["Once", "The fox"], n=2, max_tokens=3, seed=5, temperature=1)
    assert [c.index for c in answer.choices] == [0, 1, 2, 3]


def test_stop_string_is_not_in_the_answer(client):
    whole = client.completions.create(model=MODEL, prompt="Once upon a time", max_tokens=30, temperature=0).choices[0].text
    stop = whole[10:14]
    cut = client.completions.create(model=MODEL, prompt="Once upon a time", max_tokens=30, temperature=0, stop=stop)
    assert cut.choices[0].text == whole[:whole.index(stop)]
    assert cut.choices[0].finish_reason == "stop"


def test_models(client):
    assert [m.id for m in client.models.list()] == [MODEL]
    assert client.models.retrieve(MODEL).object == "model"


ERRORS = [
    ({"model": "nope"}, openai.NotFoundError, 404), ({"temperature": 5}, openai.BadRequestError, 400),
    ({"messages": []}, openai.BadRequestError, 400), ({"max_tokens": 0}, openai.BadRequestError, 400),
]


@pytest.mark.parametrize("fields, error, status", ERRORS, ids=str)
def test_errors(client, fields, error, status):
    with pytest.raises(error) as raised:
        client.chat.completions.create(**{"model": MODEL, "messages": MESSAGES, "max_tokens": 3, **fields})
    assert raised.value.status_code == status
    assert raised.value.request_id
    check_error_body(raised.value.response.json(), status)


def test_authentication(start):
    server = start("--device", "fake", "--api-key", "sk-right")
    server.headers = {"Authorization": "Bearer sk-right"}
    with client_of(server, "sk-wrong") as wrong, pytest.raises(openai.AuthenticationError):
        wrong.models.list()
    with client_of(server, "sk-right") as right:
        assert [m.id for m in right.models.list()] == [MODEL]


def test_streaming_helper_gives_the_whole_answer(client):
    fields = {"model": MODEL, "messages": [{"role": "user", "content": "Hello!"}], "max_tokens": 100, "temperature": 0}
    whole = client.chat.completions.create(**fields)
    with client.chat.completions.stream(**fields) as events:
        content = "".join(e.delta for e in events if e.type == "content.delta")
        final = events.get_final_completion()
    assert content == final.choices[0].message.content == whole.choices[0].message.content
    assert final.choices[0].finish_reason == whole.choices[0].finish_reason


def test_logprobs_of_a_chat_name_every_byte(client):
    answer = client.chat.completions.create(model=MODEL, messages=MESSAGES, max_tokens=30, temperature=0, logprobs=True)
    raw = b"".join(bytes(t.bytes) for t in answer.choices[0].logprobs.content)
    assert raw.decode().startswith(answer.choices[0].message.content)
    assert len(answer.choices[0].logprobs.content) == answer.usage.completion_tokens


def test_cancelled_stream_frees_the_server(server, client):
    events = client.chat.completions.create(model=MODEL, messages=MESSAGES, max_tokens=1500, stream=True, extra_body={"ignore_eos": True})
    next(iter(events))
    events.close()
    server.wait_idle()


def test_retries_until_there_is_room(start):
    """All places are taken: 429 with Retry-After, which the client waits for, then its turn."""
    server = start("--device", "fake", "--fake-step-ms", 20, "--max-num-seqs", 1, "--max-num-queued-reqs", 1)
    busy = [threading.Thread(target=lambda: server.complete("long", max_tokens=60, ignore_eos=True)) for _ in range(2)]
    for i, thread in enumerate(busy):
        thread.start()
        server.wait_metric("vllm:num_requests_running", 1)
        server.wait_metric("vllm:num_requests_waiting", i)
    with client_of(server) as once, pytest.raises(openai.RateLimitError) as full:
        once.completions.create(model=MODEL, prompt="x", max_tokens=1)
    assert int(full.value.response.headers["retry-after"]) >= 1
    with openai.OpenAI(base_url=server.url + "/v1", api_key="unused", max_retries=8, timeout=60) as patient:
        assert patient.completions.create(model=MODEL, prompt="x", max_tokens=1).usage.completion_tokens == 1
    for thread in busy:
        thread.join()


def test_unavailable_is_an_internal_server_error(start):
    server = start("--device", "fake", "--fake-step-ms", 50, "--max-num-seqs", 1, "--queue-timeout", 0.3)
    busy = threading.Thread(target=lambda: server.complete("long", max_tokens=60, ignore_eos=True))
    busy.start()
    server.wait_metric("vllm:num_requests_running", 1)
    with client_of(server) as client, pytest.raises(openai.InternalServerError) as late:
        client.completions.create(model=MODEL, prompt="x", max_tokens=1)
    assert late.value.status_code == 503 and int(late.value.response.headers["retry-after"]) >= 1
    with openai.OpenAI(base_url=server.url + "/v1", api_key="unused", max_retries=8, timeout=60) as patient:
        assert patient.completions.create(model=MODEL, prompt="x", max_tokens=1).usage.completion_tokens == 1
    busy.join()
