#!/usr/bin/env python3
"""PTQTP in numpy, written from arXiv 2509.16989, against the converter's: the same planes and scales on random groups.

usage: ptqtp_oracle.py FIT_GROUPS
"""
import itertools
import subprocess
import sys

import numpy

COLUMNS = 128


def tuples(planes):
    """All trit tuples, the preferred one first: fewer non-zeros, then 0 before 1 before -1 from the first plane on."""
    order = {0: 0, 1: 1, -1: 2}
    return sorted(itertools.product((0, 1, -1), repeat=planes),
                  key=lambda t: (sum(map(abs, t)), [order[x] for x in t]))


def nearest(w, a):
    """For every weight the tuple with the smallest squared error; argmin keeps the first of equals."""
    choices = numpy.array(tuples(len(a)), dtype=float)
    return choices[numpy.argmin((w[:, None] - (choices @ a)[None, :]) ** 2, axis=1)]


def solve(m, b):
    """By the closed form (the paper's for two planes): equal planes get equal scales, which elimination would not give."""
    if len(b) == 1:
        return b / m[0]
    if len(b) == 2:
        return numpy.array([m[1, 1] * b[0] - m[0, 1] * b[1], m[0, 0] * b[1] - m[0, 1] * b[0]]) / (
            m[0, 0] * m[1, 1] - m[0, 1] ** 2)
    adjugate = [numpy.cross(m[1], m[2]), numpy.cross(m[2], m[0]), numpy.cross(m[0], m[1])]
    return sum(x * column for x, column in zip(b, adjugate)) / (m[0] * adjugate[0]).sum()


def fit_free(w, planes):
    ridge = 1e-8 if planes < 3 else 1e-5 * len(w)
    # All planes sign(w): S'S is len(w) everywhere, so (S'S + ridge I) a = S'w has one value for all scales.
    a = numpy.full(planes, numpy.abs(w).sum() / (planes * len(w) + ridge))
    for _ in range(49):
        trits = nearest(w, a)
        system = trits.T @ trits + ridge * numpy.eye(planes)
        condition = numpy.linalg.norm(system) * numpy.linalg.norm(numpy.linalg.inv(system))
        if condition >= 1e12:
            ridge = min(ridge * (condition / 1e12) ** 0.5, 1.0)
            system = trits.T @ trits + ridge * numpy.eye(planes)
        new = solve(system, trits.T @ w)
        moved, a = numpy.linalg.norm(new - a), new
        if moved < 1e-4 and moved <= 1e-3 * numpy.linalg.norm(a):
            break
    return numpy.abs(a)


def fit_tied(w):
    best = None
    for divisor in numpy.linspace(3.25, 5.25, 65):
        mantissa, exponent = numpy.frexp(numpy.abs(w).max() / divisor)
        s = numpy.ldexp(numpy.round(mantissa * 512), exponent - 9)
        a = numpy.array([3 * s, s])
        error = ((w - nearest(w, a) @ a) ** 2).sum()
        if best is None or error < best[0]:
            best = error, a
    return best[1]


def groups_of(kind, count, random):
    if kind == "gaussian":
        return random.standard_normal((count, COLUMNS)) * 0.02
    if kind == "scaled":  # down to where f16 scales are subnormal
        return random.standard_normal((count, COLUMNS)) * 10.0 ** random.uniform(-4, 1, (count, 1))
    if kind == "grid":  # many equal weights, many zeros: ties
        return random.integers(-4, 5, (count, COLUMNS)) * 2.0 ** random.integers(-6, 2, (count, 1))
    return random.laplace(size=(count, COLUMNS)) * (random.random((count, COLUMNS)) < 0.3)


def compare(program, kind, count, planes, tied, random):
    weights = groups_of(kind, count, random).astype(numpy.float32)
    weights[0] = 0
    out = subprocess.run([program, str(planes), str(int(tied)), str(COLUMNS)], input=weights.tobytes(), check=True,
                         capture_output=True).stdout
    record = numpy.dtype([("scales", numpy.float32, (planes,)), ("trits", numpy.int8, (planes, COLUMNS))])
    found = numpy.frombuffer(out, record)
    assert len(found) == count, len(found)
    error = 0.0
    for w, mine in zip(weights.astype(float), found):
        if not w.any():
            assert not mine["scales"].any() and not mine["trits"].any()
            continue
        a = (fit_tied(w) if tied else fit_free(w, planes)).astype(numpy.float32).astype(numpy.float16).astype(float)
        assert (a == mine["scales"]).all(), (kind, planes, tied, a, mine["scales"])
        expected = nearest(w, a)
        assert (expected.T == mine["trits"]).all(), (kind, planes, tied)
        error += ((w - expected @ a) ** 2).sum() / (w ** 2).sum()
    return (error / (count - 1)) ** 0.5


def main(program):
    random = numpy.random.default_rng(7)
    for planes, tied in ((2, False), (1, False), (3, False), (2, True)):
        for kind in ("gaussian", "scaled", "grid", "sparse"):
            count = 1000 if kind == "gaussian" and planes == 2 and not tied else 100
            error = compare(program, kind, count, planes, tied, random)
            print(f"{kind}, {planes} planes{', tied' if tied else ''}: relative error {error:.4f}")
            if kind == "gaussian" and planes == 2:
                low, high = (0.168, 0.178) if tied else (0.160, 0.170)
                assert low <= error <= high, error


if __name__ == "__main__":
    main(sys.argv[1])
