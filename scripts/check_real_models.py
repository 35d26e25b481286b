#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Real GGUF files against transformers: one line for each of greedy tokens, perplexity and token ids, "right" or "WRONG" in front.

Usage: scripts/check_real_models.sh [smollm2] [gemma3]   (makes the environment, fetches the files and runs this)

The reference is transformers on the dequantised weights in float32; for ids the tokenizers and sentencepiece libraries. It is kept in
build/real_models with what it was made of, and made again where that has changed. With --write the reference of smollm2 also goes to tests/data/smollm2_reference.json.
"""
import argparse
import functools
import hashlib
import json
import math
import struct
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests/e2e"))

import real_texts  # noqa: E402
from server import Server  # noqa: E402

FOLDER = ROOT / "build/real_models"
NEW_TOKENS = 64
MARGIN = 0.02  # of the two best logits: below it either is right
WINDOW = 1024  # tokens whose perplexity is computed together
TEXT_BYTES = 50_000
MOST_DIFFERENCE = 1e-3  # of the perplexity
MODEL = "model"


def text():
    """The repository's own documents."""
    files = [ROOT / "README.md", *sorted((ROOT / "src").rglob("README.md")), *sorted((ROOT / "tests").rglob("README.md")), ROOT / "kernels/README.md",
             ROOT / "configs/README.md"]
    return b"\n".join(f.read_bytes() for f in files)[:TEXT_BYTES].decode(errors="ignore")


def byte_level(tokenizer):
    """SmolLM2's own tokenizer.json cuts digits one by one before GPT-2's rule; transformers does not read that from GGUF files."""
    from tokenizers.pre_tokenizers import ByteLevel, Digits, Sequence
    rust = tokenizer.backend_tokenizer
    rust.pre_tokenizer = Sequence([Digits(individual_digits=True), ByteLevel(add_prefix_space=False, use_regex=True)])
    return lambda line: rust.encode(line, add_special_tokens=False).ids


def field(number, wire, payload):
    return varint(number << 3 | wire) + (varint(len(payload)) + payload if wire == 2 else payload)


def varint(n):
    out = b""
    while n > 127:
        out, n = out + bytes([n & 127 | 128]), n >> 7
    return out + bytes([n])


def sentencepiece_of(file):
    """The SentencePiece model that a GGUF file's vocabulary is."""
    import gguf
    import sentencepiece
    reader = gguf.GGUFReader(file)

    def values(key):
        part = reader.fields[key]
        return [part.parts[i] for i in part.data]
    tokens = [bytes(t) for t in values("tokenizer.ggml.tokens")]
    scores = [float(s[0]) for s in values("tokenizer.ggml.scores")]
    types = [int(t[0]) for t in values("tokenizer.ggml.token_type")]
    unknown = int(values("tokenizer.ggml.unknown_token_id")[0][0])
    types[unknown] = 2  # which files call a control token
    proto = b"".join(field(1, 2, field(1, 2, t) + field(2, 5, struct.pack("<f", s)) + field(3, 0, varint(k)))
                     for t, s, k in zip(tokens, scores, types))
    trainer = field(3, 0, varint(2)) + field(35, 0, varint(1)) + field(40, 0, varint(unknown)) + b"".join(
        field(n, 0, varint(2**64 - 1)) for n in (41, 42, 43))
    proto += field(2, 2, trainer) + field(3, 2, field(1, 2, b"identity") + field(3, 0, varint(0)) + field(4, 0, varint(0)))
    return sentencepiece.SentencePieceProcessor(model_proto=proto).encode


def greedy(model, ids):
    import torch
    past, step, tokens, margins = None, torch.tensor([ids]), [], []
    for _ in range(NEW_TOKENS):
        out = model(step, past_key_values=past, use_cache=True)
        past, best = out.past_key_values, out.logits[0, -1].topk(2)
        tokens.append(int(best.indices[0]))
        margins.append(round(float(best.values[0] - best.values[1]), 4))
        step = torch.tensor([[tokens[-1]]])
    return dict(input_ids=ids, greedy_ids=tokens, margins=margins)


def loss(model, ids):
    """The sum of -log p of all tokens but the first."""
    import torch
    logits = model(torch.tensor([ids])).logits[0, :-1].log_softmax(-1)
    return -float(logits.gather(1, torch.tensor(ids[1:])[:, None]).double().sum())


def kept(name, inputs, make):
    """What make() gives, from build/real_models where it has been made of the same inputs before. All of it is JSON."""
    target = FOLDER / name
    inputs = json.loads(json.dumps(inputs))
    before = json.loads(target.read_text()) if target.exists() else None
    if not isinstance(before, dict) or before.get("inputs") != inputs:
        target.write_text(json.dumps(dict(inputs=inputs, made=make())))
    return json.loads(target.read_text())["made"]


def make_reference(name, file):
    import torch
    import transformers
    torch.set_num_threads(2)
    torch.set_grad_enabled(False)
    source = dict(pretrained_model_name_or_path=str(file.parent), gguf_file=file.name)
    smollm2 = name == "smollm2"

    @functools.cache
    def encoder():
        return byte_level(transformers.AutoTokenizer.from_pretrained(**source)) if smollm2 else sentencepiece_of(file)

    @functools.cache
    def model():
        return transformers.AutoModelForCausalLM.from_pretrained(**source, dtype=torch.float32).eval()

    def encode(line):
        return ([] if smollm2 else [2]) + encoder()(line)

    def windows():
        ids = encoder()(text())
        return [([] if smollm2 else [2]) + ids[at:at + WINDOW - 1] for at in range(0, len(ids), WINDOW - 1)]
    made_by = f"transformers {transformers.__version__}, torch {torch.__version__.split('+')[0]}"

    def part(what, inputs, make):
        return kept(f"{name}-{what}.json", dict(made_by=made_by, file=[file.name, file.stat().st_size], **inputs), make)
    lines, prompts = real_texts.lines(), real_texts.PROMPTS
    result = dict(made_by=made_by, lines=lines)
    result["ids"] = part("ids", dict(lines=lines), lambda: [encode(line) for line in lines])
    result["prompts"] = part("prompts", dict(prompts=prompts, new_tokens=NEW_TOKENS), lambda: [greedy(model(), encode(p)) for p in prompts])
    result["windows"] = part("windows", dict(text=hashlib.sha256(text().encode()).hexdigest(), window=WINDOW), windows)
    result["losses"] = [part(f"loss-{i}", dict(ids=ids), lambda ids=ids: loss(model(), ids)) for i, ids in enumerate(result["windows"])]
    return result


def post(server, path, **body):
    response = server.client.post(path, json=dict(model=MODEL, **body), timeout=600)
    if response.status_code != 200:
        raise RuntimeError(response.text)
    return response.json()


def compare_greedy(server, prompts):
    """Behind a token that differs where either is right, the answer goes on with the reference's."""
    equal, close, wrong, differing = 0, 0, 0, []
    for prompt in prompts:
        done, wanted = 0, prompt["greedy_ids"]
        while done < NEW_TOKENS:
            got = post(server, "/v1/completions", prompt=prompt["input_ids"] + wanted[:done], max_tokens=NEW_TOKENS - done, temperature=0,
                       ignore_eos=True, return_token_ids=True)["choices"][0]["token_ids"]
            if len(got) != NEW_TOKENS - done:
                return False, f"{len(got)} tokens instead of {NEW_TOKENS - done}"
            same = next((i for i, (a, b) in enumerate(zip(got, wanted[done:])) if a != b), NEW_TOKENS - done)
            equal, done = equal + same, done + same
            if done < NEW_TOKENS:
                differing.append(prompt["margins"][done])
                close, wrong, done = close + (differing[-1] < MARGIN), wrong + (differing[-1] >= MARGIN), done + 1
    smallest = min(m for p in prompts for m in p["margins"])
    return wrong == 0, (f"greedy tokens: {equal} of {len(prompts) * NEW_TOKENS} equal, {close} differ at margins below {MARGIN}, {wrong} above "
                        f"(margins of those: {differing or 'none'}; smallest of all: {smallest})")


def compare_perplexity(server, windows, losses):
    ours = 0.0
    for ids in windows:
        logprobs = post(server, "/v1/completions", prompt=ids, max_tokens=1, echo=True, logprobs=1, temperature=0)["choices"][0]["logprobs"]
        ours -= math.fsum(logprobs["token_logprobs"][1:len(ids)])
    count = sum(len(w) - 1 for w in windows)
    a, b = math.exp(math.fsum(losses) / count), math.exp(ours / count)
    return abs(b / a - 1) < MOST_DIFFERENCE, f"perplexity of {count} tokens: {a:.4f}, Ember {b:.4f}, {100 * (b / a - 1):+.4f} %"


def compare_ids(server, lines, ids):
    different = [line for line, wanted in zip(lines, ids) if post(server, "/tokenize", prompt=line)["tokens"] != wanted]
    return not different, f"token ids: {len(lines) - len(different)} of {len(lines)} lines in {len(real_texts.SCRIPTS)} scripts equal" + (
        f", not {different[0]!r}" if different else "")


def check(name, file, flags):
    reference = make_reference(name, file)
    FOLDER.mkdir(parents=True, exist_ok=True)
    right = True
    with tempfile.TemporaryDirectory() as folder:
        server = Server(Path(folder) / "log", "--device", "cpu", "--max-model-len", 2048, "--served-model-name", MODEL, *flags, model_dir=file)
        try:
            for good, line in (compare_ids(server, reference["lines"], reference["ids"]), compare_greedy(server, reference["prompts"]),
                               compare_perplexity(server, reference["windows"], reference["losses"])):
                print("right" if good else "WRONG", f"{name} {' '.join(flags)}".strip(), line, flush=True)
                right = right and good
        finally:
            server.kill()
    return right


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("models", nargs="+", metavar="NAME=FILE")
    parser.add_argument("--write", action="store_true", help="tests/data/smollm2_reference.json")
    arguments = parser.parse_args()
    models = {name: Path(file) for name, _, file in (m.partition("=") for m in arguments.models)}
    if arguments.write:
        reference = make_reference("smollm2", models["smollm2"])
        parts = {key: reference[key] for key in ("made_by", "lines", "ids", "prompts")}
        target = ROOT / "tests/data/smollm2_reference.json"
        target.write_text(json.dumps(parts, ensure_ascii=False, separators=(",", ":")) + "\n")
    results = [check(name, file, flags) for name, file in models.items() for flags in ([], ["--cpu-activations", "float"])]
    return 0 if all(results) else 1


if __name__ == "__main__":
    sys.exit(main())
