#!/usr/bin/env python3
"""Perplexity of small models in f32 and as converted, on TinyStories and WikiText-2: the table of docs/quality.md.

usage: scripts/quality-table.py TERN DATA [--limit TOKENS] [--heads]

TERN is the built command; DATA is a folder with models/, data/models/ and data/text/. Every model is converted
twice: weights, head and activations in f32, and with the converter's own choices (`auto`).
"""
import argparse
import json
import subprocess
import tempfile
from pathlib import Path

MODELS = [  # checkpoint, tokenizer if it does not lie beside it
    ("models/stories5M", None),
    ("models/stories5M-ternary", None),
    ("data/models/bitnet3M/hf", "data/models/stories260K/tok512.model"),
    ("data/models/stories3M/hf", "data/models/stories3M/tok4096.bin"),
    ("data/models/stories3M/stories3M-q80.bin", "data/models/stories3M/tok4096.bin"),
    ("data/models/stories260K/stories260K.bin", "data/models/stories260K/tok512.model"),
]
TEXTS = [("TinyStories", "data/text/tinystories-valid-part1.txt"), ("WikiText-2", "data/text/wikitext2-test.raw")]
FORMS = [
    ("f32", ["--weights", "f32", "--head", "f32", "--embed", "f32", "--act", "f32"], ["-ctk", "f32", "-ctv", "f32"]),
    ("auto", [], []),
]
# Head and embedding alone, everything else in f32: the table of docs/methods.md.
TABLE_MODELS = [model for model in MODELS if model[0] in ("models/stories5M", "data/models/stories3M/hf")]
TABLE_FORMS = [(f"head and embedding {word}", ["--weights", "f32", "--head", word, "--embed", word],
                ["-ctk", "f32", "-ctv", "f32"]) for word in ("f32", "f16", "int8", "int6", "int4")]


def run(*command):
    done = subprocess.run([str(c) for c in command], capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"{' '.join(map(str, command))}\n{done.stderr}")
    return done.stdout


def measure(tern, data, model, tokenizer, form, limit, folder):
    name, convert, evaluate = form
    packed = folder / "model.tern"
    extra = ["--tokenizer", data / tokenizer] if tokenizer else []
    run(tern, "convert", data / model, "-o", packed, "--force", "-q", *convert, *extra)
    cells = [model.split("/", 2 if model.startswith("data") else 1)[-1], name, f"{packed.stat().st_size / 1e6:.2f} MB"]
    for _, text in TEXTS:
        result = json.loads(run(tern, "eval", "perplexity", "-m", packed, "-f", data / text, "-c", 256, "-o", "json",
                                "--limit", limit, *evaluate))
        cells.append(f"{result['perplexity']:.3f} ± {result['perplexity_error']:.3f}")
    return cells


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("tern", type=Path)
    parser.add_argument("data", type=Path)
    parser.add_argument("--limit", type=int, default=50000, help="tokens of each text (0: all)")
    parser.add_argument("--heads", action="store_true", help="head and embedding in f16, int8, int6 and int4 instead")
    args = parser.parse_args()
    print("| model | form | file | " + " | ".join(name for name, _ in TEXTS) + " |")
    print("|---|---|---|" + "---|" * len(TEXTS))
    with tempfile.TemporaryDirectory() as folder:
        for model, tokenizer in TABLE_MODELS if args.heads else MODELS:
            for form in TABLE_FORMS if args.heads else FORMS:
                cells = measure(args.tern, args.data, model, tokenizer, form, args.limit, Path(folder))
                print("| " + " | ".join(cells) + " |", flush=True)


if __name__ == "__main__":
    main()
