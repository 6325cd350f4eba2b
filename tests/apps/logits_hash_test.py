#!/usr/bin/env python3
"""Promise 1: the logits of a model have the same bits on every ISA, thread count and batch split, for a sequence alone
or beside another, and so has sampled text with a seed. `tern run` and the program logits_hash, possibly on an emulated
CPU, give what logits_hashes.json records. Models whose files are absent are left out, by name.

A change that means to move logits (another canonical order of a sum, another rounding) records the new values there:
--record prints the table with what was found.
"""
import argparse
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile

PROMPT = 80  # tokens: more than a piece of 64, no multiple of 7, more than two blocks of the KV cache
SKIP = 125  # what run-avx512.sh returns where it cannot run; ctest calls the test skipped
# Splits, threads:feed (see logits_hash.cc). An ISA's word says which it goes through: of the demo, of the other
# packed models, of the f32 model, of the demo at 1.6 bits, whose hash is the demo's. Emulated CPUs, 50 times slower, take
# `few` or `brief` and still see every feed or two.
ALL = ",".join(f"{threads}:{feed}" for feed in ("whole", "1", "7", "64", "join", "mix") for threads in (1, 2))
FEW = "1:whole,2:1,1:7,2:64,1:join"
ONE = "2:7"
WORDS = {"all": (ALL, ALL, ALL, ALL), "few": (FEW, FEW, ONE, ONE), "brief": (ONE, "", "", ONE)}
SAMPLING = ["-n", "32", "--temp", "0.8", "--top-p", "0.9", "--seed", "7"]


def run(words):
    environment = {name: value for name, value in os.environ.items() if name != "TERN_ISA"}
    result = subprocess.run(list(map(str, words)), capture_output=True, text=True, timeout=900, env=environment)
    if result.returncode != 0:
        print(result.stdout + result.stderr, end="", file=sys.stderr)
        sys.exit(SKIP if result.returncode == SKIP else f"{words[0]} ended with {result.returncode}")
    return result


def split_words(text):
    return [word for word in text.split(";") if word]


def tokens_of(path):
    """The first tokens of the story that lies beside a model."""
    text = json.loads(path.read_text())
    if "teacher_forced" in text:
        return text["teacher_forced"]["ids"][:PROMPT]
    return (text["prompt_token_ids"] + text["generated_token_ids"])[:PROMPT]


def convert_models(options, folder, words):
    """Name, file and tokens of every model that is asked for and can be had."""
    for name, model in options.expected.items():
        if not any(splits_of(name, word) for word in words):
            continue
        missing = [f for f in (model["checkpoint"], model["text"]) if not (options.source / f).exists()]
        if missing:
            print(f"{name} left out: {missing[0]} is absent")
            continue
        path = f"{folder}/{name.replace(' ', '-')}.tern"
        run([*options.convert, "convert", options.source / model["checkpoint"], "-o", path, "-q",
             *model.get("convert", [])])
        yield name, path, tokens_of(options.source / model["text"])


def splits_of(name, word):
    return WORDS[word][0 if name == "demo" else 2 if name.endswith("in f32") else 3 if name.endswith("1.6 bits") else 1]


class Check:
    def __init__(self, expected):
        self.expected, self.wrong = expected, []

    def __call__(self, what, name, key, found):
        if self.expected[name].setdefault(key, "") != found:
            self.wrong.append(f"{name}, {what}: {key} {found}, expected {self.expected[name][key]}")
            self.expected[name][key] = found


def check_program(options, models, isas, check):
    jobs = []
    for name, path, tokens in models:
        for isa, word in isas.items():
            if splits := splits_of(name, word):
                jobs.append((name, isa, [path, ",".join(map(str, tokens)), isa, splits]))
    files = [word for _, path, _ in models for word in ("--file", f"{path}={path}")]
    boot = [part for word in options.boot for part in (files if word == "{files}" else [word])]
    words = [word for job in jobs for word in job[2]]
    lines = run([*(boot or options.emulator), options.program, *words]).stdout.splitlines()
    for (name, isa, words), line in zip(jobs, lines, strict=True):
        print(f"{name}: {line}; threads:feed {words[3]}")
        check(f"{isa} {words[3]}", name, "hash", line.split()[1])
        if name.startswith("demo") and not re.search(rf"_{isa}\b", line):
            check.wrong.append(f"{name}: no kernel of {isa} ran: {line}")


def check_command(options, models, isas, check):
    """tern run: the prompt, and the demo's sampled text, decoded and then given as a prompt."""
    for isa, word in isas.items():
        for name, path, tokens in models:
            if not splits_of(name, word):
                continue

            def tern(ids, *words):
                words = ["run", "-m", path, "--tokens", "-p", " ".join(ids), "--isa", isa, "--logits-hash", *words]
                result = run([*options.emulator, options.tern, *words])
                return result.stdout.split(), re.search(r"logits hash: ([0-9a-f]{16})", result.stderr)[1]

            prompt = list(map(str, tokens))
            if word != "brief":
                check(f"tern run, {isa}", name, "hash", tern(prompt, "-n", 1, "-t", 2, "-ub", 64)[1])
            if name != "demo":
                continue
            begin = prompt[:8]
            sampled, decoded = tern(begin, *SAMPLING, "-t", 1)
            check(f"{isa}, 1 thread", name, "sampled", " ".join(sampled))
            check(f"{isa}, decoded", name, "sampled_hash", decoded)
            check(f"{isa}, prefilled", name, "sampled_hash", tern(begin + sampled[:-1], "-n", 1, "-t", 2)[1])


def usable(options):
    """What --isa takes on this CPU, or the emulated one of the command."""
    levels = re.search(r"levels for --isa: (.*)", run([*options.emulator, options.tern, "cpu"]).stdout)[1]
    return levels.split(", ")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--tern", required=True, help="the command")
    parser.add_argument("--program", required=True, help="logits_hash")
    parser.add_argument("--emulator", default="", type=split_words, help="words before both")
    parser.add_argument("--boot", default="", type=split_words,
                        help="words before the program instead; {files} names the models")
    parser.add_argument("--convert", default="", type=split_words, help="the command for conversions, if not as above")
    parser.add_argument("--isas", required=True, type=split_words, help="isa:word, see WORDS")
    parser.add_argument("--if-able", action="store_true", help="leave out ISAs that the CPU lacks")
    parser.add_argument("--source", required=True, type=pathlib.Path)
    parser.add_argument("--record", action="store_true")
    options = parser.parse_args()
    options.convert = options.convert or [*options.emulator, options.tern]
    options.expected = json.loads((pathlib.Path(__file__).parent / "logits_hashes.json").read_text())

    isas, able, check = dict(isa.split(":") for isa in options.isas), usable(options), Check(options.expected)
    if options.if_able:
        print("".join(f"{isa} left out: this CPU lacks it\n" for isa in isas if isa not in able), end="")
        isas = {isa: word for isa, word in isas.items() if isa in able}
    with tempfile.TemporaryDirectory() as folder:
        models = list(convert_models(options, folder, isas.values()))
        check_program(options, models, isas, check)
        of_command = {isa: word for isa, word in isas.items() if isa in able} or {"scalar": "few"}
        check_command(options, models, of_command, check)
    if options.record:
        print(json.dumps(check.expected, indent=2))
    sys.exit("\n".join(check.wrong) if check.wrong else 0)


if __name__ == "__main__":
    main()
