#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Installs, builds and runs every test; the last line is "N passed, M failed, K skipped".
#   scripts/test.sh [--quick] [-k FILTER]
# --quick: the release build's tests and the end-to-end tests only.  -k: only tests whose name holds FILTER.
source "$(dirname "$0")/lib.sh"

quick=
filter=
while [ $# -gt 0 ]; do
  case $1 in
    --quick) quick=yes ;;
    -k) [ $# -ge 2 ] || die "-k needs a filter"; filter=$2; shift ;;
    *) die "unknown argument $1: test.sh [--quick] [-k FILTER]" ;;
  esac
  shift
done

# Compiles the CUDA backend for GPUs. The program must start and say what is missing on a machine without one.
cuda_build() {
  need_cuda || return 1
  configure cuda -DEMBER_TESTS=OFF -DEMBER_WERROR=ON || return 1
  build cuda ember || return 1
  build/cuda/ember --version >/dev/null || return 1
  [ -e /dev/nvidiactl ] && return
  local rc=0 text
  text=$(build/cuda/ember plan configs/demo-model --device cuda 2>&1) || rc=$?
  [ "$rc" -eq 69 ] && [[ $text == *"there is no NVIDIA driver"* ]] && return
  printf 'exit status %s: %s\n' "$rc" "$text" >&2
  return 1
}

# What ptxas makes of each kernel: no spills, no serialised wgmma, the registers that are written down, wide loads and stores.
kernel_resources() {
  need_cuda || return 1
  local nvdisasm
  nvdisasm=$(dirname "$CUDACXX")/nvdisasm
  [ -x "$nvdisasm" ] || nvdisasm=
  python3 scripts/check_kernel_resources.py --nvcc "$CUDACXX" --nvdisasm "$nvdisasm"
}

# The kernels' own source, the CUDA backend and the server with it, on the emulated GPU.
emulated() {
  need_cuda || return 1
  configure emulated -DEMBER_TESTS=ON -DEMBER_WERROR=ON || return 1
  build emulated kernels_tests cuda_tests ember || return 1
  local rc=0
  unit_tests emulated emulated kernels cuda || rc=1
  EMBER_EMULATED_BIN="$PWD/build/emulated/ember" run_pytest emulated tests/e2e/test_cuda.py tests/scripts/gpu_check_test.py || rc=1
  return $rc
}

SANITIZED=(base cache scheduler routing text engine server app)  # the model and backend tests compute too much for a debug build
THREADED=(base engine server)

install "${BUILD_PACKAGES[@]}" "${TEST_PACKAGES[@]}"
need_rust
need_venv
reports=build/reports
rm -rf "$reports"
mkdir -p "$reports"
[ -n "$filter" ] && export GTEST_FILTER="*$filter*"
passed=0
failed=0
skipped=0
summary=()

# step NAME COMMAND...: counts the cases of the reports that the command leaves in its folder; without any, the command is one case.
step() {
  local name=$1 rc=0 counts=(0 0 0) started=$SECONDS
  shift
  say "step $((${#summary[@]} + 1)) of ${#steps[@]}: $name"
  mkdir -p "$reports/$name"
  "$@" || rc=$?
  if compgen -G "$reports/$name/*.xml" >/dev/null; then
    read -r -a counts < <(python3 scripts/sum_reports.py "$reports/$name"/*.xml || echo 0 1 0)
    [ "$rc" -ne 0 ] && [ "${counts[1]}" -eq 0 ] && counts[1]=1  # a crash leaves no failed case behind
  elif [ "$rc" -eq 0 ]; then
    counts=(1 0 0)
  else
    counts=(0 1 0)
  fi
  passed=$((passed + counts[0]))
  failed=$((failed + counts[1]))
  skipped=$((skipped + counts[2]))
  summary+=("$(printf '%-16s %5d passed %4d failed %4d skipped %5d s' "$name" "${counts[@]}" $((SECONDS - started)))")
}

# unit_tests NAME PRESET LAYER...: the layers' gtest binaries that exist, each to its end even if one fails, in parts of which two run at
# once. A failure shows the end of what was printed, which names the test that a crash happened in.
unit_tests() {
  local name=$1 preset=$2 layer part log rc bad=0 parts=()
  shift 2
  for layer in "$@"; do
    [ -x "build/$preset/${layer}_tests" ] || continue
    for part in 0 1 2 3; do
      log=$reports/$name/$layer.$part
      [ "${#parts[@]}" -lt 2 ] || wait -n || true
      (
        rc=0
        GTEST_TOTAL_SHARDS=4 GTEST_SHARD_INDEX=$part timeout 900 "build/$preset/${layer}_tests" --gtest_output="xml:$log.xml" >"$log.log" 2>&1 || rc=$?
        echo "$rc" >"$log.rc"
      ) &
      parts+=("$log")
    done
  done
  wait
  for log in "${parts[@]}"; do
    rc=$(cat "$log.rc")
    if [ "$rc" -eq 0 ]; then
      tail -n 1 "$log.log"
    else
      bad=1
      grep -A 25 -E 'FAILED|Failure|ERROR: |WARNING: ThreadSanitizer' "$log.log" | head -n 100
      tail -n 100 "$log.log"
      echo "${log##*/}: exit status $rc"
    fi
  done
  return $bad
}

# The gtest binaries that a configured build knows, of the given layers.
targets_of() {
  local preset=$1 layer
  shift
  for layer in "$@"; do
    if compgen -G "tests/$layer/*_test.cpp" >/dev/null || compgen -G "tests/$layer/*/*_test.cpp" >/dev/null; then
      echo "${layer}_tests"
    fi
  done
}

run_ctest() {
  GTEST_OUTPUT="xml:$PWD/$reports/ctest/" GTEST_BRIEF=1 ctest --test-dir build/release --parallel 2 --output-on-failure --timeout 900
}

# The Rust library's own.
rust_tests() {
  cargo test --release --locked --quiet --manifest-path src/text/hf/Cargo.toml --target-dir build/hf ${filter:+-- "$filter"}
}

run_pytest() {
  local name=$1
  shift
  local rc=0
  EMBER_BIN="$PWD/build/release/ember" PYTHONDONTWRITEBYTECODE=1 PYTHONHASHSEED=0 \
    .venv/bin/pytest -q -p no:cacheprovider --durations=10 --junitxml="$reports/$name/pytest.xml" ${filter:+-k "$filter"} "$@" || rc=$?
  [ "$rc" -eq 5 ] && rc=0  # nothing matched the filter
  return $rc
}

# sanitized NAME PRESET LAYER...: builds and runs the layers' tests with a sanitizer.
sanitized() {
  local name=$1 preset=$2 targets
  shift 2
  configure "$preset" -DEMBER_TESTS=ON || return 1
  mapfile -t targets < <(targets_of "$preset" "$@")
  build "$preset" "${targets[@]}" || return 1
  unit_tests "$name" "$preset" "$@"
}

# The layers with code for several instruction sets, on an emulated processor without AVX-512: nothing that is compiled for a set may
# run before it was asked for. What takes long there (an instruction costs fifty) and asks for no set is left out.
lesser_cpu() {
  local program rc=0 log text
  local -A filters=([base]='*' [backend]='*Avx512*:*Amx*:Kernels.*:Isa.*:CpuBackend.ResultsDoNotDependOnThreads'
    [model]='*avx512*:*amx*:*WholePrompts*llama3_cpu' [engine]='MemoryPlan.*')
  for program in base backend model engine; do
    log=$reports/lesser_cpu/$program.log
    GTEST_FILTER=${GTEST_FILTER:-${filters[$program]}} timeout 600 qemu-x86_64 -cpu EPYC-Milan "build/release/${program}_tests" \
      --gtest_output="xml:$reports/lesser_cpu/$program.xml" >"$log" 2>&1 || { rc=1; echo "$program:"; tail -n 40 "$log"; }
  done
  # A processor without AVX2 is refused in words.
  text=$(qemu-x86_64 -cpu Nehalem build/release/ember plan configs/demo-model --device cpu 2>&1) && rc=1
  [[ $text == *"lacks AVX2"* ]] || { rc=1; echo "on Nehalem: $text"; }
  return $rc
}

# clang's warnings, its thread-safety analysis and the list of .clang-tidy over every source, without precompiled headers.
tidy() {
  make_venv .venv-clang-tidy scripts/clang_tidy.txt || return 1
  configure clang -DEMBER_TESTS=OFF && python3 scripts/check_tidy.py .venv-clang-tidy/bin/clang-tidy build/clang
}

build_release() {
  start_rust
  configure release -DEMBER_TESTS=ON -DEMBER_WERROR=ON && build release
}

# The name of each step and its command.
steps=(
  "check_tree python3 scripts/check_tree.py"
  "format scripts/check_format.sh"
  "build build_release"
  "scripts run_pytest scripts tests/scripts"
  "ctest run_ctest"
  "rust rust_tests"
  "lesser_cpu lesser_cpu"
  "e2e run_pytest e2e --numprocesses 2 --dist loadfile tests/e2e"
)
[ -n "$quick" ] || steps+=(
  "cuda_build cuda_build"
  "kernel_resources kernel_resources"
  "toolkits scripts/check_toolkits.sh --host"
  "emulated emulated"
  "tidy tidy"
  "asan_ubsan sanitized asan_ubsan dev ${SANITIZED[*]}"
  "tsan sanitized tsan tsan ${THREADED[*]}"
)
export UBSAN_OPTIONS=print_stacktrace=1 TSAN_OPTIONS=halt_on_error=1
for words in "${steps[@]}"; do
  # shellcheck disable=SC2086  # a name and a command
  step $words
done

printf '%s\n' "${summary[@]}"
echo "$passed passed, $failed failed, $skipped skipped"
[ "$failed" -eq 0 ]
