#!/usr/bin/env python3
"""Counts the instructions of the inner loops of the Arm kernels and says what Arm's cores would make of them.

usage: bench/arm_instructions.py OBJDUMP BUILD      (aarch64-linux-gnu-objdump, build/aarch64)

No Arm machine was at hand. Rates are what the counted instructions take by the pipelines that Arm's software
optimization guides give for each core, everything in the first cache, nothing else in the way: expected, not measured. CORES is from memory of
those guides: check it before relying on a figure.
"""
import re
import subprocess
import sys
from pathlib import Path

# Object, class in its functions' names, weights of a block of a tile (tables: of a look-up), what the loop is called. Phase
# is counted at two stages, in two halves of a unit's rows.
KERNELS = [
    ("trit/trit_neon", r"IntegerDot<.*TritDot<.*TwoBits.*run<(\d+), 1>", 256, "2 bits, smlal (NEON)"),
    ("trit/trit_neon", r"trit_table_sums<.*TwoBits", 16, "2 bits, tables (NEON)"),
    ("trit/trit_dotprod", r"IntegerDot<.*TritDot<.*run<(\d+), 1>", 256, "2 bits, sdot (dotprod)"),
    ("trit/trit_neon", r"IntegerDot<.*TritDot<.*FiveInByte.*run<(\d+), 1>", 320, "1.6 bits, smlal (NEON)"),
    ("trit/trit_neon", r"trit_table_sums<.*FiveInByte", 16, "1.6 bits, tables (NEON)"),
    ("trit/trit_dotprod", r"IntegerDot<.*Telescoped.*run<(\d+), 1>", 320, "1.6 bits, telescoped sdot (dotprod)"),
    ("phase/phase_neon", r"phase_table_sums<", 8, "phase, tables (NEON)"),
    ("phase/phase_dotprod", r"PhaseDot<.*run<(\d+), 1>", 256, "phase, sdot (dotprod)"),
    ("phase/phase_i8mm", r"PhaseDot<.*run<(\d+), 1>", 256, "phase, smmla (i8mm)"),
    ("phase/phase_dotprod", r"PhaseDot<.*run<(\d+), 2>", 512, "phase, sdot, a batch"),
    ("phase/phase_i8mm", r"PhaseDot<.*run<(\d+), 2>", 512, "phase, smmla, a batch"),
]
# Decoded a cycle, vector pipes, pipes that multiply and accumulate int8 long (smlal) and by dot products, loads a
# cycle, GHz of a usual product.
CORES = {
    "Cortex-A72": (3, 2, 1, 0, 1, 1.8),
    "Cortex-A76": (4, 2, 1, 2, 2, 2.4),
    "Cortex-X1": (5, 4, 2, 4, 2, 3.0),
    "Neoverse V2": (8, 4, 2, 4, 3, 2.8),
}
VECTOR = re.compile(r"\bv\d+\.|\bq\d+\b")


def functions(objdump, path):
    text = subprocess.run([objdump, "-dC", "--no-show-raw-insn", path], capture_output=True, text=True, check=True).stdout
    for part in re.split(r"\n(?=[0-9a-f]{16} <)", text):
        head, _, body = part.partition(">:\n")
        code = [m.groups() for m in re.finditer(r"^ +([0-9a-f]+):\t(\S+)\s*([^\n]*)$", body, re.M)]
        yield head, [(int(at, 16), name, operands) for at, name, operands in code]


def loops(code):
    """Bodies of innermost loops: from the target of a backward branch to the branch."""
    spans = []
    for at, name, operands in code:
        target = re.match(r"(?:.*, )?([0-9a-f]+) <", operands)
        if name.startswith(("b.", "cb", "tb")) and target and int(target[1], 16) <= at:
            spans.append((int(target[1], 16), at))
    for begin, end in spans:
        if not any(begin <= b and e <= end and (b, e) != (begin, end) for b, e in spans):
            yield [(name, operands) for at, name, operands in code if begin <= at <= end]


def work(body):
    return sum(name.startswith(("sdot", "smlal", "tbl", "smmla")) for name, _ in body)


def count(body):
    loads = sum(name.startswith(("ld", "prfm")) * (2 if name == "ldp" else 1) for name, _ in body)
    vector = sum(bool(VECTOR.search(operands)) and not name.startswith(("ld", "st", "prfm")) for name, operands in body)
    return {"all": len(body), "vector": vector, "loads": loads,
            "long": sum(name.startswith("smlal") for name, _ in body),
            "dots": sum(name.startswith(("sdot", "smmla")) for name, _ in body)}


def expected(c, core):
    width, pipes, longs, dots, loads, ghz = core
    if c["dots"] and not dots:
        return None
    cycles = max(c["all"] / width, c["vector"] / pipes, c["loads"] / loads, c["long"] / longs,
                 c["dots"] / dots if c["dots"] else 0)
    return ghz / cycles


def main():
    objdump, build = sys.argv[1], Path(sys.argv[2])
    print("| kernel, one token | instructions per 100 weights | vector | loads | " + " | ".join(
        f"{name}, {core[-1]} GHz" for name, core in CORES.items()) + " |")
    print("|---|--:|--:|--:|" + "--:|" * len(CORES))
    for stem, pattern, block, title in KERNELS:
        path = build / f"kernels/CMakeFiles/tern_kernels.dir/linear/{stem}.cc.o"
        best = None
        for name, code in functions(objdump, path):
            found = re.search(pattern, name)
            bodies = sorted(loops(code), key=work) if found else []
            if not bodies:
                continue
            tiles = int(found[1]) if found.groups() else None
            if best is None or (tiles or 0) > best[0]:
                best = (tiles or 0, bodies[-1])
        if best is None:
            sys.exit(f"{path}: no loop of {pattern}")
        tiles, body = best
        c = count(body)
        if tiles == 0:  # tables: two look-ups for two trits of 16 rows; for four signs of 16 rows and half the input
            tiles = sum(name == "tbl" for name, _ in body)
        weights = tiles * block
        rates = [expected(c, core) for core in CORES.values()]
        print(f"| {title} | {100 * c['all'] / weights:.1f} | {100 * c['vector'] / weights:.1f} | "
              f"{100 * c['loads'] / weights:.1f} | " +
              " | ".join("-" if r is None else f"{r * weights:.0f}" for r in rates) + " |")


if __name__ == "__main__":
    main()
