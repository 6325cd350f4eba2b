#!/usr/bin/env python3
"""Measures small models in every encoding and as converted, and writes the tables of docs/quality.md.

usage: scripts/quality-table.py TERN DATA [--limit TOKENS] [--only TABLE] [-o docs/quality.md]

TERN is the built command; DATA is a folder with models/, data/models/ and data/text/. What stands in the page between
the lines <!-- NAME --> and <!-- end --> is replaced. A row whose option this converter lacks is left out, with a
message.
"""
import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

STORIES3M_TOKENIZER = "data/models/stories3M/tok4096.bin"
F32 = ["--weights", "f32", "--head", "f32", "--embed", "f32", "--act", "f32"]
F32_CACHE = ["-ctk", "f32", "-ctv", "f32"]
TEXTS = [("TinyStories", "data/text/tinystories-valid-part1.txt"), ("WikiText-2", "data/text/wikitext2-test.raw")]
CALIBRATION = ["--calibrate", "{data}/models/validation.txt", "--calibrate-limit", "16384"]

# The first table: what each encoding loses against f32. Checkpoint, tokenizer if it does not lie beside it.
BASES = [("data/models/stories3M/hf", STORIES3M_TOKENIZER), ("models/stories5M", None)]
ENCODINGS = [
    ("int8", ["--weights", "int8"]),
    ("int4", ["--weights", "int4"]),
    *((f"PTQTP, K={k}", ["--weights", "ptqtp", "--planes", str(k)]) for k in (1, 2, 3)),
    *((f"PTQTP, K={k}, calibrated", ["--weights", "ptqtp", "--planes", str(k), *CALIBRATION]) for k in (1, 2, 3)),
    ("ternary by absmean", ["--weights", "trit"]),
]
# Trained to be ternary; compared with the model that they were trained from. Checkpoint, base, forms.
TRAINED = [("models/stories5M-ternary", "models/stories5M",
            [("ternary by training", []), ("the same, 1.6 bits", ["--pack", "1.6"])])]

# The table of vectors: beside them what else fits in about two bits. Rows: name, options of convert.
VQ = ["--weights", "vq"]
RTN = [*VQ, "--kmeans-mode", "none", "--length", "2", "--index-bits", "4"]
RESIDUAL = [*VQ, "--length", "8", "--codebooks", "2"]
FEEDBACK = ["--feedback", *CALIBRATION]
VECTORS = [
    ("round to nearest", RTN),
    ("round to nearest, feedback (GPTQ)", [*RTN, *FEEDBACK]),
    ("PTQTP, K=1", ["--weights", "ptqtp", "--planes", "1"]),
    ("PTQTP, K=1, calibrated", ["--weights", "ptqtp", "--planes", "1", *CALIBRATION]),
    ("Fairy2i, T=2, joint, refitted, by row", ["--weights", "fairy2i:2", "--fairy2i-joint", "--fairy2i-refit",
                                               "--fairy2i-scales", "row"]),
    ("vectors of 4, plain", VQ),
    ("vectors of 4, weighted", [*VQ, *CALIBRATION]),
    ("vectors of 4, plain, feedback", [*VQ, "--kmeans-mode", "plain", *FEEDBACK]),
    ("vectors of 4, weighted, feedback", [*VQ, *FEEDBACK]),
    ("two column groups, weighted, feedback", [*VQ, "--group-num", "2", *FEEDBACK]),
    ("3 % outliers, weighted, feedback", [*VQ, "--outliers", "3", *FEEDBACK]),
    ("vectors of 8, residual, plain", RESIDUAL),
    ("vectors of 8, residual, weighted", [*RESIDUAL, *CALIBRATION]),
    ("vectors of 8, residual, weighted, feedback", [*RESIDUAL, *FEEDBACK]),
    ("VPTQ, vectors of 4 rows, weighted", ["--weights", "vptq", *CALIBRATION]),
    ("VPTQ, vectors of 4 rows, weighted, feedback", ["--weights", "vptq", *FEEDBACK]),
    ("the same, 3 % outliers", ["--weights", "vptq", "--outliers", "3", *FEEDBACK]),
    ("without outliers, int8 codebooks", ["--weights", "vptq", "--int8-codebooks", *FEEDBACK]),
]

# The second table: head and embedding alone, everything else in f32.
HEADS = ["f16", "int8", "int6", "int4"]

# The table of phases: what training and what fitting give, bits and speed. Rows: name, checkpoint, options of convert and
# of the runs, stages that run of those stored.
FITTED = ["--fairy2i-joint", "--fairy2i-refit"]
STAGES = range(1, 5)
FAIRY2I_BASE = "models/stories5M"
TRAINED_PHASES = ("models/stories5M-fairy2i", ["--fairy2i-variant", "v2"])
PHASES = [
    ("full precision", FAIRY2I_BASE, F32, [], 1),
    ("int4", FAIRY2I_BASE, ["--weights", "int4"], [], 1),
    *((f"PTQTP, K={k}", FAIRY2I_BASE, ["--weights", "ptqtp", "--planes", str(k)], [], 1) for k in (1, 2)),
    ("ternary by training", "models/stories5M-ternary", [], [], 1),
    ("Fairy2i by training, T=2", *TRAINED_PHASES, [], 1),
    ("the same, f32 activations", *TRAINED_PHASES, ["--act", "f32"], 1),
    ("the same, first stage alone", *TRAINED_PHASES, ["--stages", "1"], 1 / 2),
    *((f"Fairy2i, T={t}", FAIRY2I_BASE, ["--weights", f"fairy2i:{t}"], [], 1) for t in STAGES),
    *((f"Fairy2i, T={t}, joint, refitted", FAIRY2I_BASE, ["--weights", f"fairy2i:{t}", *FITTED], [], 1) for t in STAGES),
    *((f"Fairy2i, T=2, scales by {region}", FAIRY2I_BASE, ["--weights", "fairy2i:2", "--fairy2i-scales", region], [], 1)
      for region in ("row", "tile")),
    *((f"Fairy2i, T={t}, joint, refitted, by row", FAIRY2I_BASE,
       ["--weights", f"fairy2i:{t}", *FITTED, "--fairy2i-scales", "row"], [], 1) for t in STAGES),
    ("T=4 of these, first 2 stages alone", FAIRY2I_BASE, ["--weights", "fairy2i:4", *FITTED, "--fairy2i-scales", "row"],
     ["--stages", "2"], 2 / 4),
]

# The third table: perplexity of every checkpoint, in f32 and by the converter's own choices.
CHECKPOINTS = [
    ("models/stories5M", None),
    ("models/stories5M-ternary", None),
    ("data/models/bitnet3M/hf", "data/models/stories260K/tok512.model"),
    ("data/models/stories3M/hf", STORIES3M_TOKENIZER),
    ("data/models/stories3M/stories3M-q80.bin", STORIES3M_TOKENIZER),
    ("data/models/stories260K/stories260K.bin", "data/models/stories260K/tok512.model"),
]
FORMS = [("f32", F32, F32_CACHE), ("auto", [], [])]
TABLES = ("encodings", "fairy2i", "vectors", "heads", "checkpoints")


class UnknownOption(Exception):
    pass


def run(*command):
    done = subprocess.run([str(c) for c in command], capture_output=True, text=True)
    if done.returncode == 2:
        raise UnknownOption(done.stderr.strip())
    if done.returncode:
        raise SystemExit(f"{' '.join(map(str, command))}\n{done.stderr}")
    return done.stdout


def short(model):
    return model.split("/", 2 if model.startswith("data") else 1)[-1]


def row(*cells):
    return "| " + " | ".join(map(str, cells)) + " |"


class Measure:
    def __init__(self, tern, data, folder, limit):
        self.tern, self.data, self.folder, self.limit = tern, data, folder, limit

    def convert(self, model, tokenizer, options, name):
        packed = self.folder / f"{name}.tern"
        extra = ["--tokenizer", self.data / tokenizer] if tokenizer else []
        options = [option.format(data=self.data) for option in options]
        run(self.tern, "convert", self.data / model, "-o", packed, "--force", "-q", *options, *extra)
        return packed

    def evaluate(self, verb, packed, text, *options, limit):
        return json.loads(run(self.tern, "eval", verb, "-m", packed, "-f", self.data / text, "-c", 256, "-o", "json",
                              "--limit", limit, *options))

    def encoding_row(self, model, name, packed, base):
        facts = json.loads(run(self.tern, "inspect", packed, "--json"))
        rounding = [op for inputs in facts["inputs"] for op in inputs["operations"] if op["kind"] == "quantize"]
        against = self.evaluate("kl", packed, TEXTS[0][1], "--base", base, *F32_CACHE, limit=self.limit)
        return row(short(model), name, f"{facts['bits_per_weight_blocks']:.3f}", f"{facts['bits_per_weight_all']:.3f}",
                   "int8" if rounding else "f32", f"{facts['file_bytes']:,}",
                   f"{against['perplexity']:.3f} ± {against['perplexity_error']:.3f}",
                   f"{against['mean_kl']:.6f} ± {against['mean_kl_error']:.6f}",
                   f"{100 * against['same_top']:.2f} ± {100 * against['same_top_error']:.2f}")

    @staticmethod
    def encoding_header():
        yield row("model", "weights", "bits, blocks", "bits, all", "act", "bytes", "perplexity", "KL, nats",
                  "same top, %")
        yield "|---|---|--:|--:|---|--:|--:|--:|--:|"

    def encodings(self):
        yield from self.encoding_header()
        for model, tokenizer in BASES:
            base = self.convert(model, tokenizer, F32, "base")
            yield self.encoding_row(model, "f32", base, base)
            yield from self.forms(model, tokenizer, ENCODINGS, base)
            for trained, origin, forms in TRAINED:
                if origin == model:
                    yield from self.forms(trained, None, forms, base)

    def forms(self, model, tokenizer, forms, base):
        for name, options in forms:
            try:
                packed = self.convert(model, tokenizer, options, "packed")
            except UnknownOption as error:
                print(f"{short(model)}, {name}: left out: {error}", file=sys.stderr)
                continue
            yield self.encoding_row(model, name, packed, base)

    def vectors(self):
        yield from self.encoding_header()
        for model, tokenizer in BASES:
            base = self.convert(model, tokenizer, F32, "base")
            yield self.encoding_row(model, "f32", base, base)
            yield from self.forms(model, tokenizer, VECTORS, base)

    def heads(self):
        yield row("model", "head and embedding", "their bits", "bytes", *(name for name, _ in TEXTS))
        yield "|---|---|--:|--:|" + "--:|" * len(TEXTS)
        for model, tokenizer in reversed(BASES):
            for form in HEADS:
                packed = self.convert(model, tokenizer, ["--weights", "f32", "--head", form, "--embed", form], "packed")
                tables = [t for t in json.loads(run(self.tern, "inspect", packed, "--json"))["tensors"]
                          if t["name"] in ("head", "embed.tokens")]
                bits = 8 * sum(t["codes"]["bytes"] + t["scales"]["bytes"] for t in tables)
                weights = sum(t["rows"] * t["cols"] for t in tables)
                yield row(short(model), form, f"{bits / weights:.2f}", f"{packed.stat().st_size:,}",
                          *self.perplexities(packed, F32_CACHE, self.limit))

    def speed(self, packed, options):
        """Tokens a second that one thread makes, and the weight bytes that a token reads."""
        run_of = json.loads(run(self.tern, "bench", "-m", packed, "-p", 0, "-n", 64, "-t", 1, "-r", 5, "--read-buffer", 16,
                                "-o", "json", *options))[0]
        rate = statistics.median(run_of["samples_ts"])
        return f"{rate:.0f}", f"{1e9 * run_of['gbytes_per_s'] / rate:,.0f}"

    def fairy2i(self):
        yield row("weights", "bits, blocks", "bytes", "bytes a token reads", "tokens/s", "perplexity", "KL, nats",
                  "same top, %")
        yield "|---|--:|--:|--:|--:|--:|--:|--:|"
        base = self.convert(FAIRY2I_BASE, None, F32, "base")
        for name, model, options, run_options, share in PHASES:
            packed = self.convert(model, None, options, "packed")
            bits = json.loads(run(self.tern, "inspect", packed, "--json"))["bits_per_weight_blocks"] * share
            against = self.evaluate("kl", packed, TEXTS[0][1], "--base", base, *F32_CACHE, *run_options, limit=self.limit)
            rate, read = self.speed(packed, run_options)
            yield row(name, f"{bits:.3f}", f"{packed.stat().st_size:,}", read, rate,
                      f"{against['perplexity']:.3f} ± {against['perplexity_error']:.3f}",
                      f"{against['mean_kl']:.4f} ± {against['mean_kl_error']:.4f}",
                      f"{100 * against['same_top']:.2f} ± {100 * against['same_top_error']:.2f}")

    def perplexities(self, packed, cache, limit):
        for _, text in TEXTS:
            result = self.evaluate("perplexity", packed, text, *cache, limit=limit)
            yield f"{result['perplexity']:.3f} ± {result['perplexity_error']:.3f}"

    def checkpoints(self):
        yield row("model", "form", "bytes", *(name for name, _ in TEXTS))
        yield "|---|---|--:|" + "--:|" * len(TEXTS)
        for model, tokenizer in CHECKPOINTS:
            for name, options, cache in FORMS:
                packed = self.convert(model, tokenizer, options, "packed")
                yield row(short(model), name, f"{packed.stat().st_size:,}",
                          *self.perplexities(packed, cache, min(4000, self.limit)))


def fill(page, name, lines):
    begin, end = f"<!-- {name} -->\n", "<!-- end -->"
    head, rest = page.split(begin)
    return head + begin + "\n" + "\n".join(lines) + "\n\n" + rest[rest.index(end):]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("tern", type=Path)
    parser.add_argument("data", type=Path)
    parser.add_argument("--limit", type=int, default=10000, help="tokens of each text at most")
    parser.add_argument("--only", choices=TABLES, help="one table")
    parser.add_argument("-o", type=Path, default=Path(__file__).resolve().parents[1] / "docs/quality.md")
    args = parser.parse_args()
    begin = time.monotonic()
    page = args.o.read_text()
    with tempfile.TemporaryDirectory() as folder:
        measure = Measure(args.tern.resolve(), args.data, Path(folder), args.limit)
        for name in [args.only] if args.only else TABLES:
            lines = []
            for line in getattr(measure, name)():
                print(line, flush=True)
                lines.append(line)
            page = fill(page, name, lines)
    args.o.write_text(page)
    print(f"{args.o}: {time.monotonic() - begin:.0f} s", file=sys.stderr)


if __name__ == "__main__":
    try:
        main()
    except UnknownOption as refused:
        raise SystemExit(refused) from None
