#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Ember against transformers with real GGUF files; see check_real_models.py. Makes an environment with torch (6 GB on disk, because
# PyPI's is CUDA's) in build/real_models and fetches the files.
#   scripts/check_real_models.sh [smollm2] [gemma3] [--write]   (without a name: both)
source "$(dirname "$0")/lib.sh"
work=$PWD/build/real_models
names=() flags=()
for argument in "$@"; do
  case $argument in
    smollm2 | gemma3) names+=("$argument") ;;
    --write) flags+=("$argument") ;;
    *) die "usage: scripts/check_real_models.sh [smollm2] [gemma3] [--write]" ;;
  esac
done
[ "${#names[@]}" -gt 0 ] || names=(smollm2 gemma3)
[[ ${flags[*]} != *--write* || ${names[*]} == *smollm2* ]] || die "--write makes the file of smollm2"

install "${BUILD_PACKAGES[@]}" python3 python3-venv >&2
need_rust >&2
mkdir -p "$work"
make_venv "$work/venv" scripts/check_real_models_requirements.txt >&2
configure release
build release ember >&2
models=()
for name in "${names[@]}"; do
  file=$(scripts/get_gguf_model.sh "$name")
  models+=("$name=$file")
done
"$work/venv/bin/python" scripts/check_real_models.py "${flags[@]}" "${models[@]}"
