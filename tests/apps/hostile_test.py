#!/usr/bin/env python3
"""Files that are wrong, met through the command: one line of error, exit code 1, and nothing under the final name."""
import json
import os
import struct

import tern_case
from tern_case import Case, make_checkpoint

SHAPE = "--hidden 64 --ffn 128 --layers 2 --heads 4 --kv-heads 4 --vocab 64 --context 32 --dtype bf16"
UP = "model.layers.1.mlp.up_proj.weight"


class Golden(Case):
    def test_every_broken_file(self):
        folder = self.options.source / "tests" / "golden"
        broken = sorted(folder.glob("bad_*.tern"))
        self.assertGreater(len(broken), 30)
        for path in broken:
            with self.subTest(path.name):
                result = self.refused("verify", path, says=path.with_suffix(".error").read_text().rstrip("\n"))
                self.assertEqual(result.stdout, "")


class Checkpoint(Case):
    """A small checkpoint, of which each test spoils one thing."""

    def setUp(self):
        super().setUp()
        self.source = self.folder / "hf"
        make_checkpoint(self.source, SHAPE)
        self.config = self.source / "config.json"
        self.weights = self.source / "model.safetensors"
        self.fields = json.loads(self.config.read_text())
        data = self.weights.read_bytes()
        end = 8 + struct.unpack("<Q", data[:8])[0]
        self.header, self.data = json.loads(data[8:end]), bytearray(data[end:])
        self.header.pop("__metadata__", None)

    def write(self):
        self.config.write_text(json.dumps(self.fields))
        header = json.dumps(self.header).encode()
        self.weights.write_bytes(struct.pack("<Q", len(header)) + header + self.data)

    def refuse(self, *says, weights="auto"):
        words = ("convert", self.source, "-o", self.folder / "m.tern", "--weights", weights)
        result = self.refused(*words, says=says[0])
        for word in says[1:]:
            self.assertIn(word, result.stderr)
        self.assertEqual(os.listdir(self.folder), ["hf"])

    def test_whole(self):
        self.write()
        self.ok("convert", self.source, "-o", self.folder / "m.tern")

    def test_not_finite(self):
        begin = self.header[UP]["data_offsets"][0]
        whole = bytes(self.data)
        for bits, word in ((0x7FC0, "NaN"), (0x7F80, "infinity")):
            self.data[:] = whole
            struct.pack_into("<H", self.data, begin + 2 * (5 * 64 + 7), bits)
            self.write()
            for weights in ("auto", "f32", "int8", "trit", "ptqtp"):
                self.refuse(UP, word, "row 5, column 7", weights=weights)

    def test_missing_and_extra(self):
        self.header["model.extra"] = self.header[UP]
        del self.header[UP]
        self.write()
        self.refuse(UP)
        end = len(self.data)
        self.header[UP] = {"dtype": "BF16", "shape": [128, 64], "data_offsets": [end, end + 16384]}
        self.data += bytes(16384)
        self.write()
        self.refuse("model.extra")

    def test_type_and_shape(self):
        for key, value in (("dtype", "F64"), ("dtype", "F16x"), ("shape", [64, 128]), ("shape", [128, 63]),
                           ("shape", [0, 64]), ("shape", [128, -64]), ("shape", [1 << 63, 2])):
            whole = self.header[UP]
            self.header[UP] = {**whole, key: value}
            self.write()
            self.refuse(UP)
            self.header[UP] = whole

    def test_contradictions(self):
        whole = self.fields
        for field, value, says in (
                ("num_hidden_layers", 3, "layers.2"), ("num_hidden_layers", 1, "layers.1"),
                ("vocab_size", 65, "embed_tokens"), ("hidden_size", 0, "hidden_size"),
                ("num_attention_heads", 5, "num_attention_heads"),
                ("num_key_value_heads", 3, "num_key_value_heads"), ("intermediate_size", 127, "gate_proj"),
                ("tie_word_embeddings", True, "tie_word_embeddings"), ("hidden_act", "gelu", "hidden_act"),
                ("model_type", "gemma", "gemma"), ("rope_scaling", {"rope_type": "yarn", "factor": 2.0}, "yarn"),
                ("logit_scale", 2.0, "logit_scale")):
            with self.subTest(field=field, value=value):
                self.fields = {**whole, field: value}
                self.write()
                self.refuse(says)

    def test_cut_at_every_boundary(self):
        self.write()
        data = self.weights.read_bytes()
        begin = len(data) - len(self.data)
        ends = {0, 8, begin, *(begin + t["data_offsets"][0] for t in self.header.values())}
        for size in sorted({end + delta for end in ends for delta in (-1, 0, 1)} - {-1}):
            self.weights.write_bytes(data[:size])
            self.refused("convert", self.source, "-o", self.folder / "m.tern", says="model.safetensors")
        self.weights.write_bytes(data + b"x")
        self.refuse("model.safetensors")


if __name__ == "__main__":
    tern_case.run_tests()
