# SPDX-License-Identifier: Apache-2.0
"""Flags, environment and settings files: exit statuses and messages."""
import json
import os
import subprocess

import pytest

from server import BIN, MODEL_DIR, Server, clean_environment

USAGE, CONFIG, BAD_MODEL = 64, 78, 65
SERVE = ["serve", str(MODEL_DIR), "--device", "fake", "--port", "0", "--admin-port", "0"]


def ember(*arguments, env=None, stdin=""):
    return subprocess.run([BIN, *map(str, arguments)], input=stdin, capture_output=True, text=True, timeout=60, check=False,
                          env={**clean_environment(), **(env or {})})


def refused(run, status, *words):
    assert run.returncode == status, (run.returncode, run.stdout, run.stderr)
    lines = run.stderr.strip().splitlines()
    assert lines and lines[-1].startswith("ember: "), run.stderr
    for word in words:
        assert word in lines[-1], (word, lines[-1])


# arguments, words of the message
BAD_USAGE = [
    (["serve", "--max-num-seq", "4"], ["--max-num-seq", "did you mean --max-num-seqs"]),
    (["serve", "--max-num-seqs"], ["--max-num-seqs"]),
    (["serve", "--port", "1", "--port", "2"], ["--port"]),
    (["serve", str(MODEL_DIR), "junk"], ["junk"]),
    (["sreve"], ["sreve", "did you mean serve"]),
    ([], ["command"]),
    (["serve", "--port", "-1"], ["--port"]), (["serve", "--port", "65536"], ["--port"]), (["serve", "--port", "http"], ["--port"]),
    (["serve", "--device", "odd"], ["--device"]), (["serve", "--dtype", "int4"], ["--dtype"]),
]


@pytest.mark.parametrize("arguments, words", BAD_USAGE, ids=lambda x: " ".join(map(str, x))[-40:])
def test_usage(arguments, words):
    refused(ember(*arguments), USAGE, *words)


# content of the settings file, words of the message
BAD_FILES = {
    "syntax": ('{"port": 1,\n}', ["settings.json:2"]), "duplicate key": ('{"port": 1,\n"port": 2}', ["settings.json:2", "port"]),
    "unknown key": ('{\n"prot": 1}', ["settings.json:2", "prot", "port"]), "wrong type": ('{"port": "x"}', ["settings.json:1", "port"]),
    "array": ("[]", ["settings.json"]), "empty": ("", ["settings.json"]), "nested": ('{"port": {"a": 1}}', ["settings.json", "port"]),
}


@pytest.mark.parametrize("name", BAD_FILES)
def test_settings_file(tmp_path, name):
    text, words = BAD_FILES[name]
    path = tmp_path / "settings.json"
    path.write_text(text)
    refused(ember("serve", MODEL_DIR, "--config", path), CONFIG, *words)


def test_settings_file_missing_or_a_directory(tmp_path):
    refused(ember("serve", MODEL_DIR, "--config", tmp_path / "none.json"), CONFIG, "none.json")
    refused(ember("serve", MODEL_DIR, "--config", tmp_path), CONFIG, str(tmp_path))


CONTRADICTIONS = [
    (["--max-num-queued-reqs", 0], "max-num-queued-reqs"), (["--kv-cache-memory-bytes", 1], "kv-cache-memory-bytes"),
    (["--header-timeout", 0], "header-timeout"), (["--max-model-len", 4096], "max-model-len"), (["--max-num-seqs", 0], "max-num-seqs"),
    (["--max-num-batched-tokens", -1], "max-num-batched-tokens"), (["--max-num-batched-tokens", 255], "max-num-seqs"),
    (["--gpu-memory-utilization", 1.5], "gpu-memory-utilization"), (["--block-size", 7], "block-size"), (["--host", "0.0.0.0"], "api-key"),
]


@pytest.mark.parametrize("flags, word", CONTRADICTIONS, ids=str)
def test_contradictions(flags, word):
    run = ember(*SERVE, *flags)
    assert run.returncode in (CONFIG, USAGE), (run.returncode, run.stderr)
    assert word in run.stderr


# content, mode
KEY_FILES = {"empty": ("", 0o600), "readable by others": ("sk-0123456789abcdef\n", 0o644), "two equal": ("sk-0123456789abcdef\n" * 2, 0o600),
             "space inside": ("sk-01234 56789abcdef\n", 0o600)}


@pytest.mark.parametrize("name", KEY_FILES)
def test_key_file(tmp_path, name):
    text, mode = KEY_FILES[name]
    path = tmp_path / "keys"
    path.write_text(text)
    os.chmod(path, mode)
    run = ember(*SERVE, "--api-key-file", path)
    refused(run, CONFIG, "keys")
    assert "0123456789abcdef" not in run.stderr


def test_key_file_missing(tmp_path):
    refused(ember(*SERVE, "--api-key-file", tmp_path / "none"), CONFIG, "none")


def test_environment_of_the_wrong_type():
    refused(ember(*SERVE[:4], env={"EMBER_MAX_NUM_SEQS": "x"}), CONFIG, "EMBER_MAX_NUM_SEQS")


def test_host_that_does_not_resolve():
    run = ember(*SERVE, "--host", "999.0.0.1", "--api-key", "sk-0123456789abcdef")
    assert run.returncode == 64, run.stderr
    assert "999.0.0.1" in run.stderr


def test_flags_over_environment_over_file(tmp_path):
    path = tmp_path / "settings.json"
    path.write_text('{"max_num_seqs": 3, "max_num_batched_tokens": 128, "max_model_len": 256}')
    run = ember("plan", MODEL_DIR, "--json", "--device", "cpu", "--config", path, "--max-num-batched-tokens", 512,
                env={"EMBER_MAX_MODEL_LEN": "512", "EMBER_MAX_NUM_BATCHED_TOKENS": "64"})
    assert run.returncode == 0, run.stderr
    json.loads(run.stdout)


@pytest.mark.parametrize("arguments", [["--version"], ["--help"], ["serve", "--help"], ["plan", "--help"], ["check", "--help"]])
def test_help_and_version(arguments):
    run = ember(*arguments, env={"CUDA_VISIBLE_DEVICES": ""})
    assert run.returncode == 0, run.stderr
    assert "ember" in run.stdout.lower()


def test_plan_without_a_model():
    refused(ember("plan", "/nonexistent-model"), BAD_MODEL, "/nonexistent-model")


def test_tokenize_and_back():
    ids = ember("tokenize", MODEL_DIR, "Once upon a time")
    assert ids.returncode == 0, ids.stderr
    assert json.loads(ids.stdout) == [6136, 843, 856, 274, 610]
    text = ember("tokenize", MODEL_DIR, "--decode", "843 856 274 610")
    assert text.stdout.rstrip("\n") == "Once upon a time"


@pytest.mark.parametrize("locale", ["C", "de_DE.UTF-8", "tr_TR.UTF-8"])
def test_locale_changes_nothing(start, server, locale):
    other = start(env={"LC_ALL": locale, "TZ": "Pacific/Chatham"})
    assert other.golden() == server.golden()


def test_log_that_cannot_be_written():
    server = Server("/dev/full", "--device", "fake", "--log-level", "debug")
    try:
        assert server.golden() == server.golden()
    finally:
        server.stop()
