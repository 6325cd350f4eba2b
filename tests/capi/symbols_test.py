#!/usr/bin/env python3
"""The dynamic symbols of the shared library are exactly the functions that tern.h declares."""
import argparse
import pathlib
import re
import subprocess

parser = argparse.ArgumentParser()
for name in ("nm", "library", "header"):
    parser.add_argument("--" + name, required=True)
args = parser.parse_args()

declared = set(re.findall(r"^TERN_API\s[^(]*?(tern_\w+)\(", pathlib.Path(args.header).read_text(), re.MULTILINE))
command = [args.nm, "-D", "--defined-only", args.library]
lines = subprocess.run(command, capture_output=True, text=True, check=True).stdout
symbols = [line.split()[-2:] for line in lines.splitlines()]
exported = {name.split("@")[0] for kind, name in symbols if kind != "A"}  # A: the version's own name
assert len(declared) > 25, declared
assert exported == declared, (sorted(exported - declared), sorted(declared - exported))
