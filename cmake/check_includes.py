#!/usr/bin/env python3
"""Fails if an #include goes against the include direction of the tree, or if intrinsics leave their rooms.

Usage: check_includes.py ROOT. Prints file:line for each offence.
"""
import pathlib
import re
import sys

# A room may include itself and these; rooms of other names (tests) may include anything.
ALLOWED = {
    "base": {"base"},
    "formats": {"formats", "base"},
    "kernels": {"kernels", "formats/encoding", "base"},
    "runtime": {"runtime", "kernels", "formats", "base"},
    "include": {"include", "tern"},
    "capi": {"capi", "include", "tern", "runtime", "formats", "base"},
    "bench": {"bench", "kernels", "formats/encoding", "base"},
    "apps": {"apps", "include", "tern", "runtime", "formats", "bench"},
}
ALLOWED["apps"] |= {"base"}  # status, progress, CPU description: the words in which every room answers
ALLOWED["apps"] |= {"kernels/onednn"}  # an option of the programs, not of the library
ROOMS = ("base", "formats", "kernels", "runtime", "include", "capi", "apps", "tests", "bench")
INTRINSICS = re.compile(r"(.*intrin|arm_neon|arm_acle|arm_sve)\.h$")
ISA_FILE = re.compile(r"_(avx2|avx512|avx512vnni|avxvnni|neon|dotprod|i8mm|scalar)\.cc$")
INCLUDE = re.compile(r'\s*#\s*include\s*([<"])([^>"]+)[>"]')
SOURCES = {".h", ".hh", ".hpp", ".inc", ".c", ".cc", ".cpp"}


def may_use_intrinsics(path):
    if path == "base/cpu.cc" or path.startswith("kernels/simd/"):
        return True
    return path.startswith("kernels/") and bool(ISA_FILE.search(path))


def offence(path, quote, target):
    """What is wrong with the file `path` (from the root) including `target`, or None."""
    if INTRINSICS.search(target):
        return None if may_use_intrinsics(path) else "intrinsics belong in kernels/simd, per-ISA files and base/cpu.cc"
    room, is_ours = path.split("/")[0], target.split("/")[0] in ROOMS
    if room not in ALLOWED:
        return None
    if not is_ours:
        if quote == '"' and not target.startswith("tern/"):
            return "includes of our own files start at the root of the tree"
        if room == "base" and "/" in target and not target.startswith(("sys/", "linux/")):
            return "base includes only the standard library, OpenMP and the system"
        return None
    if any(target.startswith(allowed + "/") for allowed in ALLOWED[room]):
        return None
    return f"{room} may not include {'/'.join(target.split('/')[:-1])}"


def main(root):
    found = 0
    for file in sorted(p for room in ROOMS for p in (root / room).rglob("*") if p.suffix in SOURCES):
        path = file.relative_to(root).as_posix()
        for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), 1):
            match = INCLUDE.match(line)
            problem = match and offence(path, match[1], match[2])
            if problem:
                print(f"{path}:{number}: {line.strip()}: {problem}")
                found += 1
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else ".").resolve()))
