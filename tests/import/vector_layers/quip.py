"""QuIP#: E8P codes, their residual forms and Hadamard transforms, from the publisher's format."""
import itertools
import json
import os
import tempfile

import numpy
from layers import check, import_layer, save, transform
from safetensors_file import read_safetensors

def e8p():
    """[65536, 8]: table of absolute values, signs, shift; every coordinate times 4 is odd."""
    half = [numpy.array(p) / 2 for p in itertools.product((1, 3, 5), repeat=8)]
    table = [p for p in half if (p * p).sum() <= 10]
    norm12 = """31113333 13113333 11313333 11133333 33313311 33313131 33311331 33313113 33311313 33311133 33133311 33133131
        33131331 33133113 33131313 33131133 31333311 31333131 31331331 31333113 31331313 13331133 13333311 13333131 13331331
        13333113 13331313 11331333 33113331"""
    check(len(table) == 227, "227 points of norm up to 10")
    table = numpy.array(table + [numpy.array(list(map(int, word))) / 2 for word in norm12.split()])
    table[table.sum(1) % 2 == 1, 7] *= -1
    code = numpy.arange(65536)
    signs = code & 255
    parity = numpy.array([bin(s).count("1") % 2 for s in range(256)])[signs]
    signs = signs ^ parity
    negative = signs[:, None] >> numpy.array([0, 4, 1, 5, 2, 6, 3, 7]) & 1
    book = numpy.where(negative == 1, -1, 1) * table[code >> 8] + numpy.where(parity == 1, -0.25, 0.25)[:, None]
    check(len({p.tobytes() for p in book}) == 65536 and (book * 4 % 2 == 1).all(), "65536 different points")
    return book


def e8_residual():
    points = [p for values in ((-1, 0, 1), (-0.5, 0.5)) for p in itertools.product(values, repeat=8)
              if sum(x * x for x in p) <= 2 and sum(p) % 2 == 0]
    check(len(points) == 241, "241 points of E8")
    return numpy.array(points + [tuple(2 * s * (i == k) for i in range(8)) for s, n in ((1, 8), (-1, 7)) for k in range(n)])


def pack_e8p(codes):
    """[rows, n] codes as words: patches of 2 x 2, absolute values, then signs by coordinate."""
    rows, n = codes.shape
    words = numpy.zeros((rows // 2, n // 2), numpy.uint64)
    for i, (r, c) in enumerate([(0, 0), (1, 0), (0, 1), (1, 1)]):
        part = codes[r::2, c::2].astype(numpy.uint64)
        words |= (part >> numpy.uint64(8)) << numpy.uint64(8 * i)
        for j in range(8):
            words |= (part >> numpy.uint64(j) & numpy.uint64(1)) << numpy.uint64(32 + 4 * j + i)
    words = words.reshape(rows // 16, 8, n // 8, 4).swapaxes(1, 2)
    return numpy.ascontiguousarray(words).view(numpy.int64).reshape(rows, n // 4)


def paley(order):
    """The first kind, over a prime field: skew, so its transpose is another matrix."""
    q = order - 1
    squares = {x * x % q for x in range(1, q)}
    s = numpy.zeros((order, order))
    s[0, 1:], s[1:, 0] = 1, -1
    for i in range(q):
        for j in range(q):
            s[i + 1, j + 1] = 0 if i == j else 1 if (i - j) % q in squares else -1
    h = s + numpy.eye(order)
    check((h @ h.T == order * numpy.eye(order)).all(), "a Hadamard matrix")
    return h


def check_quip(what, tool, folder, module, rows, cols, weight, x, tolerance):
    layer, y = import_layer(tool, folder, module, rows, cols, x)
    if y is None:
        return check(False, what + ": " + layer)
    before, after = layer.input_operations(), layer.output_operations()
    exact = after @ sum(layer.stages()) @ before
    check((abs(exact - weight) <= tolerance).all(), what + ": weights off by %g" % abs(exact - weight).max())
    # Transforms and scales round each value a few times (a stage, a column of the stored matrix, the factor).
    steps = 2 * 11 + 2 * 172 + cols + 10
    inner = abs(before) @ abs(x).T
    bound = steps * 2.0 ** -24 * (abs(after) @ sum(abs(s) for s in layer.stages()) @ inner).T
    check((abs(y - x @ exact.T) <= bound).all(), what + ": y is off by %g of the bound" % (abs(y - x @ exact.T) / bound).max())
    check(abs(y - x @ exact.T).max() > 0, what + ": y cannot be exact")


def made_quip(tool):
    random, module, book, small = numpy.random.default_rng(11), "model.layers.0.mlp.down_proj", e8p(), e8_residual()
    for rows, cols, kind in [(16, 64, ""), (48, 320, ""), (32, 128, "RVQ4B"), (80, 64, "RVQ3B")]:
        codes = random.integers(0, 65536, (rows, cols // 8))
        unit, words = book[codes].reshape(rows, cols), [pack_e8p(codes)]
        if kind == "RVQ4B":
            codes = random.integers(0, 65536, (rows, cols // 8))
            unit, words = unit + book[codes].reshape(rows, cols) / 3.45, words + [pack_e8p(codes)]
        if kind == "RVQ3B":
            codes = random.integers(0, 256, (rows, cols // 8)).astype(numpy.uint8)
            unit, words = unit + small[codes].reshape(rows, cols) / 2.04, words + [codes.view(numpy.int64)]
        tensors = {module + "." + n: a for n, a in dict(
            Qidxs=numpy.concatenate(words, 1), SU=random.normal(size=cols).astype(numpy.float16),
            SV=random.choice([-1, 1], rows).astype(numpy.float16), Wscale=numpy.float32(0.37).reshape(()),
            codebook_id=numpy.array({"": 7, "RVQ4B": 17, "RVQ3B": 18}[kind], numpy.int64)).items()}
        orders = {n: next((k for k in (20, 12) if n % k == 0 and n // k & n // k - 1 == 0), 1) for n in (rows, cols)}
        had = {k: paley(k) if k > 1 else numpy.ones((1, 1)) for k in orders.values()}
        needed = {"hadamard.%d" % k: had[k].astype(numpy.float16) for k in had if k > 1}
        weight = numpy.diag(tensors[module + ".SV"].astype(float)) @ transform(rows, had[orders[rows]]) @ (
            numpy.float64(numpy.float32(0.37)) * unit) @ transform(cols, had[orders[cols]].T) @ numpy.diag(
                tensors[module + ".SU"].astype(float))
        config = {"quip_params": dict(codebook="E8P12" + kind, codebook_version=1, codesz=8, idx_dtype="torch.int64", packsz=4,
                                      lora_rank=0, rescale_WH=False, resid_scale_override=-1)}
        what = "QuIP# %s %d x %d" % (kind, rows, cols)
        with tempfile.TemporaryDirectory() as folder:
            save(folder, config, {**tensors, **needed})
            check_quip(what, tool, folder, module, rows, cols, weight, random.normal(size=(3, cols)).astype("<f4"), 1e-6)
            if not needed:
                continue
            for words, change in [(["hadamard.%d" % max(had)], tensors),
                                  (["no Hadamard matrix"], {**tensors, **{n: abs(a) for n, a in needed.items()}}),
                                  ([".Qidxs'"], {**tensors, **needed, module + ".Qidxs": tensors[module + ".Qidxs"][:, :-1]}),
                                  ([".codebook_id'"], {**tensors, **needed, module + ".codebook_id": numpy.array(3)}),
                                  ([".SV'"], {**tensors, **needed, module + ".SV": tensors[module + ".SV"][:-1]})]:
                save(folder, config, change)
                message, y = import_layer(tool, folder, module, rows, cols, numpy.zeros((0, cols)))
                check(y is None and all(w in message for w in words), "%s: refused with %s: %s" % (what, words, message))


def recover_signs(order, unit, weight):
    """The Hadamard matrix of a published layer: weight = ... unit H^T, an equation for each row and neighbour."""
    rows, cols = weight.shape
    run = cols // order
    left = unit.reshape(rows, order, run).swapaxes(1, 2).reshape(-1, order)
    right = (weight @ numpy.kron(numpy.eye(order), transform(run, None))).reshape(rows, order, run).swapaxes(1, 2).reshape(-1, order)
    signs = numpy.linalg.lstsq(left, right * numpy.sqrt(order), rcond=None)[0]
    check(abs(abs(signs) - 1).max() < 0.1, "the signs of the published layer")
    return numpy.sign(signs)


def published_quip(tool, folder, what):
    expected, stored = (read_safetensors(os.path.join(folder, n + ".safetensors")) for n in ("expected", "model"))
    module = [n for n in expected if n.endswith(".weight")][0][:-len(".weight")]
    weight, x = expected[module + ".weight"].astype(float), expected[module + ".x"]
    rows, cols = weight.shape
    with open(os.path.join(folder, "config.json")) as file:
        config = json.load(file)
    with tempfile.TemporaryDirectory() as copy:
        tensors = dict(stored)
        if cols & cols - 1:  # the publisher's matrix of order 172
            scale, su, sv = (stored[module + "." + n].astype(float) for n in ("Wscale", "SU", "SV"))
            unit = scale * expected[module + ".decoded_codes"].astype(float)
            message, y = import_layer(tool, folder, module, rows, cols, x)
            check(y is None and "hadamard.172" in message, what + ": refused without the matrix: " + str(message))
            signs = recover_signs(172, unit, transform(rows, None) @ (weight / su / sv[:, None]))
            tensors["hadamard.172"] = signs.T.astype(numpy.float16)  # the input meets the transpose
        save(copy, config, tensors)
        layer, y = import_layer(tool, copy, module, rows, cols, x)
        if y is not None:
            unit = expected[module + ".decoded_codes"].astype(float) * stored[module + ".Wscale"].astype(float)
            check((sum(layer.stages()).astype(numpy.float32) == unit.astype(numpy.float32)).all(), what + ": codes")
        check_quip(what, tool, copy, module, rows, cols, weight, x, 2e-6 * abs(weight).max() * 8)
    print(what)
