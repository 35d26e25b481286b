# SPDX-License-Identifier: Apache-2.0
"""The rules for the kernels' instructions notice what breaks them."""
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "scripts"))

import kernel_sass  # noqa: E402

TEXT = """
.text._Z1a:
        /*0000*/                   LDG.E.128 R4, desc[UR4][R2.64] ;
        /*0010*/              @!P0 LDG.E.128 R8, desc[UR4][R2.64] ;
        /*0020*/             @!UP1 UIADD3 UR4, UR4, 0x1, URZ ;
.text._Z1b:
        /*0000*/                   STL.64 [R1], R4 ;
        /*0010*/                   LDL R5, [R1] ;
        /*0020*/                   CALL.REL.NOINC `($__internal_0_$__cuda_sm20_div_s64) ;
        /*0030*/                   CALL.REL.NOINC `($__internal_1_$__cuda_sm20_sqrt_rn_f32_slowpath) ;
"""


def problems(name, **instructions):
    return list(kernel_sass.problems_of(name, {key.replace("_", "."): n for key, n in instructions.items()}))


def test_instructions_are_counted_by_kernel():
    found = kernel_sass.count(TEXT)
    assert found["_Z1a"] == {"LDG.E.128": 2, "UIADD3": 1}
    assert found["_Z1b"] == {"STL.64": 1, "LDL": 1, kernel_sass.DIVISIONS: 1, "CALL.REL.NOINC": 1}


def test_divisions_of_64_bits_are_a_problem():
    divides = {kernel_sass.DIVISIONS: 2}
    assert list(kernel_sass.problems_of("head_kernel<__half>", divides)) == ["2 divisions of 64 bits: some hundred clocks each"]
    assert list(kernel_sass.problems_of("bench::fill_kernel<float>", divides)) == []


def test_local_memory_is_a_problem():
    assert problems("any_kernel", LDG_E=3) == []
    assert problems("any_kernel", LDL=1, STL_64=2) == ["3 accesses to local memory"]


def test_waits_for_each_wgmma_are_a_problem():
    assert problems("any_kernel", HGMMA=4, WARPGROUP_DEPBAR=1) == []
    assert problems("any_kernel", HGMMA=4, WARPGROUP_DEPBAR=4) == ["wgmma are waited for one by one"]


def test_narrow_loads_are_a_problem():
    assert problems("bench::read_kernel", LDG_E_128=4) == []
    assert problems("bench::read_kernel", LDG_E=16, LDG_E_128=3) == ["3 LDG.E.128 instead of at least 4"]


def test_rules_for_kernels_that_are_gone_are_a_problem():
    assert "there is no kernel bench::read_kernel" in kernel_sass.missing(["gemm_sm90_kernel<__half>"])
