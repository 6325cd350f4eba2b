#!/usr/bin/env python3
"""The include checker must accept a good tree and name each offence of a bad one."""
import pathlib
import subprocess
import sys
import tempfile

CHECKER = pathlib.Path(__file__).resolve().parents[2] / "cmake" / "check_includes.py"
GOOD = {
    "base/a.cc": '#include <vector>\n#include <sys/mman.h>\n#include "base/a.h"\n',
    "base/cpu.cc": "#include <immintrin.h>\n",
    "kernels/linear/trit/dot_avx2.cc": '#include <immintrin.h>\n#include "formats/encoding/trit.h"\n',
    "kernels/simd/lanes.h": "#include <arm_neon.h>\n",
    "runtime/m.cc": '#include "formats/tern/reader.h"\n#include "kernels/k.h"\n',
    "apps/run.cc": '#include "tern/tern.h"\n#include "runtime/m.h"\n#include <CLI/CLI.hpp>\n',
    "capi/c.cc": '#include "tern/tern.h"\n#include "runtime/m.h"\n#include "capi/c.h"\n',
    "tests/t.cc": '#include "kernels/k.h"\n',
}
BAD = [
    ("base/b.cc", '#include "formats/tern/reader.h"'),
    ("base/b.h", "#include <fmt/format.h>"),
    ("base/c.cc", '#include "b.h"'),
    ("formats/f.cc", '#include "kernels/k.h"'),
    ("formats/g.cc", '  #  include "runtime/m.h"'),
    ("kernels/k.cc", '#include "formats/tern/reader.h"'),
    ("kernels/l.cc", '#include "runtime/m.h"'),
    ("kernels/m.inc", "#include <immintrin.h>"),
    ("runtime/r.cc", '#include "apps/run.h"'),
    ("runtime/s.cc", "#include <arm_neon.h>"),
    ("runtime/t_avx2.cc", "#include <x86intrin.h>"),
    ("capi/d.cc", '#include "kernels/k.h"'),
    ("capi/e.cc", '#include "apps/run.h"'),
    ("runtime/u.cc", '#include "capi/c.h"'),
    ("apps/x.cc", '#include "kernels/k.h"'),
    ("base/math.cc", "#include <immintrin.h>"),
]


def check(files):
    with tempfile.TemporaryDirectory() as folder:
        for path, text in files.items():
            file = pathlib.Path(folder) / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text)
        run = subprocess.run([sys.executable, CHECKER, folder], capture_output=True, text=True)
        return run.returncode, run.stdout


code, output = check(GOOD)
assert code == 0 and output == "", output
for path, line in BAD:
    code, output = check({**GOOD, path: "// first\n" + line + "\n"})
    assert code == 1 and output.startswith(f"{path}:2: ") and output.count("\n") == 1, (path, line, output)
