# SPDX-License-Identifier: Apache-2.0
"""The names dashboards read, and that the counters are exact."""
import re
import shutil
import subprocess

from contract import stream
from server import MODEL

GAUGES = "vllm:num_requests_running vllm:num_requests_waiting vllm:kv_cache_usage_perc".split()
COUNTERS = ("vllm:prefix_cache_queries_total vllm:prefix_cache_hits_total vllm:num_preemptions_total vllm:prompt_tokens_total "
            "vllm:generation_tokens_total vllm:request_success_total").split()
HISTOGRAMS = ("vllm:iteration_tokens_total vllm:time_to_first_token_seconds vllm:inter_token_latency_seconds "
              "vllm:e2e_request_latency_seconds vllm:request_queue_time_seconds vllm:request_prefill_time_seconds "
              "vllm:request_decode_time_seconds vllm:request_prompt_tokens vllm:request_generation_tokens").split()


def test_names_and_types(server):
    server.golden()
    text = server.metrics_text()
    for names, kind in ((GAUGES, "gauge"), (COUNTERS, "counter"), (HISTOGRAMS, "histogram")):
        for name in names:
            assert f"# TYPE {name} {kind}" in text, name
    assert "\nember_" in text


def test_promtool(server):
    promtool = shutil.which("promtool")
    assert promtool, "promtool is missing (Debian package prometheus)"
    server.golden()
    run = subprocess.run([promtool, "check", "metrics"], input=server.metrics_text(), capture_output=True, text=True, check=False)
    assert run.returncode in (0, 3), run.stdout + run.stderr  # 1: not the format; 3: matters of style
    # The names are vLLM's, which dashboards read: their colon, and a histogram that ends in _total.
    complaints = [line for line in run.stderr.splitlines() if not re.match(r"vllm:\S+ metric names should not contain ':'", line)]
    assert [line for line in complaints if not line.startswith("vllm:iteration_tokens_total ")] == []


def test_counts_are_exact(server):
    names = {"prompt": "vllm:prompt_tokens_total", "generation": "vllm:generation_tokens_total", "success": "vllm:request_success_total",
             "prompts": "vllm:request_prompt_tokens_count", "e2e": "vllm:e2e_request_latency_seconds_count",
             "generated": "vllm:request_generation_tokens_sum"}
    server.wait_idle()
    before = {k: server.metric(n) for k, n in names.items()}
    usages = []
    for i in range(12):
        usages.append(server.complete(f"Number {i} and", max_tokens=3 + i, temperature=0, ignore_eos=True).json()["usage"])
    chunks = stream(server, "/v1/completions", {"model": MODEL, "prompt": "A story", "max_tokens": 9, "stream_options": {"include_usage": True}})
    usages.append(chunks[-1]["usage"])
    assert server.complete(max_tokens=0, temperature=9).status_code == 400  # not counted
    server.wait_idle()
    moved = {k: server.metric(n) - before[k] for k, n in names.items()}
    generated = sum(u["completion_tokens"] for u in usages)
    assert moved == {"prompt": sum(u["prompt_tokens"] for u in usages), "generation": generated, "generated": generated,
                     "success": 13, "prompts": 13, "e2e": 13}


def test_prefix_hits_are_counted_and_told(server):
    prompt = list(range(100, 164))  # four blocks of 16
    server.complete(prompt, max_tokens=1)
    hits = server.metric("vllm:prefix_cache_hits_total")
    cached = server.complete(prompt, max_tokens=1).json()["usage"]["prompt_tokens_details"]["cached_tokens"]
    assert 0 < cached < len(prompt) and cached % 16 == 0
    assert server.metric("vllm:prefix_cache_hits_total") - hits == cached
