#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""No file but those compiled for an instruction set contains its instructions, and those share no code with others.

An inline function that such a file compiled could be the copy that the linker keeps for everybody, and would then run on machines
that lack the instructions. Usage: check_isa_objects.py LIBRARY.a
"""
import re
import subprocess
import sys

WIDE = re.compile(r"%(?:zmm|tmm|ymm)\d")


def members(library):
    return subprocess.run(["ar", "t", library], check=True, capture_output=True, text=True).stdout.split()


def problems(library):
    kernels = [name for name in members(library) if re.match(r"kernels_|quantized_(avx2|avx512|vnni)\.", name)]
    if len(kernels) < 6:
        yield f"only {kernels} are kernels: is {library} the right library?"
    symbols = subprocess.run(["nm", "--defined-only", "-C", library], check=True, capture_output=True, text=True).stdout
    member = ""
    for line in symbols.splitlines():
        if line.endswith(".o:"):
            member = line[:-1]
        elif member in kernels and re.search(r" [WVu] (?!DW\.ref\.)", line):
            yield f"{member} shares {line.split(' ', 2)[2]} with other files"
    code = subprocess.run(["objdump", "-d", "--no-show-raw-insn", library], check=True, capture_output=True, text=True).stdout
    member, seen = "", set()
    for line in code.splitlines():
        if "file format" in line:
            member = line.split(":")[0]
        elif member not in kernels and member not in seen and WIDE.search(line):
            seen.add(member)
            yield f"{member} has vector instructions of its own:{line}"


def main():
    found = list(problems(sys.argv[1]))
    for problem in found:
        print(problem)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
