# SPDX-License-Identifier: Apache-2.0
"""The documents name what there is: every setting, every route, and no file that does not exist."""
import json
import re
import subprocess

from server import BIN, ROOT


def flags_of(command):
    text = subprocess.run([BIN, *command, "--help"], capture_output=True, text=True, check=True).stdout
    lines = [line for line in text.splitlines() if re.match(r"  -", line)]
    return {flag for line in lines for flag in re.findall(r"--[a-z][a-z-]+", re.split(r"\s{2,}", line.strip())[0])} - {"--help"}


def test_every_setting_of_serve_is_described():
    text = (ROOT / "configs/README.md").read_text()
    missing = [flag for flag in sorted(flags_of(["serve"])) if f"`{flag}`" not in text]
    assert not missing


def test_no_setting_is_described_that_serve_does_not_have():
    text = (ROOT / "configs/README.md").read_text()
    described = set(re.findall(r"`(--[a-z][a-z-]+)", "\n".join(row for row in text.splitlines() if row.startswith("| `"))))
    assert described - flags_of(["serve"]) == set()


def test_every_route_is_described():
    text = (ROOT / "src/server/README.md").read_text()
    missing = []
    for name in ("main", "admin"):
        for path in json.loads((ROOT / f"src/server/openapi/{name}.json").read_text())["paths"]:
            words = re.sub(r"\{[a-z_]+\}", "ID", path)
            if words not in text and words.removesuffix("/ID") not in text:
                missing.append(path)
    assert not missing


def test_the_readme_is_a_first_screen():
    assert len((ROOT / "README.md").read_text().splitlines()) <= 130


def test_files_that_the_documents_name_exist():
    missing = []
    for document in [*ROOT.glob("*.md"), *ROOT.glob("src/**/README.md"), *ROOT.glob("tests/**/README.md"), ROOT / "kernels/README.md", *ROOT.glob(".github/*.md")]:
        for name in re.findall(r"`(?!\w+/L/)([\w./-]+/[\w./-]+\.(?:md|sh|py|cpp|h|cu|cuh|json|txt))`", document.read_text()):
            places = (ROOT / name, document.parent / name, ROOT / "src" / name, ROOT / "include/ember" / name, ROOT / "kernels" / name)
            if not any(place.exists() for place in places):
                missing.append(f"{document.relative_to(ROOT)}: {name}")
    assert not missing
