# SPDX-License-Identifier: Apache-2.0
"""scripts/gpu_check.sh with the program for the emulated GPU: every part runs, and what is wrong is told."""
import json
import os
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
BIN = os.environ.get("EMBER_EMULATED_BIN")
needs_emulated = pytest.mark.skipif(not BIN, reason="EMBER_EMULATED_BIN names no binary of the preset `emulated`")


def gpu_check(tmp_path, binary, *arguments):
    out = tmp_path / "results.jsonl"
    run = subprocess.run([ROOT / "scripts/gpu_check.sh", "--tiny", "--out", out, *arguments, binary], capture_output=True, text=True, timeout=400, check=False)
    return run, [json.loads(line) for line in out.read_text().splitlines()] if out.exists() else []


@needs_emulated
@pytest.mark.timeout(400)  # the emulated machine computes for a minute and a half where nothing else runs
def test_every_part_runs(tmp_path):
    run, rows = gpu_check(tmp_path, BIN, "--seconds", "380")
    assert run.returncode == 0, run.stdout + run.stderr
    assert all(row["right"] for row in rows if "right" in row)
    assert {row["family"] for row in rows if "check" in row} == {"llama", "qwen3", "glm4", "gemma2", "olmo2"}
    assert {row["kernel"] for row in rows if "us" in row} == {"read", "copy", "cublas", "gemm", "decode", "prefill", "overlap", "norm", "sample"}
    assert [row["bench"] for row in rows if "bench" in row] == ["load", "decode", "decode", "prefill"]
    assert [row["server"] for row in rows if "server" in row] == ["ready", "memory", "ended", "ready", "memory", "ended"]
    assert [(row["signal"], row["status"]) for row in rows if row.get("server") == "ended"] == [("KILL", 137), ("TERM", 0)]
    assert [row["load"] for row in rows if "load" in row] == ["plain", "structured"]
    for load in (row for row in rows if "completed" in row):
        assert (load["completed"], load["failed"], load["total_output_tokens"]) == (6, 0, 18)
    assert {row["status"] for row in rows if "part" in row} == {"done"}
    assert [row["kernel"] for row in rows if row.get("kernel") in ("read", "copy")] == ["read", "copy"] * 2, "ceilings once for each type"
    printed = run.stdout.splitlines()
    assert [json.loads(line) for line in printed[-len(rows):]] == rows
    for text in ("as the CPU, llama, float16", "bfloat16 gemm qkv 1", "decode 2 x 64", "prefill 100", "ready after", "structured: 6 answers", "done "):
        assert any(line.startswith(text) for line in printed), text
    for kind in ("bfloat16", "float16"):
        checked = next(line.split() for line in printed if line.startswith(f"{kind}: "))
        assert checked[1] == checked[3] and int(checked[1]) > 50, checked


def test_shares_are_of_the_ceilings_of_the_same_type(tmp_path):
    """Which come from another process."""
    rows = []
    for kind, read, cublas in (("bfloat16", 1000, 500), ("float16", 2000, 400)):
        timed = {"us": 10, "us_median": 11}
        rows += [{"device": "GPU", "sms": 132, "type": kind, "cublas": True}, {"kernel": "read", "shape": "", "gb_per_s": read, "tflop_per_s": 0, **timed},
                 {"kernel": "cublas", "shape": "large", "gb_per_s": 1, "tflop_per_s": cublas, **timed}, {"device": "GPU", "sms": 132, "type": kind, "cublas": True},
                 {"kernel": "gemm", "shape": "o 1", "right": True, "largest_difference": 0, "largest": 1},
                 {"kernel": "gemm", "shape": "o 1", "gb_per_s": 900, "tflop_per_s": 100, "speed_over_cublas": 1.5, "predicted_us_h100": 8.5,
                  "predicted_us_h200": 7.5, "clusters": 64, "clusters_at_once": 33, **timed}]
    rows.append({"bench": "decode", "batch": 1, "context": 2, "ms": 1, "tokens_per_s": 1, "gb_per_s": 500})
    results = tmp_path / "results.jsonl"
    results.write_text("".join(json.dumps(row) + "\n" for row in rows))
    table = subprocess.run(["python3", ROOT / "scripts/gpu_check_table.py", results], capture_output=True, text=True, check=True).stdout
    shares = [[column for column in line.split() if column.endswith("%")] for line in table.splitlines() if "gemm o 1" in line]
    assert shares == [["90.0%", "20.0%"], ["45.0%", "25.0%"]], table
    assert [line.split()[4:7] for line in table.splitlines() if "gemm o 1" in line] == [["10.0", "8.5", "2"]] * 2, "of H100, in two waves"
    assert next(line.split() for line in table.splitlines() if line.startswith("decode 1 x 2"))[-1] == "50.0%", "the model is bfloat16"
    assert "bfloat16: 1 of 1 results are right" in table


def script(tmp_path, text):
    """A program in place of ember."""
    path = tmp_path / "ember"
    path.write_text(text)
    path.chmod(0o755)
    return path


# Right only without recorded steps.
GRAPHS_ARE_WRONG = """#!/bin/sh
case "$*" in
  --version) echo broken ;;
  *check*) [ "$EMBER_CUDA_GRAPHS" = false ] && exit 0; exit 70 ;;
  *) echo "$*: ${EMBER_CUDA_GRAPHS:-unset}" >&2; exit 69 ;;
esac
"""


def test_a_wrong_answer_is_bisected(tmp_path):
    run, rows = gpu_check(tmp_path, script(tmp_path, GRAPHS_ARE_WRONG))
    assert run.returncode == 1
    assert [row for row in rows if "bisect" in row] == [{"bisect": "EMBER_CUDA_GRAPHS=false", "status": "done"}]
    assert "bench model" in run.stderr and ": false" in run.stderr, "the rest runs with what was right"


BROKEN = """#!/bin/sh
case "$*" in
  --version) echo broken ;;
  *check*) echo '{"check": "as the CPU", "family": "llama", "type": "float16", "right": false, "equal": 0, "tokens": 6, "first_difference": "here"}'; exit 70 ;;
  *) exit 69 ;;
esac
"""


def test_a_wrong_answer_fails_and_the_other_parts_run(tmp_path):
    run, rows = gpu_check(tmp_path, script(tmp_path, BROKEN))
    assert run.returncode == 1
    assert "WRONG" in run.stdout and rows[-1] == {"server": "ended", "signal": "", "status": 69}
    for part in ("bench check", "--tiny gemm", "--tiny prefill", "bench model", "the server was not ready"):
        assert f"{part}" in run.stderr, run.stderr


SLOW = """#!/bin/sh
case "$*" in
  --version) echo slow ;;
  *) exec sleep 100 ;;
esac
"""


def test_what_is_cut_for_time_says_so(tmp_path):
    run, rows = gpu_check(tmp_path, script(tmp_path, SLOW), "--seconds", "5")
    assert run.returncode == 1
    statuses = {row["part"]: row["status"] for row in rows if "part" in row}
    assert statuses["bench check --device cuda --tiny"] == "cut for time"
    others = [status for part, status in statuses.items() if "check" not in part]
    assert len(others) > 10 and set(others) <= {"cut for time", "no time left"} and "no time left" in others, statuses
    printed = run.stdout.splitlines()
    assert any(line.startswith("cut for time") and line.endswith("bench check --device cuda --tiny") for line in printed), printed
    assert [row["status"] for row in rows if "bisect" in row] == ["cut for time"] * 3, "no switch makes it right"


def test_a_part_that_fails_is_none_that_was_cut(tmp_path):
    _, rows = gpu_check(tmp_path, script(tmp_path, BROKEN))
    assert {row["status"] for row in rows if "part" in row} == {"failed"}
