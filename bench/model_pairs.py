#!/usr/bin/env python3
"""Decodes with two models in turns: the median ratio of their speeds, and what each uses of reading.

usage: bench/model_pairs.py TERN FIRST.tern SECOND.tern [--threads 2] [--pairs 15]
"""
import argparse
import json
import statistics
import subprocess

parser = argparse.ArgumentParser()
parser.add_argument("tern")
parser.add_argument("models", nargs=2)
parser.add_argument("--threads", default="2")
parser.add_argument("--pairs", type=int, default=15)
args = parser.parse_args()


def run(model):
    done = subprocess.run([args.tern, "bench", "-m", model, "-p", "0", "-n", "32", "-r", "1", "-t", args.threads,
                           "-o", "json"], capture_output=True, text=True, check=True)
    return json.loads(done.stdout)[0]


pairs = []
for i in range(args.pairs):
    order = [0, 1] if i % 2 else [1, 0]
    rows = {k: run(args.models[k]) for k in order}
    pairs.append((rows[0], rows[1]))
for k, model in enumerate(args.models):
    speed, share = (statistics.median(p[k][f] for p in pairs) for f in ("tokens_per_s", "share_of_read"))
    print(f"{model}: {speed:.1f} tokens/s, {100 * share:.0f} % of reading")
low, middle, high = statistics.quantiles((a["tokens_per_s"] / b["tokens_per_s"] for a, b in pairs), n=4)
print(f"first to second, {args.threads} threads: {middle:.3f} (quartiles {low:.3f}, {high:.3f})")
