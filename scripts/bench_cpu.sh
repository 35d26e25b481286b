#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Ember beside llama.cpp on this machine's CPU, in turns, on the same GGUF files. Builds Ember and llama.cpp (from the sources in
# llama-cpp-python's package), fetches SmolLM2-135M-Instruct and makes files of its other types and of the shapes of a 1B Llama.
#   scripts/bench_cpu.sh [--gemma] [--quick] [--turns N] [--models a,b] [--no-serve]
# The table is written to build/bench_cpu/table.txt as well, with JSON lines beside it. What is measured is described in bench_cpu.py.
source "$(dirname "$0")/lib.sh"

say "1 of 4: packages" >&2
install "${BUILD_PACKAGES[@]}" libbenchmark-dev libgtest-dev libgmock-dev python3 python3-venv >&2
need_rust >&2
work=$PWD/build/bench_cpu
mkdir -p "$work"
make_venv "$work/venv" scripts/bench_cpu_requirements.txt >&2

smollm2=$(scripts/get_gguf_model.sh)

say "2 of 4: llama.cpp" >&2
llama=$work/llama_cpp_python-0.3.36/vendor/llama.cpp
if [ ! -x "$work/llama/bin/llama-server" ]; then
  "$work/venv/bin/pip" download --quiet --disable-pip-version-check --no-deps --no-binary llama-cpp-python llama-cpp-python==0.3.36 -d "$work"
  tar -xzf "$work/llama_cpp_python-0.3.36.tar.gz" -C "$work"
  cmake -S "$llama" -B "$work/llama" -G Ninja -DCMAKE_BUILD_TYPE=Release -DGGML_NATIVE=ON -DLLAMA_CURL=OFF -DLLAMA_BUILD_TESTS=OFF \
    -DLLAMA_BUILD_UI=OFF -DLLAMA_USE_PREBUILT_UI=OFF -DBUILD_SHARED_LIBS=OFF >"$work/configure.log"
  cmake --build "$work/llama" --target llama-bench llama-batched-bench llama-server >"$work/llama.log"
fi

say "3 of 4: Ember" >&2
start_rust
configure release -DEMBER_TESTS=ON
build release ember cpu_bench >&2

say "4 of 4: models and measurements" >&2
PYTHONPATH=$llama/gguf-py "$work/venv/bin/python" scripts/bench_cpu.py --ember build/release/ember --probes build/release/cpu_bench \
  --llama "$work/llama/bin" --work "$work" --smollm2 "$smollm2" --commit "$(git rev-parse --short HEAD)" "$@" | tee "$work/table.txt"
