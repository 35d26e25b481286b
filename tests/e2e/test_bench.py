# SPDX-License-Identifier: Apache-2.0
"""`ember bench` with the real server: what it counts is what the server did."""
import json
import subprocess

import pytest

from server import BIN, MODEL_DIR, clean_environment, free_port

NO_DEVICE = 69


def bench(*arguments, env=None):
    return subprocess.run([BIN, "bench", *map(str, arguments)], capture_output=True, text=True, timeout=300, check=False,
                          env={**clean_environment(), **(env or {})})


def bench_serve(url, *arguments):
    run = bench("serve", "--url", url, "--json", *arguments)
    assert run.returncode == 0, run.stderr
    return json.loads(run.stdout)


@pytest.mark.parametrize("flags", [[], ["--request-rate", 200, "--seed", 7], ["--max-concurrency", 1]], ids=str)
def test_counts_are_exact(server, flags):
    counters = ("vllm:prompt_tokens_total", "vllm:generation_tokens_total")
    before = [server.metric(name) for name in counters]
    report = bench_serve(server.url, "--num-prompts", 12, "--input-len", 33, "--output-len", 9, *flags)
    assert report["completed"] == 12 and report["failed"] == 0 and report["errors"] == {}
    assert report["total_input_tokens"] == 12 * 33 and report["total_output_tokens"] == 12 * 9
    assert [server.metric(name) - b for name, b in zip(counters, before)] == [12 * 33, 12 * 9]
    for name in ("ttft", "tpot", "itl", "e2el"):
        assert 0 < report[f"median_{name}_ms"] <= report[f"p90_{name}_ms"] <= report[f"p99_{name}_ms"]


def test_the_table_names_what_vllm_names(server):
    run = bench("serve", "--url", server.url, "--num-prompts", 2, "--input-len", 8, "--output-len", 4)
    assert run.returncode == 0, run.stderr
    for line in ("Successful requests:", "Output token throughput (tok/s):", "P99 TTFT (ms):", "P99 TPOT (ms):", "P99 ITL (ms):"):
        assert line in run.stdout


def test_refusals_are_counted_as_errors(start):
    small = start("--device", "fake", "--fake-step-ms", 20, "--max-num-seqs", 1, "--max-num-queued-reqs", 1)
    report = bench_serve(small.url, "--num-prompts", 20, "--input-len", 8, "--output-len", 20)
    assert report["completed"] + report["failed"] == 20 and report["failed"] > 0 and report["completed"] > 0
    assert sum(report["errors"].values()) == report["failed"]
    assert all(reason.startswith("429: ") for reason in report["errors"]), report["errors"]
    assert report["total_output_tokens"] == 20 * report["completed"]


def test_every_request_refused(server):
    run = bench("serve", "--url", server.url, "--json", "--num-prompts", 3, "--model", "other")
    assert run.returncode == NO_DEVICE
    assert json.loads(run.stdout)["failed"] == 3


def test_no_server():
    run = bench("serve", "--url", f"http://127.0.0.1:{free_port()}")
    assert run.returncode == NO_DEVICE
    assert len(run.stderr.splitlines()) == 1 and "no server answers" in run.stderr


def test_a_bench_is_missing():
    run = bench()
    assert run.returncode == 64 and "serve" in run.stderr
    assert "did you mean serve?" in bench("sreve").stderr
    assert "did you mean --num-prompts?" in bench("serve", "--num-prompt", 3).stderr


def test_model_with_dummy_weights(tmp_path):
    """A directory with a config.json is enough. Fifty steps, so that on a busy machine the second sequence comes before the first one ends."""
    (tmp_path / "config.json").write_text((MODEL_DIR / "config.json").read_text())
    run = bench("model", tmp_path, "--load-format", "dummy", "--device", "cpu", "--decode", "2x32", "--prefill", 50, "--steps", 50, "--repetitions", 1)
    assert run.returncode == 0, run.stderr
    assert [json.loads(line)["bench"] for line in run.stdout.splitlines()] == ["load", "decode", "prefill"]
    refused = bench("model", tmp_path, "--load-format", "dummy", "--device", "cpu", "--decode", "32")
    assert refused.returncode == 64 and "--decode 32: must be BATCHxCONTEXT" in refused.stderr


def test_check_against_the_cpu():
    run = bench("check", "--device", "cpu", "--tiny")
    assert run.returncode == 0, run.stderr
    assert all(json.loads(line)["right"] for line in run.stdout.splitlines())


def test_kernels_need_a_gpu():
    """Where there is one, it is hidden."""
    run = bench("kernels", env={"CUDA_VISIBLE_DEVICES": ""})
    assert run.returncode == NO_DEVICE and run.stdout == ""
    assert len(run.stderr.splitlines()) == 1 and "CUDA" in run.stderr
