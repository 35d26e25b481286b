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


def gpu_check(tmp_path, binary):
    out = tmp_path / "results.jsonl"
    run = subprocess.run([ROOT / "scripts/gpu_check.sh", "--tiny", "--out", out, binary], capture_output=True, text=True, timeout=400, check=False)
    return run, [json.loads(line) for line in out.read_text().splitlines()] if out.exists() else []


@needs_emulated
def test_every_part_runs(tmp_path):
    run, rows = gpu_check(tmp_path, BIN)
    assert run.returncode == 0, run.stdout + run.stderr
    assert all(row["right"] for row in rows if "right" in row)
    assert {row["family"] for row in rows if "check" in row} == {"llama", "qwen3", "glm4", "gemma2", "olmo2"}
    assert {row["kernel"] for row in rows if "us" in row} == {"read", "copy", "cublas", "gemm", "decode", "prefill", "sample"}
    assert [row["bench"] for row in rows if "bench" in row] == ["load", "decode", "decode", "prefill"]
    assert [row["server"] for row in rows if "server" in row] == ["ready", "ended"]
    load = next(row for row in rows if "completed" in row)
    assert (load["completed"], load["failed"], load["total_output_tokens"]) == (6, 0, 18)
    printed = run.stdout.splitlines()
    assert [json.loads(line) for line in printed[-len(rows):]] == rows
    for text in ("as the CPU, llama, float16", "bfloat16 gemm qkv 1", "decode 2 x 64", "prefill 100", "ready after"):
        assert any(line.startswith(text) for line in printed), text


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
    assert [row for row in rows if "bisect" in row] == [{"bisect": "EMBER_CUDA_GRAPHS=false", "right": True}]
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
    assert "WRONG" in run.stdout and rows[-1] == {"server": "ended", "status": 69}
    for part in ("bench check", "ceilings gemm", "ceilings prefill", "bench model", "the server was not ready"):
        assert f"{part}" in run.stderr, run.stderr
