#!/usr/bin/env python3
"""The trained Fairy2i model of ../shared in numpy's doubles, from its safetensors masters by the publisher's rule of angles
(tests/import/fairy2i_oracle.py), against its reference and against tern. The reference ran dense matrices that the
publisher makes of the codes and rounds to bf16; a file of phases has the codes and
scales themselves, and runs them without that rounding. So the reference must agree with the rounded forward, tern's
phases with the unrounded one, each within 1e-4 of the largest logit, and the two forwards show what the rounding does.

usage: fairy2i_reference.py TERN DUMP_INPUTS FOLDER
"""
import json
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "import"))
from fairy2i_oracle import AXES, by_stages, to_bf16, widely_linear  # noqa: E402
from ifairy_oracle import read_dump  # noqa: E402

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tools"))
from safetensors_file import Bf16, read_safetensors, wide  # noqa: E402

STAGES = 2


def read_masters(path):
    tensors = read_safetensors(path)
    assert all(isinstance(a, Bf16) for a in tensors.values())
    return {name: wide(a) for name, a in tensors.items()}


def quantized(re, im, rounded):
    """The sum of the stages; `rounded` is applied to each partial sum, as the publisher's tensors are bf16."""
    sum_re = sum_im = 0.0
    for (s_re, s_im), k in zip(*by_stages(re, im, STAGES, "fairy2i", to_bf16)):
        sum_re, sum_im = rounded(sum_re + s_re * AXES[k].real), rounded(sum_im + s_im * AXES[k].imag)
    return sum_re, sum_im


def rebuilt(a, rounded):
    """The real matrix that a forward pass of masters `a` uses."""
    (u_re, u_im), (w_re, w_im) = (quantized(*c, rounded) for c in widely_linear(a, to_bf16))
    return numpy.block([[rounded(u_re + w_re), rounded(w_im - u_im)], [rounded(u_im + w_im), rounded(u_re - w_re)]])


class Llama:
    def __init__(self, folder, rounded):
        self.config = json.loads((folder / "config.json").read_text())
        tensors = read_masters(folder / "model.safetensors")
        self.tensors = {n: rebuilt(t, rounded) if n.endswith("proj.weight") else t for n, t in tensors.items()}

    def norm(self, name, x):
        root = numpy.sqrt((x * x).mean(axis=-1, keepdims=True) + self.config["rms_norm_eps"])
        return x / root * self.tensors[name + ".weight"]

    def linear(self, name, x):
        return x @ self.tensors[name + ".weight"].T

    def rotate(self, x):
        half = x.shape[-1] // 2
        angles = numpy.arange(x.shape[1])[:, None] * self.config["rope_theta"] ** (-numpy.arange(half) / half)
        a, b = x[..., :half], x[..., half:]
        cos, sin = numpy.cos(angles), numpy.sin(angles)
        return numpy.concatenate([a * cos - b * sin, b * cos + a * sin], axis=-1)

    def heads(self, name, x):
        return self.linear(name, x).reshape(len(x), -1, self.config["head_dim"]).transpose(1, 0, 2)

    def attend(self, at, x):
        q, k, v = (self.heads(f"{at}.{n}_proj", x) for n in "qkv")
        repeat = len(q) // len(k)
        q, k, v = self.rotate(q), numpy.repeat(self.rotate(k), repeat, axis=0), numpy.repeat(v, repeat, axis=0)
        scores = q @ k.transpose(0, 2, 1) / self.config["head_dim"] ** 0.5
        scores = numpy.where(numpy.tril(numpy.ones(scores.shape[1:], dtype=bool)), scores, -numpy.inf)
        p = numpy.exp(scores - scores.max(axis=-1, keepdims=True))
        out = (p / p.sum(axis=-1, keepdims=True)) @ v
        return self.linear(at + ".o_proj", out.transpose(1, 0, 2).reshape(len(x), -1))

    def logits(self, ids):
        x = self.tensors["model.embed_tokens.weight"][ids]
        for i in range(self.config["num_hidden_layers"]):
            at = f"model.layers.{i}"
            x = x + self.attend(at + ".self_attn", self.norm(at + ".input_layernorm", x))
            y = self.norm(at + ".post_attention_layernorm", x)
            gate = self.linear(at + ".mlp.gate_proj", y)
            x = x + self.linear(at + ".mlp.down_proj", gate / (1 + numpy.exp(-gate)) * self.linear(at + ".mlp.up_proj", y))
        return self.norm("model.norm", x) @ self.tensors["model.embed_tokens.weight"].T


def error(found, expected):
    """The largest over positions, relative to the position's largest logit."""
    found, expected = numpy.atleast_2d(found), numpy.atleast_2d(expected)
    return (numpy.abs(found - expected).max(axis=-1) / numpy.abs(expected).max(axis=-1)).max()


def run_tern(tern, dump_inputs, folder, ids, *options):
    with tempfile.TemporaryDirectory() as temporary:
        model = Path(temporary) / "model.tern"
        tables = ("--embed", "bf16", "--head", "bf16")  # as they are
        subprocess.run([tern, "convert", folder, "-o", model, "--fairy2i-variant", f"v{STAGES}", *tables, *options],
                       check=True, stdout=subprocess.DEVNULL)
        dump = subprocess.run([dump_inputs, model, "f32", *map(str, ids)], check=True, capture_output=True).stdout
    return read_dump(dump)["logits"]


def main(tern, dump_inputs, folder):
    folder = Path(folder)
    if not (folder / "reference.json").exists():
        print("skipped:", folder / "reference.json", "is not there")
        return
    forced = json.loads((folder / "reference.json").read_text())["teacher_forced"]
    ids = forced["ids"]
    exact, rounded = (Llama(folder, f).logits(ids) for f in (lambda x: x, to_bf16))
    errors = {"reference against doubles, blocks rounded to bf16": error(rounded[-1], forced["last_logits"]),
              "tern's bf16 matrices against the same": error(
                  run_tern(tern, dump_inputs, folder, ids, "--weights", "bf16"), rounded),
              "tern's phases against doubles, unrounded": error(run_tern(tern, dump_inputs, folder, ids), exact)}
    for what, value in errors.items():
        print(f"{what}: {value:.1e}")
    print(f"doubles, unrounded against rounded: {error(exact, rounded):.1e}")
    assert max(errors.values()) < 1e-4, errors


if __name__ == "__main__":
    main(*sys.argv[1:])
