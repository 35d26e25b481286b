#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Checks the shape of the tree: who may include whom, where CUDA may appear, how long a file may be, what has a test.

Usage: scripts/check_tree.py [ROOT]. No build, no GPU, no package.
"""
import re
import sys
from pathlib import Path

NS = "ember"  # include/<NS>/<layer>/file.h and src/<layer>/file.cpp
LAYERS = {  # layer: the layers it may include
    "base": set(),
    "backend": {"base"},
    "model": {"base", "backend"},
    "cache": {"base"},
    "scheduler": {"base", "cache"},
    "routing": {"base", "scheduler"},
    "text": {"base"},
    "engine": {"base", "backend", "model", "cache", "scheduler", "routing"},
    "server": {"base", "scheduler", "routing", "text", "engine"},
}
LAYERS["app"] = set(LAYERS)  # what main wires together
FOLDERS = ("include", "src", "kernels", "tests")
CUDA_HOME = ("src/backend/cuda/", "kernels/", "tests/kernels/", "tests/backend/cuda")
ENVIRONMENT_HOME = ("src/app/config.cpp",)
FILESYSTEM_HOME = ("src/base/files.cpp",)
PTX_HOME = "kernels/common/"
MAX_LINES = {".h": 300, ".cpp": 500, ".cu": 700, ".cuh": 700}
# The walk that a chat request takes, in two halves, in code lines: neither blank nor comment. Each can be read in one sitting.
MAIN_PATH = {
    "loop": (1300, ("src/engine/engine.cpp", "src/scheduler/scheduler.cpp", "src/scheduler/drafts.cpp", "src/cache/block_pool.cpp", "src/engine/batch_builder.cpp",
                    "src/engine/decoder_runner.cpp", "src/model/decoder.cpp", "include/ember/backend/backend.h")),
    "edge": (1600, ("src/server/http/gate.cpp", "src/server/http/deadlines.cpp", "src/server/http/framing.cpp", "src/server/http/dispatcher.cpp",
                    "src/server/api/generate.cpp", "src/server/api/chat_dialect.cpp", "src/server/api/chat_request.cpp", "src/server/api/params.cpp",
                    "src/server/api/chat_messages.cpp", "src/server/api/generation.cpp", "src/server/api/sequences.cpp", "src/server/api/choice.cpp",
                    "src/server/api/generation_answer.cpp", "src/server/api/chat_writer.cpp", "src/server/http/http_sink.cpp", "src/server/http/hub.cpp")),
}
LICENCE = "SPDX-License-Identifier: Apache-2.0"
CUDA = re.compile(r'#\s*include\s*[<"](?:cuda|cublas|nccl|kernels/)|\b(?:__CUDACC__|cudaStream_t)\b')
GETENV = re.compile(r"\b(?:secure_)?getenv\s*\(|\bextern\s+char\s*\*\s*\*\s*environ\b")
THROWING = re.compile(r"\bstd::filesystem::(?!path\b)|\bnamespace\s+\w+\s*=\s*std::filesystem\b")
SHARED_DIR = re.compile(r"\btesting::TempDir\b")
PTX = re.compile(r"\basm\s+volatile\b|\b__?asm(?:__)?\s*(?:volatile|__volatile__)?\s*\(|\basm\s*\(")
INCLUDE = re.compile(r'^\s*#\s*include\s*"(?:%s/)?([a-z_]+)/' % NS, re.M)
COMMENT = re.compile(r"//[^\n]*|/\*.*?\*/", re.S)


def layer_of(path):
    parts = path.parts
    if parts[0] == "include" and len(parts) > 3:
        return parts[2]
    return parts[1] if parts[0] == "src" and len(parts) > 2 else None


def layer_problems(path, text):
    layer, where = layer_of(path), path.as_posix()
    if layer is None:
        return
    if layer not in LAYERS:
        yield f"{where}: {layer} is no layer; add it to LAYERS with what it may include"
        return
    for other in sorted(set(INCLUDE.findall(text)) & LAYERS.keys()):
        if other != layer and other not in LAYERS[layer]:
            yield f"{where}: {layer} may not include {other}"


def content_problems(path, text):
    where, code = path.as_posix(), COMMENT.sub("", text)
    lines = text.count("\n")
    if lines > MAX_LINES[path.suffix]:
        yield f"{where}: {lines} lines, more than {MAX_LINES[path.suffix]}"
    if not where.startswith(CUDA_HOME) and CUDA.search(code):
        yield f"{where}: CUDA outside src/backend/cuda and kernels"
    if path.parts[0] != "tests" and where not in ENVIRONMENT_HOME and GETENV.search(code):
        yield f"{where}: reads the environment; settings come from the configuration"
    if path.parts[0] != "tests" and where not in FILESYSTEM_HOME and THROWING.search(code):
        yield f"{where}: std::filesystem's functions throw; ember/base/files.h has those that do not"
    if path.parts[0] == "tests" and SHARED_DIR.search(code):
        yield f"{where}: testing::TempDir() is the same for every process; tests/base/temp_dir.h has directories of their own"
    if path.suffix in (".cu", ".cuh") or where.startswith("kernels/"):
        if not where.startswith(PTX_HOME) and PTX.search(code):
            yield f"{where}: PTX outside {PTX_HOME}"


def code_lines(text):
    return sum(1 for line in COMMENT.sub("", text).splitlines() if line.strip())


def main_path(root):
    """Of each half: its name, its limit and the code lines of each of its files."""
    for half, (limit, names) in MAIN_PATH.items():
        yield half, limit, {name: code_lines((root / name).read_text()) for name in names if (root / name).is_file()}


def licence_problems(root):
    for folder in (*FOLDERS, "scripts"):
        for path in sorted((root / folder).rglob("*")):
            if path.suffix in (*MAX_LINES, ".py", ".sh", ".rs", ".cmake") and not {"target", "data"} & set(path.parts):
                if LICENCE not in path.read_text()[:300]:
                    yield f"{path.relative_to(root).as_posix()}: has no line {LICENCE}"


def version_problems(root):
    """CMakeLists.txt has the version; the Rust library's manifest and lock file follow it."""
    cmake, manifest, lock = (root / name for name in ("CMakeLists.txt", "src/text/hf/Cargo.toml", "src/text/hf/Cargo.lock"))
    if not cmake.is_file():
        return
    wanted = re.search(r"^project\(.* VERSION (\S+)", cmake.read_text(), re.M).group(1)
    for path in (manifest, lock):
        if path.is_file() and f'name = "ember_hf"\nversion = "{wanted}"' not in path.read_text():
            yield f"{path.relative_to(root).as_posix()}: ember_hf has not version {wanted}, that of CMakeLists.txt"


def main_path_problems(root):
    for half, limit, counts in main_path(root):
        if sum(counts.values()) > limit:
            listed = ", ".join(f"{name} {count}" for name, count in counts.items())
            yield f"main path, {half}: {sum(counts.values())} code lines, more than {limit} ({listed})"


def problems(root):
    files = [p.relative_to(root) for d in FOLDERS for p in (root / d).rglob("*") if p.suffix in MAX_LINES and "target" not in p.parts]
    for path in sorted(files):
        text = (root / path).read_text()
        yield from layer_problems(path, text)
        yield from content_problems(path, text)
        if path.parts[0] == "src" and layer_of(path) and path.suffix == ".cpp":
            test = Path("tests", *path.parts[1:]).with_name(path.stem + "_test.cpp")
            if not (root / test).is_file():
                yield f"{path.as_posix()}: no {test.as_posix()}"
    yield from licence_problems(root)
    yield from version_problems(root)
    yield from main_path_problems(root)


if __name__ == "__main__":
    tree = Path(sys.argv[1] if len(sys.argv) > 1 else ".").resolve()
    for half, limit, counts in main_path(tree):
        print(f"main path, {half}: {sum(counts.values())} of {limit} code lines")
    found = list(problems(tree))
    print("\n".join(found) if found else "tree: no complaints")
    sys.exit(bool(found))
