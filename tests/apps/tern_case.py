"""What the tests of the command share: the program under test, the demo converted once, and how to call them."""

import argparse
import os
import pathlib
import re
import resource
import subprocess
import sys
import tempfile
import unittest

options = None
folder = None  # a temporary directory for the whole run
model = None  # the converted demo


def emulated(program, *words):
    return (options.emulator.split(";") if options.emulator else []) + [program, *map(str, words)]


def command(*words):
    return emulated(options.tern, *words)


def environment(extra):
    clean = {name: value for name, value in os.environ.items() if name != "TERN_ISA"}
    return {**clean, **(extra or {})}


def tern(*words, env=None, limit=None, stdout=subprocess.PIPE):
    def before():
        if limit is not None:
            resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))

    return subprocess.run(command(*words), stdout=stdout, stderr=subprocess.PIPE, text=True, timeout=300,
                          env=environment(env), preexec_fn=before)


def make_checkpoint(place, shape=""):
    """A checkpoint of random weights; shape: the tool's words."""
    subprocess.run(emulated(options.make_checkpoint, place, *shape.split()), check=True, stdout=subprocess.DEVNULL)


def start(*words):
    """A command that is to be interrupted."""
    return subprocess.Popen(command(*words), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                            env=environment(None))


def build(*words):
    result = tern("convert", options.source / "demo", "-o", *words)
    if result.returncode != 0:
        sys.exit(f"cannot convert the demo: {result.stderr}")
    return result


class Case(unittest.TestCase):
    def setUp(self):
        self.folder, self.model, self.options = pathlib.Path(tempfile.mkdtemp(dir=folder)), model, options

    def ok(self, *words, **more):
        result = tern(*words, **more)
        self.assertEqual(result.returncode, 0, result.stderr)
        return result

    def refused(self, *words, code=1, says="", **more):
        """One error line on stderr, the right exit code."""
        result = tern(*words, **more)
        errors = [line for line in result.stderr.splitlines() if line.startswith("tern: error: ")]
        self.assertEqual(result.returncode, code, result.stderr)
        self.assertEqual(len(errors), 1, result.stderr)
        self.assertEqual(result.stderr.splitlines()[-1], errors[0])
        self.assertIn(says, errors[0])
        return result

    def assert_no_files(self):
        self.assertEqual(os.listdir(self.folder), [])

    def hash_of(self, *words):
        found = re.search(r"logits hash: ([0-9a-f]{16})", self.ok("run", "-m", model, "--logits-hash", *words).stderr)
        return found.group(1)


def run_tests():
    """The tests of the program's own file, over the demo converted once."""
    global options, folder, model
    parser = argparse.ArgumentParser()
    parser.add_argument("--tern", required=True)
    parser.add_argument("--make-checkpoint", required=True)
    parser.add_argument("--source", type=pathlib.Path, required=True)
    parser.add_argument("--text", type=int, default=1)
    parser.add_argument("--sanitized", default="0")
    parser.add_argument("--emulator", default="")
    options, rest = parser.parse_known_args()
    with tempfile.TemporaryDirectory() as folder:
        model = os.path.join(folder, "demo.tern")
        build(model)
        unittest.main(argv=[sys.argv[0], *rest])
