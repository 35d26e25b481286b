#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What each --cpu-activations gives and costs on quantised GGUF files: tokens per second, and how far the probabilities are from those
without rounding. Its table is in tests/bench/README.md; the default is chosen by it.

Usage: .venv/bin/python scripts/bench_activations.py [--llama-perplexity PROGRAM] FILE...
(scripts/get_gguf_model.sh fetches two files; build/release/ember must be built)

Speed: prompts of 512 tokens, and decoding 1 and 8 sequences behind 512, the kinds in turns. Closeness: 50 kB of text in windows of 512
tokens, of which the second halves count, against `--cpu-activations float --dtype float32`: the perplexity, how often the most probable
token is the same, and the Kullback-Leibler divergence in nats. The last is over the tokens that are among both lists of the 20 most
probable, and all others taken together, which can only be less than over all tokens. With llama.cpp's llama-perplexity, its closeness too.
"""
import argparse
import array
import heapq
import json
import math
import statistics
import struct
import subprocess
import sys
import tempfile
from pathlib import Path

from check_real_models import ROOT, text

sys.path.insert(0, str(ROOT / "tests/e2e"))

from server import BIN, Server  # noqa: E402

KINDS = {"float32": ("--cpu-activations", "float", "--dtype", "float32"), "float": ("--cpu-activations", "float"),
         "int16": ("--cpu-activations", "int16"), "int8": ("--cpu-activations", "int8")}
ROWS = {("prefill", None): "prompt of 512", ("decode", 1): "1 sequence", ("decode", 8): "8 sequences"}
TOP = 20
WINDOW = 512  # llama-perplexity's


def speeds(file, kind):
    done = subprocess.run([BIN, "bench", "model", file, "--device", "cpu", *KINDS[kind], "--prefill", "512", "--repetitions", "3", "--decode",
                           "1x512,8x512", "--steps", "24"], check=True, capture_output=True, text=True)
    lines = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    found = {(line["bench"], line.get("batch")): line["tokens_per_s"] for line in lines if "tokens_per_s" in line}
    return [found[row] for row in ROWS]


def distributions(file, kind):
    """The tokens that count, their log probabilities, and for each the TOP most probable with theirs."""
    tokens, own, best = [], [], []
    with tempfile.TemporaryDirectory() as folder:
        server = Server(Path(folder) / "log", "--device", "cpu", "--max-model-len", 2 * WINDOW, "--served-model-name", "model", *KINDS[kind],
                        model_dir=file)
        try:
            bare, ids = (server.client.post("/tokenize", json=dict(model="model", prompt=text(), add_special_tokens=add)).json()["tokens"]
                         for add in (False, True))
            bos = ids[:1] if ids != bare else []
            for at in range(0, len(ids) - WINDOW + 1, WINDOW):
                window = bos + ids[at + len(bos):at + WINDOW]
                answer = server.client.post("/v1/completions", timeout=600, json=dict(
                    model="model", prompt=window, max_tokens=1, temperature=0, prompt_logprobs=TOP)).json()
                for given, tops in list(zip(window, answer["choices"][0]["prompt_logprobs"]))[WINDOW // 2 + 1:]:
                    tokens.append(given)
                    own.append(tops[str(given)]["logprob"])
                    best.append({int(token): entry["logprob"] for token, entry in tops.items() if entry["rank"] <= TOP})
        finally:
            server.kill()
    return tokens, own, best


def llama_distributions(program, file):
    """The same of llama.cpp. Its file: magic, size of a window, of the vocabulary, number of windows, their tokens; for each token that counts
    scale and smallest log probability, and all of them as 16-bit multiples."""
    counted, own, best = [], [], []
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "text").write_text(text())
        subprocess.run([program, "-m", file, "-f", f"{folder}/text", "-c", str(WINDOW), "-t", "2", "--no-escape", "--kl-divergence-base", f"{folder}/logits"],
                       check=True, capture_output=True)
        with open(f"{folder}/logits", "rb") as logits:
            assert logits.read(8) == b"_logits_"
            size, vocabulary, windows = struct.unpack("3i", logits.read(12))
            tokens = array.array("i", logits.read(4 * size * windows))
            for at in range(0, len(tokens), size):
                for given in tokens[at + size // 2 + 1:at + size]:
                    scale, least = struct.unpack("2f", logits.read(8))
                    codes = array.array("H", logits.read(2 * 2 * ((vocabulary + 1) // 2)))
                    counted.append(given)
                    own.append(codes[given] * scale + least)
                    best.append({t: codes[t] * scale + least for t in heapq.nlargest(TOP, range(vocabulary), key=codes.__getitem__)})
    return counted, own, best


def divergence(p, q):
    """Of q from p, both the logarithms of some tokens' probabilities."""
    both = p.keys() & q.keys()
    rest_p, rest_q = (max(1e-12, 1 - math.fsum(math.exp(d[t]) for t in both)) for d in (p, q))
    return math.fsum(math.exp(p[t]) * (p[t] - q[t]) for t in both) + rest_p * (math.log(rest_p) - math.log(rest_q))


def perplexity(own):
    return math.exp(-math.fsum(own) / len(own))


def print_closeness(name, found, wanted):
    (tokens, own, best), (wanted_tokens, wanted_own, wanted_best) = found, wanted
    if tokens != wanted_tokens:
        sys.exit(f"{name} has other tokens of the text")
    divergences = sorted(divergence(p, q) for p, q in zip(wanted_best, best, strict=True))
    same = sum(max(p, key=p.get) == max(q, key=q.get) for p, q in zip(wanted_best, best))
    print(f"  {name:9}  perplexity {100 * (perplexity(own) / perplexity(wanted_own) - 1):+.4f} %  divergence {statistics.fmean(divergences):.1e}, "
          f"99th percentile {divergences[len(divergences) * 99 // 100]:.1e}  most probable token the same {100 * same / len(own):.2f} %", flush=True)


def compare(file, turns, llama):
    print(f"{file.name}: tokens/s, median (lowest to highest) of {turns} turns")
    measured = {kind: [] for kind in KINDS if kind != "float32"}
    for _ in range(turns):
        for kind, results in measured.items():
            results.append(speeds(file, kind))
    for kind, results in measured.items() if turns else ():
        print(f"  {kind:9}", *(f"{row} {statistics.median(s):.1f} ({min(s):.1f} to {max(s):.1f})" for row, s in zip(ROWS.values(), zip(*results))), sep="  ", flush=True)
    wanted = distributions(file, "float32")
    print(f"  {len(wanted[0])} tokens, perplexity {perplexity(wanted[1]):.4f}")
    for kind in measured:
        print_closeness(kind, distributions(file, kind), wanted)
    if llama:
        print_closeness("llama.cpp", llama_distributions(llama, file), wanted)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("files", nargs="+", type=Path)
    parser.add_argument("--turns", type=int, default=3, help="0: closeness only")
    parser.add_argument("--llama-perplexity", help="as bench_cpu.sh's build of llama.cpp has it: cmake --build build/bench_cpu/llama --target llama-perplexity")
    arguments = parser.parse_args()
    for file in arguments.files:
        compare(file, arguments.turns, arguments.llama_perplexity)


if __name__ == "__main__":
    main()
