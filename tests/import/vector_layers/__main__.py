"""Vector-quantized layers: the importers against decoders and packers written from the publishers' formats.

usage: vector_layers IMPORT_LAYER COMPARE_CHECKPOINTS CONVENTIONS

Every layer is imported by import_layer. The .tern file, read by read_tern.py, must hold exactly the publisher's weights,
and the layer run on x must give W x within the rounding of f32. CONVENTIONS holds layers that the publishers' own code has
packed; without that folder only the layers made here are checked. Whole models of each method give the logits of the same
weights stored as floats.
"""
import os
import sys

import numpy
from aqlm import decode_aqlm, made_aqlm, near
from layers import check, check_layer, failures
from models import whole_models
from quip import made_quip, published_quip
from safetensors_file import Bf16, read_safetensors
from vptq import made_vptq, vptq_rounding

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
    sys.exit(bool(failures))


if __name__ == "__main__":
    main(*sys.argv[1:])
