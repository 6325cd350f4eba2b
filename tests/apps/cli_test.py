#!/usr/bin/env python3
"""The tern command as a user meets it: every verb on the bundled demo, JSON that parses, bad flags, bad files, full
disks, Ctrl-C. One line of error, a non-zero exit, and nothing under the final name when something goes wrong."""

import argparse
import csv
import io
import json
import os
import pathlib
import re
import resource
import shutil
import signal
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


def build(*words):
    result = tern("convert", options.source / "demo", "-o", *words)
    if result.returncode != 0:
        sys.exit(f"cannot convert the demo: {result.stderr}")
    return result


class Case(unittest.TestCase):
    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(dir=folder))

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
        self.refused("run", "-m", model, "--tmep", "1", code=2, says="unknown flag '--tmep'; did you mean --temp?")
        self.refused("convert", "x", "-o", "y", "--forse", code=2, says="did you mean --force?")
        self.refused("inspect", model, "--xyzzyx", code=2, says="unknown flag '--xyzzyx' (see tern inspect --help)")
        self.refused("run", code=2, says="--model is required")
        self.refused("convert", "x", "-o", "y", "--weights", "q4", code=2, says="q4")
        self.refused("run", "-m", model, "--temp", "warm", code=2, says="warm")
        self.refused("run", "-m", model, "--temp", "nan", code=2, says="finite")
        self.refused("run", "-m", model, "-n", "-2", code=2, says="-2")
        self.refused("run", "-m", model, "--repeat-penalty", "0", code=2, says="--repeat-penalty")
        for bias in ("5", "5+", "x+1", "-1+2", "5+nan", "5+inf", "5+1x"):
            self.refused("run", "-m", model, "--logit-bias", bias, code=2, says=f"'{bias}'")
        self.refused("run", "-m", model, "-p", "a", "-f", "b", code=2, says="excludes")

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


class Convert(Case):
    def test_report(self):
        result = self.ok("convert", options.source / "demo", "-o", self.folder / "m.tern")
        self.assertIn("BitNet b1.58", result.stdout)
        self.assertIn("memory needed: at most", result.stdout)
        self.assertRegex(result.stdout, r"blocks\.5\.ffn\.down +256 x 768 +trit 2-bit.* exact\n")
        self.assertRegex(result.stdout, r"embed\.tokens .* relative error 0\.0\d+\n")
        self.assertRegex(result.stdout, r"\(\d+ bytes\), 2\.\d+ bits per weight in the blocks, 55 of 56 tensors exact")
        self.assertEqual(result.stderr, "")  # no bar where nobody watches
        self.assertEqual((self.folder / "m.tern").read_bytes(), pathlib.Path(model).read_bytes())
        quiet = self.ok("convert", options.source / "demo", "-o", self.folder / "q.tern", "-q")
        self.assertIn("blocks.*.attn.q (6)", quiet.stdout)
        self.assertLess(len(quiet.stdout.splitlines()), 20)

    def test_four_and_six_bits(self):
        small = self.folder / "m.tern"
        self.ok("convert", options.source / "demo", "-o", small, "--weights", "int4", "--head", "int6")
        self.ok("verify", small)
        tensors = json.loads(self.ok("inspect", "--json", small).stdout)["tensors"]
        found = {t["name"]: (t["encoding"], t["bits_per_weight"]) for t in tensors}
        self.assertEqual(found["blocks.0.attn.q"], ("int 4-bit, f16 scale per 32", 4.5))
        self.assertEqual(found["embed.tokens"], ("int 6-bit, f16 scale per 64", 6.25))  # tied: as the head
        self.refused("convert", options.source / "demo", "-o", small, "--weights", "int5", code=2, says="int5")

    def test_fairy2i(self):
        source, out = self.folder / "hf", self.folder / "f.tern"
        subprocess.run(emulated(options.make_checkpoint, source, "--layers", "1", "--dtype", "bf16"), check=True)
        convert = ["convert", source, "-o", out, "--force"]
        self.assertIn("phase U and W, 3 stages, f32 scale per tensor", self.ok(*convert, "--weights", "fairy2i:3").stdout)
        fitted = self.ok(*convert, "--weights", "fairy2i", "--fairy2i-scales", "tile", "--fairy2i-joint",
                         "--fairy2i-refit").stdout
        self.assertIn("phase U and W, 2 stages, f16 scale per 64x32", fitted)
        self.assertIn("Fairy2i v1 (8 layers from masters", self.ok(*convert, "--fairy2i-variant", "v1", "--fairy2i-head",
                                                                   "quantized").stdout)
        self.refused(*convert, "--fairy2i-variant", "v1", says="--fairy2i-head")
        self.refused(*convert, "--fairy2i-variant", "v1", "--weights", "fairy2i", says="quantize again")
        self.refused(*convert, "--fairy2i-head", "dense", says="belongs to --fairy2i-variant")
        self.refused(*convert, "--fairy2i-joint", says="belong to --weights fairy2i")
        self.refused(*convert, "--weights", "fairy2i:5", code=2, says="fairy2i:5")

    def test_existing_file_needs_force(self):
        target = self.folder / "m.tern"
        target.write_text("precious")
        self.refused("convert", options.source / "demo", "-o", target, says="give --force")
        self.assertEqual(target.read_text(), "precious")
        self.ok("convert", options.source / "demo", "-o", target, "--force")
        self.ok("verify", target)

    def test_bad_places(self):
        self.refused("convert", self.folder / "none", "-o", self.folder / "m.tern", says="none")
        self.refused("convert", options.source / "demo", "-o", self.folder / "none" / "m.tern", says="none")
        if os.geteuid() != 0:  # root writes anywhere
            os.chmod(self.folder, 0o500)
            self.refused("convert", options.source / "demo", "-o", self.folder / "m.tern", says="ermission")
            os.chmod(self.folder, 0o700)
        self.refused("convert", options.source / "demo", "-o", "/proc/m.tern", says="/proc")
        self.assert_no_files()

    def test_full_disk(self):
        # clang's OpenMP, which comes with the sanitizers, ends where it cannot make a file of its own.
        for limit in (1024 if options.sanitized == "1" else 0, 4096, 1_000_000):
            self.refused("convert", options.source / "demo", "-o", self.folder / "m.tern", limit=limit)
            self.assert_no_files()

    def test_full_disk_keeps_what_was_there(self):
        target = self.folder / "m.tern"
        target.write_text("precious")
        self.refused("convert", options.source / "demo", "-o", target, "--force", limit=1_000_000)
        self.assertEqual(os.listdir(self.folder), ["m.tern"])
        self.assertEqual(target.read_text(), "precious")

    def test_truncated_checkpoint(self):
        copy = self.folder / "copy"
        shutil.copytree(options.source / "demo", copy)
        os.chmod(copy / "model.safetensors", 0o600)
        os.truncate(copy / "model.safetensors", 1_000_000)
        self.refused("convert", copy, "-o", self.folder / "m.tern", says="model.safetensors")
        self.assertEqual(os.listdir(self.folder), ["copy"])

    def test_lost_reader_of_stdout(self):
        process = subprocess.Popen(command("convert", options.source / "demo", "-o", self.folder / "m.tern"),
                                   stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment(None))
        process.stdout.close()
        process.wait(timeout=300)
        process.stderr.close()
        self.assertEqual(os.listdir(self.folder), ["m.tern"])
        self.ok("verify", self.folder / "m.tern")

    def test_interrupt(self):
        source = self.folder / "big"
        subprocess.run(emulated(options.make_checkpoint, source, "--hidden", "512", "--ffn", "1536", "--layers", "8", "--heads",
                                "8", "--kv-heads", "8", "--vocab", "4096", "--context", "128"), check=True,
                       stdout=subprocess.DEVNULL)
        output = self.folder / "m.tern"
        process = subprocess.Popen(command("convert", source, "-o", output, "--weights", "trit"), stdout=subprocess.PIPE,
                                   stderr=subprocess.PIPE, text=True, env=environment(None))
        while "memory needed" not in process.stdout.readline():  # converting has begun
            pass
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=300)
        self.assertEqual(process.returncode, 130)
        self.assertEqual(errors, f"tern: error: interrupted, {output} was not written\n")
        self.assertEqual(os.listdir(self.folder), ["big"])

    def test_calibration(self):
        source, ids = self.folder / "dense", self.folder / "ids"
        subprocess.run(emulated(options.make_checkpoint, source, "--hidden", "64", "--ffn", "128", "--layers", "2", "--heads", "4",
                                "--kv-heads", "4", "--vocab", "64", "--context", "32"), check=True, stdout=subprocess.DEVNULL)
        ids.write_text(" ".join(str(i * 7 % 64) for i in range(100)))
        ptqtp = ["convert", source, "--weights", "ptqtp", "-o"]
        calibrated = [*ptqtp, self.folder / "c.tern", "--calibrate", ids, "--calibrate-tokens"]
        self.ok(*ptqtp, self.folder / "p.tern")
        self.assertIn("calibrated on 96 tokens", self.ok(*calibrated, "--force").stdout)
        self.assertIn("calibrated on 8 tokens", self.ok(*calibrated, "--force", "--calibrate-limit", "9").stdout)
        self.assertEqual(sorted(os.listdir(self.folder)), ["c.tern", "dense", "ids", "p.tern"])
        self.assertEqual((self.folder / "c.tern").stat().st_size, (self.folder / "p.tern").stat().st_size)
        self.assertNotEqual((self.folder / "c.tern").read_bytes(), (self.folder / "p.tern").read_bytes())
        os.remove(self.folder / "c.tern")
        self.refused("convert", source, "-o", self.folder / "c.tern", "--calibrate", ids, says="--weights ptqtp")
        self.refused(*ptqtp, self.folder / "c.tern", "--calibrate", self.folder / "none", says="none")
        self.refused(*ptqtp, self.folder / "c.tern", "--calibrate", ids, says="tokenizer")
        vectors = ["convert", source, "--index-bits", "5", "-o", self.folder / "v.tern", "--force", "-q"]
        text = ["--calibrate", ids, "--calibrate-tokens"]
        for weights, extra in (("vq", ()), ("vptq", ("--outliers", "3", "--codebooks", "2", "--group-num", "2")),
                               ("vptq", ("--int8-codebooks",))):
            words = (*vectors, "--weights", weights, *text, "--feedback", *extra)
            self.assertRegex(self.ok(*words).stdout, r"Hessians: [0-9.]+ [KM]iB in a temporary file beside .*v\.tern\n")
            self.ok("verify", self.folder / "v.tern")
            self.assertIn("vector", self.ok("inspect", self.folder / "v.tern").stdout)
        os.remove(self.folder / "v.tern")
        self.refused(*vectors, "--weights", "vq", "--feedback", says="give --calibrate")
        self.refused(*vectors, "--weights", "vptq", "--outliers", "3", says="give --calibrate")
        self.refused(*vectors, "--weights", "vq", "--outliers", "3", *text, says="belong to --weights vptq")
        self.refused(*vectors, "--weights", "vq", "--int8-codebooks", says="belong to --weights vptq")
        self.refused("convert", source, "-o", self.folder / "v.tern", "--force", "--weights", "vptq", "--index-bits", "16",
                     says="entries: choose fewer bits")
        self.refused(*vectors, "--weights", "vptq", "--codebooks", "3", says="a main and a residual codebook")
        self.refused(*vectors, "--weights", "ptqtp", "--feedback", *text, says="belong to --weights vq or vptq")
        self.refused(*vectors, "--weights", "vq", "--kmeans-mode", "none", says="evenly spaced levels")
        ids.write_text("1 64")
        self.refused(*calibrated, says="token 64 is outside the vocabulary")
        self.assertEqual(sorted(os.listdir(self.folder)), ["dense", "ids", "p.tern"])


class Pack(Case):
    def test_five_trits_in_a_byte(self):
        path = os.path.join(self.folder, "five.tern")
        out = self.ok("convert", os.path.join(options.source, "demo"), "-o", path, "-q", "--pack", "1.6").stdout
        self.assertRegex(out, r"blocks\.\*\.attn\.q \(6\) +256 x 256 +trit 1\.6-bit, .* exact\n")
        self.assertRegex(out, r"1\.6\d\d bits per weight in the blocks")
        self.assertLess(os.path.getsize(path), os.path.getsize(model))
        self.ok("verify", path)
        self.assertIn("trit 1.6-bit", self.ok("inspect", path).stdout)
        words = ("--tokens", "-p", "1 403 407", "-n", "9", "--temp", "0", "--logits-hash")
        five, two = (self.ok("run", "-m", m, *words) for m in (path, model))
        self.assertEqual(five.stdout, two.stdout)
        found = [re.search(r"logits hash: ([0-9a-f]{16})", r.stderr)[1] for r in (five, two)]
        self.assertEqual(found[0], found[1])
        self.assertIn("linear_trit5_a8_", five.stderr)


class Inspect(Case):
    def test_words(self):
        out = self.ok("inspect", model).stdout
        for word in ("6 layers, hidden 256", "blocks.5.ffn.up", "trit 2-bit", "quantize int8 per token", "2048 pieces", "source.convention"):
            self.assertIn(word, out)

    def test_json(self):
        facts = json.loads(self.ok("inspect", "--json", model).stdout)
        self.assertEqual(facts["config"]["layers"], 6)
        self.assertEqual(facts["file_bytes"], os.path.getsize(model))
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
            self.refused("inspect", model, stdout=full)


class Verify(Case):
    def test_ok(self):
        self.assertRegex(self.ok("verify", model).stdout, r": ok, 56 tensors, ")

    def test_damage(self):
        data = pathlib.Path(model).read_bytes()
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


class Run(Case):
    def test_tokens(self):
        reference = json.loads((options.source / "demo" / "reference.json").read_text())["cases"][0]
        ids = " ".join(map(str, reference["prompt_ids"]))
        result = self.ok("run", "-m", model, "--tokens", "-p", ids, "-n", "8", "--temp", "0")
        self.assertEqual([int(word) for word in result.stdout.split()], reference["greedy_ids"][:8])
        self.assertTrue(result.stdout.endswith("\n"))
        self.refused("run", "-m", model, "--tokens", "-p", "1 two", says="byte 2")
        self.refused("run", "-m", model, "--tokens", "-p", "1 99999", says="99999")
        self.refused("run", "-m", model, "--tokens", "-p", "", says="the prompt is empty")

    def test_logits_do_not_depend_on_how(self):
        words = ["--tokens", "-p", "1 361 363 261 348", "-n", "12", "--temp", "0"]
        expected = self.hash_of(*words)
        for more in (["-t", "1"], ["-t", "2"], ["-ub", "1"], ["-ub", "3"], ["--isa", "scalar"], ["--family", "reference"], ["--no-mmap"]):
            self.assertEqual(self.hash_of(*words, *more), expected, more)
        self.assertNotEqual(self.hash_of(*words, "--act", "f32"), expected)

    def test_logit_bias_bans_a_token(self):
        words = ["run", "-m", model, "--tokens", "-p", "1 361 363 261 348", "-n", "1", "--temp", "0"]
        best = self.ok(*words).stdout.strip()
        other = self.ok(*words, "--logit-bias", best + "-inf").stdout.strip()
        self.assertNotEqual(other, best)
        self.assertEqual(self.ok(*words, "-l", best + "-inf", "-l", other + "-inf", "-l", "7+1e9").stdout.strip(), "7")

    def test_isa(self):
        words = ["run", "-m", model, "--tokens", "-p", "1", "-n", "1", "--temp", "0"]
        self.assertIn("reference_scalar", self.ok(*words, env={"TERN_ISA": "scalar"}).stderr)
        self.refused(*words, env={"TERN_ISA": "mmx"}, says="'mmx'")
        self.ok(*words, "--isa", "scalar", env={"TERN_ISA": "mmx"})  # the flag wins
        self.refused(*words, "--family", "magic", says="'magic'")
        self.refused(*words, "--stages", "1", says="no layer in stages")

    def test_summary_and_warning(self):
        result = self.ok("run", "-m", model, "--tokens", "-p", "1", "-n", "3", "-ngl", "99", "-ctk", "f32", "-ctv", "f32")
        self.assertEqual(result.stderr.count("-ngl is ignored"), 1)
        self.assertRegex(result.stderr, r"seed \d+\n")
        self.assertRegex(result.stderr, r"load [\d.]+ ms; prefill 1 tokens, [\d.]+ tokens/s; decode 2 tokens, .* GB/s of weights; \d+ threads?\n")

    def test_context(self):
        words = ["run", "-m", model, "--tokens", "--temp", "0"]
        self.refused(*words, "-p", "1 2 3 4 5", "-c", "4", says="5 tokens, the context holds 4")
        result = self.ok(*words, "-p", "1 361 363", "-c", "8", "-n", "-1")
        self.assertEqual(len(result.stdout.split()), 6)
        self.assertIn("the context is full", result.stderr)

    def test_text(self):
        if not options.text:
            self.refused("run", "-m", model, "-p", "Once", says="TERN_TEXT=OFF")
            self.skipTest("built without tokenizers")
        once = ["run", "-m", model, "-p", "Once upon a time", "-n", "30"]
        greedy = self.ok(*once, "--temp", "0").stdout
        self.assertTrue(greedy.startswith("Once upon a time, there was a"), greedy)
        self.assertEqual(self.ok(*once, "--temp", "0", "--no-display-prompt").stdout, greedy[len("Once upon a time"):])
        (self.folder / "prompt").write_text("Once upon a time")
        self.assertEqual(self.ok("run", "-m", model, "-f", self.folder / "prompt", "-n", "30", "--temp", "0").stdout, greedy)
        stopped = self.ok(*once, "--temp", "0", "-r", "was a", "-r", "never said").stdout
        self.assertEqual(stopped, greedy[:greedy.index("was a")] + "\n")
        seeded = [self.ok(*once, "-s", "7").stdout for _ in range(2)]
        self.assertEqual(seeded[0], seeded[1])
        self.refused("run", "-m", model, "-f", self.folder / "none", says="none")

    def test_interrupt(self):
        # The scalar reference takes seconds for the rest of the context.
        process = subprocess.Popen(command("run", "-m", model, "--tokens", "-p", "1", "-n", "-1", "--isa", "scalar", "-t", "1",
                                           "--temp", "2", "--top-k", "0", "--top-p", "1", "--min-p", "0", "-s", "1"),
                                   stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment(None))
        first = process.stdout.read(2)
        process.send_signal(signal.SIGINT)
        rest, errors = process.communicate(timeout=300)
        self.assertEqual(process.returncode, 130, errors)
        self.assertRegex(first + rest, r"^[\d ]+\n$")
        self.assertRegex(errors, r"decode \d+ tokens")


class Bench(Case):
    def words(self, *more):
        return ["bench", "-m", model, "-p", "8,16", "-n", "2", "-r", "2", "-t", "1", "--read-buffer", "2", *more]

    def test_formats(self):
        table = self.ok(*self.words()).stdout.splitlines()
        self.assertEqual([row.split("|")[7].strip() for row in table], ["test", "-" * 5 + ":", "pp8", "pp16", "tg2"])
        self.assertTrue(all("±" in row for row in table[2:]))
        rows = json.loads(self.ok(*self.words("-o", "json", "-ctk", "f16,f32")).stdout)
        self.assertEqual([(row["test"], row["type_k"]) for row in rows],
                         [(test, kind) for kind in ("f16", "f32") for test in ("pp8", "pp16", "tg2")])
        self.assertTrue(all(row["tokens_per_s"] > 0 and row["read_gbytes_per_s"] > 0 for row in rows))
        rows = list(csv.DictReader(io.StringIO(self.ok(*self.words("-o", "csv")).stdout)))
        self.assertEqual([row["test"] for row in rows], ["pp8", "pp16", "tg2"])
        self.assertTrue(all(float(row["gbytes_per_s"]) > 0 for row in rows))

    def test_model_is_the_default(self):
        row = json.loads(self.ok("bench", "model", *self.words("-d", "0,32", "-o", "json")[1:]).stdout)
        self.assertEqual([r["test"] for r in row],
                         ["pp8", "pp8 @ d32", "pp16", "pp16 @ d32", "tg2", "tg2 @ d32"])
        self.assertGreater(row[1]["kv_cache_bytes"], row[0]["kv_cache_bytes"])
        self.assertTrue(all(0 < r["share_of_read"] for r in row))
        self.refused("bench", says="--model is required")

    def test_profile(self):
        out = self.ok(*self.words("--profile")).stderr
        self.assertEqual(out.count("gate, up"), 3)  # a table for each test
        for stage in ("norms", "q, k, v", "attention", "gate, up", "head"):
            self.assertRegex(out[:out.index("pp16,")], rf"\n{stage} +(?=[\d.]*[1-9])\d+\.\d+")
        json.loads(self.ok(*self.words("--profile", "-o", "json")).stdout)
        self.assertRegex(self.ok("run", "-m", model, "--tokens", "-p", "1 2 3", "-n", "2", "--profile").stderr,
                         r"attention +\d")

    def kernels(self, *more):
        return ["bench", "kernels", "--shape", "64x128", "--footprint", "0", "--pairs", "2", "--read-buffer", "2", *more]

    def test_kernels(self):
        rows = json.loads(self.ok(*self.kernels("--encoding", "trit2,int4", "-b", "1,3", "--isa", "scalar", "-o",
                                                "json")).stdout)
        self.assertEqual([(r["encoding"], r["batch"], r["isa"], r["op"]) for r in rows],
                         [(e, b, "scalar", op) for e in ("trit2", "int4") for b, op in ((1, "gemv"), (3, "gemm"))])
        wanted = """encoding pack isa family op rows cols batch threads gweights_per_s gbytes_per_s read_gbytes_per_s
                    int8_peak_gmac_per_s peak_gmac_per_s samples""".split()
        for row in rows:
            self.assertLessEqual(set(wanted), set(row))
            self.assertEqual(len(row["samples"]), 2)
            self.assertGreater(row["gweights_per_s"], 0)
        every = self.ok(*self.kernels("--all", "--encoding", "trit5", "-o", "csv")).stdout
        self.assertIn("linear_trit5_a8_reference_scalar", every)
        phase = self.ok(*self.kernels("--encoding", "phase", "--stages", "2", "--family", "reference", "-o", "csv")).stdout
        self.assertIn("linear_phase_a8_reference_scalar", phase)
        self.assertIn("f32 peak", self.ok(*self.kernels("--encoding", "f16", "--input", "f32")).stdout)
        picture = self.folder / "roof.svg"
        self.ok(*self.kernels("--encoding", "trit2", "--planes", "2", "--group", "32", "--plot", picture))
        self.assertTrue(picture.read_text().startswith("<svg"))
        for words, says in ((["--shape", "64"], "ROWSxCOLUMNS"), (["--shape", "64x9999999"], "ROWSxCOLUMNS"),
                            (["--encoding", "trit3"], "trit3"),
                            (["--encoding", "phase", "--shape", "64x33"], "even numbers"), (["--group", "60000"], "group"), (["--isa", "mmx"], "'mmx'")):
            self.refused(*self.kernels(*words), says=says)

    def test_wrong_values(self):
        self.refused(*self.words("-o", "xml"), code=2, says="xml")
        self.refused(*self.words("-ctk", "q8"), code=2, says="q8")
        self.refused("bench", "-m", model, "-p", "many", code=2, says="many")


class Dense(Case):
    def test_onednn(self):
        source, dense = self.folder / "dense", self.folder / "d.tern"
        subprocess.run(emulated(options.make_checkpoint, source, "--hidden", "64", "--ffn", "128", "--layers", "2", "--heads", "4",
                                "--kv-heads", "4", "--vocab", "64", "--context", "256"), check=True, stdout=subprocess.DEVNULL)
        self.ok("convert", source, "--weights", "f16", "-o", dense)
        words = ["run", "-m", dense, "--tokens", "-p", " ".join(str(i % 64) for i in range(150)), "-n", "4", "--temp", "0"]
        self.refused(*words, "--dense", "onednn", "--logits-hash", says="--dense onednn")
        canonical = self.ok(*words)
        self.assertNotIn("onednn", canonical.stderr)
        other = subprocess.run(command(*words, "--dense", "onednn"), capture_output=True, text=True, env=environment(None))
        if "this build has no oneDNN" in other.stderr:
            return
        self.assertEqual(other.returncode, 0, other.stderr)
        self.assertIn("linear_f16_f32_dot_onednn", other.stderr)
        self.assertEqual(other.stdout, canonical.stdout)  # random weights, but no near-tie


class Cpu(Case):
    def test_cpu(self):
        out = self.ok("cpu").stdout
        self.assertRegex(out, r"threads without --threads: [1-9]")
        self.assertRegex(out, r"levels for --isa: native, scalar")
        self.assertRegex(out, r"linear_trit2_a8_\w+ +in use")
        self.assertRegex(self.ok("cpu", "--isa", "scalar").stdout, r"linear_trit2_a8_reference_scalar +in use")
        self.refused("cpu", "--isa", "mmx", says="'mmx'")


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


if __name__ == "__main__":
    run_tests()
