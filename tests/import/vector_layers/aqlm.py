"""AQLM: packer, decoder and refusals, from the publisher's format."""
import tempfile

import numpy
from layers import check, check_layer, import_layer, save

def make_aqlm(random, rows, cols, codebooks, bits, group):
    books = random.normal(size=(codebooks, 2 ** bits, 1, group)).astype(numpy.float16)
    index = random.integers(0, 2 ** bits, (rows, cols // group, codebooks))
    scales = random.normal(size=rows).astype(numpy.float16)
    narrow = numpy.int8 if bits <= 8 else numpy.int16
    codes = numpy.where(index >= 2 ** (bits - 1), index - 2 ** bits, index).astype(narrow)
    config = {"quantization_config": dict(quant_method="aqlm", in_group_size=group, out_group_size=1, num_codebooks=codebooks,
                                          nbits_per_codebook=bits, linear_weights_not_to_quantize=["lm_head.weight"])}
    return config, dict(codes=codes, codebooks=books, scales=scales.reshape(rows, 1, 1, 1))


def decode_aqlm(tensors):
    """(weight, sum of the codebooks' magnitudes) in float64"""
    codes, books = tensors["codes"].astype(int), tensors["codebooks"].astype(float)
    codes = numpy.where(codes < 0, codes + books.shape[1], codes)
    parts = [books[m, :, 0][codes[:, :, m]].reshape(len(codes), -1) for m in range(len(books))]
    scales = tensors["scales"].astype(float).reshape(-1, 1)
    return sum(parts) * scales, sum(abs(p) for p in parts) * abs(scales)


def near(weight):
    """The reader rounds each product of scale and entry to f32; the publisher's sums come first."""
    def rounded(stages, scale, shift):
        return numpy.where(abs(stages[0] - weight) <= 2.0 ** -22 * abs(weight).max(), weight, numpy.nan)
    return rounded


def made_aqlm(tool):
    random, module = numpy.random.default_rng(7), "model.layers.0.mlp.up_proj"
    for rows, cols, codebooks, bits, group in [(40, 48, 1, 16, 8), (33, 40, 2, 8, 8), (70, 24, 8, 8, 8), (21, 64, 1, 8, 16),
                                               (19, 36, 3, 5, 4), (25, 16, 1, 12, 8)]:
        config, tensors = make_aqlm(random, rows, cols, codebooks, bits, group)
        weight, size = decode_aqlm(tensors)
        with tempfile.TemporaryDirectory() as folder:
            save(folder, config, tensors, module)
            what = "AQLM %dx%d g%d" % (codebooks, bits, group)
            check_layer(what, tool, folder, module, weight, random.normal(size=(3, cols)).astype("<f4"), near(weight), size)
            for words, name, value in [([".codes'"], "codes", tensors["codes"][:-1]),
                                       ([".codebooks'"], "codebooks", tensors["codebooks"][:, :-1]),
                                       ([".scales'"], "scales", tensors["scales"][:-1]),
                                       ([".codes'", "I8" if bits <= 8 else "I16"], "codes", tensors["codes"].astype(numpy.int32))]:
                save(folder, config, {**tensors, name: value}, module)
                message, y = import_layer(tool, folder, module, rows, cols, numpy.zeros((0, cols)))
                check(y is None and all(w in message for w in words), "%s: refused with %s: %s" % (what, words, message))
