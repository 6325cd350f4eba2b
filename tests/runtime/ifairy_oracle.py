#!/usr/bin/env python3
"""iFairy's forward pass in numpy, with complex numbers as its paper writes it, against tern's: random checkpoints are
converted, and what every linear layer reads and the logits are compared.

usage: ifairy_oracle.py TERN DUMP_INPUTS
"""
import json
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "import"))
from fairy2i_oracle import ROUND, by_stages, value  # noqa: E402

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tools"))
from safetensors_file import to_bf16, write_safetensors  # noqa: E402


class Checkpoint:
    def __init__(self, arithmetic, kv_heads, seed):
        self.random = numpy.random.default_rng(seed)
        self.arithmetic, self.rounded = arithmetic, ROUND[arithmetic]
        self.hidden, self.ffn, self.layers, self.heads, self.kv_heads, self.vocab = 24, 40, 3, 3, kv_heads, 37
        self.head_dim, self.eps, self.base = self.hidden // self.heads, 1e-5, 10000.0
        self.tensors = {}

    def config(self):
        return {"architectures": ["ComplexNetLM"], "model_type": "complexnet", "hidden_size": self.hidden,
                "intermediate_size": self.ffn, "num_hidden_layers": self.layers, "num_attention_heads": self.heads,
                "num_key_value_heads": self.kv_heads, "vocab_size": self.vocab, "max_position_embeddings": 64,
                "rms_norm_eps": self.eps, "rope_theta": self.base, "initializer_range": 0.02}

    def real(self, name, *shape, around=0.0, deviation=1.0):
        self.tensors[name] = self.rounded(around + deviation * self.random.standard_normal(shape))
        return self.tensors[name]

    def pair(self, module, *shape, **numbers):
        return self.real(module + ".weight_real", *shape, **numbers), self.real(module + ".weight_imag", *shape, **numbers)

    def linear(self, module, rows, cols):
        re, im = self.pair(module, rows, cols, deviation=0.3)
        return value(*by_stages(re, im, 1, "ifairy", self.rounded))

    def norm(self, module, size):
        return self.pair(module, size, around=1.0, deviation=0.3)

    def block(self, i):
        at, d, kv = f"layer.{i}.", self.hidden, self.kv_heads * self.head_dim
        return {"pre": self.norm(at + "pre_layernorm", d), "q": self.linear(at + "self_attn.q_proj", d, d),
                "k": self.linear(at + "self_attn.k_proj", kv, d), "v": self.linear(at + "self_attn.v_proj", kv, d),
                "attn": self.norm(at + "self_attn.attn_layernorm", d), "o": self.linear(at + "self_attn.o_proj", d, d),
                "post": self.norm(at + "post_layernorm", d), "gate": self.linear(at + "mlp.gate_proj", self.ffn, d),
                "up": self.linear(at + "mlp.up_proj", self.ffn, d), "ffn": self.norm(at + "mlp.ffn_layernorm", self.ffn),
                "down": self.linear(at + "mlp.down_proj", d, self.ffn)}

    def fill(self):
        self.embedding = self.real("token_embeddings_real.weight", self.vocab, self.hidden) + 1j * self.real(
            "token_embeddings_imag.weight", self.vocab, self.hidden)
        self.blocks = [self.block(i) for i in range(self.layers)]
        self.final = self.norm("final_norm", self.hidden)
        self.head = self.real("lm_head.weight", self.vocab, 2 * self.hidden)
        return self

    def write(self, folder):
        (folder / "config.json").write_text(json.dumps(self.config()))
        exact = {name: tensor.astype(numpy.float32) for name, tensor in self.tensors.items()}
        if self.arithmetic != "f32":
            exact = {name: to_bf16(tensor) for name, tensor in exact.items()}
        write_safetensors(folder / "model.safetensors", exact)


def parts(z):
    return numpy.concatenate([z.real, z.imag], axis=-1)


class Forward:
    """All positions at once. `read` keeps what the linear layers read; int8: they round it."""

    def __init__(self, checkpoint, int8):
        self.c, self.int8, self.read = checkpoint, int8, {}

    def norm(self, z, weights):
        root = numpy.sqrt((z.real ** 2 + z.imag ** 2).mean(axis=-1, keepdims=True) + self.c.eps)
        return z.real / root * weights[0] + 1j * (z.imag / root * weights[1])

    @staticmethod
    def to_int8(x):
        scale = 127 / numpy.maximum(numpy.abs(x).max(axis=-1, keepdims=True), 1e-5)
        return numpy.clip(numpy.rint(x * scale), -128, 127) / scale

    def linear(self, name, w, z):
        self.read[name] = parts(z)
        if self.int8:
            z = self.to_int8(z.real) + 1j * self.to_int8(z.imag)
        return numpy.conj(z) @ w.T  # y = w conj(x)

    def heads(self, z, count):
        return z.reshape(len(z), count, self.c.head_dim).transpose(1, 0, 2)

    def rotate(self, z):
        position, j = numpy.arange(z.shape[1])[:, None], numpy.arange(self.c.head_dim)
        return z * numpy.exp(1j * position * self.c.base ** (-j / self.c.head_dim))

    def attend(self, q, k, v):
        c = self.c
        repeat = c.heads // c.kv_heads
        q = self.rotate(self.heads(q, c.heads))
        k, v = (numpy.repeat(x, repeat, axis=0) for x in (self.rotate(self.heads(k, c.kv_heads)), self.heads(v, c.kv_heads)))
        scores = (q @ numpy.conj(k).transpose(0, 2, 1)).real * c.head_dim ** -0.5
        scores = numpy.where(numpy.tril(numpy.ones(scores.shape[1:], dtype=bool)), scores, -numpy.inf)
        p = numpy.exp(scores - scores.max(axis=-1, keepdims=True))
        out = (p / p.sum(axis=-1, keepdims=True)) @ v
        return out.transpose(1, 0, 2).reshape(out.shape[1], -1)

    def block(self, i, z):
        b, at = self.c.blocks[i], f"blocks.{i}."
        x = self.norm(z, b["pre"])
        q, k, v = (self.linear(at + "attn." + n, b[n], x) for n in "qkv")
        z = z + self.linear(at + "attn.o", b["o"], self.norm(self.attend(q, k, v), b["attn"]))
        x = self.norm(z, b["post"])
        gate, up = (self.linear(at + "ffn." + n, b[n], x) for n in ("gate", "up"))
        off = (gate.real < 0) & (gate.imag < 0)
        activated = numpy.where(off, 0, gate.real ** 2 + 1j * gate.imag ** 2)
        return z + self.linear(at + "ffn.down", b["down"], self.norm(numpy.conj(activated) * up, b["ffn"]))

    def run(self, ids):
        z = self.c.embedding[ids]
        for i in range(self.c.layers):
            z = self.block(i, z)
        self.read["head"] = parts(self.norm(z, self.c.final))
        self.read["logits"] = self.read["head"] @ self.c.head.T
        return self.read


def read_dump(data):
    found, at = {}, 0
    while at < len(data):
        end = data.index(b"\n", at)
        name, rows, cols = data[at:end].decode().split()
        size = 4 * int(rows) * int(cols)
        found[name] = numpy.frombuffer(data, "<f4", int(rows) * int(cols), end + 1).reshape(int(rows), int(cols))
        at = end + 1 + size
    return found


def compare(programs, folder, checkpoint, options, activations, bound):
    tern, dump = programs
    packed = folder / "model.tern"
    subprocess.run([tern, "convert", folder, "-o", packed, "--force", "-q", "--head", "f32", "--embed", "f32", *options],
                   check=True, capture_output=True)
    ids = [int(i) for i in checkpoint.random.integers(0, checkpoint.vocab, 45)]  # more than one cache block
    out = subprocess.run([dump, packed, activations, *map(str, ids)], check=True, capture_output=True).stdout
    expected, found = Forward(checkpoint, activations == "file").run(ids), read_dump(out)
    assert found.keys() == expected.keys(), found.keys() ^ expected.keys()
    errors = {name: numpy.abs(found[name] - x).max(axis=1) / numpy.abs(x).max() for name, x in expected.items()}
    worst = numpy.max(list(errors.values()), axis=0)  # by position
    name = max(errors, key=lambda n: errors[n].max())
    print(f"{checkpoint.arithmetic} masters, {' '.join(options) or 'phases'}, {activations} activations: worst "
          f"{worst.max():.2e} ({name}), {(worst < 1e-4).sum()} of {len(ids)} positions below 1e-4", flush=True)
    assert worst.max() < bound, errors
    # In double a code on a boundary may fall the other way; all positions before that one agree.
    assert (worst[:len(ids) // 2] < 1e-4).all(), worst


def main(*programs):
    for arithmetic, kv_heads, seed in (("bf16", 3, 1), ("f32", 1, 2)):
        checkpoint = Checkpoint(arithmetic, kv_heads, seed).fill()
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            checkpoint.write(folder)
            compare(programs, folder, checkpoint, ["--weights", "f32"], "f32", 1e-4)
            compare(programs, folder, checkpoint, [], "f32", 1e-4)
            compare(programs, folder, checkpoint, [], "file", 0.1)


if __name__ == "__main__":
    main(*sys.argv[1:])
