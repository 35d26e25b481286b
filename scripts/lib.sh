# SPDX-License-Identifier: Apache-2.0
# Shared by the scripts of this folder; to be sourced. Works in the repository's root.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

BUILD_PACKAGES=(g++ cmake ninja-build ccache pkg-config libcpp-httplib-dev libspdlog-dev nlohmann-json3-dev libcli11-dev
  libxxhash-dev prometheus-cpp-dev libssl-dev zlib1g-dev ca-certificates)
TEST_PACKAGES=(qemu-user libgtest-dev libgmock-dev libbenchmark-dev clang-19 clang-format-19 libclang-rt-19-dev prometheus curl chromium-headless-shell fonts-dejavu-core python3 python3-venv)

export NINJA_STATUS='[%f of %t, %es] '  # ninja's own lines: how many steps of how many are done, seconds passed

# What begins, and the minutes and seconds since the script began.
say() { printf '== %d:%02d %s\n' $((SECONDS / 60)) $((SECONDS % 60)) "$*"; }
die() { printf '%s\n' "$*" >&2; exit 1; }

as_root() {
  if [ "$(id -u)" -eq 0 ]; then "$@"; else sudo "$@"; fi
}

# install PACKAGE...: only what is missing; the package lists are refreshed only then.
install() {
  local missing=() package
  for package in "$@"; do
    dpkg-query -W -f='${Status}' "$package" 2>/dev/null | grep -q 'install ok installed' || missing+=("$package")
  done
  [ "${#missing[@]}" -eq 0 ] && return
  say "installing ${missing[*]}"
  as_root apt-get update -qq
  as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
}

# A cargo on the PATH: rustup's, else Debian's.
need_rust() {
  [ -x "$HOME/.cargo/bin/cargo" ] && PATH="$PATH:$HOME/.cargo/bin"
  command -v cargo >/dev/null || install rustc-web cargo-web
  export PATH
}

# Compiles the Rust library in the background, beside all the C++; the build's own cargo waits for it and finds the work done.
start_rust() {
  mkdir -p build
  cargo build --release --locked --quiet --manifest-path src/text/hf/Cargo.toml --target-dir build/hf >build/rust.log 2>&1 &
}

# make_venv FOLDER PINS: made again when the pins or the interpreter changed.
make_venv() {
  local folder=$1 pins=$2 wanted
  wanted=$({ cat "$pins"; python3 --version; } | sha256sum)
  [ "$(cat "$folder/requirements.sha256" 2>/dev/null)" = "$wanted" ] && return
  say "making $folder"
  rm -rf "$folder"
  python3 -m venv "$folder"
  "$folder/bin/pip" install -q --disable-pip-version-check -r "$pins"
  printf '%s\n' "$wanted" >"$folder/requirements.sha256"
}

# The packages of the end-to-end tests, and lm-eval apart from them: it brings many of its own.
need_venv() {
  make_venv .venv tests/e2e/requirements.txt
  make_venv .venv-lm-eval tests/e2e/requirements-lm-eval.txt
}

# find_cuda: exports CUDACXX and CUDAToolkit_ROOT of the machine's own CUDA toolkit, else of .cuda. Fails where there is neither.
find_cuda() {
  local nvcc
  for nvcc in "$(command -v nvcc || true)" /usr/local/cuda/bin/nvcc "$PWD/.cuda/toolkit/bin/nvcc"; do
    [ -n "$nvcc" ] && [ -x "$nvcc" ] || continue
    CUDACXX=$(readlink -f "$nvcc")
    CUDAToolkit_ROOT=$(dirname "$(dirname "$CUDACXX")")
    export CUDACXX CUDAToolkit_ROOT
    return
  done
  return 1
}

# A CUDA toolkit: the machine's, else one made of PyPI's pinned packages in .cuda (1.4 GB). They lack what CMake looks for: lib64 and
# the libraries' names without a version.
need_cuda() {
  local wanted root library
  wanted=$({ cat scripts/cuda_toolkit.txt; python3 --version; } | sha256sum)
  if command -v nvcc >/dev/null || [ -x /usr/local/cuda/bin/nvcc ] || [ "$(cat .cuda/toolkit.sha256 2>/dev/null)" = "$wanted" ]; then
    find_cuda && return
  fi
  say "making .cuda"
  rm -rf .cuda
  python3 -m venv .cuda
  .cuda/bin/pip install -q --disable-pip-version-check -r scripts/cuda_toolkit.txt
  root=$(echo "$PWD"/.cuda/lib/python3*/site-packages/nvidia/cu13)
  ln -sfn lib "$root/lib64"
  for library in "$root"/lib/lib*.so.*; do
    ln -sf "$(basename "$library")" "${library%%.so.*}.so"
  done
  ln -sfn "$root" .cuda/toolkit
  printf '%s\n' "$wanted" >.cuda/toolkit.sha256
  find_cuda
}

# configure PRESET [cmake argument...]
configure() {
  mkdir -p build
  cmake --preset "$1" "${@:2}" >"build/configure-$1.log" 2>&1 || { cat "build/configure-$1.log" >&2; return 1; }
}

# build PRESET [target...]
build() {
  local preset=$1
  shift
  cmake --build "build/$preset" ${1:+--target "$@"}
}
