# SPDX-License-Identifier: Apache-2.0
"""Copies of the demo model to be broken: unchanged files are hard links."""
import json
import os
import shutil
import struct
from pathlib import Path

SHARDS = ("model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors")
INDEX = "model.safetensors.index.json"


def copy_model(source, target):
    target.mkdir()
    for file in Path(source).iterdir():
        try:
            os.link(file, target / file.name)
        except OSError:
            shutil.copy(file, target / file.name)
    return target


class ModelDir:
    def __init__(self, path):
        self.path = path

    def write(self, name, data):
        path = self.path / name
        path.unlink(missing_ok=True)  # a link's other names keep their content
        path.write_bytes(data.encode() if isinstance(data, str) else data)

    def remove(self, *names):
        for name in names:
            (self.path / name).unlink()

    def read(self, name):
        return (self.path / name).read_bytes()

    def edit_json(self, name, edit):
        """edit changes the parsed file in place."""
        content = json.loads(self.read(name))
        edit(content)
        self.write(name, json.dumps(content))

    def config(self, **fields):
        """None removes a field."""
        def edit(content):
            content.update(fields)
            for key in [k for k, v in fields.items() if v is None]:
                del content[key]

        self.edit_json("config.json", edit)

    def header(self, shard=0):
        raw = self.read(SHARDS[shard])
        size = struct.unpack("<Q", raw[:8])[0]
        return json.loads(raw[8:8 + size]), raw[8 + size:]

    def write_shard(self, header, data, shard=0):
        """header: a dict, or the header's bytes."""
        text = header if isinstance(header, bytes) else json.dumps(header).encode()
        self.write(SHARDS[shard], struct.pack("<Q", len(text)) + text + data)

    def edit_tensor(self, edit, name=None, shard=0):
        """edit changes one tensor's entry (the first by offset if no name is given) in place; returns its name."""
        header, data = self.header(shard)
        tensors = sorted((k for k in header if k != "__metadata__"), key=lambda k: header[k]["data_offsets"])
        name = name or tensors[0]
        edit(header[name])
        self.write_shard(header, data, shard)
        return name
