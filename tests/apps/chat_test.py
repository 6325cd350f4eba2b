#!/usr/bin/env python3
"""tern chat as a user and as a script meet it: piped lines, commands, errors, and a terminal with Ctrl-C."""

import argparse
import os
import pathlib
import pty
import re
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import termios
import threading
import time
import unittest

options = None
folder = None
model = None  # the demo, converted with zephyr's template beside it

ZEPHYR = ("{% for message in messages %}\n{% if message['role'] == 'user' %}\n"
          "{{ '<|user|>\n' + message['content'] + eos_token }}\n{% elif message['role'] == 'system' %}\n"
          "{{ '<|system|>\n' + message['content'] + eos_token }}\n{% elif message['role'] == 'assistant' %}\n"
          "{{ '<|assistant|>\n'  + message['content'] + eos_token }}\n{% endif %}\n"
          "{% if loop.last and add_generation_prompt %}\n{{ '<|assistant|>' }}\n{% endif %}\n{% endfor %}")
GREEDY = ["-n", "12", "--temp", "0"]


def command(*words):
    return (options.emulator.split(";") if options.emulator else []) + [options.tern, *map(str, words)]


def environment(**more):
    return {**{name: value for name, value in os.environ.items() if name != "TERN_ISA"}, **more}


def tern(*words, lines=()):
    return subprocess.run(command(*words), input="".join(line + "\n" for line in lines), stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, text=True, timeout=300, env=environment())


class Case(unittest.TestCase):
    def setUp(self):
        if not options.text:
            self.skipTest("built without tokenizers")
        self.folder = pathlib.Path(tempfile.mkdtemp(dir=folder))

    def chat(self, *lines, words=()):
        result = tern("chat", "-m", model, *GREEDY, *words, lines=lines)
        self.assertEqual(result.returncode, 0, result.stderr)
        return result

    def refused(self, *lines, words=(), says="", code=1):
        result = tern("chat", "-m", model, *GREEDY, *words, lines=lines)
        errors = [line for line in result.stderr.splitlines() if line.startswith("tern: error: ")]
        self.assertEqual((result.returncode, len(errors)), (code, 1), result.stderr)
        self.assertIn(says, errors[0])
        return result


class Piped(Case):
    def test_each_line_is_a_message(self):
        both = self.chat("Once upon a time", "", "The dog")
        self.assertEqual(len(both.stdout.splitlines()), 2, both.stdout)
        self.assertEqual(both.stderr, "")
        first = self.chat("Once upon a time")
        self.assertTrue(both.stdout.startswith(first.stdout))
        self.assertEqual(self.chat("The dog", words=["-p", "Once upon a time"]).stdout, both.stdout)
        self.assertEqual(self.chat("Once upon a time", "/reset", "Once upon a time").stdout, first.stdout * 2)
        self.assertEqual(self.chat("Once upon a time", "/quit", "The dog").stdout, first.stdout)
        self.assertEqual(self.chat().stdout, "")
        self.assertNotEqual(self.chat("The dog", words=["-sys", "Tom has a red ball."]).stdout, self.chat("The dog").stdout)

    def test_template(self):
        shown = tern("inspect", model).stdout
        self.assertIn("chat template: zephyr", shown)
        same = self.chat("Hi", words=["--chat-template", "zephyr"]).stdout
        self.assertEqual(self.chat("Hi").stdout, same)
        self.refused("Hi", words=["--chat-template", "chatml"], says="needs the special token <|im_start|>")
        self.refused("Hi", words=["--chat-template", "none"], says="zephyr", code=2)
        plain = self.folder / "plain.tern"
        converted = tern("convert", options.source / "demo", "-o", plain)
        self.assertIn("chat template: none beside the checkpoint", converted.stdout)
        result = tern("chat", "-m", plain, lines=["Hi"])
        self.assertEqual(result.returncode, 1)
        self.assertIn("give --chat-template NAME, one of llama2, llama3,", result.stderr)

    def test_stop_string(self):
        answer = self.chat("Once upon a time").stdout
        word = answer.split()[2]
        self.assertEqual(self.chat("Once upon a time", words=["-r", word]).stdout, answer[:answer.index(word)] + "\n")

    def test_save_and_load(self):
        path = self.folder / "a.chat"
        whole = self.chat("Once upon a time", f"/save {path}", "The dog")
        self.assertIn(f"{path}: 2 messages", whole.stderr)
        again = self.chat(f"/load {path}", "The dog")
        self.assertEqual(again.stdout, whole.stdout.splitlines(True)[1])
        self.refused(f"/load {path}", words=["--chat-template", "llama2"], says="this is llama2")
        self.refused(f"/load {path}", words=["-c", "8"], says="context holds 8")
        data = path.read_bytes()
        for bad in (data[:-1], data[:100], b"", data[:60] + bytes([data[60] ^ 1]) + data[61:]):
            path.write_bytes(bad)
            self.refused(f"/load {path}", says="a.chat: saved chat: ")
        self.refused("/load", says="needs a file name")
        self.refused(f"/load {self.folder / 'none'}", says="none")
        self.refused(f"/save {self.folder / 'none' / 'a'}", says="none")

    def test_another_model(self):
        path, other = self.folder / "a.chat", self.folder / "other.tern"
        self.chat("Hi", f"/save {path}")
        self.assertEqual(tern("convert", options.source / "demo", "-o", other, "--weights", "int8").returncode, 0)
        result = tern("chat", "-m", other, "--chat-template", "zephyr", lines=[f"/load {path}"])
        self.assertEqual(result.returncode, 1)
        self.assertIn("another model", result.stderr)

    def test_errors_and_commands(self):
        self.refused("/foo", says="there is no command /foo")
        self.assertIn("/reset", self.chat("/help").stderr)
        self.refused("word " * 500, says="the context holds")
        result = tern("chat", "-m", model, "--temp", "0", "-c", "40", lines=["Once upon a time"])
        self.assertIn("the context is full, the answer ends here", result.stderr)

    def test_seed(self):
        one, two = (tern("chat", "-m", model, "-n", "12", "-s", "3", lines=["Once", "more"]) for _ in range(2))
        self.assertEqual(one.stderr, "seed 3\n")
        self.assertEqual(two.stdout, one.stdout)


class Terminal(Case):
    def open(self, *words):
        self.process, self.terminal = pty.fork()
        if self.process == 0:
            line = command("chat", "-m", model, *words)
            os.execve(line[0] if os.path.sep in line[0] else shutil.which(line[0]), line, environment(TERM="vt100"))
        self.seen = b""

    def until(self, pattern, seconds=120):
        """Reads until the pattern stands in what was not yet matched."""
        end = time.monotonic() + seconds
        while not (found := re.search(pattern, self.seen, re.DOTALL)):
            self.assertLess(time.monotonic(), end, f"{pattern} not in {self.seen}")
            if select.select([self.terminal], [], [], 1)[0]:
                try:
                    self.seen += os.read(self.terminal, 65536)
                except OSError:
                    self.fail(f"{pattern} not in {self.seen}")
        self.seen = self.seen[found.end():]

    def prompt(self):
        """Waits until a line may be typed; the editor sets the terminal up after it has shown the prompt."""
        self.until(b"> ")
        end = time.monotonic() + 60
        while options.editing and termios.tcgetattr(self.terminal)[3] & termios.ICANON:
            self.assertLess(time.monotonic(), end)
            time.sleep(0.01)

    def type(self, text):
        os.write(self.terminal, text)

    def ends(self):
        """The exit status, once all that was written is read."""
        timer = threading.Timer(60, os.kill, (self.process, signal.SIGKILL))
        timer.start()
        try:
            while os.read(self.terminal, 65536):
                pass
        except OSError:
            pass
        _, status = os.waitpid(self.process, 0)
        timer.cancel()
        os.close(self.terminal)
        return os.waitstatus_to_exitcode(status)

    def test_interrupt_stops_the_answer(self):
        # The scalar reference takes seconds for the rest of the context.
        self.open("--isa", "scalar", "-t", "1", "--temp", "2", "--top-k", "0", "--top-p", "1", "--min-p", "0", "-s", "1")
        self.prompt()
        self.type(b"Once upon a time\n")
        self.until(rb"\r\x1b\[K(?!prompt).{10}")  # behind the progress bar of the prompt
        self.type(b"\x03")
        self.prompt()
        self.type(b"/save " + bytes(self.folder / "a.chat") + b"\n")
        self.until(b"2 messages")
        self.prompt()
        self.type(b"/foo\n")
        self.until(b"tern: error: there is no command /foo")
        self.prompt()
        self.type(b"/quit\n")
        self.assertEqual(self.ends(), 0)

    def test_end_of_input(self):
        self.open(*GREEDY)
        self.prompt()
        self.type(b"\x04")
        self.assertEqual(self.ends(), 0)

    def test_line_editing(self):
        if not options.editing:
            self.skipTest("built without libedit")
        self.open(*GREEDY)
        self.prompt()
        self.type(b"/helx\x7fp\x03")  # Ctrl-C forgets the line
        self.prompt()
        self.type(b"/fox\x7fo\n")
        self.until(b"no command /foo ")
        self.prompt()
        self.type(b"\x1b[A\n")  # the line before once more
        self.until(b"no command /foo ")
        self.prompt()
        self.type(b"/quit\n")
        self.assertEqual(self.ends(), 0)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--tern", required=True)
    parser.add_argument("--source", type=pathlib.Path, required=True)
    parser.add_argument("--text", type=int, default=1)
    parser.add_argument("--editing", type=int, default=0)
    parser.add_argument("--emulator", default="")
    options, rest = parser.parse_known_args()
    with tempfile.TemporaryDirectory() as folder:
        source = pathlib.Path(folder) / "demo"
        shutil.copytree(options.source / "demo", source)
        (source / "chat_template.jinja").write_text(ZEPHYR)
        model = os.path.join(folder, "demo.tern")
        made = tern("convert", source, "-o", model)
        if made.returncode != 0 or "chat template: zephyr (recognised in chat_template.jinja)" not in made.stdout:
            sys.exit(f"cannot convert the demo: {made.stdout}{made.stderr}")
        unittest.main(argv=[sys.argv[0], *rest])
