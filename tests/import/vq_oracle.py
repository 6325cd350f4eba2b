#!/usr/bin/env python3
"""Vector quantization with error feedback in numpy, written from GPTQ (arXiv 2210.17323) and GPTVQ (arXiv 2402.15319) with
the inverse of the Hessian, against the converter's, which never inverts it.

usage: vq_oracle.py FIT_VECTORS
"""
import subprocess
import sys

import numpy


def hessian_of(cols, random):
    """What correlated inputs give: directions and columns very unlike, one column always zero."""
    mix = random.standard_normal((cols, cols)) * numpy.exp(random.standard_normal((cols, 1)) / 2)
    mix[random.integers(cols)] = 0
    x = random.standard_normal((4 * cols, cols)) * numpy.exp(-numpy.linspace(0, 4, cols)) @ mix.T
    return x.T @ x


def dampened(h):
    return h / numpy.mean(numpy.diag(h)) + 0.01 * numpy.eye(len(h))


class Fit:
    """A run of the program, with its arrays by name."""

    def __init__(self, program, w, h, length, bits, planes, groups, mode, feedback):
        self.w, self.h, self.length, self.planes = w, dampened(h), length, planes
        rows, cols = w.shape
        self.group = -(-(-(-cols // groups)) // length) * length
        books, positions = -(-cols // self.group), -(-cols // length)
        out = subprocess.run([program, *map(str, (rows, cols, length, bits, planes, groups, mode, int(feedback)))],
                             input=w.astype(numpy.float32).tobytes() + h[numpy.tril_indices(cols)].tobytes(),
                             check=True, capture_output=True).stdout
        shapes = [(numpy.int8, (books, planes, 2 ** bits, length)), (numpy.float32, (planes,)),
                  (numpy.uint16, (planes, rows, positions)), (numpy.float32, (rows, planes)),
                  (numpy.float32, (rows, cols))]
        arrays = []
        for kind, shape in shapes:
            size = int(numpy.prod(shape)) * numpy.dtype(kind).itemsize
            arrays.append(numpy.frombuffer(out[:size], kind).reshape(shape))
            out = out[size:]
        assert not out
        self.codes, self.factors, self.indices, self.scales, self.decoded = arrays

    def entries(self, position, plane):
        """Of a position, in units of the row: [2^bits][columns that there are]."""
        begin = position * self.length
        width = min(self.length, self.w.shape[1] - begin)
        return self.codes[begin // self.group, plane, :, :width].astype(float) * float(self.factors[plane])

    def chosen(self, position):
        return sum(self.entries(position, p)[self.indices[p, :, position]] for p in range(self.planes))

    def loss(self):
        e = self.w.astype(float) - self.decoded
        return numpy.einsum("ij,jk,ik->i", e, self.h, e)

    def check_decoded(self):
        for position in range(self.indices.shape[2]):
            begin = position * self.length
            expected = 0
            for p in range(self.planes):
                codes = self.codes[begin // self.group, p][self.indices[p, :, position]]
                expected = expected + codes * self.scales[:, p:p + 1].astype(float)
            found = self.decoded[:, begin:begin + self.length]
            assert numpy.allclose(expected[:, :found.shape[1]], found, rtol=1e-6, atol=1e-7)

    def check_feedback(self, unit):
        """GPTQ with the inverse Hessian, on the program's own choices: each must be as good as the best there is."""
        u = numpy.linalg.cholesky(numpy.linalg.inv(self.h)).T  # upper: inverse = u' u
        w = self.w.astype(float) / unit
        best_ones = 0
        for position in range(self.indices.shape[2]):
            begin = position * self.length
            end = min(begin + self.length, w.shape[1])
            block = numpy.linalg.inv(u[begin:end, begin:end])
            if self.planes == 1:
                losses = (((w[:, None, begin:end] - self.entries(position, 0)[None]) @ block) ** 2).sum(-1)
                own = losses[numpy.arange(len(w)), self.indices[0, :, position]]
                assert (own <= losses.min(1) * (1 + 1e-4) + 1e-5).all(), position
                best_ones += (losses.argmin(1) == self.indices[0, :, position]).mean()
            error = (w[:, begin:end] - self.chosen(position)) @ block
            w[:, end:] -= error @ u[begin:end, end:]
        if self.planes == 1:
            assert best_ones > 0.995 * self.indices.shape[2], best_ones / self.indices.shape[2]

    def check_scales(self):
        """One factor for all scales of a row, the best by the loss, up to the rounding of f16."""
        q = numpy.concatenate([self.chosen(p) for p in range(self.indices.shape[2])], axis=1)
        product, norm = (self.w @ self.h * q).sum(1), (q @ self.h * q).sum(1)
        expected = (product / norm)[:, None] * self.factors[None].astype(float)
        assert numpy.allclose(expected, self.scales, rtol=2e-3), abs(expected / self.scales - 1).max()


def root_mean_square(w):
    return numpy.sqrt((w.astype(float) ** 2).mean(1, keepdims=True))


def main(program):
    random = numpy.random.default_rng(7)
    ratios = []
    # Columns that are no multiple of the length or of a block of 128, several blocks, rows beyond a run of 64.
    for cols, rows, length, bits, planes, groups in ((96, 80, 4, 6, 1, 1), (301, 70, 4, 8, 1, 1), (290, 33, 6, 7, 1, 3),
                                                     (160, 65, 8, 5, 2, 1), (45, 20, 2, 4, 1, 2)):
        h = hessian_of(cols, random)
        w = random.standard_normal((rows, cols)).astype(numpy.float32) * numpy.float32(0.1)
        plain = Fit(program, w, h, length, bits, planes, groups, 1, False)
        fed = Fit(program, w, h, length, bits, planes, groups, 1, True)
        assert (plain.codes == fed.codes).all()
        for fit in (plain, fed):
            fit.check_decoded()
        fed.check_feedback(root_mean_square(w))
        fed.check_scales()
        ratio = fed.loss().sum() / plain.loss().sum()
        print(f"{rows} x {cols}, length {length}, {planes} x {bits} bits, {groups} groups: loss with feedback {ratio:.3f} of plain")
        ratios.append(ratio)
    assert max(ratios) < 0.97, ratios
    # Round to nearest: four levels of each of two columns.
    h = hessian_of(128, random)
    w = random.standard_normal((64, 128)).astype(numpy.float32)
    grid = Fit(program, w, h, 2, 4, 1, 1, 2, False)
    grid.check_decoded()
    levels = numpy.unique(grid.codes)
    assert len(levels) == 4 and len({*numpy.diff(levels)}) == 1 and levels.sum() == 0, levels
    step = grid.scales * (levels[1] - levels[0])
    expected = (numpy.clip(numpy.floor(w / step), -2, 1) + 0.5) * step
    best = abs(w - grid.decoded) <= abs(w - expected) + 1e-3 * step
    assert best.mean() > 0.97, best.mean()  # the step was fitted once more after the levels were chosen
    error = ((w - grid.decoded) ** 2).mean()
    print(f"round to nearest, 2 bits: squared error {error:.4f} of a Gaussian's 1")
    assert 0.11 < error < 0.125, error  # the best even step leaves 0.1188


if __name__ == "__main__":
    main(sys.argv[1])
