# SPDX-License-Identifier: Apache-2.0
"""One request, one answer: whoever else runs, however the prompt is cut, whatever is cached or was preempted."""
from concurrent.futures import ThreadPoolExecutor

import pytest

PROMPT = [6136] + [(i * 37) % 6000 for i in range(120)]
REQUESTS = {
    "greedy": {"temperature": 0, "logprobs": 5},
    "sampled": {"temperature": 0.9, "top_p": 0.95, "top_k": 50, "seed": 7, "logprobs": 5},
    "penalties": {"temperature": 0.7, "seed": 3, "presence_penalty": 0.5, "frequency_penalty": 0.3, "repetition_penalty": 1.1, "logprobs": 2},
}


def answer(server, fields):
    response = server.complete(PROMPT, max_tokens=40, ignore_eos=True, return_token_ids=True, **fields)
    assert response.status_code == 200, response.text
    choice = response.json()["choices"][0]
    return choice["token_ids"], choice["text"], choice["logprobs"]


def filler(server, i):
    prompt = [(i * 101 + j * 7) % 6000 for j in range(5 + 6 * i)]
    assert server.complete(prompt, max_tokens=10 + i, temperature=0.8, seed=i, ignore_eos=True).status_code == 200


@pytest.fixture(scope="module")
def expected(server):
    return {name: answer(server, fields) for name, fields in REQUESTS.items()}


def check(server, expected, others):
    with ThreadPoolExecutor(others + len(REQUESTS)) as pool:
        fillers = [pool.submit(filler, server, i) for i in range(others)]
        answers = {name: pool.submit(answer, server, fields) for name, fields in REQUESTS.items()}
        for name, future in answers.items():
            assert future.result() == expected[name], name
        for future in fillers:
            future.result()
    server.wait_idle()


def test_again_with_a_prefix_hit(server, expected):
    hits = server.metric("vllm:prefix_cache_hits_total")
    check(server, expected, 0)
    assert server.metric("vllm:prefix_cache_hits_total") > hits


def test_among_32_others(server, expected):
    check(server, expected, 32)


@pytest.mark.parametrize("tokens", [16, 64, 2048])
def test_chunk_sizes(start, expected, tokens):
    other = start("--max-num-batched-tokens", tokens, "--max-num-seqs", min(tokens, 16), "--no-enable-prefix-caching")
    check(other, expected, 4)


@pytest.mark.parametrize("block", [8, 32])
def test_block_sizes(start, expected, block):
    check(start("--block-size", block), expected, 4)


@pytest.mark.parametrize("threads", [1, 2])
def test_numbers_of_threads(start, expected, threads):
    check(start("--cpu-threads", threads), expected, 2)


@pytest.mark.parametrize("ranks", [2])
def test_numbers_of_ranks(start, expected, ranks):
    other = start("--tensor-parallel-size", ranks, "--max-num-batched-tokens", 64, "--max-num-seqs", 16)
    assert f"{ranks} ranks like this one share the model" in other.log_path.read_text()
    check(other, expected, 4)


REPEATS = [6136] + [17, 230, 4711, 99, 5, 1203] * 20  # what the model goes on with


def test_speculation(start, server, expected):
    other = start("--speculative-method", "ngram", "--num-speculative-tokens", 5)
    fields = {"max_tokens": 96, "ignore_eos": True, "return_token_ids": True, "logprobs": 2}
    for sampling in ({"temperature": 0}, {"temperature": 0.3, "seed": 5, "frequency_penalty": 0.02}):
        answers = [one.complete(REPEATS, **fields, **sampling).json()["choices"][0] for one in (server, other)]
        assert answers[0]["token_ids"] == answers[1]["token_ids"]
        assert answers[0]["logprobs"] == answers[1]["logprobs"]
    assert other.metric("vllm:spec_decode_num_accepted_tokens_total") > 0
    assert server.metric("vllm:spec_decode_num_drafts_total") == 0
    check(other, expected, 4)
    drafted, accepted = (other.metric(f"vllm:spec_decode_num_{what}_tokens_total") for what in ("draft", "accepted"))
    assert accepted < drafted, "rejected drafts were tried too"


def test_preemption(start, expected):
    small = start("--max-model-len", 256, "--kv-cache-memory-bytes", "4MiB", "--no-enable-prefix-caching")
    check(small, expected, 24)
    assert small.metric("vllm:num_preemptions_total") > 0
