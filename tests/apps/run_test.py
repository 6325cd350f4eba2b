#!/usr/bin/env python3
"""tern run and tern bench as a user meets them, on the bundled demo."""
import csv
import io
import json
import signal

import tern_case
from tern_case import Case, make_checkpoint, start, tern


class Run(Case):
    def test_tokens(self):
        reference = json.loads((self.options.source / "demo" / "reference.json").read_text())["cases"][0]
        ids = " ".join(map(str, reference["prompt_ids"]))
        result = self.ok("run", "-m", self.model, "--tokens", "-p", ids, "-n", "8", "--temp", "0")
        self.assertEqual([int(word) for word in result.stdout.split()], reference["greedy_ids"][:8])
        self.assertTrue(result.stdout.endswith("\n"))
        self.refused("run", "-m", self.model, "--tokens", "-p", "1 two", says="byte 2")
        self.refused("run", "-m", self.model, "--tokens", "-p", "1 99999", says="99999")
        self.refused("run", "-m", self.model, "--tokens", "-p", "", says="the prompt is empty")

    def test_logits_do_not_depend_on_how(self):
        words = ["--tokens", "-p", "1 361 363 261 348", "-n", "12", "--temp", "0"]
        expected = self.hash_of(*words)
        for more in (["-t", "1"], ["-t", "2"], ["-ub", "1"], ["-ub", "3"], ["--isa", "scalar"],
                     ["--family", "reference"], ["--no-mmap"]):
            self.assertEqual(self.hash_of(*words, *more), expected, more)
        self.assertNotEqual(self.hash_of(*words, "--act", "f32"), expected)

    def test_logit_bias_bans_a_token(self):
        words = ["run", "-m", self.model, "--tokens", "-p", "1 361 363 261 348", "-n", "1", "--temp", "0"]
        best = self.ok(*words).stdout.strip()
        other = self.ok(*words, "--logit-bias", best + "-inf").stdout.strip()
        self.assertNotEqual(other, best)
        self.assertEqual(self.ok(*words, "-l", best + "-inf", "-l", other + "-inf", "-l", "7+1e9").stdout.strip(), "7")

    def test_isa(self):
        words = ["run", "-m", self.model, "--tokens", "-p", "1", "-n", "1", "--temp", "0"]
        self.assertIn("reference_scalar", self.ok(*words, env={"TERN_ISA": "scalar"}).stderr)
        self.refused(*words, env={"TERN_ISA": "mmx"}, says="'mmx'")
        self.ok(*words, "--isa", "scalar", env={"TERN_ISA": "mmx"})  # the flag wins
        self.refused(*words, "--family", "magic", says="'magic'")
        self.refused(*words, "--stages", "1", says="no layer in stages")

    def test_summary_and_warning(self):
        result = self.ok("run", "-m", self.model, "--tokens", "-p", "1", "-n", "3", "-ngl", "99", "-ctk", "f32", "-ctv",
                         "f32")
        self.assertEqual(result.stderr.count("-ngl is ignored"), 1)
        self.assertRegex(result.stderr, r"seed \d+\n")
        self.assertRegex(result.stderr, r"load [\d.]+ ms; prefill 1 tokens, [\d.]+ tokens/s; "
                                        r"decode 2 tokens, .* GB/s of weights; \d+ threads?\n")

    def test_context(self):
        words = ["run", "-m", self.model, "--tokens", "--temp", "0"]
        self.refused(*words, "-p", "1 2 3 4 5", "-c", "4", says="5 tokens, the context holds 4")
        result = self.ok(*words, "-p", "1 361 363", "-c", "8", "-n", "-1")
        self.assertEqual(len(result.stdout.split()), 6)
        self.assertIn("the context is full", result.stderr)

    def test_text(self):
        if not self.options.text:
            self.refused("run", "-m", self.model, "-p", "Once", says="TERN_TEXT=OFF")
            self.skipTest("built without tokenizers")
        once = ["run", "-m", self.model, "-p", "Once upon a time", "-n", "30"]
        greedy = self.ok(*once, "--temp", "0").stdout
        self.assertTrue(greedy.startswith("Once upon a time, there was a"), greedy)
        self.assertEqual(self.ok(*once, "--temp", "0", "--no-display-prompt").stdout, greedy[len("Once upon a time"):])
        (self.folder / "prompt").write_text("Once upon a time")
        from_file = self.ok("run", "-m", self.model, "-f", self.folder / "prompt", "-n", "30", "--temp", "0")
        self.assertEqual(from_file.stdout, greedy)
        stopped = self.ok(*once, "--temp", "0", "-r", "was a", "-r", "never said").stdout
        self.assertEqual(stopped, greedy[:greedy.index("was a")] + "\n")
        seeded = [self.ok(*once, "-s", "7").stdout for _ in range(2)]
        self.assertEqual(seeded[0], seeded[1])
        self.refused("run", "-m", self.model, "-f", self.folder / "none", says="none")

    def test_interrupt(self):
        # The scalar reference takes seconds for the rest of the context.
        process = start("run", "-m", self.model, "--tokens", "-p", "1", "-n", "-1", "--isa", "scalar", "-t", "1",
                        "--temp", "2", "--top-k", "0", "--top-p", "1", "--min-p", "0", "-s", "1")
        first = process.stdout.read(2)
        process.send_signal(signal.SIGINT)
        rest, errors = process.communicate(timeout=300)
        self.assertEqual(process.returncode, 130, errors)
        self.assertRegex(first + rest, r"^[\d ]+\n$")
        self.assertRegex(errors, r"decode \d+ tokens")


class Bench(Case):
    def words(self, *more):
        return ["bench", "-m", self.model, "-p", "8,16", "-n", "2", "-r", "2", "-t", "1", "--read-buffer", "2", *more]

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
        self.assertRegex(self.ok("run", "-m", self.model, "--tokens", "-p", "1 2 3", "-n", "2", "--profile").stderr,
                         r"attention +\d")

    def kernels(self, *more):
        return ["bench", "kernels", "--shape", "64x128", "--footprint", "0", "--pairs", "2", "--read-buffer", "2",
                *more]

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
        phase = self.kernels("--encoding", "phase", "--stages", "2", "--family", "reference", "-o", "csv")
        self.assertIn("linear_phase_a8_reference_scalar", self.ok(*phase).stdout)
        self.assertIn("f32 peak", self.ok(*self.kernels("--encoding", "f16", "--input", "f32")).stdout)
        picture = self.folder / "roof.svg"
        self.ok(*self.kernels("--encoding", "trit2", "--planes", "2", "--group", "32", "--plot", picture))
        self.assertTrue(picture.read_text().startswith("<svg"))
        for words, says in ((["--shape", "64"], "ROWSxCOLUMNS"), (["--shape", "64x9999999"], "ROWSxCOLUMNS"),
                            (["--encoding", "trit3"], "trit3"),
                            (["--encoding", "phase", "--shape", "64x33"], "even numbers"),
                            (["--group", "60000"], "group"), (["--isa", "mmx"], "'mmx'")):
            self.refused(*self.kernels(*words), says=says)

    def test_wrong_values(self):
        self.refused(*self.words("-o", "xml"), code=2, says="xml")
        self.refused(*self.words("-ctk", "q8"), code=2, says="q8")
        self.refused("bench", "-m", self.model, "-p", "many", code=2, says="many")


class Dense(Case):
    def test_onednn(self):
        source, dense = self.folder / "dense", self.folder / "d.tern"
        make_checkpoint(source, "--hidden 64 --ffn 128 --layers 2 --heads 4 --kv-heads 4 --vocab 64 --context 256")
        self.ok("convert", source, "--weights", "f16", "-o", dense)
        prompt = " ".join(str(i % 64) for i in range(150))
        words = ["run", "-m", dense, "--tokens", "-p", prompt, "-n", "4", "--temp", "0"]
        self.refused(*words, "--dense", "onednn", "--logits-hash", says="--dense onednn")
        canonical = self.ok(*words)
        self.assertNotIn("onednn", canonical.stderr)
        other = tern(*words, "--dense", "onednn")
        if "this build has no oneDNN" in other.stderr:
            return
        self.assertEqual(other.returncode, 0, other.stderr)
        self.assertIn("linear_f16_f32_dot_onednn", other.stderr)
        self.assertEqual(other.stdout, canonical.stdout)  # random weights, but no near-tie


if __name__ == "__main__":
    tern_case.run_tests()
