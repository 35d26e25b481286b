#!/usr/bin/env bash
# Installs what the build needs, builds the server and runs it; the demo model unless --model-path is among the flags.
#   scripts/serve.sh [flags of `ember serve`]
source "$(dirname "$0")/lib.sh"

install "${BUILD_PACKAGES[@]}"
need_rust
tests=OFF  # an existing build keeps its setting, so that the two scripts do not undo each other
grep -qs '^EMBER_TESTS:BOOL=ON' build/release/CMakeCache.txt && tests=ON
configure release -DEMBER_TESTS=$tests
build release ember >&2

has_model=
port=8000
previous=
for argument in "$@"; do
  case $argument in
    -m | -m* | --model | --model=* | --model-path | --model-path=* | --config | --config=*) has_model=yes ;;
    --port=*) port=${argument#--port=} ;;
  esac
  [ "$previous" = --port ] && port=$argument
  previous=$argument
done

flags=(--port "$port")
model=demo-model
if [ -z "$has_model" ]; then
  flags+=(--model-path configs/demo-model)
else
  model=MODEL
fi
cat <<TEXT
Try, once it is ready:
  curl http://127.0.0.1:$port/v1/chat/completions -H 'Content-Type: application/json' \\
    -d '{"model": "$model", "messages": [{"role": "user", "content": "Tell me a story about a fox."}], "stream": true}'
or, in another terminal:  build/release/ember chat --url http://127.0.0.1:$port
TEXT
for argument in "$@"; do  # a flag given twice is an error, so the default steps back
  case $argument in --port | --port=* | --config | --config=* | --uds | --uds=*) flags=("${flags[@]:2}"); break ;; esac
done
exec build/release/ember serve "${flags[@]}" "$@"
