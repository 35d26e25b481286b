#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Runs clang-tidy with the list of .clang-tidy, and clang's warnings and thread-safety analysis with it, over the product's sources.

Usage: scripts/check_tidy.py TIDY BUILD_FOLDER [REGEX]. TIDY is the program, of the version in clang_tidy.txt. The folder is one that clang
configured without precompiled headers, so that a source that lacks an include is found too. REGEX: only sources whose path matches. A
source that was clean is looked at again when it, a header of this repository that it includes, its flags, the list or clang-tidy changed;
what was clean is kept in BUILD_FOLDER/tidy.
"""
import concurrent.futures
import hashlib
import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path


def flags_of(entry):
    """The words of a compile command without the launcher and the output."""
    words = shlex.split(entry["command"])
    words = words[next(i for i, word in enumerate(words) if "clang++" in word):]
    at = words.index("-o")
    return words[:at] + [w for w in words[at + 2:] if w != "-c"]


def own_files(entry):
    """The source and the headers it includes, but those of the system. Empty: it does not compile."""
    run = subprocess.run([*flags_of(entry), "-MM"], cwd=entry["directory"], capture_output=True, text=True, check=False)
    return sorted(run.stdout.replace("\\\n", " ").split()[1:])


def key_of(entry, common):
    files = own_files(entry)
    if not files:
        return None
    digest = hashlib.sha256(common + entry["command"].encode())
    for name in files:
        digest.update(name.encode() + b"\0" + (Path(entry["directory"]) / name).read_bytes())
    return digest.hexdigest()


def check(tidy, entry, build, common):
    """What is wrong with one source; empty: nothing."""
    key = key_of(entry, common)
    clean = build / "tidy" / (key or "")
    if key and clean.is_file():
        return ""
    run = subprocess.run([tidy, "-p", str(build), "--quiet", entry["file"]], capture_output=True, text=True, check=False)
    if run.returncode == 0 and key:
        clean.touch()
    return "" if run.returncode == 0 else run.stdout + run.stderr


def main(tidy, build, pattern):
    root = Path(__file__).resolve().parents[1]
    (build / "tidy").mkdir(exist_ok=True)
    entries = [e for e in json.loads((build / "compile_commands.json").read_text())
               if e["file"].startswith(f"{root}/src/") and re.search(pattern, e["file"])]
    version = subprocess.run([tidy, "--version"], capture_output=True, check=True).stdout
    common = version + (root / ".clang-tidy").read_bytes()
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        num_bad = 0
        for text in pool.map(lambda entry: check(tidy, entry, build, common), entries):
            num_bad += bool(text)
            print(text, end="", flush=True)
    print(f"clang-tidy: {len(entries)} sources, {num_bad} with complaints")
    return num_bad > 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], Path(sys.argv[2]).resolve(), sys.argv[3] if len(sys.argv) > 3 else "."))
