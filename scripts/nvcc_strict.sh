#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Usage: nvcc_strict.sh COMPILER ARGUMENT...   (CMAKE_CUDA_COMPILER_LAUNCHER, see src/backend/cuda/cuda.cmake)
# Runs the compiler, and fails where ptxas says that it serialises wgmma or ignores setmaxnreg: the kernel would be right, and several times
# slower. ptxas has numbers for that, C7500 to C7599, but calls it information, which none of its options makes an error.
said=$(mktemp) || exit 1
trap 'rm -f "$said"' EXIT
"$@" 2>"$said"
status=$?
cat "$said" >&2
if [ "$status" -eq 0 ] && grep -q '(C75[0-9][0-9])' "$said"; then
  echo "a kernel would run much slower than it was made for: use a toolkit that kernels/README.md names" >&2
  exit 1
fi
exit "$status"
