#!/usr/bin/env python3
"""The tern command as a user meets it, on the bundled demo: help, bad flags, and verbs that only look."""
import json
import os
import pathlib
import re

import tern_case
from tern_case import Case


class Help(Case):
    def test_version_and_help(self):
        self.assertRegex(self.ok("--version").stdout, r"^tern \d+\.\d+\.\d+\n$")
        for words in (["help"], ["--help"], []):
            self.assertIn("convert", self.ok(*words).stdout)
        self.assertIn("tern eval perplexity", self.ok("help", "eval", "perplexity").stdout)
        for verb in ("run", "chat", "convert", "inspect", "verify", "bench", "cpu", "eval"):
            self.assertIn(f"tern {verb}", self.ok("help", verb).stdout)
            self.assertEqual(self.ok(verb, "--help").stdout, self.ok("help", verb).stdout)

    def test_wrong_words_get_a_hint(self):
        self.refused("rnu", code=2, says="unknown argument 'rnu'; did you mean run?")
        self.refused("run", "-m", self.model, "--tmep", "1", code=2, says="unknown flag '--tmep'; did you mean --temp?")
        self.refused("convert", "x", "-o", "y", "--forse", code=2, says="did you mean --force?")
        self.refused("inspect", self.model, "--xyzzyx", code=2,
                     says="unknown flag '--xyzzyx' (see tern inspect --help)")
        self.refused("run", code=2, says="--model is required")
        self.refused("convert", "x", "-o", "y", "--weights", "q4", code=2, says="q4")
        self.refused("run", "-m", self.model, "--temp", "warm", code=2, says="warm")
        self.refused("run", "-m", self.model, "--temp", "nan", code=2, says="finite")
        self.refused("run", "-m", self.model, "-n", "-2", code=2, says="-2")
        self.refused("run", "-m", self.model, "--repeat-penalty", "0", code=2, says="--repeat-penalty")
        for bias in ("5", "5+", "x+1", "-1+2", "5+nan", "5+inf", "5+1x"):
            self.refused("run", "-m", self.model, "--logit-bias", bias, code=2, says=f"'{bias}'")
        self.refused("run", "-m", self.model, "-p", "a", "-f", "b", code=2, says="excludes")

    def test_defaults_are_those_of_llama_cpp(self):
        flags = ("--temp FLOAT=0.8", "--top-k INT=40", "--top-p FLOAT=0.95", "--min-p FLOAT=0.05", "--seed INT=-1",
                 "--repeat-penalty FLOAT:POSITIVE=1", "--presence-penalty FLOAT=0", "--frequency-penalty FLOAT=0",
                 "--repeat-last-n INT=64")
        for verb, defaults in (("run", flags), ("chat", flags),
                               ("bench", ("--n-prompt UINT=[512]", "--n-gen UINT=[128]", "--repetitions UINT=5"))):
            # Without the ranges that CLI11 puts between type and default.
            text = re.sub(r":(U?INT) in \[[^]]*\]", "", self.ok(verb, "--help").stdout)
            for default in defaults:
                self.assertIn(default + " ", re.sub(r"\s+", " ", text), verb)


class Inspect(Case):
    def test_words(self):
        out = self.ok("inspect", self.model).stdout
        for word in ("6 layers, hidden 256", "blocks.5.ffn.up", "trit 2-bit", "quantize int8 per token", "2048 pieces",
                     "source.convention"):
            self.assertIn(word, out)

    def test_json(self):
        facts = json.loads(self.ok("inspect", "--json", self.model).stdout)
        self.assertEqual(facts["config"]["layers"], 6)
        self.assertEqual(facts["file_bytes"], os.path.getsize(self.model))
        self.assertEqual(len(facts["tensors"]), 56)
        self.assertEqual(facts["tokenizer"]["bos"], 1)
        q = next(t for t in facts["tensors"] if t["name"] == "blocks.0.attn.q")
        self.assertEqual((q["rows"], q["cols"]), (256, 256))
        self.assertRegex(q["codes"]["xxh3"], r"^[0-9a-f]{16}$")
        self.assertAlmostEqual(q["bits_per_weight"], q["bytes"] * 8 / 65536)
        linear = next(l for l in facts["linears"] if l["name"] == "head")
        self.assertEqual(linear["terms"][0]["tensor"], "embed.tokens")

    def test_full_standard_output(self):
        if not os.path.exists("/dev/full"):
            self.skipTest("no /dev/full")
        with open("/dev/full", "w") as full:
            self.refused("inspect", self.model, stdout=full)


class Verify(Case):
    def test_ok(self):
        self.assertRegex(self.ok("verify", self.model).stdout, r": ok, 56 tensors, ")

    def test_damage(self):
        data = pathlib.Path(self.model).read_bytes()
        bad = self.folder / "bad.tern"
        for size in (0, 1, 31, 32, 100, 4096, len(data) // 2, len(data) - 1):
            bad.write_bytes(data[:size])
            for verb in (["verify", bad], ["inspect", bad], ["run", "-m", bad, "-p", "x"]):
                self.refused(*verb, says="bad.tern")
        flipped = bytearray(data)
        flipped[len(data) // 2] ^= 1
        bad.write_bytes(flipped)
        self.refused("verify", bad, says="bad.tern")
        self.refused("run", "-m", bad, "--check-tensors", "--tokens", "-p", "1", says="bad.tern")

    def test_missing(self):
        for verb in (["verify"], ["inspect"], ["run", "-p", "x", "-m"], ["bench", "-m"]):
            self.refused(*verb, self.folder / "none.tern", says="none.tern")
        self.refused("verify", self.folder)


class Cpu(Case):
    def test_cpu(self):
        out = self.ok("cpu").stdout
        self.assertRegex(out, r"threads without --threads: [1-9]")
        self.assertRegex(out, r"levels for --isa: native, scalar")
        self.assertRegex(out, r"linear_trit2_a8_\w+ +in use")
        self.assertRegex(self.ok("cpu", "--isa", "scalar").stdout, r"linear_trit2_a8_reference_scalar +in use")
        self.refused("cpu", "--isa", "mmx", says="'mmx'")


if __name__ == "__main__":
    tern_case.run_tests()
