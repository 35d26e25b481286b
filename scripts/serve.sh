#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Installs what the build needs, builds the server and runs it; the demo model unless --model-path is among the flags.
#   scripts/serve.sh [flags of `ember serve`]
caller=$PWD
source "$(dirname "$0")/lib.sh"

say "1 of 3: packages" >&2
install "${BUILD_PACKAGES[@]}" >&2
need_rust >&2
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

flags=(--model-path "$PWD/configs/demo-model")
name=demo-model
port=8000
previous=
for argument in "$@"; do
  case $argument in
    -m* | --model | --model=* | --model-path | --model-path=* | --config | --config=*) flags=() name=MODEL ;;
    --port=*) port=${argument#--port=} ;;
  esac
  [ "$previous" = --port ] && port=$argument
  previous=$argument
done

cat <<TEXT
Try, once it is ready:
  curl http://127.0.0.1:$port/v1/chat/completions -H 'Content-Type: application/json' \\
    -d '{"model": "$name", "messages": [{"role": "user", "content": "Tell me a story about a fox."}], "stream": true}'
or, in another terminal:
  $PWD/build/$preset/ember chat --url http://127.0.0.1:$port
TEXT
binary=$PWD/build/$preset/ember
cd "$caller"
exec "$binary" serve "${flags[@]}" "$@"
