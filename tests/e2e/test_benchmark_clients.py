# SPDX-License-Identifier: Apache-2.0
"""Requests as evaluation harnesses and load generators send them: no error, and every token counted."""
import itertools
import json
import os
import subprocess
import threading

import pytest

from contract import chat_text, completion_text, events, stream
from server import DATA, MODEL, MODEL_DIR, ROOT

LIKELIHOODS = json.loads((DATA / "loglikelihoods.json").read_text())
LM_EVAL = ROOT / ".venv-lm-eval/bin/lm-eval"


@pytest.fixture(scope="module")
def exact(tmp_path_factory):
    """Float32, as the reference is."""
    from server import Server
    running = Server(tmp_path_factory.mktemp("exact") / "log", "--dtype", "float32")
    yield running
    running.stop()


def run_lm_eval(folder, server, model, path, docs, task, *flags, **model_args):
    """The samples that lm-eval's own command logs of a task over some documents."""
    assert LM_EVAL.exists(), "no lm-eval: run need_venv of scripts/lib.sh"
    (folder / "docs.jsonl").write_text("\n".join(map(json.dumps, docs)))
    whole = {"task": "demo", "dataset_path": "json", "dataset_kwargs": {"data_files": {"test": str(folder / "docs.jsonl")}}, "test_split": "test", **task}
    (folder / "demo.yaml").write_text(json.dumps(whole))
    args = {"model": MODEL, "base_url": server.url + path, "tokenizer": MODEL_DIR, **model_args}
    subprocess.run([LM_EVAL, "run", "--model", model, "--model_args", ",".join(f"{k}={v}" for k, v in args.items()), "--tasks", "demo", "--include_path", folder,
                    "--log_samples", "--output_path", folder / "out", *flags],
                   check=True, timeout=150, env={**os.environ, "HF_HOME": str(folder / "cache"), "HF_HUB_OFFLINE": "1"})
    [samples] = (folder / "out").rglob("samples_demo_*.jsonl")
    return sorted((json.loads(line) for line in samples.read_text().splitlines()), key=lambda sample: sample["doc_id"])


@pytest.mark.parametrize("batch, concurrent", [(4, 1), (1, 4)])
def test_lm_eval_itself(exact, tmp_path, batch, concurrent):
    """One request after another, each of several prompts; and many requests at once, which is other code of lm-eval."""
    docs = [{"context": context, "choices": [c["continuation"] for c in cases]} for context, cases in itertools.groupby(LIKELIHOODS, lambda c: c["context"])]
    task = {"output_type": "multiple_choice", "doc_to_text": "{{context}}", "doc_to_choice": "{{choices}}", "doc_to_target": 0, "target_delimiter": ""}
    samples = run_lm_eval(tmp_path, exact, "local-completions", "/v1/completions", docs, task, "--batch_size", str(batch), add_bos_token=True, num_concurrent=concurrent)
    found = [response[0] for sample in samples for response in sample["resps"]]
    for (logprob, is_greedy), case in zip(found, LIKELIHOODS, strict=True):
        assert abs(float(logprob) - sum(case["token_logprobs"][case["context_tokens"] - 1:])) < 1e-3, case
        assert is_greedy == str(case["is_greedy"]), case


def test_lm_eval_itself_chats(server, tmp_path):
    docs = [{"country": country, "capital": capital} for country, capital in (("France", "Paris"), ("Japan", "Tokyo"))]
    task = {"output_type": "generate_until", "doc_to_text": "What is the capital of {{country}}?", "doc_to_target": "{{capital}}",
            "generation_kwargs": {"until": ["\n\n"], "max_gen_toks": 40}}
    samples = run_lm_eval(tmp_path, server, "local-chat-completions", "/v1/chat/completions", docs, task, "--apply_chat_template")
    assert [sample["doc"]["capital"] in sample["resps"][0][0] for sample in samples] == [True, True]


def lm_eval(prompts, max_tokens):
    """The body of lm-eval's local-completions for log-likelihoods."""
    return {"model": MODEL, "prompt": prompts, "temperature": 0, "max_tokens": max_tokens, "logprobs": 1, "seed": 1234, "echo": True}


@pytest.mark.parametrize("max_tokens", [0, 1])
def test_lm_eval_loglikelihoods(exact, max_tokens):
    """All cases in batches of ids; parsed as lm-eval does it."""
    for start in range(0, len(LIKELIHOODS), 5):
        cases = LIKELIHOODS[start:start + 5]
        response = exact.post("/v1/completions", lm_eval([c["ids"] for c in cases], max_tokens))
        assert response.status_code == 200, response.text
        body = response.json()
        assert [c["index"] for c in body["choices"]] == list(range(len(cases)))
        assert body["usage"]["prompt_tokens"] == sum(len(c["ids"]) for c in cases)
        assert body["usage"]["completion_tokens"] == max_tokens * len(cases)
        for case, choice in zip(cases, body["choices"]):
            logprobs, size = choice["logprobs"], len(case["ids"])
            assert len(logprobs["tokens"]) == len(logprobs["token_logprobs"]) == len(logprobs["top_logprobs"]) == size + max_tokens
            assert logprobs["token_logprobs"][0] is None
            got, want = logprobs["token_logprobs"][1:size], case["token_logprobs"]
            assert all(abs(g - w) < 1e-3 for g, w in zip(got, want, strict=True)), (case["continuation"], got, want)
            begin = case["context_tokens"]
            assert abs(sum(got[begin - 1:]) - sum(want[begin - 1:])) < 1e-3
            tops = logprobs["top_logprobs"][begin:size]
            is_greedy = all(p == max(t.values()) for p, t in zip(got[begin - 1:], tops))
            assert is_greedy == case["is_greedy"]


def test_lm_eval_text_prompts(exact):
    """The same from text: the tokenizer puts the same beginning-of-text token before it."""
    for case in LIKELIHOODS[:6]:
        text = case["context"] + case["continuation"]
        choice = exact.post("/v1/completions", lm_eval(text, 0)).json()["choices"][0]
        assert choice["text"] == text
        assert sum(choice["logprobs"]["token_logprobs"][1:]) < 0
        offsets, tokens = choice["logprobs"]["text_offset"], choice["logprobs"]["tokens"]
        assert offsets[0] == offsets[1] == 0, "the beginning-of-text token is not part of the text"
        ends = [*offsets[2:], len(text)]
        for token, begin, end in zip(tokens[1:], offsets[1:], ends, strict=True):
            assert "\ufffd" in token or text[begin:end] == token


def test_lm_eval_generate_until(server):
    body = {"prompt": ["Once upon a time", "The fox"], "model": MODEL, "max_tokens": 30, "temperature": 0.0, "stop": ["\n\n", "<|eot_id|>"], "seed": 1234}
    answer = server.post("/v1/completions", body).json()
    assert [c["index"] for c in answer["choices"]] == [0, 1] and all(c["text"] for c in answer["choices"])


def test_vllm_bench_completions(server):
    """benchmark_serving's openai backend: counts come from the usage chunk, which has no choices."""
    body = {"model": MODEL, "prompt": "Tell me a story. " * 20, "temperature": 0.0, "repetition_penalty": 1.0, "max_tokens": 64, "logprobs": None, "stream": True,
            "stream_options": {"include_usage": True}, "ignore_eos": True}
    count = server.post("/tokenize", {"model": MODEL, "prompt": body["prompt"]}).json()["count"]
    chunks = stream(server, "/v1/completions", body)
    assert chunks[-1]["choices"] == [] and chunks[-1]["usage"]["completion_tokens"] == 64 and chunks[-1]["usage"]["prompt_tokens"] == count
    assert completion_text(chunks)


def test_vllm_bench_chat(server):
    content = [{"type": "text", "text": "Tell me a story about a fox."}]
    body = {"model": MODEL, "messages": [{"role": "user", "content": content}], "temperature": 0.0, "max_completion_tokens": 48, "stream": True,
            "stream_options": {"include_usage": True}, "ignore_eos": True}
    chunks = stream(server, "/v1/chat/completions", body)
    assert chunks[-1]["choices"] == [] and chunks[-1]["usage"]["completion_tokens"] == 48
    assert chunks[0]["choices"][0]["delta"]["role"] == "assistant" and chat_text(chunks)


@pytest.mark.parametrize("path, prompt, limit", [
    ("/v1/chat/completions", {"messages": [{"role": "user", "content": [{"type": "text", "text": "Hello there."}]}]}, {"max_completion_tokens": 24, "max_tokens": 24}),
    ("/v1/completions", {"prompt": "Hello there."}, {"max_tokens": 24}),
])
def test_guidellm(server, path, prompt, limit):
    """Many at once, each with usage in every chunk; ignore_eos and no stop make the counts exact."""
    body = {"model": MODEL, **prompt, **limit, "stop": None, "ignore_eos": True, "stream": True,
            "stream_options": {"include_usage": True, "continuous_usage_stats": True}}
    faults = []

    def one():
        try:
            chunks = stream(server, path, body)
            assert chunks[-1]["usage"]["completion_tokens"] == 24
            assert [c["usage"]["completion_tokens"] for c in chunks] == sorted(c["usage"]["completion_tokens"] for c in chunks)
        except BaseException as e:  # told below, in the test's own thread
            faults.append(e)

    threads = [threading.Thread(target=one) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not faults, faults[0]


def test_prompt_logprobs(server):
    ids = LIKELIHOODS[0]["ids"]
    choice = server.post("/v1/completions", {"model": MODEL, "prompt": ids, "max_tokens": 1, "prompt_logprobs": 2}).json()["choices"][0]
    assert choice["prompt_logprobs"][0] is None and len(choice["prompt_logprobs"]) == len(ids)
    for token, position in zip(ids[1:], choice["prompt_logprobs"][1:]):
        assert str(token) in position and 2 <= len(position) <= 3
        assert {e["rank"] for e in position.values()} >= {1, 2} and all(e["logprob"] <= 0 for e in position.values())


def test_prompt_logprobs_are_as_many_as_asked_for(server):
    """Whatever else asks for the prompt's probabilities."""
    body = {"model": MODEL, "prompt": LIKELIHOODS[0]["ids"], "max_tokens": 1, "echo": True, "logprobs": 3}
    assert "prompt_logprobs" not in server.post("/v1/completions", body).json()["choices"][0]
    choice = server.post("/v1/completions", {**body, "prompt_logprobs": 1}).json()["choices"][0]
    assert all(1 <= len(position) <= 2 for position in choice["prompt_logprobs"][1:])
    assert all(3 <= len(top) <= 4 for top in choice["logprobs"]["top_logprobs"][1:])


def test_return_token_ids(server):
    body = {"model": MODEL, "prompt": "Once upon a time", "max_tokens": 8, "temperature": 0, "return_token_ids": True}
    whole = server.post("/v1/completions", body).json()
    chunks = [c["choices"][0] for c in stream(server, "/v1/completions", body) if c["choices"]]
    assert [i for c in chunks for i in c["token_ids"]] == whole["choices"][0]["token_ids"]
    assert len(whole["choices"][0]["token_ids"]) == whole["usage"]["completion_tokens"]
    assert whole["choices"][0]["prompt_token_ids"] == chunks[0]["prompt_token_ids"]


def test_bad_words(server):
    body = {"model": MODEL, "prompt": "Once upon a time", "max_tokens": 40, "temperature": 0, "ignore_eos": True}
    plain = server.post("/v1/completions", body).json()["choices"][0]["text"]
    word = max(plain.split(), key=len).strip(".,!?\"")
    banned = server.post("/v1/completions", {**body, "bad_words": [word]}).json()["choices"][0]["text"]
    assert word in plain and f" {word}" not in banned and len(banned) > 20


def test_events_reader_sees_errors_in_a_stream():
    with pytest.raises(AssertionError):
        events(['data: {"choices": []}'])
