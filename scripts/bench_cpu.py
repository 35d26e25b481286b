# SPDX-License-Identifier: Apache-2.0
"""Ember beside llama.cpp on one CPU: called by bench_cpu.sh.

For each model: the prompt of 512 tokens; decoding of one sequence behind 0, 512 and 4096 tokens; of 4 and 16 sequences behind 512;
and a server with 1, 8 and 16 clients (128 tokens in, 64 out). Each turn runs Ember, then llama.cpp; a ratio is Ember's tokens per
second over llama.cpp's in the same turn. Prints median, lowest and highest ratio of the turns, Ember's share of the read bandwidth
(one sequence) and of the multiply-adds in registers (prompt), which cpu_bench measures before and after.
"""
import argparse
import json
import os
import signal
import socket
import statistics
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

DEPTHS = (0, 512, 4096)
STREAMS = (4, 16)
CLIENTS = (1, 8, 16)
# Prompts are of SmolLM2's whole vocabulary. The ids below 1000, bench serve's own choice, are bytes and marks: a model answers them with
# characters of two tokens, and a chunk of two tokens looks like a gap of two steps.
SERVED_VOCAB = 49000


def json_lines(*command):
    done = subprocess.run([str(c) for c in command], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        sys.exit(f"{' '.join(map(str, command))}\n{done.stderr[-2000:]}")
    return [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]


# -- models


def convert(source, target, kind):
    """The weights of `source` as another type: float32 in between."""
    import gguf

    if target.exists():
        return target
    reader = gguf.GGUFReader(source)
    part = target.with_suffix(".part")
    writer = gguf.GGUFWriter(part, "llama")
    for field in reader.fields.values():
        if field.name.startswith("GGUF.") or field.name == "general.architecture":
            continue
        value_type = field.types[0]
        sub_type = field.types[-1] if value_type == gguf.GGUFValueType.ARRAY else None
        writer.add_key_value(field.name, field.contents(), value_type, sub_type=sub_type)
    wanted = gguf.GGMLQuantizationType[kind]
    for tensor in reader.tensors:
        data = gguf.quants.dequantize(tensor.data, tensor.tensor_type)
        plain = data.ndim == 1
        to = gguf.GGMLQuantizationType.F32 if plain else wanted
        writer.add_tensor(tensor.name, data if plain else gguf.quants.quantize(data, to), raw_dtype=to)
    finish(writer, part, target)
    return target


def finish(writer, part, target):
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    part.rename(target)


def random_llama(config_dir, target, kind, vocabulary_of):
    """The shapes of config_dir/config.json with random weights, and the tokenizer of another file."""
    import gguf
    import numpy as np

    if target.exists():
        return target
    c = json.loads((config_dir / "config.json").read_text())
    part = target.with_suffix(".part")
    writer = gguf.GGUFWriter(part, "llama")
    head_dim = c.get("head_dim", c["hidden_size"] // c["num_attention_heads"])
    writer.add_block_count(c["num_hidden_layers"])
    writer.add_context_length(c["max_position_embeddings"])
    writer.add_embedding_length(c["hidden_size"])
    writer.add_feed_forward_length(c["intermediate_size"])
    writer.add_head_count(c["num_attention_heads"])
    writer.add_head_count_kv(c["num_key_value_heads"])
    writer.add_layer_norm_rms_eps(c["rms_norm_eps"])
    writer.add_rope_freq_base(c.get("rope_theta", 10000.0))
    writer.add_rope_dimension_count(head_dim)
    writer.add_vocab_size(c["vocab_size"])
    for field in gguf.GGUFReader(vocabulary_of).fields.values():
        if not field.name.startswith("tokenizer.ggml."):
            continue
        value = field.contents()
        if field.name.rsplit(".", 1)[1] in ("tokens", "token_type", "scores"):
            filler = {"tokens": lambda i: f"<unused{i}>", "token_type": lambda i: 5, "scores": lambda i: 0.0}[field.name.rsplit(".", 1)[1]]
            value = (value + [filler(i) for i in range(len(value), c["vocab_size"])])[: c["vocab_size"]]
        writer.add_key_value(field.name, value, field.types[0], sub_type=field.types[-1] if len(field.types) > 1 else None)
    random = np.random.default_rng(0)
    to = gguf.GGMLQuantizationType[kind]

    def matrix(name, rows, columns):
        data = (random.standard_normal((rows, columns), dtype=np.float32) * 0.02).astype(np.float32)
        writer.add_tensor(name, gguf.quants.quantize(data, to), raw_dtype=to)

    def ones(name, size):
        writer.add_tensor(name, np.ones(size, dtype=np.float32))

    hidden, inner = c["hidden_size"], c["intermediate_size"]
    q, kv = c["num_attention_heads"] * head_dim, c["num_key_value_heads"] * head_dim
    matrix("token_embd.weight", c["vocab_size"], hidden)
    ones("output_norm.weight", hidden)
    if not c.get("tie_word_embeddings", False):
        matrix("output.weight", c["vocab_size"], hidden)
    for i in range(c["num_hidden_layers"]):
        ones(f"blk.{i}.attn_norm.weight", hidden)
        ones(f"blk.{i}.ffn_norm.weight", hidden)
        for name, rows, columns in (("attn_q", q, hidden), ("attn_k", kv, hidden), ("attn_v", kv, hidden), ("attn_output", hidden, q),
                                    ("ffn_gate", inner, hidden), ("ffn_up", inner, hidden), ("ffn_down", hidden, inner)):
            matrix(f"blk.{i}.{name}.weight", rows, columns)
    finish(writer, part, target)
    return target


def models(args):
    work = Path(args.work)
    made = {"smollm2-q4_1": lambda: Path(args.smollm2)}
    for kind in ("BF16", "F16", "Q8_0"):
        made[f"smollm2-{kind.lower()}"] = lambda kind=kind: convert(args.smollm2, work / f"smollm2-{kind.lower()}.gguf", kind)
    shape = Path(__file__).parent.parent / "tests/bench/llama-1b"
    made["llama-1b-bf16"] = lambda: random_llama(shape, work / "llama-1b-bf16.gguf", "BF16", args.smollm2)
    if args.gemma:
        made["gemma3-270m-q4_k_m"] = gemma
    wanted = args.models.split(",") if args.models else list(made)
    for name in wanted:
        if name not in made:
            sys.exit(f"--models {name}: the models are {', '.join(made)}")
        yield name, made[name]()


def gemma():
    """The weights are under Gemma's terms."""
    fetched = subprocess.run([Path(__file__).parent / "get_gguf_model.sh", "gemma3"], check=True, stdout=subprocess.PIPE, text=True)
    return Path(fetched.stdout.splitlines()[-1])


# -- the two programs, each as {row: tokens per second}


def ember_rows(args, model):
    steps = 8 if args.quick else 32
    decodes = [f"1x{max(1, depth)}" for depth in args.depths] + [f"{n}x512" for n in STREAMS]
    lines = json_lines(args.ember, "bench", "model", model, "--device", "cpu", "--cpu-threads", args.threads, "--prefill", 512, "--repetitions", 2,
                       "--decode", ",".join(decodes), "--steps", steps)
    rows = {}
    for line in lines:
        if line["bench"] == "prefill":
            rows["prefill 512"] = line["tokens_per_s"]
            rows["tflop_per_s"] = line.get("tflop_per_s", 0)
        elif line["bench"] == "decode" and line["batch"] == 1:
            depth = 0 if line["context"] == 1 else line["context"]
            rows[f"decode at {depth}"] = line["tokens_per_s"]
            if depth == args.depths[0]:
                rows["gb_per_s"] = line["gb_per_s"]
        elif line["bench"] == "decode":
            rows[f"{line['batch']} streams"] = line["tokens_per_s"]
    return rows


def llama_rows(args, model):
    steps = 8 if args.quick else 32
    common = ["-m", model, "-t", args.threads, "-o", "jsonl"]
    rows = {}
    for line in json_lines(Path(args.llama) / "llama-bench", *common, "-p", 512, "-n", steps, "-r", 2, "-d",
                           ",".join(map(str, args.depths))):
        if line["n_prompt"] > 0 and line["n_depth"] == 0:
            rows["prefill 512"] = line["avg_ts"]
        elif line["n_gen"] > 0:
            rows[f"decode at {line['n_depth']}"] = line["avg_ts"]
    for line in json_lines(Path(args.llama) / "llama-batched-bench", "-m", model, "-t", args.threads, "-c", 16 * 640, "-b", 512, "-npp",
                           512, "-ntg", steps, "-npl", ",".join(map(str, STREAMS)), "--output-format", "jsonl"):
        rows[f"{line['pl']} streams"] = line["speed_tg"]
    return rows


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def serve_rows(args, command, port, ready):
    """`ready`: the path that answers 200 when the model is loaded."""
    server = subprocess.Popen([str(c) for c in command], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    rows = {}
    try:
        for _ in range(600):
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{port}{ready}", timeout=1)
                break
            except OSError:
                time.sleep(0.1)
        else:
            sys.exit(f"{command[0]} was not ready after a minute")
        for clients in CLIENTS:
            done = subprocess.run([args.ember, "bench", "serve", "--url", f"http://127.0.0.1:{port}", "--num-prompts", str(clients * (2 if args.quick else 5)),
                                   "--max-concurrency", str(clients), "--input-len", "128", "--output-len", "64", "--vocab-size", str(SERVED_VOCAB), "--json"],
                                  capture_output=True, text=True, check=False)
            if done.returncode != 0:
                sys.exit(done.stderr)
            result = json.loads(done.stdout)
            rows[f"serve {clients} clients"] = result["output_throughput"]
            rows[f"gap {clients} clients"] = (result["median_itl_ms"], result["p99_itl_ms"], result["median_ttft_ms"])
    finally:
        server.send_signal(signal.SIGTERM)
        server.wait(30)
    return rows


def served(args, model):
    port = free_port()
    ours = serve_rows(args, [args.ember, "serve", "--model-path", model, "--device", "cpu", "--cpu-threads", args.threads, "--port", port,
                             "--admin-port", -1], port, "/v1/models")
    port = free_port()
    n = max(CLIENTS)
    theirs = serve_rows(args, [Path(args.llama) / "llama-server", "-m", model, "-t", args.threads, "-np", n, "-c", n * 512,
                               "--port", port], port, "/health")
    return ours, theirs


def processor():
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    return next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), "CPU")


def limits(args):
    """Bytes read and multiply-adds per second, of all threads together."""
    (line,) = json_lines(args.probes, "--limits")
    return line


def spread(values):
    return f"{statistics.median(values):.0f} ({min(values):.0f} to {max(values):.0f})"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for name in ("--ember", "--probes", "--llama", "--work", "--smollm2"):
        parser.add_argument(name, required=True)
    parser.add_argument("--commit", default="")
    parser.add_argument("--gemma", action="store_true", help="also Gemma-3-270m Q4_K_M, which is fetched; Gemma's terms")
    parser.add_argument("--quick", action="store_true", help="fewer steps, no depth of 4096")
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--models", help="some of them, separated by commas")
    parser.add_argument("--no-serve", action="store_true")
    args = parser.parse_args()
    args.depths = DEPTHS[:2] if args.quick else DEPTHS

    args.threads = len(os.sched_getaffinity(0))
    out = (Path(args.work) / "results.jsonl").open("a")
    before = limits(args)
    out.write(json.dumps({"commit": args.commit, "cpu": processor(), "threads": args.threads, "turns": args.turns, "quick": args.quick} | before) + "\n")
    print(f"{processor()}, {args.threads} threads, commit {args.commit}, {args.turns} turns: reading {before['gb_per_s']:.1f} GB/s, "
          f"{before['gmac_per_s']:.0f} G multiply-adds/s")
    print(f"{'model':20} {'':16} {'Ember':>8} {'llama':>8}  ratio")
    for name, model in models(args):
        turns = []
        for _ in range(args.turns):
            ours, theirs = ember_rows(args, model), llama_rows(args, model)
            if not args.no_serve and name.startswith("smollm2"):
                for mine, more in zip((ours, theirs), served(args, model)):
                    mine.update(more)
            turns.append((ours, theirs))
        for row in turns[0][1]:
            pairs = [(ours[row], theirs[row]) for ours, theirs in turns]
            if row.startswith("gap"):
                text = [" / ".join(spread([p[side][k] for p in pairs]) for k in range(3)) for side in (0, 1)]
                print(f"{name:20} {row:16} {text[0]}, llama {text[1]}  ms: median and p99 between tokens, median TTFT", flush=True)
                out.write(json.dumps({"model": name, "row": row, "ember": [a for a, _ in pairs], "llama": [b for _, b in pairs]}) + "\n")
                continue
            ratios = sorted(a / b for a, b in pairs)
            note = ""
            if row == "prefill 512":
                note = f"{statistics.median(o['tflop_per_s'] for o, _ in turns) * 500 / before['gmac_per_s']:.2f} of the multiply-adds"
            if row == f"decode at {args.depths[0]}":
                note = f"{statistics.median(o['gb_per_s'] for o, _ in turns) / before['gb_per_s']:.2f} of the read bandwidth"
            print(f"{name:20} {row:16} {statistics.median(a for a, _ in pairs):8.1f} {statistics.median(b for _, b in pairs):8.1f}  "
                  f"{statistics.median(ratios):.2f} ({ratios[0]:.2f} to {ratios[-1]:.2f})  {note}", flush=True)
            out.write(json.dumps({"model": name, "row": row, "ember": [a for a, _ in pairs], "llama": [b for _, b in pairs]}) + "\n")
    after = limits(args)
    print(f"afterwards: reading {after['gb_per_s']:.1f} GB/s, {after['gmac_per_s']:.0f} G multiply-adds/s")


if __name__ == "__main__":
    main()
