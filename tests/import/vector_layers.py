#!/usr/bin/env python3
"""Vector-quantized layers: the importers against decoders and packers written from the publishers' formats.

usage: vector_layers.py IMPORT_LAYER COMPARE_CHECKPOINTS CONVENTIONS

Every layer is imported by import_layer. The .tern file, read by read_tern.py, must hold exactly the publisher's weights,
and the layer run on x must give W x within the rounding of f32. CONVENTIONS holds layers that the publishers' own code has
packed; without that folder only the layers made here are checked. Whole models of each method give the logits of the same
weights stored as floats.
"""
import json
import os
import struct
import subprocess
import sys
import tempfile

import numpy

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "tools"))
import read_tern  # noqa: E402

TYPES = {"F16": "<f2", "F32": "<f4", "I8": "i1", "I16": "<i2", "I32": "<i4", "I64": "<i8", "BF16": "<u2", "U16": "<u2"}
failures = 0


def check(condition, what):
    global failures
    if not condition:
        failures += 1
        print("FAILED:", what)


# ---- safetensors ----

class Bf16(numpy.ndarray):
    """Bits of bfloat16."""


def to_bf16(values):
    bits = numpy.asarray(values, numpy.float32).view(numpy.uint32)
    return ((bits + 0x7fff + (bits >> 16 & 1)) >> 16).astype(numpy.uint16).view(Bf16)


def wide(a):
    """Stored floats as float64."""
    return (a.astype(numpy.uint32) << 16).view(numpy.float32).astype(float) if isinstance(a, Bf16) else a.astype(float)


def read_safetensors(path):
    with open(path, "rb") as file:
        data = file.read()
    size = struct.unpack_from("<Q", data)[0]
    header = json.loads(data[8:8 + size])
    tensors = {}
    for name, t in header.items():
        if name == "__metadata__":
            continue
        begin, end = (8 + size + o for o in t["data_offsets"])
        values = numpy.frombuffer(data[begin:end], TYPES[t["dtype"]]).reshape(t["shape"])
        tensors[name] = values.view(Bf16) if t["dtype"] == "BF16" else values
    return tensors


def write_safetensors(path, tensors):
    names = {"float16": "F16", "float32": "F32", "int8": "I8", "int16": "I16", "int32": "I32", "int64": "I64"}
    header, body = {}, b""
    for name, a in tensors.items():
        kind = "BF16" if isinstance(a, Bf16) else names[a.dtype.name]
        raw = numpy.ascontiguousarray(a).tobytes()
        header[name] = {"dtype": kind, "shape": list(a.shape), "data_offsets": [len(body), len(body) + len(raw)]}
        body += raw
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text + body)


# ---- what the .tern file says ----

def transform(n, matrix):
    """The orthonormal Hadamard transform of n values as a matrix."""
    order = 1 if matrix is None else len(matrix)
    sylvester = numpy.ones((1, 1))
    while len(sylvester) < n // order:
        sylvester = numpy.kron(sylvester, [[1, 1], [1, -1]])
    return numpy.kron(numpy.ones((1, 1)) if matrix is None else matrix, sylvester) / numpy.sqrt(n)


class Layer:
    def __init__(self, path):
        data, self.model = read_tern.load(path)
        tensors = self.model["tensors"]
        self.decode = lambda i: numpy.array(read_tern.decode(data, tensors[i], tensors)).reshape(
            tensors[i]["rows"], tensors[i]["cols"])
        self.linear = [l for l in self.model["linears"] if l["name"] == "blocks.0.ffn.up"][0]
        self.rows, self.cols = self.linear["rows"], self.linear["cols"]
        self.ops = self.model["inputs"][self.linear["input"]]["ops"]

    def input_operations(self):
        """x becomes this times x."""
        total = numpy.eye(self.cols)
        for op in self.ops:
            total = self.operation(op, self.cols, {1: 1, 2: 2, 3: 3}[op["kind"]]) @ total
        return total

    def output_operations(self):
        total = numpy.eye(self.rows)
        for op in self.linear["post"]:
            total = self.operation(op, self.rows, {1: 3, 2: 1}[op["kind"]]) @ total
        return total

    def operation(self, op, n, kind):
        if kind == 1:
            return numpy.diag(self.decode(op["tensor"])[0])
        if kind == 2:
            return numpy.eye(n)[self.decode(op["tensor"])[0].astype(int)]
        check(op["tensor"] in (None, 0xffffffff) and op["block"] == 0, "signs or blocks")
        return transform(n, None if op["matrix"] in (None, 0xffffffff) else self.decode(op["matrix"]))

    def stages(self):
        """[number of the stage][rows, cols]: the terms, later ones over the same columns in a stage of their own."""
        covered, out = {}, []
        for term in self.linear["terms"]:
            if term["kind"] != 1:
                continue
            begin = term["col_begin"]
            stage = covered.get(begin, 0)
            covered[begin] = stage + 1
            while len(out) <= stage:
                out.append(numpy.zeros((self.rows, self.cols)))
            out[stage][:, begin:begin + term["cols"]] = self.decode(term["tensor"])
        return out

    def gathered(self):
        """Of layers that scale and permute: (stages in the input's order, unscaled; the scales)."""
        matrix = self.input_operations()
        columns = abs(matrix).argmax(1)
        scale = numpy.empty(self.cols)
        scale[columns] = matrix[numpy.arange(self.cols), columns]
        stages = []
        for stage in self.stages():
            stages.append(numpy.empty_like(stage))
            stages[-1][:, columns] = stage
        return stages, scale

    def shift(self):
        total = numpy.zeros(self.cols)
        for term in self.linear["terms"]:
            if term["kind"] == 3:
                check((self.decode(term["second"]) == 1).all(), "B of the rank-one term")
                total += self.decode(term["tensor"])[0]
        return total

    def bias(self):
        none = self.linear["bias"] in (None, 0xffffffff)
        return numpy.zeros(self.rows) if none else self.decode(self.linear["bias"])[0]


def import_layer(tool, folder, module, rows, cols, x):
    """(layer, y), or the message of a refusal."""
    with tempfile.TemporaryDirectory() as out:
        path = os.path.join(out, "layer.tern")
        ran = subprocess.run([tool, folder, module, str(rows), str(cols), path], input=x.astype("<f4").tobytes(),
                             capture_output=True)
        if ran.returncode != 0:
            return ran.stderr.decode(), None
        return Layer(path), numpy.frombuffer(ran.stdout, "<f4").reshape(-1, rows)


def check_layer(what, tool, folder, module, weight, x, rounded, size=None):
    """rounded(stages, scale, shift): the publisher's weight, in its arithmetic. size: what is added up to the weights."""
    rows, cols = weight.shape
    layer, y = import_layer(tool, folder, module, rows, cols, x)
    if y is None:
        return check(False, what + ": " + layer)
    (stages, scale), shift = layer.gathered(), layer.shift()
    check((rounded(stages, scale, shift) == weight).all(), what + ": the weights differ")
    exact = sum(stages) * scale + shift
    expected = x @ exact.T + layer.bias()
    # An fma chain a stage over scaled inputs, one for the shift; then a sum of stages, shift and bias.
    if size is None:
        size = sum(abs(s) for s in stages)
    size = abs(x * scale) @ size.T + abs(x) @ abs(shift)[:, None] + abs(layer.bias())
    bound = (cols + len(stages) + 4) * 2.0 ** -24 * size
    check((abs(y - expected) <= bound).all(), what + ": y is off by %g of the bound" % (abs(y - expected) / bound).max())
    check(abs(y - expected).max() > 0, what + ": y cannot be exact")
    return layer


def vptq_rounding(kind):
    """base + residual, * scale, + bias, each rounded to the type of the checkpoint."""
    def to(a):
        return wide(to_bf16(a)) if kind is Bf16 else a.astype(numpy.float32).astype(kind).astype(float)

    def rounded(stages, scale, shift):
        w = to(sum(stages)) if len(stages) > 1 else stages[0]
        return to(to(w * scale) + shift) if shift.any() else w
    return rounded


# ---- VPTQ ----

def pack_bits(merged, bits):
    """[..., n] numbers of `bits` bits: one stream of bits, the lowest first, in 32-bit words."""
    n = merged.shape[-1]
    stream = (merged[..., None].astype(numpy.uint64) >> numpy.arange(bits, dtype=numpy.uint64) & 1).astype(numpy.uint8)
    stream = stream.reshape(merged.shape[:-1] + (n * bits,))
    stream = numpy.concatenate([stream, numpy.zeros(merged.shape[:-1] + (-n * bits % 32,), numpy.uint8)], -1)
    words = stream.reshape(stream.shape[:-1] + (-1, 32)).astype(numpy.uint32)
    return (words << numpy.arange(32, dtype=numpy.uint32)).sum(-1, dtype=numpy.uint32).view(numpy.int32)


def make_vptq(random, rows, cols, v, k, res=0, groups=1, outliers=0, v0=0, k0=0, norm=True, perm=True, packed=True,
              kind=numpy.float16, as_float=False, wide_perm=False):
    """(config, tensors, weight in float64)"""
    store = to_bf16 if kind is Bf16 else lambda a: a.astype(kind)
    size, lanes = (cols - outliers) // groups, -(-rows // v)
    t, stored = {}, numpy.zeros((rows, cols))

    def decode(book, indices, length):  # [lanes, n] of one group
        return wide(book)[indices].transpose(0, 2, 1).reshape(-1, indices.shape[1])[:rows]

    book, index = store(random.normal(size=(groups, k, v))), random.integers(0, k, (groups, lanes, size))
    merged, bits = index, (k - 1).bit_length()
    if res:
        second, residual = store(random.normal(size=(groups, res, v)) / 8), random.integers(0, res, (groups, lanes, size))
        merged = index | residual << bits
        t["res_centroids.weight"] = second.reshape(groups, -1)
    for g in range(groups):
        at = slice(outliers + g * size, outliers + (g + 1) * size)
        stored[:, at] = decode(book[g], index[g], v) + (decode(second[g], residual[g], v) if res else 0)
    t["centroids.weight"] = book.reshape(groups, -1)

    def unpacked(a):
        narrow = a.astype(numpy.uint16).view(numpy.int16)
        return narrow.view(numpy.float16) if as_float else narrow
    if packed:
        t["indices"] = pack_bits(merged, bits + ((res - 1).bit_length() if res else 0))
    else:
        t["indices"] = unpacked(index)
        if res:
            t["res_indices"] = unpacked(residual)
    if outliers:
        book0, index0 = store(random.normal(size=(k0, v0)) * 4), random.integers(0, k0, (-(-rows // v0), outliers))
        stored[:, :outliers] = decode(book0, index0, v0)
        t["outlier_centroids.weight"], t["outlier_indices"] = book0.reshape(1, -1), unpacked(index0)[None]
    order = random.permutation(cols) if perm else numpy.arange(cols)
    weight = numpy.empty((rows, cols))
    weight[:, order] = stored
    if perm:
        t["perm"] = order.astype(numpy.int64) if wide_perm else order.astype(numpy.uint16).view(numpy.int16)
    if norm:
        t["weight_scale"], t["weight_bias"] = store(random.normal(size=cols)), store(random.normal(size=cols))
        weight = weight * wide(t["weight_scale"]) + wide(t["weight_bias"])
    config = dict(in_features=cols, out_features=rows, vector_lens=[v0 or -1, v], num_centroids=[k0 or -1, k],
                  num_res_centroids=[-1, res or -1], group_num=groups, group_size=size, outlier_size=outliers,
                  enable_norm=norm, enable_perm=perm, is_indice_packed=packed, indices_as_float=as_float, bias=False,
                  vector_quant_dim="out")
    return config, t, weight


def save(folder, module, config, tensors):
    with open(os.path.join(folder, "config.json"), "w") as file:
        json.dump(config, file)
    write_safetensors(os.path.join(folder, "model.safetensors"), {module + "." + n: a for n, a in tensors.items()})


def vptq_config(module, layer):
    return {"quantization_config": {"quant_method": "vptq", "config_for_layers": {module: layer}}}


def exactly(stages, scale, shift):
    return sum(stages) * scale + shift


VPTQ = [dict(rows=50, cols=36, v=8, k=256), dict(rows=33, cols=20, v=4, k=16, res=16),
        dict(rows=40, cols=45, v=6, k=4096, groups=3), dict(rows=70, cols=50, v=12, k=64, res=32, groups=2, outliers=6, v0=4, k0=50),
        dict(rows=29, cols=33, v=16, k=1024, norm=False), dict(rows=64, cols=24, v=10, k=2, perm=False),
        dict(rows=30, cols=26, v=8, k=300, packed=False), dict(rows=30, cols=26, v=8, k=65536, res=256, packed=False, as_float=True),
        dict(rows=52, cols=31, v=7, k=128, kind=Bf16, packed=False, wide_perm=True), dict(rows=48, cols=40, v=8, k=65536, res=65536),
        dict(rows=37, cols=23, v=2, k=8, outliers=3, v0=8, k0=4, perm=False)]


def made_vptq(tool):
    random, module = numpy.random.default_rng(5), "model.layers.0.mlp.up_proj"
    for case in VPTQ:
        config, tensors, weight = make_vptq(random, **case)
        with tempfile.TemporaryDirectory() as folder:
            save(folder, module, vptq_config(module, config), tensors)
            check_layer("VPTQ %s" % case, tool, folder, module, weight, random.normal(size=(3, case["cols"])).astype("<f4"),
                        exactly)
    refused_vptq(tool, random, module)


def refused_vptq(tool, random, module):
    def refused(words, change, **case):
        case = {**dict(rows=32, cols=24, v=8, k=16), **case}
        config, tensors, _ = make_vptq(random, **case)
        change(config, tensors)
        with tempfile.TemporaryDirectory() as folder:
            save(folder, module, vptq_config(module, config), tensors)
            message, y = import_layer(tool, folder, module, case["rows"], case["cols"], numpy.zeros((0, case["cols"])))
            check(y is None and all(w in message for w in words), "refused with %s: %s" % (words, message))

    def put(name, value):
        return lambda config, tensors: tensors.__setitem__(name, value(tensors[name]))

    def index_out(a):
        a = a.copy()
        a.flat[5] = 17
        return a

    def padded(a):
        a = a.copy()
        a[0, 0, -1] |= -2147483648
        return a

    def twice(a):
        a = a.copy()
        a[0] = a[1]
        return a
    refused([".indices'", "beyond its codebook of 16"], put("indices", index_out), packed=False)
    refused([".indices'", "padding"], put("indices", padded), cols=23)
    refused([".perm'", "permutation"], put("perm", twice))
    refused([".indices'"], put("indices", lambda a: a[:, :-1]))
    refused([".centroids.weight'"], put("centroids.weight", lambda a: a[:, :-8]))
    refused([".weight_scale'"], lambda c, t: t.pop("weight_scale"))
    refused([".indices'", "I32"], lambda c, t: c.update(is_indice_packed=True), packed=False, k=65536, res=65536)
    refused(["power of two"], lambda c, t: c.update(num_centroids=[-1, 15]))
    refused(["group_size"], lambda c, t: c.update(group_size=20))
    refused(["norm_dim"], lambda c, t: c.update(norm_dim=1))
    refused(["vector_quant_dim"], lambda c, t: c.update(vector_quant_dim="in"))
    refused(["new_field"], lambda c, t: c.update(new_field=1))
    refused(["extra"], lambda c, t: t.update(extra=numpy.zeros(3, numpy.float32)))


# ---- AQLM ----

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
            save(folder, module, config, tensors)
            what = "AQLM %dx%d g%d" % (codebooks, bits, group)
            check_layer(what, tool, folder, module, weight, random.normal(size=(3, cols)).astype("<f4"), near(weight), size)
            for words, name, value in [([".codes'"], "codes", tensors["codes"][:-1]),
                                       ([".codebooks'"], "codebooks", tensors["codebooks"][:, :-1]),
                                       ([".scales'"], "scales", tensors["scales"][:-1]),
                                       ([".codes'", "I8" if bits <= 8 else "I16"], "codes", tensors["codes"].astype(numpy.int32))]:
                save(folder, module, config, {**tensors, name: value})
                message, y = import_layer(tool, folder, module, rows, cols, numpy.zeros((0, cols)))
                check(y is None and all(w in message for w in words), "%s: refused with %s: %s" % (what, words, message))


# ---- QuIP# ----

def e8p():
    """[65536, 8]: table of absolute values, signs, shift; every coordinate times 4 is odd."""
    import itertools
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
    import itertools
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
            def write(changed):
                with open(os.path.join(folder, "config.json"), "w") as file:
                    json.dump(config, file)
                write_safetensors(os.path.join(folder, "model.safetensors"), changed)
            write({**tensors, **needed})
            check_quip(what, tool, folder, module, rows, cols, weight, random.normal(size=(3, cols)).astype("<f4"), 1e-6)
            if not needed:
                continue
            for words, change in [(["hadamard.%d" % max(had)], tensors),
                                  (["no Hadamard matrix"], {**tensors, **{n: abs(a) for n, a in needed.items()}}),
                                  ([".Qidxs'"], {**tensors, **needed, module + ".Qidxs": tensors[module + ".Qidxs"][:, :-1]}),
                                  ([".codebook_id'"], {**tensors, **needed, module + ".codebook_id": numpy.array(3)}),
                                  ([".SV'"], {**tensors, **needed, module + ".SV": tensors[module + ".SV"][:-1]})]:
                write(change)
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
        with open(os.path.join(copy, "config.json"), "w") as file:
            json.dump(config, file)
        write_safetensors(os.path.join(copy, "model.safetensors"), tensors)
        layer, y = import_layer(tool, copy, module, rows, cols, x)
        if y is not None:
            unit = expected[module + ".decoded_codes"].astype(float) * stored[module + ".Wscale"].astype(float)
            check((sum(layer.stages()).astype(numpy.float32) == unit.astype(numpy.float32)).all(), what + ": codes")
        check_quip(what, tool, copy, module, rows, cols, weight, x, 2e-6 * abs(weight).max() * 8)
    print(what)


# ---- whole models ----

def llama(random):
    """(config, the tensors that are never quantized, {module: (rows, cols)})"""
    hidden, ffn, heads, kv, vocab = 64, 128, 4, 2, 29
    config = dict(architectures=["LlamaForCausalLM"], model_type="llama", hidden_size=hidden, intermediate_size=ffn,
                  num_hidden_layers=2, num_attention_heads=heads, num_key_value_heads=kv, vocab_size=vocab, hidden_act="silu",
                  max_position_embeddings=64, rms_norm_eps=1e-5, rope_theta=10000.0, tie_word_embeddings=False)

    def norm():
        return (1 + random.normal(size=hidden) / 4).astype(numpy.float32)
    tensors = {"model.embed_tokens.weight": random.normal(size=(vocab, hidden)).astype(numpy.float32),
               "lm_head.weight": random.normal(size=(vocab, hidden)).astype(numpy.float32), "model.norm.weight": norm()}
    modules = {}
    for i in range(2):
        at = "model.layers.%d." % i
        tensors[at + "input_layernorm.weight"], tensors[at + "post_attention_layernorm.weight"] = norm(), norm()
        for name, shape in dict(q=(64, hidden), k=(32, hidden), v=(32, hidden), o=(hidden, 64)).items():
            modules[at + "self_attn.%s_proj" % name] = shape
        for name, shape in dict(gate=(ffn, hidden), up=(ffn, hidden), down=(hidden, ffn)).items():
            modules[at + "mlp.%s_proj" % name] = shape
    return config, tensors, modules


def whole_vptq(random, modules):
    layers, packed, dense = {}, {}, {}
    cases = [dict(v=8, k=256, res=16), dict(v=6, k=64, groups=2, outliers=4, v0=4, k0=16), dict(v=4, k=32, norm=False)]
    for i, (module, (rows, cols)) in enumerate(modules.items()):
        if i % 5 == 4:  # not in the config: dense
            packed[module + ".weight"] = dense[module + ".weight"] = random.normal(size=(rows, cols)).astype(numpy.float32) / 8
            continue
        layers[module], tensors, weight = make_vptq(random, rows, cols, **cases[i % 3])
        packed.update({module + "." + n: a for n, a in tensors.items()})
        dense[module + ".weight"] = weight.astype(numpy.float32)
    return {"quantization_config": {"quant_method": "vptq", "config_for_layers": layers}}, packed, dense


def whole_aqlm(random, modules):
    packed, dense = {}, {}
    for module, (rows, cols) in modules.items():
        config, tensors = make_aqlm(random, rows, cols, 2, 8, 8)
        packed.update({module + "." + n: a for n, a in tensors.items()})
        dense[module + ".weight"] = decode_aqlm(tensors)[0].astype(numpy.float32)
    return config, packed, dense


def whole_quip(random, modules):
    book, packed, dense = e8p(), {}, {}
    fused = {"q_proj": ("qkv_proj", ["q_proj", "k_proj", "v_proj"]), "up_proj": ("upgate_proj", ["up_proj", "gate_proj"])}
    for module, (rows, cols) in modules.items():
        at, name = module.rsplit(".", 1)
        if name in ("k_proj", "v_proj", "gate_proj"):
            continue
        whole, parts = fused.get(name, (name, [name]))
        heights = [modules[at + "." + part][0] for part in parts]
        codes = random.integers(0, 65536, (sum(heights), cols // 8))
        t = dict(Qidxs=pack_e8p(codes), SU=random.choice([-1, 1], cols).astype(numpy.float16),
                 SV=random.normal(size=sum(heights)).astype(numpy.float16), Wscale=numpy.array(0.1, numpy.float32),
                 codebook_id=numpy.array(7))
        scales = numpy.ones(len(parts), numpy.float32)
        if len(parts) > 1:
            t["fuse_scales"] = scales = random.normal(size=len(parts)).astype(numpy.float32)
        weight = numpy.diag(numpy.repeat(scales, heights) * t["SV"].astype(float)) @ transform(sum(heights), None) @ (
            float(t["Wscale"]) * book[codes].reshape(-1, cols)) @ transform(cols, None) @ numpy.diag(t["SU"].astype(float))
        packed.update({at + "." + whole + "." + n: a for n, a in t.items()})
        for part, rows in zip(parts, numpy.split(weight, numpy.cumsum(heights)[:-1])):
            dense[at + "." + part + ".weight"] = rows.astype(numpy.float32)
    return {"quip_params": dict(codebook="E8P12", codebook_version=1, codesz=8, idx_dtype="torch.int64", packsz=4,
                                lora_rank=0, rescale_WH=False, resid_scale_override=-1)}, packed, dense


def whole_models(compare):
    for make in (whole_vptq, whole_aqlm, whole_quip):
        random = numpy.random.default_rng(13)
        config, rest, modules = llama(random)
        method, packed, dense = make(random, modules)
        with tempfile.TemporaryDirectory() as folder:
            paths = [os.path.join(folder, name) for name in ("packed", "dense")]
            for path, added, tensors in [(paths[0], method, packed), (paths[1], {}, dense)]:
                os.mkdir(path)
                with open(os.path.join(path, "config.json"), "w") as file:
                    json.dump({**config, **added}, file)
                write_safetensors(os.path.join(path, "model.safetensors"), {**rest, **tensors})
            ran = subprocess.run([compare, *paths, os.path.join(folder, "scratch.tern")], capture_output=True)
            said = (ran.stderr or ran.stdout).decode().strip()
            # Two layers of f32 arithmetic in other orders, as between tern and other implementations.
            check(ran.returncode == 0 and 0 < float(said) < 1e-4, make.__name__ + ": logits differ: " + said)


# ---- the publishers' layers ----

def published(tool, conventions):
    for method in ("vptq", "aqlm", "quip_sharp"):
        folder = os.path.join(conventions, method)
        if not os.path.isdir(folder):
            print("skipped:", folder, "is not there")
            continue
        for variant in sorted(os.listdir(folder)):
            path = os.path.join(folder, variant)
            if method == "quip_sharp":
                published_quip(tool, path, method + "/" + variant)
                continue
            expected, stored = (read_safetensors(os.path.join(path, n + ".safetensors")) for n in ("expected", "model"))
            module = [n for n in expected if n.endswith(".weight")][0][:-len(".weight")]
            weight, x = expected[module + ".weight"].astype(float), expected[module + ".x"]
            kind = Bf16 if any(isinstance(a, Bf16) for a in stored.values()) else numpy.float16
            what = method + "/" + variant
            if method == "vptq":
                check_layer(what, tool, path, module, weight, x, vptq_rounding(kind))
            else:
                decoded, size = decode_aqlm({n[len(module) + 1:]: a for n, a in stored.items()})
                check((decoded.astype(numpy.float32) == weight).all(), what + ": the decoder here differs")
                check_layer(what, tool, path, module, weight, x, near(weight), size)
            print(what)


def main(tool, compare, conventions):
    whole_models(compare)
    made_vptq(tool)
    made_aqlm(tool)
    made_quip(tool)
    published(tool, conventions)
    sys.exit(failures != 0)


if __name__ == "__main__":
    main(*sys.argv[1:])
