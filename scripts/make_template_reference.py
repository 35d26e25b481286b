#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes what Jinja2, as transformers sets it up, makes of the snippets that the text tests compare with.

Usage: make_template_reference.py SNIPPETS.json     reads "context" and the "source" of each snippet, and writes the file anew
Needs transformers 5. A snippet that Jinja2 refuses has "rendered": null.
"""
import json
import sys
from pathlib import Path

from transformers.utils.chat_template_utils import _compile_jinja_template


def render(source, context):
    try:
        return _compile_jinja_template(source).render(**context)
    except Exception:  # ours must refuse it too
        return None


def main(path):
    data = json.loads(Path(path).read_text())
    rows = [{"source": row["source"], "rendered": render(row["source"], data["context"])} for row in data["snippets"]]
    lines = ",\n".join(json.dumps(row, ensure_ascii=False) for row in rows)
    context = json.dumps(data["context"], ensure_ascii=False)
    Path(path).write_text(f'{{"context": {context},\n"snippets": [\n{lines}\n]}}\n')


if __name__ == "__main__":
    main(*sys.argv[1:])
