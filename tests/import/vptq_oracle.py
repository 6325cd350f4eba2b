#!/usr/bin/env python3
"""VPTQ's channel-independent second-order assignment in numpy, from ../shared/methods/vptq.md, steps 3 to 9, with the inverse
of the scaled and permuted Hessian, against the converter's, which never inverts it.

usage: vptq_oracle.py FIT_VPTQ
"""
import subprocess
import sys

import numpy

from vq_oracle import dampened, hessian_of

OUTLIER_LENGTH, OUTLIER_BITS = 3, 5


class Stage:
    def __init__(self, out, rows, length, bits, begin, cols, groups):
        self.length, self.begin, self.cols, self.group = length, begin, cols, cols // groups
        self.codebook = take(out, numpy.float32, (groups, 2 ** bits, length)).astype(float)
        self.indices = take(out, numpy.uint16, (-(-rows // length), cols))

    def serves(self, s):
        return self.begin <= s < self.begin + self.cols

    def book(self, s):
        return self.codebook[(s - self.begin) // self.group]

    def column(self, s, rows):
        return self.book(s)[self.indices[:, s - self.begin]].reshape(-1)[:rows]


def take(out, kind, shape):
    size = int(numpy.prod(shape)) * numpy.dtype(kind).itemsize
    values = numpy.frombuffer(bytes(out[:size]), kind).reshape(shape)
    del out[:size]
    return values


class Fit:
    def __init__(self, program, w, h, length, bits, residual, groups, percent, feedback, int8=False):
        self.w, self.h, self.feedback, self.int8 = w.astype(float), h, feedback, int8
        self.rows, self.cols = w.shape
        outliers = -(-self.cols * percent // 100)
        while (self.cols - outliers) % groups:
            outliers += 1
        arguments = (*w.shape, length, bits, int(residual), groups, percent, int(feedback), int(int8))
        out = bytearray(subprocess.run(
            [program, *map(str, arguments)], check=True, capture_output=True,
            input=w.astype(numpy.float32).tobytes() + h[numpy.tril_indices(self.cols)].tobytes()).stdout)
        self.factors, self.offsets = (take(out, numpy.float32, self.cols).astype(float) for _ in range(2))
        self.order = take(out, numpy.uint32, self.cols)
        main = (length, bits, outliers, self.cols - outliers, groups)
        self.stages = [Stage(out, self.rows, *main) for _ in range(2 if residual else 1)]
        if outliers:
            self.stages.append(Stage(out, self.rows, OUTLIER_LENGTH, OUTLIER_BITS, 0, outliers, 1))
        assert not out
        self.outliers = outliers

    def column(self, s):
        return sum(stage.column(s, self.rows) for stage in self.stages if stage.serves(s))

    def decoded(self):
        q = numpy.stack([self.column(s) for s in range(self.cols)], axis=1)
        w = numpy.empty_like(self.w)
        w[:, self.order] = q * self.factors[self.order] + self.offsets[self.order]
        return w

    def loss(self):
        e = self.w - self.decoded()
        return numpy.einsum("ij,jk,ik->", e, dampened(self.h), e)

    def check_normalization(self):
        low, high = self.w.min(0), self.w.max(0)
        assert (self.offsets == ((low + high) / 2 if self.int8 else low).astype(numpy.float32).astype(numpy.float16)).all()
        assert (self.factors == (high - low).astype(numpy.float32).astype(numpy.float16)).all()
        diagonal = numpy.diag(self.h)[self.order]
        assert (diagonal[:-1] >= diagonal[1:]).all()

    def check_codebooks(self):
        for stage in self.stages:
            codes = stage.codebook / (numpy.abs(stage.codebook).max() / 127)
            assert not self.int8 or (abs(codes - codes.round()) < 1e-4).all()
            assert self.int8 or (stage.codebook == stage.codebook.astype(numpy.float16)).all()

    def check_assignment(self):
        """Column after column, all vectors at once, on the program's own choices: each the nearest of its codebook."""
        order, s = self.order, self.factors[self.order]
        x = (self.w[:, order] - self.offsets[order]) / s
        h = dampened(self.h)[numpy.ix_(order, order)] * s[:, None] * s[None]
        u = numpy.linalg.cholesky(numpy.linalg.inv(h)).T
        exact = count = 0
        for k in range(self.cols):
            left = x[:, k].copy()
            for stage in self.stages:
                if not stage.serves(k):
                    continue
                padding = -self.rows % stage.length
                bands = numpy.pad(left, (0, padding)).reshape(-1, stage.length)
                counts = numpy.pad(numpy.ones(self.rows), (0, padding)).reshape(-1, stage.length)
                distances = ((bands[:, None] - stage.book(k)[None]) ** 2 * counts[:, None]).sum(-1)
                chosen = stage.indices[:, k - stage.begin]
                own = distances[numpy.arange(len(bands)), chosen]
                assert (own <= distances.min(1) + 1e-4).all(), (k, (own - distances.min(1)).max())
                exact += (distances.argmin(1) == chosen).sum()
                count += len(bands)
                left -= stage.column(k, self.rows)
            if self.feedback:
                x[:, k + 1:] -= numpy.outer(left / u[k, k], u[k, k + 1:])
        assert exact > 0.99 * count, exact / count


def main(program):
    random = numpy.random.default_rng(11)
    # Rows that are no multiple of the lengths, several runs of rows, columns beyond a block of 128.
    for rows, cols, length, bits, residual, groups, percent in (
            (200, 96, 4, 6, False, 1, 0), (130, 150, 6, 7, True, 1, 0), (75, 140, 4, 5, True, 3, 4),
            (67, 64, 8, 4, False, 2, 0)):
        h = hessian_of(cols, random)
        w = random.standard_normal((rows, cols)).astype(numpy.float32) * numpy.exp(random.standard_normal(cols) / 2)
        w = w.astype(numpy.float32)
        plain, fed = (Fit(program, w, h, length, bits, residual, groups, percent, f) for f in (False, True))
        rounded = Fit(program, w, h, length, bits, residual, groups, percent, True, int8=True)
        for fit in (plain, fed, rounded):
            fit.check_normalization()
            fit.check_codebooks()
            fit.check_assignment()
        assert (fed.outliers > 0) == (percent > 0)
        ratio = fed.loss() / plain.loss()
        print(f"{rows} x {cols}, length {length}, {bits} bits{', residual' if residual else ''}, {groups} groups, "
              f"{percent} % outliers: loss with feedback {ratio:.3f} of plain")
        assert ratio < 0.9, ratio
        assert rounded.loss() < 1.1 * fed.loss(), rounded.loss() / fed.loss()


if __name__ == "__main__":
    main(sys.argv[1])
