# Shared by the scripts of this folder; to be sourced. Works in the repository's root.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

BUILD_PACKAGES=(g++ cmake ninja-build ccache pkg-config libcpp-httplib-dev libspdlog-dev nlohmann-json3-dev libcli11-dev
  libxxhash-dev prometheus-cpp-dev libssl-dev zlib1g-dev ca-certificates)
TEST_PACKAGES=(libgtest-dev libgmock-dev libbenchmark-dev clang-19 libclang-rt-19-dev prometheus curl chromium-headless-shell fonts-dejavu-core python3 python3-venv)

say() { printf '== %s\n' "$*"; }
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

# .venv with the pinned packages of the end-to-end tests, made again when the pins or the interpreter changed.
need_venv() {
  local wanted
  wanted=$({ cat tests/e2e/requirements.txt; python3 --version; } | sha256sum)
  [ -x .venv/bin/pytest ] && [ "$(cat .venv/requirements.sha256 2>/dev/null)" = "$wanted" ] && return
  say "making .venv"
  rm -rf .venv
  python3 -m venv .venv
  .venv/bin/pip install -q --disable-pip-version-check -r tests/e2e/requirements.txt
  printf '%s\n' "$wanted" >.venv/requirements.sha256
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
