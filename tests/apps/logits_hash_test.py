#!/usr/bin/env python3
"""The logits of the bundled demo have the same bits on every ISA, thread count and batch split: `tern run` and the
program logits_hash, possibly on an emulated CPU, print the hash that demo_logits_hash records.

A change that means to move logits (another canonical order of a sum, another rounding) records the new hash there.
"""
import argparse
import os
import pathlib
import re
import subprocess
import sys
import tempfile

IDS = [1, 361, 363, 261, 348, 1992, 351, 283, 261, 342, 389, 352, 299, 1988, 328, 379, 267, 318, 324, 300]
SKIP = 125  # what run-avx512.sh returns where it cannot run; ctest calls the test skipped


def run(words):
    environment = {name: value for name, value in os.environ.items() if name != "TERN_ISA"}
    result = subprocess.run(list(map(str, words)), capture_output=True, text=True, timeout=900, env=environment)
    if result.returncode != 0:
        print(result.stdout + result.stderr, end="", file=sys.stderr)
        sys.exit(SKIP if result.returncode == SKIP else f"{words[0]} ended with {result.returncode}")
    return result


def split_words(text):
    return [word for word in text.split(";") if word]


def hash_of_run(tern, model, threads, batch):
    prompt = " ".join(map(str, IDS))
    words = [*tern, "run", "-m", model, "--tokens", "-p", prompt, "-n", 1, "--temp", 0, "--isa", "scalar"]
    errors = run([*words, "-t", threads, "-ub", batch, "--logits-hash"]).stderr
    return re.search(r"logits hash: ([0-9a-f]{16})", errors)[1]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--tern", required=True, type=split_words, help="the command, behind its emulator if it needs one")
    parser.add_argument("--program", required=True, help="logits_hash")
    parser.add_argument("--runner", default="", type=split_words, help="words before it; {model} is the file's path")
    parser.add_argument("--isas", required=True, type=split_words)
    parser.add_argument("--source", required=True, type=pathlib.Path)
    options = parser.parse_args()

    expected = (pathlib.Path(__file__).parent / "demo_logits_hash").read_text().strip()
    wrong = []

    def check(what, found):
        if found != expected:
            wrong.append(f"{what}: logits hash {found}, expected {expected}")

    with tempfile.TemporaryDirectory() as folder:
        model = f"{folder}/demo.tern"
        run([*options.tern, "convert", options.source / "demo", "-o", model, "-q"])
        runner = [word.replace("{model}", model) for word in options.runner]
        *kernels, found = run([*runner, options.program, model, ",".join(map(str, IDS)), *options.isas]).stdout.splitlines()
        print("\n".join(kernels))
        check(" ".join(options.isas), found)
        for isa, line in zip(options.isas, kernels, strict=True):
            if not re.search(rf"_{isa}\b", line):
                wrong.append(f"no kernel of {isa} ran: {line}")
        for threads in (1, 2):
            for batch in (512, 1):
                check(f"tern run -t {threads} -ub {batch}", hash_of_run(options.tern, model, threads, batch))
    sys.exit("\n".join(wrong) if wrong else 0)


if __name__ == "__main__":
    main()
