# SPDX-License-Identifier: Apache-2.0
"""scripts/check_tree.py on small trees: each rule broken once, and nothing reported where all are kept."""
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).resolve().parents[2] / "scripts" / "check_tree.py"
TESTED = {"tests/base/a_test.cpp": "\n"}


def check(root, files):
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text if text.startswith("unlicensed") else "// SPDX-License-Identifier: Apache-2.0\n" + text)
    run = subprocess.run([sys.executable, SCRIPT, root], capture_output=True, text=True, check=False)
    return run.returncode, run.stdout


GOOD = {
    "src/main.cpp": '#include "app/commands.h"\n',
    "src/base/a.cpp": '#include "ember/base/a.h"\n#include <vector>\n',
    "src/server/s.h": '#include "ember/engine/e.h"\n#include "text/t.h"\n#include "server/u.h"\n',
    "src/backend/cuda/k.h": "#include <cuda_runtime.h>\n",
    "src/app/config.cpp": "extern char** environ;\n",
    "tests/app/config_test.cpp": "\n",
    "kernels/common/mma.cuh": 'asm volatile("");\n',
    "include/ember/base/a.h": "\n" * 299,
    **TESTED,
}

BAD = {
    "layer below includes above": ({"src/cache/c.h": '#include "ember/scheduler/s.h"\n'}, "src/cache/c.h: cache may not include scheduler"),
    "private header of another layer": ({"src/text/t.h": '#include "server/x.h"\n'}, "src/text/t.h: text may not include server"),
    "public header": ({"include/ember/base/b.h": '#include "ember/cache/c.h"\n'}, "include/ember/base/b.h: base may not include cache"),
    "unknown layer": ({"src/utils/u.h": "\n"}, "utils is no layer"),
    "long header": ({"src/base/l.h": "\n" * 300}, "src/base/l.h: 301 lines, more than 300"),
    "long source": ({"src/base/a.cpp": "\n" * 500, **TESTED}, "501 lines, more than 500"),
    "long test": ({"tests/base/b_test.cpp": "\n" * 500}, "501 lines, more than 500"),
    "long kernel": ({"kernels/gemm.cuh": "\n" * 700}, "701 lines, more than 700"),
    "no test": ({"src/base/a.cpp": "\n"}, "src/base/a.cpp: no tests/base/a_test.cpp"),
    "no test in a subfolder": ({"src/backend/cpu/a.cpp": "\n"}, "no tests/backend/cpu/a_test.cpp"),
    "cuda header": ({"src/engine/e.h": "#include <cuda_runtime.h>\n"}, "CUDA outside"),
    "cuda type": ({"src/engine/e.h": "cudaStream_t s;\n"}, "CUDA outside"),
    "kernel header": ({"src/backend/cpu/c.h": '#include "kernels/gemm.cuh"\n'}, "CUDA outside"),
    "no licence": ({"src/base/g.h": "unlicensed\n"}, "src/base/g.h: has no line SPDX"),
    "version": (
        {"CMakeLists.txt": "project(ember VERSION 1.2.3 LANGUAGES CXX)\n", "src/text/hf/Cargo.toml": '[package]\nname = "ember_hf"\nversion = "1.2.2"\n'},
        "src/text/hf/Cargo.toml: ember_hf has not version 1.2.3",
    ),
    "getenv": ({"src/base/g.h": 'auto x = std::getenv("X");\n'}, "reads the environment"),
    "environ": ({"src/base/g.h": "extern char** environ;\n"}, "reads the environment"),
    "filesystem": ({"src/base/g.h": "if (std::filesystem::exists(path)) return;\n"}, "std::filesystem's functions throw"),
    "shared directory": ({"tests/base/b_test.cpp": "auto path = testing::TempDir();\n"}, "testing::TempDir() is the same for every process"),
    "ptx": ({"kernels/attention/a.cuh": 'asm volatile("");\n'}, "PTX outside"),
    "main path": (
        {"src/engine/engine.cpp": "x;\n" * 451, "src/scheduler/scheduler.cpp": "x;\n" * 450, "src/model/decoder.cpp": "x;\n" * 400,
         "tests/engine/engine_test.cpp": "\n", "tests/scheduler/scheduler_test.cpp": "\n", "tests/model/decoder_test.cpp": "\n"},
        "main path, loop: 1301 code lines, more than 1300",
    ),
}


def test_good_tree(tmp_path):
    status, output = check(tmp_path, GOOD)
    assert status == 0
    assert output.splitlines()[-1] == "tree: no complaints"


def test_main_path_is_printed_in_code_lines(tmp_path):
    files = {"src/engine/engine.cpp": "// why\n\nint x; /* how\nlong */\nint y;\n", "tests/engine/engine_test.cpp": "\n"}
    assert "main path, loop: 2 of 1300 code lines" in check(tmp_path, files)[1]


@pytest.mark.parametrize("case", BAD)
def test_bad_tree(tmp_path, case):
    files, expected = BAD[case]
    status, output = check(tmp_path, files)
    assert status == 1
    assert expected in output
    complaints = [line for line in output.splitlines() if " code lines" not in line or "more than" in line]
    assert len(complaints) == 1, "each tree breaks exactly one rule"


def test_comments_do_not_count(tmp_path):
    files = {"src/base/c.h": "// never calls getenv(), knows no cudaStream_t\n/* asm volatile() */\n"}
    assert check(tmp_path, files)[0] == 0
