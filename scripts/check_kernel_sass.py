#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Looks at the instructions that ptxas makes of the kernels, for what their source only asks for.

Usage: scripts/check_kernel_sass.py --nvcc NVCC --nvdisasm NVDISASM [--jobs N] [FILTER]

Compiles each kernels/*.cu whose name holds FILTER, and the benchmark's, for sm_90a and sm_80, and disassembles it. It is an error when a
kernel touches local memory, when its wgmma are waited for one by one, when a kernel that RULES names lacks an instruction, or when RULES
name a kernel that there is not. nvdisasm: of the toolkit, or PyPI's nvidia-cuda-nvdisasm.
"""
import argparse
import collections
import re
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from check_kernel_resources import ARCHES, ROOT, arches_of, readable

LABEL = re.compile(r"\s*\.text\.(\S+):")
INSTRUCTION = re.compile(r"\*/\s+(?:@!?U?P\w+\s+)?([A-Z][A-Z0-9_.]*)")
# Kernels, and what each of them must have: the start of an instruction's name, and how often at least.
RULES = [
    (r"gemm_sm90_kernel<", "UTMALDG.2D", 2),
    (r"gemm_sm90_kernel<.*GemmTile<128,", "UTMALDG.2D.MULTICAST", 1),
    (r"gemm_sm90_kernel<", "HGMMA", 4),
    (r"gemm_sm90_kernel<\w+, 1,", "LDG.E.64", 1),
    (r"gemm_sm90_kernel<\w+, [01],", "STG.E.64", 1),
    (r"gemm_sm80_kernel<", "LDGSTS.E.BYPASS.128", 2),
    (r"gemm_sm80_kernel<", "HMMA.16816.F32", 4),
    (r"gemm_sm80_kernel<\w+, 1,", "LDG.E.64", 1),
    (r"gemm_sm80_kernel<\w+, [01],", "STG.E.64", 1),
    (r"prefill_sm90_kernel<", "HGMMA", 4),
    (r"bench::read_kernel", "LDG.E.128", 4),
]


def disassemble(nvcc, nvdisasm, source, arch):
    with tempfile.TemporaryDirectory() as folder:
        cubin = f"{folder}/kernels.cubin"
        command = [nvcc, "-std=c++20", "--expt-relaxed-constexpr", f"-I{ROOT}", f"-I{ROOT / 'include'}", str(source),
                   f"-gencode={ARCHES[arch]}", "-cubin", "-o", cubin]
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode != 0:
            sys.exit(f"{source.name} for {arch}:\n{done.stderr}")
        return arch, subprocess.run([nvdisasm, "-c", cubin], capture_output=True, text=True, check=True).stdout


def count(text):
    """Mangled name -> instruction -> how often."""
    found, name = {}, None
    for line in text.splitlines():
        if match := LABEL.match(line):
            name = match[1]
            found[name] = collections.Counter()
        elif name and (match := INSTRUCTION.search(line)):
            found[name][match[1]] += 1
    return found


def problems_of(name, instructions):
    def number(prefix):
        return sum(n for instruction, n in instructions.items() if instruction.startswith(prefix))

    if local := number("LDL") + number("STL"):
        yield f"{local} accesses to local memory"
    if number("HGMMA") and number("WARPGROUP.DEPBAR") >= number("HGMMA"):
        yield "wgmma are waited for one by one"
    for kernels, prefix, least in RULES:
        if re.match(kernels, name) and number(prefix) < least:
            yield f"{number(prefix)} {prefix} instead of at least {least}"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--nvcc", required=True)
    parser.add_argument("--nvdisasm", required=True)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("filter", nargs="?", default="")
    options = parser.parse_args()
    sources = [s for s in sorted((ROOT / "kernels").rglob("*.cu")) if options.filter in s.name]
    jobs = [(source, arch) for source in sources for arch in arches_of(source)]
    with ThreadPoolExecutor(options.jobs) as pool:
        texts = list(pool.map(lambda job: disassemble(options.nvcc, options.nvdisasm, *job), jobs))
    problems, seen = [], []
    for arch, text in texts:
        found = count(text)
        for name, instructions in zip(readable(found), found.values()):
            seen.append(name)
            problems += [f"{name} ({arch}): {problem}" for problem in problems_of(name, instructions)]
    if not options.filter:
        problems += [f"there is no kernel {kernels}" for kernels, *_ in RULES if not any(re.match(kernels, n) for n in seen)]
    print("\n".join(problems) if problems else f"kernel instructions: {len(seen)} kernels are as they should be")
    sys.exit(bool(problems))


if __name__ == "__main__":
    main()
