#!/usr/bin/env python3
"""Two models in turns: the median ratio of their speeds, and what each uses of the machine's limits.

usage: bench/model_pairs.py TERN FIRST.tern SECOND [--test tg32] [--threads 2] [--pairs 15] [--flags "--no-mmap"]

SECOND is another .tern file, or a .gguf file for a llama-bench that --llama-bench names. --test: pp512 reads a prompt
of 512 tokens, tg32 makes 32 tokens one by one.
"""
import argparse
import json
import shlex
import statistics
import subprocess

parser = argparse.ArgumentParser()
parser.add_argument("tern")
parser.add_argument("models", nargs=2)
parser.add_argument("--llama-bench", default="llama-bench")
parser.add_argument("--test", default="tg32")
parser.add_argument("--threads", default="2")
parser.add_argument("--pairs", type=int, default=15)
parser.add_argument("--flags", type=shlex.split, default=[], help="more words for tern bench")
args = parser.parse_args()
prompt, made = (args.test[2:], "0") if args.test.startswith("pp") else ("0", args.test[2:])


def run(model):
    """Tokens a second, and the shares of reading and of the int8 peak if tern ran it."""
    peer = model.endswith(".gguf")
    words = [args.llama_bench] if peer else [args.tern, "bench", *args.flags]
    words += ["-m", model, "-p", prompt, "-n", made, "-r", "1", "-t", args.threads, "-o", "json"]
    text = subprocess.run(words, capture_output=True, text=True, check=True).stdout
    row = json.loads(text[text.index("["):])[0]
    if peer:
        return row["avg_ts"], None, None
    return row["tokens_per_s"], row["share_of_read"], row["share_of_int8_peak"]


pairs = []
for i in range(args.pairs):
    order = [0, 1] if i % 2 else [1, 0]
    rows = {k: run(args.models[k]) for k in order}
    pairs.append((rows[0], rows[1]))
for k, model in enumerate(args.models):
    speed = statistics.median(p[k][0] for p in pairs)
    shares = [statistics.median(p[k][i] for p in pairs) for i in (1, 2) if pairs[0][k][i] is not None]
    of = ", {:.0f} % of reading, {:.0f} % of the int8 peak".format(*(100 * s for s in shares)) if shares else ""
    print(f"{model}: {args.test} {speed:.1f} tokens/s{of}")
low, middle, high = statistics.quantiles((a[0] / b[0] for a, b in pairs), n=4)
print(f"first to second, {args.threads} threads: {middle:.3f} (quartiles {low:.3f}, {high:.3f})")
