#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Compares what ptxas reports of every kernel with kernels/resources.json, and its instructions with the rules of kernel_sass.py.

Usage: scripts/check_kernel_resources.py [--nvcc NVCC] [--nvdisasm NVDISASM] [--ptxas PTXAS] [--update] [--jobs N]

Compiles each kernels/*.cu (those of kernels/bench serve nobody) for sm_90a and sm_80. It is an error when a kernel spills registers, when
ptxas serialises wgmma, when a kernel is missing from the table or the table names one that is gone, and, with the compiler that the table was
made with, when a number differs. --update writes the table instead. --nvdisasm (of the toolkit, or PyPI's nvidia-cuda-nvdisasm): the
instructions are looked at, too, those of the benchmark's kernels among them. --ptxas: what nvcc makes of the kernels is assembled by another
toolkit's ptxas (12.4 or later), and its numbers are not compared.
"""
import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import kernel_sass

ROOT = Path(__file__).resolve().parent.parent
TABLE = ROOT / "kernels/resources.json"
ARCHES = {"sm_90a": "arch=compute_90a,code=sm_90a", "sm_80": "arch=compute_80,code=sm_80"}
OLDEST_PTX = "8.4"  # that of CUDA 12.4; newer ones take it too
ENTRY = re.compile(r"Compiling entry function '(\S+)' for '(\S+)'")
FRAME = re.compile(r"(\d+) bytes stack frame, (\d+) bytes spill stores, (\d+) bytes spill loads")
USED = re.compile(r"Used (\d+) registers.*")
SHARED = re.compile(r"(\d+) bytes smem")
SERIALISED = re.compile(r".*(?:\(C75\d\d\)|serializ).*")


def arches_of(source):
    if source.stem.endswith("_sm90"):
        return ["sm_90a"]
    return ["sm_80"] if source.stem.endswith("_sm80") else list(ARCHES)


def readable(names):
    """Mangled names -> template instances without namespaces and parameters."""
    text = subprocess.run(["c++filt"], input="\n".join(names), capture_output=True, text=True, check=True).stdout
    short = []
    for line in text.splitlines():
        line = re.sub(r"\(anonymous namespace\)::|ember::kernels::|ember::|^void ", "", line)
        line = re.sub(r"\(\w+\)(\d)", r"\1", line)  # an enumerator
        depth = 0
        for i, c in enumerate(line):
            depth += (c == "<") - (c == ">")
            if c == "(" and depth == 0:
                line = line[:i]
                break
        short.append(line)
    return short


def run(source, arch, command):
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f"{source.name} for {arch}:\n{done.stderr}")
    return done.stdout + done.stderr


def compile_one(options, source, arch):
    """(arch, what ptxas says, what nvdisasm says)"""
    common = [options.nvcc, "-std=c++20", "--expt-relaxed-constexpr", f"-I{ROOT}", f"-I{ROOT / 'include'}", str(source)]
    with tempfile.TemporaryDirectory() as folder:
        cubin, ptx = f"{folder}/kernels.cubin", Path(folder) / "kernels.ptx"
        if options.ptxas:
            run(source, arch, [*common, f"-arch={arch.replace('sm', 'compute')}", "-ptx", "-o", str(ptx)])
            ptx.write_text(re.sub(r"^\.version .*", f".version {OLDEST_PTX}", ptx.read_text(), flags=re.M))
            said = run(source, arch, [options.ptxas, "-v", f"-arch={arch}", str(ptx), "-o", cubin])
        else:
            said = run(source, arch, [*common, f"-gencode={ARCHES[arch]}", "-Xptxas", "-v", "-cubin", "-o", cubin])
        return arch, said, run(source, arch, [options.nvdisasm, "-c", cubin]) if options.nvdisasm else ""


def check_instructions(reports):
    names, problems = [], []
    for arch, _, text in reports:
        found = kernel_sass.count(text)
        for name, instructions in zip(readable(found), found.values()):
            names.append(name)
            problems += [f"{name} ({arch}): {problem}" for problem in kernel_sass.problems_of(name, instructions)]
    return problems + kernel_sass.missing(names)


def parse(arch, text):
    """(arch, mangled name) -> numbers, and the complaints of ptxas."""
    found, name = {}, None
    for line in text.splitlines():
        if match := ENTRY.search(line):
            name = (arch, match[1])
            found[name] = {}
        elif name and (match := FRAME.search(line)):
            found[name].update(stack=int(match[1]), spilled=int(match[2]) + int(match[3]))
        elif name and (match := USED.search(line)):
            shared = SHARED.search(line)
            found[name].update(registers=int(match[1]), shared=int(shared[1]) if shared else 0)
            name = None
    return found, SERIALISED.findall(text)


def version_of(nvcc):
    text = subprocess.run([nvcc, "--version"], capture_output=True, text=True, check=True).stdout
    return re.search(r"V(\d+\.\d+\.\d+)", text)[1]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--nvcc", default=shutil.which("nvcc"))
    parser.add_argument("--nvdisasm")
    parser.add_argument("--ptxas")
    parser.add_argument("--update", action="store_true")
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    options = parser.parse_args()
    if not options.nvcc:
        sys.exit("no nvcc: give --nvcc")
    sources = sorted((ROOT / "kernels").glob("*.cu"))
    benches = [ROOT / "kernels/bench/kernels_bench.cu"] if options.nvdisasm else []
    with ThreadPoolExecutor(options.jobs) as pool:
        jobs = [(source, arch) for source in [*sources, *benches] for arch in arches_of(source)]
        reports = list(pool.map(lambda job: compile_one(options, *job), jobs))
    found, problems = {}, check_instructions(reports) if options.nvdisasm else []
    for arch, text, _ in reports[:len(reports) - len(ARCHES) * len(benches)]:
        kernels, serialised = parse(arch, text)
        found.update(kernels)
        problems += serialised
    names = readable([name for _, name in found])
    measured = {arch: {} for arch in ARCHES}
    for (arch, _), name, numbers in sorted(zip(found, names, found.values()), key=lambda item: item[1]):
        if numbers["spilled"] or numbers["stack"]:
            problems.append(f"{name} ({arch}): {numbers['spilled']} bytes of registers spilled, {numbers['stack']} bytes of stack")
        measured[arch][name] = {"registers": numbers["registers"], "shared": numbers["shared"]}
    version = version_of(options.ptxas or options.nvcc)
    table = json.loads(TABLE.read_text()) if TABLE.exists() else {}
    if options.update:
        table.update(nvcc=version, ptxas=measured)
        lines = json.dumps(table, indent=1)
        TABLE.write_text(re.sub(r"\{\s*(\"registers\": \d+),\s*(\"shared\": \d+)\s*\}", r"{\1, \2}", lines) + "\n")
    elif not table:
        problems.append(f"{TABLE.name} is missing: run with --update")
    else:
        for arch, kernels in measured.items():
            listed = table["ptxas"][arch]
            problems += [f"{name} ({arch}) is not in {TABLE.name}" for name in kernels if name not in listed]
            problems += [f"{name} ({arch}) is in {TABLE.name} but not in kernels/" for name in listed if name not in kernels]
            if version == table["nvcc"]:
                problems += [f"{name} ({arch}): {numbers}, {TABLE.name} has {listed[name]}" for name, numbers in kernels.items()
                             if name in listed and numbers != listed[name]]
    looked = ", instructions as they should be" if options.nvdisasm else ""
    print("\n".join(problems) if problems else f"kernel resources: {len(found)} kernels, no spills, nothing serialised{looked}")
    sys.exit(bool(problems))


if __name__ == "__main__":
    main()
