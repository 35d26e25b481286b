#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Compiles every source with clang's thread-safety analysis as errors, without making objects.
source "$(dirname "$0")/lib.sh"
command -v clang++-19 >/dev/null || die "clang++-19 is missing (Debian package clang-19)"
configure clang -DEMBER_TESTS=OFF
python3 - build/clang/compile_commands.json <<'PY' | xargs -0 -P "$(nproc)" -I{} bash -c {}
import json, re, shlex, sys

for entry in json.load(open(sys.argv[1])):
    words = shlex.split(entry["command"])
    if words[0].endswith("ccache"):
        words = words[1:]
    at = words.index("-o")
    words[at:at + 2] = ["-fsyntax-only", "-Wthread-safety", "-Werror=thread-safety"]
    words = [w for w in words if w != "-c"]
    sys.stdout.write(f"cd {shlex.quote(entry['directory'])} && {shlex.join(words)}\0")
PY
