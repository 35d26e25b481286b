#!/usr/bin/env bash
# Checks and times the kernels on this machine's GPU; about five minutes. JSON lines go to OUT (default build/gpu_check.jsonl), a table to the terminal.
#
# Usage: scripts/gpu_check.sh [--sanitize] [--out OUT] [BENCH]
#   BENCH       the benchmark binary, default build/cuda/kernels_bench (cmake --preset cuda && cmake --build build/cuda --target kernels_bench)
#   --sanitize  compute-sanitizer (memcheck, racecheck, synccheck) on small cases instead of timings
# Each family of kernels runs in a process of its own with a deadline: one that hangs does not keep the others from running.
set -euo pipefail
cd "$(dirname "$0")/.."
bench=build/cuda/kernels_bench out=build/gpu_check.jsonl sanitize=
while [ $# -gt 0 ]; do
  case $1 in
    --sanitize) sanitize=1 ;;
    --out) out=$2; shift ;;
    -*) sed -n '2,8p' "$0"; exit 2 ;;
    *) bench=$1 ;;
  esac
  shift
done
[ -x "$bench" ] || { echo "no $bench: build it first (see $0)" >&2; exit 2; }

failed=0
if [ -n "$sanitize" ]; then
  for tool in memcheck racecheck synccheck; do
    for type in "" --bf16; do
      echo "compute-sanitizer $tool $type"
      timeout 600 compute-sanitizer --tool "$tool" --error-exitcode 9 "$bench" --tiny $type >/dev/null || { echo "FAILED: $tool $type"; failed=1; }
    done
  done
  exit $failed
fi

mkdir -p "$(dirname "$out")"
{
  printf '{"date": "%s", "commit": "%s"}\n' "$(date -u +%FT%TZ)" "$(git rev-parse --short HEAD 2>/dev/null || echo none)"
  nvidia-smi --query-gpu=name,driver_version,clocks.sm,clocks.mem,temperature.gpu,power.draw --format=csv,noheader 2>/dev/null |
    sed 's/.*/{"gpu": "&"}/' || true
} >"$out"
for type in "" --bf16; do
  for family in gemm decode prefill step; do
    timeout --kill-after=5 75 "$bench" $type ceilings $family >>"$out" || { echo "FAILED: $family $type (exit $?)"; failed=1; }
  done
done
python3 - "$out" <<'PY'
import json
import sys

print(f"{'kernel':10} {'shape':22} {'us':>10} {'GB/s':>8} {'TFLOP/s':>8} {'of read':>8}")
kind = ""
for line in open(sys.argv[1]):
    row = json.loads(line)
    if "type" in row:
        kind = row["type"]
    if row.get("right") is False:
        print(f"WRONG {kind} {row['kernel']} {row['shape']}: off by {row['largest_difference']} of {row['largest']}")
    if "us" in row:
        print(f"{row['kernel']:10} {row['shape']:22} {row['us']:10.1f} {row['gb_per_s']:8.0f} {row['tflop_per_s']:8.1f} {row.get('of_read_ceiling', 0):8.3f} {kind}")
PY
exit $failed
