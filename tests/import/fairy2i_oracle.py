#!/usr/bin/env python3
"""Fairy2i's PhaseQuant in numpy, by angles as the publisher states it, against the converter's: the same codes and scales
on random and on adversarial matrices; and the relative errors on Gaussian weights.

usage: fairy2i_oracle.py FIT_PHASE
"""
import itertools
import subprocess
import sys

import numpy

ROWS, COLS = 64, 96
AXES = numpy.array([1, 1j, -1, -1j])


def to_bf16(x):
    """Eight significant bits, half to even, in one rounding from double."""
    mantissa, exponent = numpy.frexp(numpy.asarray(x, dtype=float))
    rounded = numpy.ldexp(numpy.rint(mantissa * 256), exponent - 8)
    return numpy.copysign(rounded, x)  # keeps -0.0


def to_f32(x):
    return numpy.asarray(x, dtype=numpy.float32).astype(float)


ROUND = {"bf16": to_bf16, "f32": to_f32}


def widely_linear(a, rounded):
    n, m = a.shape[0] // 2, a.shape[1] // 2
    a11, a12, a21, a22 = a[:n, :m], a[:n, m:], a[n:, :m], a[n:, m:]
    return ((rounded(a11 + a22) / 2, rounded(a21 - a12) / 2), (rounded(a11 - a22) / 2, rounded(a12 + a21) / 2))


def codes_of(re, im):
    """k = floor(2 angle / pi + 1/2) mod 4 with a float32 angle of re + 1j * im, whose product has signed zeros."""
    real, imaginary = re + (0.0 * im - 0.0), 0.0 + im
    theta = numpy.arctan2(imaginary, real).astype(numpy.float32)
    turns = numpy.float32(2) * theta / numpy.float32(numpy.pi) + numpy.float32(0.5)
    return numpy.floor(turns).astype(int) % 4


def scale_of(values, rule, rounded):
    mean = rounded(numpy.abs(values).mean()) if values.size else 0.0
    if rule == "fairy2i":
        return float(max(mean, rounded(1e-6)))
    return float(rounded(1 / rounded(1 / max(mean, rounded(1e-5)))))


def by_stages(re, im, stages, rule, rounded):
    scales, codes = [], []
    for _ in range(stages):
        k = codes_of(re, im)
        real = k % 2 == 0
        s_re, s_im = scale_of(re[real], rule, rounded), scale_of(im[~real], rule, rounded)
        re = numpy.where(real, rounded(re - s_re * AXES[k].real), re)
        im = numpy.where(real, im, rounded(im - s_im * AXES[k].imag))
        scales.append((s_re, s_im))
        codes.append(k)
    return numpy.array(scales), numpy.array(codes)


def jointly(re, im, scales):
    """The nearest of all sums of codes in float32; of equals, for the parts' absolute values, the first, stage 0 counting
    fastest. Sums with a negative part are no nearer to these than their mirror images."""
    f32 = numpy.float32
    combinations, distances = [], []
    for combination in (c[::-1] for c in itertools.product(range(4), repeat=len(scales))):
        p, q = f32(0), f32(0)
        for (s_re, s_im), k in zip(scales.astype(f32), combination):
            p, q = f32(p + s_re * f32(AXES[k].real)), f32(q + s_im * f32(AXES[k].imag))
        if p < 0 or q < 0:
            continue
        x, y = numpy.abs(re.astype(f32)) - p, numpy.abs(im.astype(f32)) - q
        combinations.append(combination)
        distances.append(x * x + y * y)
    codes = numpy.array(combinations).T[:, numpy.argmin(distances, axis=0)]
    return codes ^ numpy.where(numpy.where(codes % 2 == 0, re, im) < 0, 2, 0)


def value(scales, codes):
    return sum(s_re * AXES[k].real + 1j * s_im * AXES[k].imag for (s_re, s_im), k in zip(scales, codes))


def matrix_of(kind, random):
    shape = (ROWS, COLS)
    gaussian = random.standard_normal(shape) * 0.02
    if kind == "gaussian":
        return gaussian
    if kind == "ties":  # on the diagonals, and where three axes meet
        return random.integers(-2, 3, shape) * 2.0 ** -6
    if kind == "zeros":
        return numpy.where(random.random(shape) < 0.7, random.choice([0.0, -0.0], shape), gaussian)
    if kind == "negative zeros":  # U and W keep -0.0 where both summands are
        return numpy.where(random.random(shape) < 0.9, -0.0, random.integers(-1, 2, shape) * 0.25)
    if kind == "scaled":
        return gaussian * 10.0 ** random.uniform(-4, 3, (ROWS, 1))
    if kind == "tiny":  # means below the least scale
        return gaussian * 1e-6
    if kind == "real axis":  # no number chooses the imaginary one
        a = numpy.abs(gaussian)
        a[: ROWS // 2, COLS // 2:] = a[ROWS // 2:, : COLS // 2] = 0
        a[ROWS // 2:, COLS // 2:] = a[: ROWS // 2, : COLS // 2] / 2
        return a
    return numpy.zeros(shape)


KINDS = ("gaussian", "ties", "zeros", "negative zeros", "scaled", "tiny", "real axis", "all zero")


def run(program, matrices, rule, arithmetic, stages, joint=False, refit=False):
    """For each matrix the scales [stages, 2] and codes [stages, n, m] of U and of W."""
    rows, cols = matrices[0].shape
    command = [program, rule, arithmetic, stages, int(joint), int(refit), rows, cols]
    data = b"".join(a.astype(numpy.float32).tobytes() for a in matrices)
    out = subprocess.run([str(c) for c in command], input=data, check=True, capture_output=True).stdout
    part = numpy.dtype([("scales", numpy.float32, (2, stages)), ("codes", numpy.uint8, (stages, rows // 2, cols // 2))])
    found = numpy.frombuffer(out, numpy.dtype([("u", part), ("w", part)]))
    assert len(found) == len(matrices)
    return [[(f[k]["scales"].T.astype(float), f[k]["codes"]) for k in "uw"] for f in found]


def compare(program, rule, arithmetic, stages, random):
    rounded = ROUND[arithmetic]
    matrices = [rounded(matrix_of(kind, random)) for kind in KINDS for _ in range(4)]
    plain = run(program, matrices, rule, arithmetic, stages)
    joint = run(program, matrices, rule, arithmetic, stages, joint=True) if arithmetic == "f32" else plain
    for i, (a, found, found_jointly) in enumerate(zip(matrices, plain, joint)):
        for (re, im), (scales, codes), (scales_again, codes_jointly) in zip(
                widely_linear(a, rounded), found, found_jointly):
            expected_scales, expected_codes = by_stages(re, im, stages, rule, rounded)
            where = rule, arithmetic, stages, KINDS[i // 4]
            assert (expected_scales == scales).all(), (where, expected_scales, scales)
            assert (expected_codes == codes).all(), (where, (expected_codes != codes).sum())
            if arithmetic == "f32":
                assert (scales_again == scales).all(), where
                assert (jointly(re, im, scales) == codes_jointly).all(), where


def relative_error(found, a):
    error = norm = 0.0
    for (re, im), (scales, codes) in zip(widely_linear(a, to_f32), found):
        target = re + 1j * im
        error += (numpy.abs(target - value(scales, codes)) ** 2).sum()
        norm += (numpy.abs(target) ** 2).sum()
    return (error / norm) ** 0.5


def stationary(found, a):
    """Refitted scales are close to those of least squares for their codes: the turns end before nothing moves."""
    for (re, im), (scales, codes) in zip(widely_linear(a, to_f32), found):
        for axis, target in ((0, re), (1, im)):
            parts = [(AXES[k].real if axis == 0 else AXES[k].imag).ravel() for k in codes]
            best = numpy.linalg.lstsq(numpy.array(parts).T, target.ravel(), rcond=None)[0]
            assert numpy.allclose(best, scales[:, axis], rtol=0.03), (best, scales[:, axis])


def errors(program, random):
    a = random.standard_normal((1024, 1024))
    print("relative error on Gaussian weights: stages, plain, joint, refitted, both")
    for stages, published in zip((1, 2, 3, 4), (0.603, 0.362, 0.242, 0.182)):
        forms = [run(program, [a], "fairy2i", "f32", stages, joint, refit)[0]
                 for refit in (False, True) for joint in (False, True)]
        row = [relative_error(found, a) for found in forms]
        print(stages, *(f"{e:.4f}" for e in row), flush=True)
        assert abs(row[0] - published) <= 0.003, row
        assert row[3] <= row[1] <= row[0] + 1e-6 and row[2] <= row[0] + 1e-6, row
        assert stages == 1 or row[3] < row[0] - 0.001, row
        stationary(forms[3], a)


def main(program):
    random = numpy.random.default_rng(11)
    for stages in (1, 2, 3, 4):
        for arithmetic in ("bf16", "f32"):
            compare(program, "fairy2i", arithmetic, stages, random)
    for arithmetic in ("bf16", "f32"):
        compare(program, "ifairy", arithmetic, 1, random)
    errors(program, random)


if __name__ == "__main__":
    main(sys.argv[1])
