"""A layer as tern imports it: what its .tern file says, and the checks of all methods."""
import json
import os
import subprocess
import sys
import tempfile

import numpy

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "tools"))
import read_tern  # noqa: E402
from safetensors_file import write_safetensors  # noqa: E402

failures = []


def check(condition, what):
    if not condition:
        failures.append(what)
        print("FAILED:", what)


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


def save(folder, config, tensors, module=""):
    """A checkpoint; tensors of a module by their names in it."""
    os.makedirs(folder, exist_ok=True)
    with open(os.path.join(folder, "config.json"), "w") as file:
        json.dump(config, file)
    at = module + "." if module else ""
    write_safetensors(os.path.join(folder, "model.safetensors"), {at + n: a for n, a in tensors.items()})


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
