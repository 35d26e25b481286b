# SPDX-License-Identifier: Apache-2.0
"""What check_real_models.py keeps between runs."""
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "scripts"))

import check_real_models  # noqa: E402


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.setattr(check_real_models, "FOLDER", tmp_path)
    return tmp_path


def test_a_reference_is_kept_for_the_inputs_that_it_was_made_of():
    made = []

    def make(what):
        made.append(what)
        return [what]
    for prompt in ("a", "a", "b", "b", "a"):
        assert check_real_models.kept("x.json", dict(prompts=(prompt,)), lambda prompt=prompt: make(prompt)) == [prompt]
    assert made == ["a", "b", "a"]


@pytest.mark.parametrize("before", ["[1, 2]", "3.5", '{"made": 1}'])
def test_what_says_no_inputs_is_made_again(folder, before):
    (folder / "x.json").write_text(before)
    assert check_real_models.kept("x.json", {}, lambda: 2) == 2
