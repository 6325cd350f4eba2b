"""VPTQ: packer, rounding and refusals, from the publisher's format."""
import tempfile

import numpy
from layers import check, check_layer, import_layer, save
from safetensors_file import Bf16, to_bf16, wide

def vptq_rounding(kind):
    """base + residual, * scale, + bias, each rounded to the type of the checkpoint."""
    def to(a):
        return wide(to_bf16(a)) if kind is Bf16 else a.astype(numpy.float32).astype(kind).astype(float)

    def rounded(stages, scale, shift):
        w = to(sum(stages)) if len(stages) > 1 else stages[0]
        return to(to(w * scale) + shift) if shift.any() else w
    return rounded


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
            save(folder, vptq_config(module, config), tensors, module)
            check_layer("VPTQ %s" % case, tool, folder, module, weight, random.normal(size=(3, case["cols"])).astype("<f4"),
                        exactly)
    refused_vptq(tool, random, module)


def refused_vptq(tool, random, module):
    def refused(words, change, **case):
        case = {**dict(rows=32, cols=24, v=8, k=16), **case}
        config, tensors, _ = make_vptq(random, **case)
        change(config, tensors)
        with tempfile.TemporaryDirectory() as folder:
            save(folder, vptq_config(module, config), tensors, module)
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
