# SPDX-License-Identifier: Apache-2.0
"""scripts/nvcc_strict.sh: what ptxas only informs of fails the build."""
import subprocess
from pathlib import Path

import pytest

SCRIPT = Path(__file__).resolve().parents[2] / "scripts/nvcc_strict.sh"


def compiled(words, status=0):
    """With a compiler that says so."""
    return subprocess.run([SCRIPT, "sh", "-c", 'echo object; echo "$0" >&2; exit $1', words, str(status)], capture_output=True, text=True, check=False)


@pytest.mark.parametrize("words", [
    "ptxas info    : (C7510) Potential Performance Loss: wgmma.mma_async instructions are serialized due to insufficient register resources",
    "ptxas info    : (C7508) Potential Performance Loss: 'setmaxnreg' ignored; unable to determine register count at entry.",
    "ptxas info    : (C7517) warpgroup.wait is injected in around line 12 by compiler"])
def test_what_makes_a_kernel_slow_fails(words):
    run = compiled(words)
    assert run.returncode == 1
    assert words in run.stderr and "slower" in run.stderr


def test_other_information_and_warnings_pass():
    run = compiled("ptxas info    : 0 bytes gmem\nptxas warning : Registers are spilled to local memory in function 'k'")
    assert (run.returncode, run.stdout) == (0, "object\n")
    assert "0 bytes gmem" in run.stderr


def test_an_error_keeps_its_status():
    assert compiled("ptxas fatal: (C7510)", 255).returncode == 255
