"""Reads the machine code of the multiplication-free inner functions and fails on a multiply or dot product.

usage: no_multiply.py OBJDUMP PROGRAM
"""
import re
import subprocess
import sys

FUNCTION = "table_sums"
VECTORS = ("vector_table_sumsIf", "vector_table_sumsIi", "vector_shuffle_table_sums")
EXPECTED = {"x86": ("TwoBits", "FiveInByte", "trit_byte_table_sums", "phase_table_sums", "vector_permute_table_sums", *VECTORS),
            "aarch64": ("TwoBits", "FiveInByte", "phase_table_sums", *VECTORS)}
X86 = r"v?(p?mul|p?madd|pdp|dpp|fn?m(add|sub)|mul|imul)\w*|i?mul\w*"
ARM = r"(s|u)?(m[al]l|mull?|mla?l|mls|dot|madd|msub|mnegl?)\w*|us?dot|sudot|f(mul|mla|mls|madd|msub|nmul)\w*|sq?r?d?mul\w*"


def main(objdump, program):
    text = subprocess.run([objdump, "-d", "--no-show-raw-insn", program], check=True, capture_output=True, text=True).stdout
    cpu = "aarch64" if "aarch64" in text[:200] else "x86"
    multiply = re.compile(ARM if cpu == "aarch64" else X86)
    functions, bad, name = {}, [], None
    for line in text.splitlines():
        if match := re.match(r"[0-9a-f]+ <(.*)>:$", line):
            name = match[1] if FUNCTION in match[1] else None
        elif name and (match := re.match(r"\s+[0-9a-f]+:\s+(?:\{\w+\}\s+)?(\S+)", line)):
            functions[name] = functions.get(name, 0) + 1
            if multiply.fullmatch(match[1].split(".")[0]):
                bad.append(f"{name}:{line.strip()}")
    for name, count in functions.items():
        print(f"{name}: {count} instructions")
    for line in bad:
        print("multiply:", line)
    if not functions or min(functions.values()) < 20:
        print(f"no function {FUNCTION} found in {program}: stripped?")
        return 1
    for part in EXPECTED[cpu]:
        if not any(part in name for name in functions):
            print(f"no function {FUNCTION} with {part} in its name found in {program}")
            return 1
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
