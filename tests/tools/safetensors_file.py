"""Safetensors files in numpy, bfloat16 as its bits."""
import json
import struct

import numpy

TYPES = {"F16": "<f2", "F32": "<f4", "I8": "i1", "I16": "<i2", "I32": "<i4", "I64": "<i8", "BF16": "<u2", "U16": "<u2"}


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
