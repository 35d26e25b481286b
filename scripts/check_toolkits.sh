#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Whether other CUDA toolkits than the pinned one take the sources: 12.4, the oldest that may be used, and 12.9, the one to ship with.
#   scripts/check_toolkits.sh [--host]
# PyPI has no nvcc of CUDA 12, but its headers and ptxas: the host's code is compiled with those headers, and what the pinned nvcc makes of the
# kernels is assembled by that ptxas. Registers may spill before 12.8 only.  --host: the host's code alone, in a minute.
source "$(dirname "$0")/lib.sh"

host_only=
case ${1:-} in
  "") ;;
  --host) host_only=yes ;;
  *) die "unknown argument $1: check_toolkits.sh [--host]" ;;
esac

# make_toolkit VERSION: its packages in build/toolkits/VERSION.
make_toolkit() {
  local folder=build/toolkits/$1
  [ -e "$folder/complete" ] && return
  say "making $folder"
  rm -rf "$folder"
  python3 -m venv "$folder"
  "$folder/bin/pip" install -q --disable-pip-version-check --no-deps \
    "nvidia-cuda-nvcc-cu12==$1.*" "nvidia-cuda-runtime-cu12==$1.*" "nvidia-cuda-cccl-cu12==$1.*"
  touch "$folder/complete"
}

# check_host VERSION: what calls CUDA without being a kernel. cublas_lt.cpp is left out: its headers come with a library of 500 MB.
check_host() {
  local packages source rc=0
  packages=$(echo build/toolkits/"$1"/lib/python3*/site-packages/nvidia)
  for source in kernels/common/*.cu src/backend/cuda/*.cpp; do
    [ "$source" = src/backend/cuda/cublas_lt.cpp ] && continue
    g++ -std=c++20 -fsyntax-only -x c++ -I. -Iinclude -Isrc/backend -isystem "$packages/cuda_runtime/include" \
      -isystem "$packages/cuda_nvcc/include" -isystem "$packages/cuda_cccl/include" "$source" || { rc=1; echo "$source: not with CUDA $1"; }
  done
  return $rc
}

# check_kernels VERSION: 12.4 has too few registers for the prefill attention of compute capability 9.0, which is known.
check_kernels() {
  local ptxas report rc=0
  ptxas=$(echo build/toolkits/"$1"/lib/python3*/site-packages/nvidia/cuda_nvcc/bin/ptxas)
  report=$(python3 scripts/check_kernel_resources.py --nvcc "$CUDACXX" --ptxas "$ptxas") || rc=1
  printf '%s\n' "$report"
  if [ "$rc" -ne 0 ] && [ "$1" = 12.4 ] && [ -n "$report" ]; then
    ! grep -qv prefill_sm90_kernel <<<"$report"
  else
    return $rc
  fi
}

[ -n "$host_only" ] || need_cuda
bad=0
for version in 12.4 12.9; do
  make_toolkit "$version"
  say "CUDA $version"
  check_host "$version" || bad=1
  [ -n "$host_only" ] || check_kernels "$version" || bad=1
done
exit $bad
