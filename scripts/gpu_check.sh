#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Proves and measures one program on this machine's GPU, in five minutes at most: answers against the CPU's, every product and attention
# against simple kernels, timings beside cuBLAS and the GPU's ceilings, whole steps of Llama-3-8B's shapes, the server under load.
# Prints a table, then the same as JSON lines, which also go to OUT.
#
# Usage: scripts/gpu_check.sh [--sanitize] [--tiny] [--out OUT] [EMBER]
#   EMBER       the program, default build/cuda/ember (cmake --preset cuda && cmake --build build/cuda --target ember)
#   --tiny      small shapes, for the emulated GPU (build/emulated/ember)
#   --sanitize  compute-sanitizer (memcheck, racecheck, synccheck) on the small shapes instead of timings
#   --out OUT   default build/gpu_check.jsonl
# Each part runs in a process of its own with a deadline: one that hangs does not keep the others from running. Exit status 0: all was right.
set -uo pipefail
cd "$(dirname "$0")/.."
ember=build/cuda/ember out=build/gpu_check.jsonl sanitize='' tiny=''
while [ $# -gt 0 ]; do
  case $1 in
    --sanitize) sanitize=1 ;;
    --tiny) tiny=1 ;;
    --out) out=$2; shift ;;
    -*) sed -n '2,11p' "$0"; exit 64 ;;
    *) ember=$1 ;;
  esac
  shift
done
[ -x "$ember" ] || { echo "no $ember: build it first (see $0)" >&2; exit 64; }
export EMBER_LOG_LEVEL=warn
TOTAL=275  # seconds; what runs longer is cut, and ending takes a moment
work=$(mktemp -d)
server=''
trap '[ -z "$server" ] || kill -KILL "$server" 2>/dev/null; rm -rf "$work"' EXIT
failed=0

# limit SECONDS: that, or what is left of the whole.
limit() {
  local left=$((TOTAL - SECONDS))
  [ "$left" -lt 1 ] && left=1
  echo $(($1 < left ? $1 : left))
}

fail() {
  echo "FAILED: $*" >&2
  failed=1
}

# part SECONDS ARGUMENT...: `ember ARGUMENT...` with a deadline, its lines to the results.
part() {
  local deadline rc=0
  deadline=$(limit "$1")
  shift
  timeout --kill-after=5 "$deadline" "$ember" "$@" >>"$out" || rc=$?
  [ "$rc" -eq 0 ] || fail "ember $* (exit status $rc after at most $deadline s)"
}

# After a wrong or failed check: with which switch thrown is it right? The rest is measured with what was right.
bisect() {
  local switch deadline
  deadline=$(limit 120)
  for switch in EMBER_CUDA_GRAPHS EMBER_CUDA_OVERLAP EMBER_CUDA_CUBLAS; do
    if env $switch=false timeout --kill-after=5 "$deadline" "$ember" bench check "${check_flags[@]}" >"$work/bisect" 2>&1; then
      printf '{"bisect": "%s=false", "right": true}\n' $switch >>"$out"
      export $switch=false
      return
    fi
    printf '{"bisect": "%s=false", "right": false}\n' $switch >>"$out"
  done
  env EMBER_CUDA_SYNC=true timeout --kill-after=5 "$deadline" "$ember" bench check "${check_flags[@]}" >"$work/bisect" 2>&1 || true
  grep -h 'CUDA: ' "$work/bisect" | head -n 3 | python3 -c 'import json, sys; [print(json.dumps({"bisect": "EMBER_CUDA_SYNC=true", "says": line.strip()})) for line in sys.stdin]' >>"$out"
}

sanitize() {
  local tool dtype
  for tool in memcheck racecheck synccheck; do
    for dtype in float16 bfloat16; do
      echo "compute-sanitizer $tool $dtype"
      timeout 600 compute-sanitizer --tool "$tool" --error-exitcode 9 "$ember" bench kernels --tiny --dtype "$dtype" >/dev/null || fail "$tool, kernels, $dtype"
    done
  done
  timeout 600 compute-sanitizer --tool memcheck --error-exitcode 9 "$ember" bench check --tiny --device cuda >/dev/null || fail "memcheck, whole models"
}

# A directory that can be served: the shapes to measure, and a tokenizer that has text for every id, so that every token is streamed.
make_model() {
  mkdir "$work/model"
  cp configs/demo-model/tokenizer_config.json configs/demo-model/special_tokens_map.json "$work/model"
  python3 - "$work/model" ${tiny:+tiny} <<'PY'
import json
import sys
from pathlib import Path

demo, target = Path("configs/demo-model"), Path(sys.argv[1])
config = json.loads(Path("configs/shapes/llama-3-8b/config.json").read_text())
if len(sys.argv) > 2:
    config = json.loads((demo / "config.json").read_text())
    config.update(hidden_size=128, intermediate_size=96, num_attention_heads=2, num_key_value_heads=1, num_hidden_layers=2)
tokenizer = json.loads((demo / "tokenizer.json").read_text())
vocabulary = tokenizer["model"]["vocab"]
vocabulary.update({token["content"]: token["id"] for token in tokenizer["added_tokens"]})  # else the library numbers them after ours
first = 1 + max(vocabulary.values())
vocabulary.update({f"token{i}": i for i in range(first, config["vocab_size"])})
(target / "tokenizer.json").write_text(json.dumps(tokenizer))
(target / "config.json").write_text(json.dumps(config))
PY
}

# wait_for TEXT FILE SECONDS
wait_for() {
  local end=$((SECONDS + $3))
  until grep -q "$1" "$2"; do
    [ "$SECONDS" -lt "$end" ] && kill -0 "$server" 2>/dev/null || return 1
    sleep 0.05
  done
}

# Starts the server, loads it, ends it: it must be ready, answer everything, and leave with status 0.
serve() {
  local log=$work/log begin ready url rc=0
  begin=$(date +%s%N)
  EMBER_LOG_LEVEL=info "$ember" serve "$work/model" --load-format dummy --device cuda --port 0 --admin-port -1 "${serve_flags[@]}" >"$log" 2>&1 &
  server=$!
  if wait_for ' ready$' "$log" "$(limit 90)"; then
    ready=$(($(date +%s%N) - begin))
    printf '{"server": "ready", "seconds": %s}\n' "$((ready / 1000000000)).$(printf %03d $((ready / 1000000 % 1000)))" >>"$out"
    url=$(sed -n 's|.*listening on \(http://.*\)|\1|p' "$log")
    part 60 bench serve --json --url "$url" "${load_flags[@]}"
    kill -TERM "$server"
    for _ in $(seq 200); do kill -0 "$server" 2>/dev/null || break; sleep 0.1; done
  else
    fail "the server was not ready"
  fi
  kill -KILL "$server" 2>/dev/null
  wait "$server" || rc=$?
  server=''
  printf '{"server": "ended", "status": %s}\n' "$rc" >>"$out"
  [ "$rc" -eq 0 ] || { fail "the server ended with status $rc"; tail -n 20 "$log" >&2; }
}

if [ -n "$sanitize" ]; then
  sanitize
  exit $failed
fi

check_flags=(--device cuda) kernel_flags=() model_flags=() serve_flags=()
load_flags=(--num-prompts 256 --max-concurrency 64 --input-len 1024 --output-len 128)
if [ -n "$tiny" ]; then
  small=(--max-num-batched-tokens 64 --kv-cache-memory-bytes 16MiB)
  check_flags+=(--tiny) kernel_flags=(--tiny)
  model_flags=("${small[@]}" --decode 1x64,2x64 --prefill 100 --steps 2 --repetitions 1)
  serve_flags=("${small[@]}" --max-num-seqs 4 --max-model-len 256)
  load_flags=(--num-prompts 6 --input-len 20 --output-len 3)
fi
mkdir -p "$(dirname "$out")"
printf '{"date": "%s", "commit": "%s", "version": "%s"}\n' "$(date -u +%FT%TZ)" "$(git rev-parse --short HEAD 2>/dev/null || echo none)" "$("$ember" --version | head -n 1)" >"$out"
nvidia-smi --query-gpu=name,driver_version,clocks.sm,clocks.mem,temperature.gpu,power.draw --format=csv,noheader 2>/dev/null | sed 's/.*/{"gpu": "&"}/' >>"$out"
make_model
part 120 bench check "${check_flags[@]}"
[ "$failed" -eq 0 ] || bisect
for dtype in bfloat16 float16; do
  for family in gemm decode prefill sample; do
    part 45 bench kernels --dtype "$dtype" "${kernel_flags[@]}" ceilings "$family"
  done
done
part 120 bench model "$work/model" --load-format dummy --device cuda "${model_flags[@]}"
serve
python3 scripts/gpu_check_table.py "$out" || fail "the table"
cat "$out"
exit $failed
