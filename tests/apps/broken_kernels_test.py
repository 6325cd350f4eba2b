#!/usr/bin/env python3
"""The tern command with broken kernels first in its lists: they are named, passed over, and change no logits."""
import argparse
import os
import pathlib
import re
import subprocess
import tempfile

parser = argparse.ArgumentParser()
parser.add_argument("--tern", required=True)
parser.add_argument("--broken", required=True, help="the same command with broken kernels")
parser.add_argument("--source", type=pathlib.Path, required=True)
parser.add_argument("--emulator", default="")
options = parser.parse_args()
environment = {name: value for name, value in os.environ.items() if name != "TERN_ISA"}


def call(program, *words):
    """(standard output, standard error) of a call that must succeed."""
    command = (options.emulator.split(";") if options.emulator else []) + [program, *map(str, words)]
    result = subprocess.run(command, capture_output=True, text=True, timeout=300, env=environment)
    assert result.returncode == 0, result.stderr
    return result.stdout, result.stderr


def warnings_of(errors):
    return [line for line in errors.splitlines() if line.startswith("tern: warning: ")]


def check_run(model):
    words = ["run", "-m", model, "--tokens", "-p", "1 5 9 30", "-n", "4", "--temp", "0", "--logits-hash"]
    good, good_errors = call(options.tern, *words)
    text, errors = call(options.broken, *words)
    assert warnings_of(good_errors) == [], good_errors
    pattern = r"tern: warning: broken_everywhere gives wrong results on this CPU; linear_trit2_a8_\w+ is used"
    assert any(re.fullmatch(pattern, line) for line in warnings_of(errors)), errors
    assert any("elements (broken_norm)" in line for line in warnings_of(errors)), errors
    assert text == good, (text, good)
    hashes = [re.search(r"logits hash: ([0-9a-f]{16})", e).group(1) for e in (errors, good_errors)]
    assert hashes[0] == hashes[1], hashes
    assert "broken" not in re.search(r"kernels: .*", errors).group(0), errors


def check_cpu():
    text, _ = call(options.broken, "cpu")
    for name in ("broken_everywhere", "broken_in_one_lane", r"elements \(broken_attention\)"):
        assert re.search(name + r" +not used: failed its self-check\n", text), text
    assert re.search(r"linear_trit2_a8_\w+ +in use\n", text), text
    assert "self-check" not in call(options.tern, "cpu")[0]


with tempfile.TemporaryDirectory() as folder:
    demo = os.path.join(folder, "demo.tern")
    call(options.tern, "convert", options.source / "demo", "-o", demo)
    check_run(demo)
    check_cpu()
