# SPDX-License-Identifier: Apache-2.0
"""Every script can be read by its interpreter; what each does is tested where it is used."""
import ast
import subprocess
from pathlib import Path

import pytest

SCRIPTS = Path(__file__).resolve().parents[2] / "scripts"


@pytest.mark.parametrize("name", sorted(p.name for p in SCRIPTS.glob("*.py")))
def test_python(name):
    ast.parse((SCRIPTS / name).read_text(), name)


@pytest.mark.parametrize("name", sorted(p.name for p in SCRIPTS.glob("*.sh")))
def test_shell(name):
    subprocess.run(["bash", "-n", SCRIPTS / name], check=True)


def test_check_format_names_the_file(tmp_path):
    source = tmp_path / "ugly.cpp"
    source.write_text("int   x;\n")
    run = subprocess.run([SCRIPTS / "check_format.sh", source], capture_output=True, text=True, check=False)
    assert run.returncode == 1 and str(source) in run.stderr
