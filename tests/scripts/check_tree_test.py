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
        path.write_text(text)
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
    "include/ember/base/a.h": "\n" * 300,
    **TESTED,
}

BAD = {
    "layer below includes above": ({"src/cache/c.h": '#include "ember/scheduler/s.h"\n'}, "src/cache/c.h: cache may not include scheduler"),
    "private header of another layer": ({"src/text/t.h": '#include "server/x.h"\n'}, "src/text/t.h: text may not include server"),
    "public header": ({"include/ember/base/b.h": '#include "ember/cache/c.h"\n'}, "include/ember/base/b.h: base may not include cache"),
    "unknown layer": ({"src/utils/u.h": "\n"}, "utils is no layer"),
    "long header": ({"src/base/l.h": "\n" * 301}, "src/base/l.h: 301 lines, more than 300"),
    "long source": ({"src/base/a.cpp": "\n" * 501, **TESTED}, "501 lines, more than 500"),
    "long test": ({"tests/base/b_test.cpp": "\n" * 501}, "501 lines, more than 500"),
    "long kernel": ({"kernels/gemm.cuh": "\n" * 701}, "701 lines, more than 700"),
    "no test": ({"src/base/a.cpp": "\n"}, "src/base/a.cpp: no tests/base/a_test.cpp"),
    "no test in a subfolder": ({"src/backend/cpu/a.cpp": "\n"}, "no tests/backend/cpu/a_test.cpp"),
    "cuda header": ({"src/engine/e.h": "#include <cuda_runtime.h>\n"}, "CUDA outside"),
    "cuda type": ({"src/engine/e.h": "cudaStream_t s;\n"}, "CUDA outside"),
    "kernel header": ({"src/backend/cpu/c.h": '#include "kernels/gemm.cuh"\n'}, "CUDA outside"),
    "getenv": ({"src/base/g.h": 'auto x = std::getenv("X");\n'}, "reads the environment"),
    "environ": ({"src/base/g.h": "extern char** environ;\n"}, "reads the environment"),
    "ptx": ({"kernels/attention/a.cuh": 'asm volatile("");\n'}, "PTX outside"),
    "main path": (
        {
            "src/main.cpp": "\n" * 400, "src/server/routes.cpp": "\n" * 400, "src/server/routes_chat.cpp": "\n" * 400,
            "src/engine/engine.cpp": "\n" * 300, "tests/e2e/test_unicode.py": "\n", "tests/server/routes_chat_test.cpp": "\n",
            "tests/engine/engine_test.cpp": "\n",
        },
        "main path: 1500 lines",
    ),
}


def test_good_tree(tmp_path):
    assert check(tmp_path, GOOD) == (0, "tree: no complaints\n")


@pytest.mark.parametrize("case", BAD)
def test_bad_tree(tmp_path, case):
    files, expected = BAD[case]
    status, output = check(tmp_path, files)
    assert status == 1
    assert expected in output
    assert len(output.splitlines()) == 1, "each tree breaks exactly one rule"


def test_comments_do_not_count(tmp_path):
    files = {"src/base/c.h": "// never calls getenv(), knows no cudaStream_t\n/* asm volatile() */\n"}
    assert check(tmp_path, files)[0] == 0
