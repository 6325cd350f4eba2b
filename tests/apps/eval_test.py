#!/usr/bin/env python3
"""tern eval as a user meets it: numbers that agree between the three formats, what must be refused, Ctrl-C."""

import csv
import io
import json
import os
import signal
import subprocess

import tern_case
from tern_case import Case, command, environment, make_checkpoint

RIGHT, WRONG = "there was a little girl named Lily", "zebra the of of quickly named"


def demo():
    return tern_case.options.source / "demo"


class Eval(Case):
    def setUp(self):
        super().setUp()
        ids = json.loads((demo() / "reference.json").read_text())["teacher_forced"]["ids"][1:]
        self.ids, self.count = self.folder / "ids", len(ids)
        self.ids.write_text(" ".join(map(str, ids)))

    def json_of(self, *words):
        return json.loads(self.ok(*words, "-o", "json").stdout)

    def csv_of(self, *words):
        return next(csv.DictReader(io.StringIO(self.ok(*words, "-o", "csv").stdout)))

    def convert(self, name, *words):
        path = self.folder / name
        self.ok("convert", demo(), "-o", path, *words)
        return path


class Perplexity(Eval):
    def words(self, *more):
        return ["eval", "perplexity", "-m", self.model, "--tokens", "-f", self.ids, "-c", "16", *more]

    def test_formats(self):
        facts = self.json_of(*self.words())
        self.assertEqual(facts["text_tokens"], self.count)
        self.assertEqual(facts["tokens_scored"], self.count)  # BOS begins every window
        self.assertLess(1, facts["perplexity"])
        self.assertLess(facts["perplexity"], 50)  # a story that the model knows how to tell; chance is 2048
        table = self.ok(*self.words()).stdout
        self.assertIn(f"{facts['perplexity']:.4f} ±", table)
        self.assertIn("protocol: windows of 16 positions that do not overlap", table)
        self.assertEqual(float(self.csv_of(*self.words())["perplexity"]), facts["perplexity"])
        self.assertEqual(self.json_of(*self.words("--limit", "5"))["text_tokens"], 5)

    def test_stride(self):
        apart, close = self.json_of(*self.words()), self.json_of(*self.words("--stride", "4"))
        self.assertEqual(close["tokens_scored"], self.count)
        self.assertEqual(close["windows"], -(-(self.count - 15) // 4) + 1)
        self.assertLess(close["perplexity"], apart["perplexity"])  # more to the left of each token
        self.assertIn("4 tokens apart", close["protocol"])
        self.assertIn("at least 12 positions stand before it", close["protocol"])
        self.assertEqual(self.json_of(*self.words("--stride", "15"))["mean_nll"], apart["mean_nll"])
        self.refused(*self.words("--stride", "16"), says="stride: 16, expected 1 to the 15 tokens")

    def test_text(self):
        words = ["eval", "perplexity", "-m", self.model, "-f", demo() / "validation.txt", "--limit", "300"]
        if not self.options.text:
            self.refused(*words, says="TERN_TEXT=OFF")
            self.skipTest("built without tokenizers")
        self.assertIn("validation.txt", self.ok(*words).stdout)

    def test_wrong(self):
        model = self.model
        self.refused("eval", code=2, says="tern eval --help")
        self.refused("eval", "perplexity", "-m", model, code=2, says="--file is required")
        self.refused("eval", "perplexity", "-m", model, "-f", self.folder / "none", says="none")
        (self.folder / "empty").write_text("")
        self.refused("eval", "perplexity", "-m", model, "--tokens", "-f", self.folder / "empty")

    def test_interrupt(self):
        self.ids.unlink()
        os.mkfifo(self.ids)
        process = subprocess.Popen(command(*self.words()), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                                   env=environment(None))
        self.ids.write_text("17 " * 200000)  # once it has been read, seconds of work remain
        process.send_signal(signal.SIGINT)
        self.assertEqual(process.communicate(timeout=300), ("", ""))
        self.assertEqual(process.returncode, 130)


class Kl(Eval):
    def words(self, model, base, *more):
        return ["eval", "kl", "-m", model, "--base", base, "--tokens", "-f", self.ids, "-c", "16", *more]

    def test_against_itself(self):
        facts = self.json_of(*self.words(self.model, self.model))
        for key in ("mean_kl", "mean_kl_error", "largest_kl", "rms_dp", "mean_absolute_dp", "nll_difference"):
            self.assertEqual(facts[key], 0, key)
        self.assertEqual(facts["same_top"], 1)
        self.assertEqual(facts["perplexity"], facts["base_perplexity"])

    def test_against_another(self):
        packed = self.convert("packed.tern", "--weights", "ptqtp", "--planes", "1")
        words = self.words(packed, self.model)
        facts = self.json_of(*words)
        alone = self.json_of("eval", "perplexity", "-m", packed, "--tokens", "-f", self.ids, "-c", "16")
        self.assertEqual(facts["perplexity"], alone["perplexity"])
        self.assertEqual(facts["tokens_scored"], self.count)
        self.assertLess(0, facts["median_kl"])
        self.assertLess(facts["median_kl"], facts["kl_99"])
        self.assertLessEqual(facts["kl_99"], facts["largest_kl"])
        self.assertLessEqual(facts["mean_absolute_dp"], facts["rms_dp"])
        self.assertAlmostEqual(facts["nll_difference"], facts["mean_nll"] - facts["base_mean_nll"], places=9)
        table = self.ok(*words).stdout
        self.assertIn(f"{facts['mean_kl']:.6f} ±", table)
        self.assertIn(f"{100 * facts['same_top']:.3f} ±", table)
        self.assertIn("protocol: windows of 16", table)
        self.assertEqual(float(self.csv_of(*words)["mean_kl"]), facts["mean_kl"])
        self.assertEqual(self.json_of(*words, "--stride", "3")["stride"], 3)
        self.assertEqual(self.json_of(*words, "-t", "1", "-ub", "3")["mean_kl"], facts["mean_kl"])

    def test_wrong(self):
        self.refused("eval", "kl", "-m", self.model, "-f", self.ids, code=2, says="--base is required")
        self.refused(*self.words(self.model, self.folder / "none"), says="none")
        other = self.folder / "other"
        make_checkpoint(other, "--hidden 32 --ffn 32 --layers 1 --heads 1 --kv-heads 1 --vocab 40 --context 64")
        self.ok("convert", other, "-o", self.folder / "other.tern")
        self.refused(*self.words(self.folder / "other.tern", self.model),
                     says=f"{self.model} has a vocabulary of 2048 tokens, {self.folder / 'other.tern'} one of 40")
        silent = self.convert("silent.tern", "--tokenizer", "none")
        self.ok(*self.words(self.model, silent))  # ids need no tokenizer
        words = ["eval", "kl", "-m", self.model, "--base", silent, "-f", self.ids]
        self.refused(*words, says=f"{silent}: the file holds no tokenizer")


class Choice(Eval):
    def setUp(self):
        super().setUp()
        self.file = self.folder / "q.jsonl"
        self.write([{"goal": "Once upon a time", "sol1": RIGHT, "sol2": WRONG, "label": 0},
                    {"goal": "Once upon a time", "sol1": WRONG, "sol2": RIGHT, "label": 1},
                    {"goal": "Once upon a time", "sol1": WRONG, "sol2": RIGHT, "label": 0},
                    {"goal": "Once upon a time", "sol1": RIGHT, "sol2": WRONG, "label": 0}])

    def write(self, rows):
        self.file.write_text("".join(json.dumps(row) + "\n" for row in rows))

    def words(self, *more):
        return ["eval", "choice", "-m", self.model, "-f", self.file, *more]

    def test_formats(self):
        if not self.options.text:
            self.refused(*self.words(), says="TERN_TEXT=OFF")
            self.skipTest("built without tokenizers")
        facts = self.json_of(*self.words())
        self.assertEqual((facts["format"], facts["questions"], facts["skipped"]), ("piqa", 4, 0))
        self.assertEqual((facts["acc"], facts["acc_norm"]), (0.75, 0.75))
        self.assertAlmostEqual(facts["acc_error"], (0.75 * 0.25 / 3) ** 0.5)
        self.assertIn('"Question: {goal}\\nAnswer:"', facts["protocol"])
        table = self.ok(*self.words()).stdout
        self.assertIn("0.7500 ± 0.2500", table)
        self.assertIn("protocol: no examples", table)
        self.assertEqual(self.csv_of(*self.words())["acc"], "0.75")
        self.assertEqual(self.json_of(*self.words("--limit", "2"))["acc"], 1)

    def test_labels(self):
        if not self.options.text:
            self.skipTest("built without tokenizers")
        self.write([{"goal": "Once upon a time", "sol1": RIGHT, "sol2": WRONG}] * 3)
        (self.folder / "labels").write_text("0\n0\n1\n")
        self.assertAlmostEqual(self.json_of(*self.words("--labels", self.folder / "labels"))["acc"], 2 / 3)
        (self.folder / "labels").write_text("0\n0\n")
        self.refused(*self.words("--labels", self.folder / "labels"), says="expected 3 labels")

    def test_skipped(self):
        if not self.options.text:
            self.skipTest("built without tokenizers")
        self.write([{"goal": "a", "sol1": RIGHT, "sol2": "b", "label": 0},
                    {"goal": "Once " * 60, "sol1": RIGHT, "sol2": "b", "label": 0}])
        result = self.ok(*self.words("-c", "60", "-o", "json"))
        self.assertEqual((json.loads(result.stdout)["questions"], json.loads(result.stdout)["skipped"]), (1, 1))
        self.assertIn("1 question does not fit into 60 positions, skipped; the first is on line 2", result.stderr)
        self.refused(*self.words("-c", "8"), says="none of 2 questions fits into 8 positions")

    def test_wrong(self):
        self.refused("eval", "choice", "-m", self.model, code=2, says="--file is required")
        self.refused(*self.words("--format", "mmlu"), code=2, says="mmlu")
        self.refused(*self.words("--format", "arc"), says=f"{self.file}:1: question: expected")
        self.write([{"goal": "a", "sol1": "b", "sol2": "c", "label": 0}, {"goal": "a", "sol1": "b", "label": 0}])
        self.refused(*self.words(), says=f"{self.file}:2: sol2: expected a text that is not empty, found no such field")
        self.refused("eval", "choice", "-m", self.model, "-f", self.folder / "none", says="none")
        if self.options.text:
            silent = self.convert("silent.tern", "--tokenizer", "none")
            self.write([{"goal": "a", "sol1": "b", "sol2": "c", "label": 0}])
            self.refused("eval", "choice", "-m", silent, "-f", self.file, says="the file holds no tokenizer")


if __name__ == "__main__":
    tern_case.run_tests()
