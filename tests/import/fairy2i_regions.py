#!/usr/bin/env python3
"""Fairy2i checkpoints with scales for the tensor, each row or each 64x64 tile, converted by tern and decoded by the
independent reader, against numpy: masters give the codes and scales of each region by the rule of angles, and the report
counts those that an f32 mean could change; the dense matrices that these give, rounded to bf16 and saved, give the same
file again; scales of other regions than the user says and damage are refused.

usage: fairy2i_regions.py TERN MAKE_CHECKPOINT
"""
import json
import re
import struct
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy

sys.path[:0] = [str(Path(__file__).resolve().parent), str(Path(__file__).resolve().parents[1] / "tools")]
from fairy2i_oracle import AXES, by_stages, codes_of, to_bf16, widely_linear  # noqa: E402
from read_tern import decode, load  # noqa: E402

SIDES = {"tensor": (1 << 20, 1 << 20), "row": (1, 1 << 20), "tile": (64, 64)}  # complex rows and columns of a region
SHAPE = ["--layers", "1", "--hidden", "512", "--ffn", "384", "--heads", "8", "--kv-heads", "1", "--vocab", "32",
         "--tied", "--dtype", "bf16"]
PROJECTIONS = re.compile(r"model\.layers\.0\.(self_attn|mlp)\.(\w+)_proj\.weight")


class Checkpoint:
    """The bf16 tensors of a safetensors file, changed in place."""

    def __init__(self, path):
        self.path, data = path, bytearray(path.read_bytes())
        (size,) = struct.unpack_from("<Q", data)
        self.data, self.start, self.header = data, 8 + size, json.loads(data[8:8 + size])

    def bits(self, name):
        begin, end = self.header[name]["data_offsets"]
        return numpy.frombuffer(self.data, "<u2", (end - begin) // 2, self.start + begin).reshape(self.header[name]["shape"])

    def values(self, name):
        return (self.bits(name).astype(numpy.uint32) << 16).view(numpy.float32).astype(float)

    def store(self, name, values):
        self.bits(name)[:] = values.astype(numpy.float32).view(numpy.uint32) >> 16

    def save(self):
        self.path.write_bytes(self.data)


def fitted(part, stages, region):
    """(place, scales [stages, 2], codes) of each region of U or W."""
    height, width = SIDES[region]
    for top in range(0, part[0].shape[0], height):
        for left in range(0, part[0].shape[1], width):
            cell = slice(top, top + height), slice(left, left + width)
            yield cell, *by_stages(part[0][cell], part[1][cell], stages, "fairy2i", to_bf16)


def stages_of(part, stages, regions):
    """Numbers of each stage of U or W, with the scales of their regions."""
    found = numpy.zeros((stages, *part[0].shape), complex)
    for cell, scales, codes in regions:
        for t, ((s_re, s_im), k) in enumerate(zip(scales, codes)):
            found[t][cell] = s_re * AXES[k].real + 1j * s_im * AXES[k].imag
    return found


def other_scale(values):
    """What an f32 mean could make of a scale: its neighbour in bf16 across a middle within 2^-16 of the mean; else None."""
    mean = numpy.abs(values).mean() if values.size else 0.0
    moved = {max(to_bf16(mean * (1 + d)), to_bf16(1e-6)) for d in (-2.0 ** -16, 2.0 ** -16)}
    moved.discard(max(to_bf16(mean), to_bf16(1e-6)))
    return float(moved.pop()) if moved else None


def eaten(re, im, k, scales):
    """What a stage's codes leave."""
    real = k % 2 == 0
    return (numpy.where(real, to_bf16(re - scales[0] * AXES[k].real), re),
            numpy.where(real, im, to_bf16(im - scales[1] * AXES[k].imag)))


def doubtful(part, regions):
    """Scales of U or W that an f32 mean could change, and codes that would differ if it changed them all."""
    doubtful_scales = doubtful_codes = 0
    for cell, scales, codes in regions:
        others, re, im = scales.copy(), part[0][cell], part[1][cell]
        for t, k in enumerate(codes):
            for axis, values in enumerate((re[k % 2 == 0], im[k % 2 == 1])):
                other = other_scale(values)
                others[t, axis] = scales[t, axis] if other is None else other
            re, im = eaten(re, im, k, scales[t])
        if (others == scales).all():
            continue
        doubtful_scales += (others != scales).sum()
        re, im = part[0][cell], part[1][cell]
        for t, ours in enumerate(codes):
            k = codes_of(re, im)
            doubtful_codes += (k != ours).sum()
            re, im = eaten(re, im, k, others[t])
    return numpy.array([doubtful_scales, doubtful_codes])


def block_matrix(u, w, rounded):
    return numpy.block([[rounded(u.real + w.real), rounded(w.imag - u.imag)],
                        [rounded(u.imag + w.imag), rounded(u.real - w.real)]])


def stored_values(parts):
    """As a file of phases decodes: sums in f32 over ascending stages, U before W."""
    total = numpy.float32(0)
    for u, w in zip(*parts):
        for number, sign in ((u, -1), (w, 1)):
            total = total + numpy.block([[number.real, sign * number.imag],
                                         [number.imag, -sign * number.real]]).astype(numpy.float32)
    return total


def saved_values(parts):
    """As the publisher's forward pass rebuilds the matrix: every sum rounded to bf16."""
    sums = []
    for part in parts:
        total = 0
        for number in part:
            total = to_bf16((total + number).real) + 1j * to_bf16((total + number).imag)
        sums.append(total)
    return block_matrix(*sums, to_bf16)


def convert(tern, folder, stages, region):
    out = folder / "m.tern"
    command = [tern, "convert", folder, "-o", out, "--force", "--fairy2i-variant", f"v{stages}", "--fairy2i-head", "dense",
               "--fairy2i-scales", region]
    done = subprocess.run([str(c) for c in command], capture_output=True, text=True)
    return done.returncode, done.stdout + done.stderr, out


def converted(tern, folder, stages, region, says):
    status, text, out = convert(tern, folder, stages, region)
    assert status == 0 and says in text, text
    data, model = load(out)
    return data, {t["name"]: t for t in model["tensors"]}, text


def refused(tern, folder, stages, region, says):
    status, text, _ = convert(tern, folder, stages, region)
    assert status == 1 and says in text, text


def check(tern, make_checkpoint, folder, stages, region):
    subprocess.run([make_checkpoint, folder, *SHAPE, "--seed", str(stages)], check=True)
    checkpoint = Checkpoint(folder / "model.safetensors")
    names = [n for n in checkpoint.header if PROJECTIONS.fullmatch(n)]
    assert len(names) == 7
    forms = {n: widely_linear(checkpoint.values(n), to_bf16) for n in names}
    fits = {n: [list(fitted(p, stages, region)) for p in forms[n]] for n in names}
    parts = {n: [stages_of(*pair) for pair in zip(forms[n], (stages, stages), fits[n])] for n in names}
    data, tensors, text = converted(tern, folder, stages, region, "7 layers from masters, 0 saved quantized")
    scales, codes = sum(doubtful(*pair) for n in names for pair in zip(forms[n], fits[n]))
    assert region != "row" or scales > 0 and (codes > 0 or stages == 1)  # of thousands of scales
    says = f"{scales} scales lie so near the middle of two bf16 numbers that torch's f32 mean may give the other one; " \
           f"{codes} codes depend on it"
    assert (says in text) if scales else ("torch's f32 mean" not in text), (region, stages, says, text)
    for short, name in (("attn.k", "self_attn.k_proj"), ("ffn.down", "mlp.down_proj")):
        t, expected = tensors["blocks.0." + short], stored_values(parts[f"model.layers.0.{name}.weight"])
        assert t["scope"] == {"tensor": 1, "row": 2, "tile": 4}[region], t
        found = numpy.array(decode(data, t, tensors), numpy.float32).reshape(expected.shape)
        assert (found == expected).all(), (region, stages, name, (found != expected).sum())
    for name in names:
        checkpoint.store(name, saved_values(parts[name]))
    checkpoint.save()
    again, _, _ = converted(tern, folder, stages, region, "0 layers from masters, 7 saved quantized")
    payload = lambda file, t: [file[at:at + size] for at, size in (part[:2] for part in t["parts"])]  # noqa: E731
    for name, t in tensors.items():
        if name.startswith("blocks.0.") and t["kind"] == 5:
            assert payload(data, t) == payload(again, t), (region, stages, name)
    for other in SIDES:
        if region != "tensor" and other != region:
            refused(tern, folder, stages, other, f"--fairy2i-scales {region}")
    damaged = "model.layers.0.mlp.up_proj.weight"
    checkpoint.bits(damaged)[5, 70] = 0x3f80
    checkpoint.save()
    refused(tern, folder, stages, region, f"'{damaged}' holds sums of {stages} stages of phases")


def main(tern, make_checkpoint):
    for region in SIDES:
        for stages in (1, 2):
            with tempfile.TemporaryDirectory() as folder:
                check(tern, make_checkpoint, Path(folder), stages, region)
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run([make_checkpoint, folder, *("192" if s == "512" else s for s in SHAPE)], check=True)
        refused(tern, Path(folder), 2, "tile", "96 complex columns, expected a multiple of 64")


if __name__ == "__main__":
    main(*sys.argv[1:])
