#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Prints the sources that clang-format-19 would change, and fails if there are any.
#   scripts/check_format.sh [FILE...]   default: all of them
source "$(dirname "$0")/lib.sh"
command -v clang-format-19 >/dev/null || die "clang-format-19 is missing (Debian package clang-format-19)"
[ $# -gt 0 ] || mapfile -t files < <(find include src kernels tests -name target -prune -o -regex '.*\.\(h\|cpp\|cu\|cuh\)' -print)
[ $# -eq 0 ] || files=("$@")
changed=$(printf '%s\0' "${files[@]}" | xargs -0 clang-format-19 --dry-run 2>&1 | sed -n 's/^\([^ :]*\):.*\[-Wclang-format-violations\]$/\1/p' | sort -u)
[ -z "$changed" ] || die "not as clang-format-19 writes them:"$'\n'"$changed"
echo "clang-format-19: ${#files[@]} sources, all as it writes them"
