#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Proves and measures one program on this machine's GPU, in five minutes at most: answers against the CPU's, every product and attention
# against simple kernels, timings beside cuBLAS and the GPU's ceilings, whole steps of Llama-3-8B's shapes, the server under load, plain and
# structured, and what is left of it after it was killed. Prints a table, then the same as JSON lines, which also go to OUT.
#
# Usage: scripts/gpu_check.sh [--sanitize] [--tiny] [--seconds N] [--out OUT] [EMBER]
#   EMBER       the program, default build/cuda/ember (cmake --preset cuda && cmake --build build/cuda --target ember)
#   --tiny      small shapes, for the emulated GPU (build/emulated/ember)
#   --sanitize  compute-sanitizer (memcheck, racecheck, synccheck, initcheck) on the small shapes instead of timings; hours, whatever --seconds says
#   --seconds N for all of it, default 275; what would take longer is cut, and said to be
#   --out OUT   default build/gpu_check.jsonl
# Each part runs in a process of its own with a deadline: one that hangs does not keep the others from running. Exit status 0: all ran, and all
# was right.
set -uo pipefail
cd "$(dirname "$0")/.."
ember=build/cuda/ember out=build/gpu_check.jsonl sanitize='' tiny='' total=275
while [ $# -gt 0 ]; do
  case $1 in
    --sanitize) sanitize=1 ;;
    --tiny) tiny=1 ;;
    --seconds) total=$2; shift ;;
    --out) out=$2; shift ;;
    -*) sed -n '3,14p' "$0"; exit 64 ;;
    *) ember=$1 ;;
  esac
  shift
done
[ -x "$ember" ] || { echo "no $ember: build it first (see $0)" >&2; exit 64; }
export EMBER_LOG_LEVEL=warn
work=$(mktemp -d)
server='' client=''
trap 'for process in $server $client; do kill -KILL "$process" 2>/dev/null; done; rm -rf "$work"' EXIT
failed=0

# limit SECONDS: that, or what is left of the whole; at least 0.
limit() {
  local left=$((total - SECONDS))
  [ "$left" -lt 0 ] && left=0
  echo $(($1 < left ? $1 : left))
}

fail() {
  echo "FAILED: $*" >&2
  failed=1
}

# status_of EXIT_STATUS [SECONDS DEADLINE]: as the results have it; 124 is timeout's, 137 too where the time was over.
status_of() {
  case $1 in
    0) echo done ;;
    124) echo 'cut for time' ;;
    137) [ "${2:-0}" -lt "${3:-1}" ] && echo killed || echo 'cut for time' ;;
    *) echo failed ;;
  esac
}

# note PART STATUS SECONDS [EXIT_STATUS]: how a part of the check ended, to the results.
note() {
  printf '{"part": "%s", "status": "%s", "seconds": %s, "exit": %s}\n' "$1" "$2" "$3" "${4:-null}" >>"$out"
  [ "$2" = done ] || fail "$1: $2 after $3 s${4:+ (exit status $4)}"
}

# part SECONDS ARGUMENT...: `ember ARGUMENT...` with a deadline, its lines to the results.
part() {
  local name deadline begin=$SECONDS rc=0
  [ -z "$tiny" ] || set -- "$total" "${@:2}"  # the emulated GPU has no pace
  deadline=$(limit "$1")
  shift
  name=$(tr -d '"' <<<"$*")
  [ "$deadline" -gt 0 ] || { note "$name" 'no time left' 0; return; }
  timeout --kill-after=5 "$deadline" "$ember" "$@" >>"$out" || rc=$?
  note "$name" "$(status_of $rc $((SECONDS - begin)) "$deadline")" $((SECONDS - begin)) $rc
}

# After a wrong or failed check: with which switch thrown is it right? The rest is measured with what was right. A try
# may take little longer than the check took, and 30 s where it hung: the rest needs time, too.
bisect() {
  local most=$1 switch deadline rc begin
  for switch in EMBER_CUDA_GRAPHS EMBER_CUDA_OVERLAP EMBER_CUDA_CUBLAS; do
    deadline=$(limit "$most") rc=124 begin=$SECONDS
    [ "$deadline" -eq 0 ] || { rc=0; env $switch=false timeout --kill-after=5 "$deadline" "$ember" bench check "${check_flags[@]}" >"$work/bisect" 2>&1 || rc=$?; }
    printf '{"bisect": "%s=false", "status": "%s"}\n' $switch "$(status_of $rc $((SECONDS - begin)) "$deadline")" >>"$out"
    [ "$rc" -ne 0 ] || { export $switch=false; return; }
  done
  deadline=$(limit "$most")
  [ "$deadline" -gt 0 ] || return
  env EMBER_CUDA_SYNC=true timeout --kill-after=5 "$deadline" "$ember" bench check "${check_flags[@]}" >"$work/bisect" 2>&1 || true
  grep -h 'CUDA: ' "$work/bisect" | head -n 3 | python3 -c 'import json, sys; [print(json.dumps({"bisect": "EMBER_CUDA_SYNC=true", "says": line.strip()})) for line in sys.stdin]' >>"$out"
}

# sanitized SECONDS NAME ARGUMENT...: `ember ARGUMENT...` under $tool; what it found is printed.
sanitized() {
  local deadline=$1 name=$2 rc=0
  shift 2
  timeout "$deadline" compute-sanitizer --tool "$tool" --log-file "$work/sanitizer" --error-exitcode 9 "$ember" "$@" >/dev/null || rc=$?
  [ "$rc" -eq 0 ] || { tail -n 40 "$work/sanitizer" >&2; fail "$name: exit status $rc"; }
}

sanitize() {
  local tool dtype
  command -v compute-sanitizer >/dev/null || { fail "compute-sanitizer is not on the PATH: it is part of the CUDA toolkit"; return; }
  for tool in memcheck racecheck synccheck initcheck; do
    for dtype in float16 bfloat16; do
      echo "compute-sanitizer $tool, kernels, $dtype"
      sanitized 600 "$tool, kernels, $dtype" bench kernels --tiny --dtype "$dtype"
    done
    echo "compute-sanitizer $tool, whole models"
    sanitized 900 "$tool, whole models" bench check --tiny --device cuda
  done
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

# Starts the server. It must be ready in time.
start() {
  local begin=$SECONDS started deadline took
  deadline=$(limit 90)
  [ "$deadline" -gt 0 ] || { note server 'no time left' 0; return 1; }
  started=$(date +%s%N)
  EMBER_LOG_LEVEL=info "$ember" serve "$work/model" --load-format dummy --device cuda --port 0 --admin-port -1 "${serve_flags[@]}" >"$work/log" 2>&1 &
  server=$!
  if wait_for ' ready$' "$work/log" "$deadline"; then
    took=$((($(date +%s%N) - started) / 1000000))
    blocks=$(sed -n 's/.* \([0-9]*\) blocks of .*/\1/p' "$work/log")
    printf '{"server": "ready", "seconds": %d.%03d, "blocks": %s}\n' $((took / 1000)) $((took % 1000)) "${blocks:-null}" >>"$out"
    sed -n "s/.* \([0-9]* MiB of the GPU's memory were taken.*\)/{\"server\": \"memory\", \"says\": \"\1\"}/p" "$work/log" >>"$out"
    url=$(sed -n 's|.*listening on \(http://.*\)|\1|p' "$work/log")
    return
  fi
  if kill -0 "$server" 2>/dev/null; then
    note server "$(status_of 124)" $((SECONDS - begin))
    end KILL 137
  else
    fail "the server was not ready"
    end "" 0
  fi
  return 1
}

# end SIGNAL STATUS: ends the server by a signal, empty for none; it must leave with that status.
end() {
  local rc=0
  [ -z "$1" ] || kill -"$1" "$server" 2>/dev/null
  for _ in $(seq 200); do kill -0 "$server" 2>/dev/null || break; sleep 0.1; done
  kill -KILL "$server" 2>/dev/null
  wait "$server" || rc=$?
  server=''
  printf '{"server": "ended", "signal": "%s", "status": %s}\n' "$1" "$rc" >>"$out"
  [ "$rc" -eq "$2" ] || { fail "the server ended with status $rc${1:+ after SIG$1}"; tail -n 20 "$work/log" >&2; }
}

# load NAME [FIELDS]: requests to the server, with these fields of JSON too.
load() {
  printf '{"load": "%s"}\n' "$1" >>"$out"
  part 60 bench serve --json --url "$url" "${load_flags[@]}" ${2:+--extra-body "$2"}
  ! tail -n 2 "$out" | grep -q '"failed":[1-9]' || fail "load $1: requests failed"
}

# Killed in the middle of its work, the server leaves the GPU to the next one, which takes as much memory.
serve() {
  local before deadline
  start || return
  deadline=$(limit 60)
  [ "$deadline" -gt 0 ] || { end KILL 137; note server 'no time left' 0; return; }
  # More than can be done before the server is killed.
  timeout "$deadline" "$ember" bench serve --url "$url" --num-prompts 1000 --max-concurrency 64 --input-len 100 --output-len 100 >/dev/null 2>&1 &
  client=$!
  sleep 2
  before=$blocks
  [ -n "$before" ] || fail "the log does not say how many blocks the KV cache has"
  kill -0 "$client" 2>/dev/null || fail "nothing was running when the server was killed"
  end KILL 137
  wait "$client"
  client=''
  start || return
  [ "$blocks" = "$before" ] || fail "the server has $blocks blocks of the KV cache where the one killed before had $before"
  load plain
  load structured '{"structured_outputs": {"regex": "[a-z0-9]*"}}'
  end TERM 0
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
begin=$SECONDS
part 120 bench check "${check_flags[@]}"
took=$((SECONDS - begin))
[ "$failed" -eq 0 ] || bisect $((took < 120 ? took + 10 : 30))
for dtype in bfloat16 float16; do
  for family in ceilings cases gemm decode prefill overlap norm sample; do
    part 45 bench kernels --dtype "$dtype" "${kernel_flags[@]}" $family
  done
done
part 120 bench model "$work/model" --load-format dummy --device cuda "${model_flags[@]}"
serve
python3 scripts/gpu_check_table.py "$out" || fail "the table"
cat "$out"
exit $failed
