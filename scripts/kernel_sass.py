# SPDX-License-Identifier: Apache-2.0
"""What the kernels' source only asks for, in the instructions that ptxas makes of it. Called by check_kernel_resources.py.

It is an error when a kernel touches local memory, when its wgmma are waited for one by one, when it divides numbers of 64 bits (the benchmark's
may), when a kernel that RULES names lacks an instruction, or when RULES name a kernel that there is not.
"""
import collections
import re

LABEL = re.compile(r"\s*\.text\.(\S+):")
INSTRUCTION = re.compile(r"\*/\s+(?:@!?U?P\w+\s+)?([A-Z][A-Z0-9_.]*)")
DIVISION = re.compile(r"CALL\S*\s.*__cuda_sm\d+_(?:div|rem)_[su]64")
DIVISIONS = "divisions of 64 bits"  # counted as an instruction
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
    (r"decode_kernel<", "LDS.128", 6),  # in the sum over warps: their maxima, totals and four sums
    (r"bench::read_kernel", "LDG.E.128", 4),
]


def count(text):
    """nvdisasm's text -> mangled name -> instruction -> how often."""
    found, name = {}, None
    for line in text.splitlines():
        if match := LABEL.match(line):
            name = match[1]
            found[name] = collections.Counter()
        elif name and (match := INSTRUCTION.search(line)):
            found[name][DIVISIONS if DIVISION.search(line) else match[1]] += 1
    return found


def problems_of(name, instructions):
    """name: readable, as RULES have it."""
    def number(prefix):
        return sum(n for instruction, n in instructions.items() if instruction.startswith(prefix))

    if local := number("LDL") + number("STL"):
        yield f"{local} accesses to local memory"
    if number("HGMMA") and number("WARPGROUP.DEPBAR") >= number("HGMMA"):
        yield "wgmma are waited for one by one"
    if number(DIVISIONS) and not name.startswith("bench::"):
        yield f"{number(DIVISIONS)} {DIVISIONS}: some hundred clocks each"
    for kernels, prefix, least in RULES:
        if re.match(kernels, name) and number(prefix) < least:
            yield f"{number(prefix)} {prefix} instead of at least {least}"


def missing(names):
    return [f"there is no kernel {kernels}" for kernels, *_ in RULES if not any(re.match(kernels, name) for name in names)]
