#!/usr/bin/env python3
"""tern convert as a user meets it: reports, full disks, Ctrl-C; nothing under the final name when it fails."""
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess

import tern_case
from tern_case import Case, command, environment, make_checkpoint, start


class Convert(Case):
    def test_report(self):
        result = self.ok("convert", self.options.source / "demo", "-o", self.folder / "m.tern")
        self.assertIn("BitNet b1.58", result.stdout)
        self.assertIn("memory needed: at most", result.stdout)
        self.assertRegex(result.stdout, r"blocks\.5\.ffn\.down +256 x 768 +trit 2-bit.* exact\n")
        self.assertRegex(result.stdout, r"embed\.tokens .* relative error 0\.0\d+\n")
        self.assertRegex(result.stdout, r"\(\d+ bytes\), 2\.\d+ bits per weight in the blocks, 55 of 56 tensors exact")
        self.assertEqual(result.stderr, "")  # no bar where nobody watches
        self.assertEqual((self.folder / "m.tern").read_bytes(), pathlib.Path(self.model).read_bytes())
        quiet = self.ok("convert", self.options.source / "demo", "-o", self.folder / "q.tern", "-q")
        self.assertIn("blocks.*.attn.q (6)", quiet.stdout)
        self.assertLess(len(quiet.stdout.splitlines()), 20)

    def test_four_and_six_bits(self):
        small = self.folder / "m.tern"
        self.ok("convert", self.options.source / "demo", "-o", small, "--weights", "int4", "--head", "int6")
        self.ok("verify", small)
        tensors = json.loads(self.ok("inspect", "--json", small).stdout)["tensors"]
        found = {t["name"]: (t["encoding"], t["bits_per_weight"]) for t in tensors}
        self.assertEqual(found["blocks.0.attn.q"], ("int 4-bit, f16 scale per 32", 4.5))
        self.assertEqual(found["embed.tokens"], ("int 6-bit, f16 scale per 64", 6.25))  # tied: as the head
        self.refused("convert", self.options.source / "demo", "-o", small, "--weights", "int5", code=2, says="int5")

    def test_fairy2i(self):
        source, out = self.folder / "hf", self.folder / "f.tern"
        make_checkpoint(source, "--layers 1 --dtype bf16")
        convert = ["convert", source, "-o", out, "--force"]
        plain = self.ok(*convert, "--weights", "fairy2i:3").stdout
        self.assertIn("phase U and W, 3 stages, f32 scale per tensor", plain)
        fitted = self.ok(*convert, "--weights", "fairy2i", "--fairy2i-scales", "tile", "--fairy2i-joint",
                         "--fairy2i-refit").stdout
        self.assertIn("phase U and W, 2 stages, f16 scale per 64x32", fitted)
        trained = self.ok(*convert, "--fairy2i-variant", "v1", "--fairy2i-head", "quantized").stdout
        self.assertIn("Fairy2i v1 (8 layers from masters", trained)
        self.refused(*convert, "--fairy2i-variant", "v1", says="--fairy2i-head")
        self.refused(*convert, "--fairy2i-variant", "v1", "--weights", "fairy2i", says="quantize again")
        self.refused(*convert, "--fairy2i-head", "dense", says="belongs to --fairy2i-variant")
        trained = [*convert, "--fairy2i-variant", "v1", "--fairy2i-head", "dense"]
        self.assertIn("bf16 scale per row", self.ok(*trained, "--fairy2i-scales", "row").stdout)
        self.refused(*trained, "--fairy2i-scales", "tile", says="80 complex columns, expected a multiple of 64")
        self.refused(*convert, "--fairy2i-joint", says="belong to --weights fairy2i")
        self.refused(*convert, "--fairy2i-scales", "row", says="belongs to --weights fairy2i or --fairy2i-variant")
        self.refused(*convert, "--weights", "fairy2i:5", code=2, says="fairy2i:5")

    def test_existing_file_needs_force(self):
        target = self.folder / "m.tern"
        target.write_text("precious")
        self.refused("convert", self.options.source / "demo", "-o", target, says="give --force")
        self.assertEqual(target.read_text(), "precious")
        self.ok("convert", self.options.source / "demo", "-o", target, "--force")
        self.ok("verify", target)

    def test_bad_places(self):
        self.refused("convert", self.folder / "none", "-o", self.folder / "m.tern", says="none")
        self.refused("convert", self.options.source / "demo", "-o", self.folder / "none" / "m.tern", says="none")
        if os.geteuid() != 0:  # root writes anywhere
            os.chmod(self.folder, 0o500)
            self.refused("convert", self.options.source / "demo", "-o", self.folder / "m.tern", says="ermission")
            os.chmod(self.folder, 0o700)
        self.refused("convert", self.options.source / "demo", "-o", "/proc/m.tern", says="/proc")
        self.assert_no_files()

    def test_full_disk(self):
        # clang's OpenMP, which comes with the sanitizers, ends where it cannot make a file of its own.
        for limit in (1024 if self.options.sanitized == "1" else 0, 4096, 1_000_000):
            self.refused("convert", self.options.source / "demo", "-o", self.folder / "m.tern", limit=limit)
            self.assert_no_files()

    def test_full_disk_keeps_what_was_there(self):
        target = self.folder / "m.tern"
        target.write_text("precious")
        self.refused("convert", self.options.source / "demo", "-o", target, "--force", limit=1_000_000)
        self.assertEqual(os.listdir(self.folder), ["m.tern"])
        self.assertEqual(target.read_text(), "precious")

    def test_truncated_checkpoint(self):
        copy = self.folder / "copy"
        shutil.copytree(self.options.source / "demo", copy)
        os.chmod(copy / "model.safetensors", 0o600)
        os.truncate(copy / "model.safetensors", 1_000_000)
        self.refused("convert", copy, "-o", self.folder / "m.tern", says="model.safetensors")
        self.assertEqual(os.listdir(self.folder), ["copy"])

    def test_lost_reader_of_stdout(self):
        process = subprocess.Popen(command("convert", self.options.source / "demo", "-o", self.folder / "m.tern"),
                                   stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment(None))
        process.stdout.close()
        process.wait(timeout=300)
        process.stderr.close()
        self.assertEqual(os.listdir(self.folder), ["m.tern"])
        self.ok("verify", self.folder / "m.tern")

    def test_interrupt(self):
        source = self.folder / "big"
        make_checkpoint(source, "--hidden 512 --ffn 1536 --layers 8 --heads 8 --kv-heads 8 --vocab 4096 --context 128")
        output = self.folder / "m.tern"
        process = start("convert", source, "-o", output, "--weights", "trit")
        while "memory needed" not in process.stdout.readline():  # converting has begun
            pass
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=300)
        self.assertEqual(process.returncode, 130)
        self.assertEqual(errors, f"tern: error: interrupted, {output} was not written\n")
        self.assertEqual(os.listdir(self.folder), ["big"])

    def test_calibration(self):
        source, ids = self.folder / "dense", self.folder / "ids"
        make_checkpoint(source, "--hidden 64 --ffn 128 --layers 2 --heads 4 --kv-heads 4 --vocab 64 --context 32")
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
        for weights, extra in (("vq", ()), ("vq", ("--outliers", "3")), ("vptq", ("--int8-codebooks",)),
                               ("vptq", ("--outliers", "3", "--codebooks", "2", "--group-num", "2"))):
            words = (*vectors, "--weights", weights, *text, "--feedback", *extra)
            out = self.ok(*words).stdout
            self.assertRegex(out, r"Hessians: [0-9.]+ [KM]iB in a temporary file beside .*v\.tern\n")
            bits = re.search(r"[0-9.]+ bits per weight in the blocks", out)[0]
            self.ok("verify", self.folder / "v.tern")
            shown = self.ok("inspect", self.folder / "v.tern").stdout
            self.assertIn("vector", shown)
            self.assertIn(bits, shown)
        os.remove(self.folder / "v.tern")
        self.refused(*vectors, "--weights", "vq", "--feedback", says="give --calibrate")
        self.refused(*vectors, "--weights", "vptq", "--outliers", "3", says="give --calibrate")
        self.refused(*vectors, "--weights", "vq", "--outliers", "3", says="give --calibrate")
        self.refused(*vectors, "--weights", "ptqtp", "--outliers", "3", *text, says="belong to --weights vq or vptq")
        self.refused(*vectors, "--weights", "vq", "--outliers", "3", "--outlier-bits", "9", *text, says="codebooks of 9 bits")
        self.refused(*vectors, "--weights", "vq", "--outlier-bits", "4", *text, says="belong to --outliers")
        self.refused(*vectors, "--weights", "vq", "--int8-codebooks", says="belongs to --weights vptq")
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
        out = self.ok("convert", os.path.join(self.options.source, "demo"), "-o", path, "-q", "--pack", "1.6").stdout
        self.assertRegex(out, r"blocks\.\*\.attn\.q \(6\) +256 x 256 +trit 1\.6-bit, .* exact\n")
        self.assertRegex(out, r"1\.6\d\d bits per weight in the blocks")
        self.assertLess(os.path.getsize(path), os.path.getsize(self.model))
        self.ok("verify", path)
        self.assertIn("trit 1.6-bit", self.ok("inspect", path).stdout)
        words = ("--tokens", "-p", "1 403 407", "-n", "9", "--temp", "0", "--logits-hash")
        five, two = (self.ok("run", "-m", m, *words) for m in (path, self.model))
        self.assertEqual(five.stdout, two.stdout)
        found = [re.search(r"logits hash: ([0-9a-f]{16})", r.stderr)[1] for r in (five, two)]
        self.assertEqual(found[0], found[1])
        self.assertIn("linear_trit5_a8_", five.stderr)


if __name__ == "__main__":
    tern_case.run_tests()
