#!/usr/bin/env python3
"""cmake --install into a temporary prefix, moved afterwards; both examples built out of tree through find_package and
through pkg-config, then run on a converted demo checkpoint: four programs and the command, one text."""
import argparse
import os
import pathlib
import shlex
import subprocess
import sys
import tempfile

parser = argparse.ArgumentParser()
for name in ("cmake", "build", "source", "cc", "cxx"):
    parser.add_argument("--" + name, required=True)
parser.add_argument("--shared", type=int, required=True)
args = parser.parse_args()
PROMPT, TOKENS = "Once upon a time", "48"


def run(command, **kwargs):
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True, **kwargs)
    if done.returncode != 0:
        sys.exit(f"{shlex.join(map(str, command))}: status {done.returncode}\n{done.stdout}{done.stderr}")
    return done.stdout


def library_dir(prefix):
    return next(prefix.rglob("tern.pc")).parents[1]


def installed(folder):
    """Installs and moves the prefix: nothing in it may depend on where it was made."""
    run([args.cmake, "--install", args.build, "--prefix", folder / "made"])
    (folder / "made").rename(folder / "moved")
    return folder / "moved"


def by_cmake(prefix, folder):
    build = folder / "by_cmake"
    run([args.cmake, "-S", pathlib.Path(args.source) / "examples", "-B", build, f"-DCMAKE_PREFIX_PATH={prefix}",
         f"-DCMAKE_C_COMPILER={args.cc}", f"-DCMAKE_CXX_COMPILER={args.cxx}", "-DCMAKE_BUILD_TYPE=Release"])
    run([args.cmake, "--build", build])
    return [build / "story_c", build / "story_cc"]


def by_pkg_config(prefix, folder):
    path = {**os.environ, "PKG_CONFIG_PATH": str(library_dir(prefix) / "pkgconfig")}
    query = ["pkg-config", "--cflags", "--libs", "tern"] + ([] if args.shared else ["--static"])
    flags = shlex.split(run(query, env=path))
    programs = []
    for compiler, standard, source in ((args.cc, "c11", "story.c"), (args.cxx, "c++20", "story.cc")):
        program = folder / ("by_pkg_config_" + source.replace(".", "_"))
        warnings = ["-Wall", "-Wextra", "-pedantic", "-Werror"]
        run([compiler, f"-std={standard}", *warnings, pathlib.Path(args.source) / "examples" / source, "-o", program,
             *flags])
        programs.append(program)
    return programs


def check_refusals(programs, model):
    """An error reaches the user as the library's sentence."""
    for program in programs:
        done = subprocess.run([program, model.parent / "absent.tern", PROMPT], capture_output=True, text=True)
        assert done.returncode == 1 and "absent.tern" in done.stderr, (program, done)


with tempfile.TemporaryDirectory() as name:
    folder = pathlib.Path(name)
    prefix = installed(folder)
    os.environ["LD_LIBRARY_PATH"] = str(library_dir(prefix))
    headers = sorted(p.name for p in (prefix / "include").rglob("*") if p.is_file())
    assert headers == ["tern.h", "tern.hpp"], headers
    programs = by_cmake(prefix, folder) + by_pkg_config(prefix, folder)

    model = folder / "demo.tern"
    command = prefix / "bin" / "tern"
    run([command, "convert", pathlib.Path(args.source) / "demo", "-o", model])
    expected = run([command, "run", "-m", model, "-p", PROMPT, "-n", TOKENS, "--temp", "0"])
    assert expected.startswith(PROMPT) and len(expected) > len(PROMPT) + 40, expected
    for program in programs:
        text = run([program, model, PROMPT, TOKENS])
        assert text == expected, (program, text, expected)
    check_refusals(programs, model)
