#!/usr/bin/env python3
"""A reader of .tern files written from docs/format.md alone, without the C++ code.

    read_tern.py [--values] FILE      prints a JSON summary; with --values every tensor decoded
    read_tern.py --tensor NAME FILE   prints one tensor, a row a line

Refuses what breaks the rules of the frame, the directory and the compositions' ranges: one line on
stderr and exit status 1. Hashes are checked if the module xxhash is installed.
"""
import json
import math
import re
import struct
import sys

try:
    import xxhash
except ImportError:
    xxhash = None

MAGIC = b"\x89TRN\r\n\x1a\n"
KNOWN = {"CONF": 1, "TENS": 1, "INPT": 1, "LINR": 1, "TOKN": 1, "CHAT": 0, "META": 0, "SHRD": 1, "DATA": 1}
CONFIG = [("architecture", 3), ("vocab_size", 1), ("hidden_size", 1), ("ffn_size", 1), ("layers", 1), ("heads", 1),
          ("kv_heads", 1), ("head_dim", 1), ("context", 1), ("norm_eps", 2), ("final_norm_eps", 2), ("rope_base", 2),
          ("rope_pairing", 3), ("activation", 3)]
OPTIONAL = {32: ("window", 1), 33: ("rope_scaling", 3), 34: ("rope_factor", 2), 35: ("rope_low_frequency", 2),
            36: ("rope_high_frequency", 2), 37: ("rope_trained_context", 1), 38: ("numbers", 3)}
FLOATS = {1: ("f", 4), 2: ("e", 2), 3: ("H", 2)}  # f32, f16, bf16 (as its upper half)
TRIT_COLS = {2: 16, 1: 20}  # bits: columns of a block
INT_UNITS = {4: (8, 1), 6: (16, 3), 8: (4, 1)}  # bits: columns and blocks of a unit
NONE = 0xFFFFFFFF


class Refused(Exception):
    pass


def need(condition, message):
    if not condition:
        raise Refused(message)


def align(n, unit):
    return (n + unit - 1) // unit * unit


class Cursor:
    def __init__(self, data, what):
        self.data, self.at, self.what = data, 0, what

    def get(self, form):
        size = struct.calcsize("<" + form)
        need(self.at + size <= len(self.data), self.what + " is too short")
        values = struct.unpack_from("<" + form, self.data, self.at)
        self.at += size
        return values[0] if len(values) == 1 else values

    def raw(self, size):
        need(self.at + size <= len(self.data), self.what + " is too short")
        self.at += size
        return self.data[self.at - size:self.at]

    def text(self, size):
        try:
            return self.raw(size).decode("utf-8")
        except UnicodeDecodeError:
            raise Refused(self.what + ": a string is not UTF-8") from None

    def pad(self):
        need(not any(self.raw(align(self.at, 8) - self.at)), self.what + ": padding is not zero")

    def count(self):
        count, zero = self.get("II")
        need(zero == 0, self.what + ": reserved field")
        return count

    def end(self):
        need(self.at == len(self.data), self.what + ": bytes after the last record")


def read_frame(data):
    need(data[:8] == MAGIC, "magic")
    need(len(data) >= 32, "header is too short")
    major, minor, count, size, _hash = struct.unpack_from("<HHIQQ", data, 8)
    need(major == 1, "version %d.%d" % (major, minor))
    need(size == len(data), "file_bytes is %d, found %d" % (size, len(data)))
    need(1 <= count <= 64 and 32 + 32 * count <= len(data), "section count")
    sections, end, last = {}, 32 + 32 * count, ""
    for i in range(count):
        kind, flags, offset, size, digest = struct.unpack_from("<4sIQQQ", data, 32 + 32 * i)
        need(kind.isalpha() and kind.isupper(), "section kind")
        kind = kind.decode()
        need(flags in (0, 1), kind + ": flags")
        need(kind != "SHRD", "sharded files are not read here")
        need(kind in KNOWN or flags == 0, kind + ": unknown critical section")
        need(KNOWN.get(kind, 0) == flags and kind not in sections, kind + ": flags, or twice")
        need(offset == align(end, 4096 if kind == "DATA" else 8), kind + ": offset")
        need(offset + size <= len(data) and not any(data[end:offset]), kind + ": outside, or padding")
        if xxhash and kind != "DATA":
            need(xxhash.xxh3_64_intdigest(data[offset:offset + size]) == digest, kind + ": hash")
        sections[kind], end, last = (offset, size), offset + size, kind
    for kind in ("CONF", "TENS", "INPT", "LINR", "DATA"):
        need(kind in sections, kind + " is missing")
    need(last == "DATA" and end == len(data), "DATA is not last")
    return "%d.%d" % (major, minor), sections


def check_positions(config):
    names = ("rope_factor", "rope_low_frequency", "rope_high_frequency", "rope_trained_context")
    factor, low, high, trained = (config[name] for name in names)
    scaling = config["rope_scaling"]
    need(scaling <= 2 and config["window"] <= 2**30, "CONF: rope_scaling or window")
    need(math.isfinite(factor) and (factor >= 1 if scaling else factor == 0), "CONF: rope_factor")
    need(0 < low < high < math.inf and trained <= 2**30 and trained if scaling == 2 else low == high == trained == 0,
         "CONF: rope scaling")


def read_config(cursor):
    count = cursor.count()
    need(count >= len(CONFIG), "CONF: fields")
    config = {name: 0 for name, _kind in OPTIONAL.values()}
    for expected, (name, kind) in enumerate(CONFIG, 1):
        field, found, size = cursor.get("HHI")
        need((field, found, size) == (expected, kind, 4), "CONF: field %d" % field)
        config[name] = cursor.get("f" if kind == 2 else "I")
    last = 0
    for _ in range(count - len(CONFIG)):
        field, found, size = cursor.get("HHI")
        need(field in OPTIONAL and field > last, "CONF: field %d" % field)
        name, kind = OPTIONAL[field]
        need((found, size) == (kind, 4), "CONF: field %d" % field)
        config[name], last = cursor.get("f" if kind == 2 else "I"), field
        need(config[name] != 0, "CONF: %s is 0" % name)
    cursor.end()
    check_positions(config)
    need(1 <= config["kv_heads"] <= config["heads"] and config["heads"] % config["kv_heads"] == 0, "CONF: heads")
    need(config["architecture"] == 1 and config["rope_pairing"] in (1, 2) and config["activation"] in (1, 2, 3), "CONF: enum")
    need(config["numbers"] == (config["activation"] == 3), "CONF: numbers")
    need(not config["numbers"] or (config["hidden_size"] % 2 == config["ffn_size"] % 2 == 0 and config["rope_pairing"] == 1),
         "CONF: halves of complex numbers")
    for name in ("norm_eps", "final_norm_eps", "rope_base"):
        need(math.isfinite(config[name]) and config[name] >= 0, "CONF: " + name)
    return config


def phase_layout(t):
    """The same for phase: rows and columns of a half, blocks of one matrix and stage."""
    rows, cols = t["rows"] // 2, t["cols"] // 2
    need(t["bits"] in (1, 2) and 1 <= t["planes"] <= 4, "bits or stages of phase")
    need(t["rows"] % 2 == 0 and t["cols"] % 2 == 0, "a phase matrix of odd shape")
    need(t["scope"] in (1, 2, 3, 4) and t["scale_type"] in FLOATS, "scales")
    group = t["group"] if t["scope"] in (3, 4) else cols
    need(group >= 1 and cols % group == 0, "group")
    tiles, groups, blocks, planes = -(-rows // 16), cols // group, 2 * -(-group // 32), t["bits"] * t["planes"]
    scales = {1: 2 * planes, 2: tiles * 2 * planes * 16, 3: tiles * groups * 2 * planes * 16,
              4: -(-rows // 64) * groups * 2 * planes}[t["scope"]]
    return blocks, groups, tiles, tiles * groups * planes * blocks * 64, scales


def layout(t):
    """Blocks of one group and plane, groups, tiles, bytes of codes, number of scales."""
    kind, rows, cols = t["kind"], t["rows"], t["cols"]
    need(1 <= rows <= 2**31 and 1 <= cols <= 2**31, "shape")
    if kind in (0, 7):
        return 0, 1, 0, rows * cols * (4 if kind == 7 else FLOATS[t["value_type"]][1]), 0
    tiles, group = -(-rows // 16), cols
    if kind == 1:
        blocks = cols if t["value_type"] == 1 else -(-cols // 2)
        return blocks, 1, tiles, tiles * blocks * 64, 0
    if kind == 5:
        return phase_layout(t)
    if kind == 6:
        return vector_layout(t)
    need(kind in (2, 3), "encoding %d is reserved" % kind)
    need(t["bits"] in (INT_UNITS if kind == 2 else TRIT_COLS), "bits")
    need(1 <= t["planes"] <= (1 if kind == 2 else 8), "planes")
    need(t["scope"] in (1, 2, 3) and t["scale_type"] in FLOATS, "scales")
    if t["scope"] == 3:
        group = t["group"]
        need(1 <= group <= cols, "group")
    unit_cols, unit_blocks = INT_UNITS[t["bits"]] if kind == 2 else (TRIT_COLS[t["bits"]], 1)
    blocks, groups = -(-group // unit_cols) * unit_blocks, -(-cols // group)
    scales = {1: t["planes"], 2: tiles * t["planes"] * 16, 3: tiles * groups * t["planes"] * 16}[t["scope"]]
    return blocks, groups, tiles, tiles * groups * t["planes"] * blocks * 64, scales


def vector_layout(t):
    """The same of vectors, where blocks are the positions of a row and groups those of codebooks."""
    rows, cols, length, along_input = t["rows"], t["cols"], t["length"], t["axis"]
    need(1 <= t["bits"] <= 16 and 2 <= length <= 32 and 1 <= t["planes"] <= 8, "index width, length or planes")
    need(t["scope"] in (0, 1, 2) and t["scale_type"] in (FLOATS if t["scope"] else (0,)), "scales")
    need(t["group"] <= cols and not (along_input and t["group"] % length), "group")
    positions = -(-cols // length) if along_input else cols
    lanes, full = align(rows if along_input else -(-rows // length), 8), 64 if along_input else 16
    codes = sum(align(t["planes"] * positions * height * t["bits"] // 8, 64) for height in heights(lanes, full))
    scales = {0: 0, 1: t["planes"], 2: align(rows, 16) * t["planes"]}[t["scope"]]
    return positions, -(-cols // t["group"]) if t["group"] else 1, -(-lanes // full), codes, scales


def heights(lanes, full):
    """Lanes of each tile."""
    return [min(full, lanes - first) for first in range(0, lanes, full)]


def check_codebooks(tensors):
    for t in tensors:
        if t["kind"] != 6:
            need(t["codebook"] == NONE, "TENS: codebook of " + t["name"])
            continue
        need(t["codebook"] < len(tensors), "TENS: codebook of " + t["name"])
        book = tensors[t["codebook"]]
        integer = (book["kind"], book["bits"], book["scope"]) == (2, 8, 1)
        need(book["kind"] == 0 or integer, "TENS: codebook " + book["name"])
        entries = layout(t)[1] * t["planes"] << t["bits"]
        shape = (entries, t["length"]) if t["axis"] or not integer else (entries * -(-t["length"] // 4), 4)
        need((book["rows"], book["cols"]) == shape, "TENS: shape of codebook " + book["name"])


def read_tensors(cursor, payload, total):
    tensors, end, names = [], payload, set()
    for _ in range(cursor.count()):
        t = {}
        name_bytes, source_bytes, t["kind"] = cursor.get("HHH")
        t["value_type"], t["bits"], t["planes"], t["scope"], t["scale_type"], vector = cursor.get("6B")
        t["length"], t["axis"] = vector & 127, vector >> 7
        t["group"], t["rows"], t["cols"], t["experts"], t["codebook"] = cursor.get("IQQII")
        t["parts"] = [cursor.get("QQQ"), cursor.get("QQQ")]
        need(cursor.get("QQQ") == (0, 0, 0) and (vector == 0 or t["kind"] == 6) and t["experts"] == 1, "TENS: reserved")
        t["name"], t["source_name"] = cursor.text(name_bytes), cursor.text(source_bytes)
        cursor.pad()
        need(t["name"] and not set(t["name"]) - set("abcdefghijklmnopqrstuvwxyz0123456789_.") and t["name"] not in names,
             "TENS: name " + t["name"])
        names.add(t["name"])
        need((t["value_type"] in FLOATS) if t["kind"] in (0, 1) else t["value_type"] == 0, "TENS: value type")
        *_, codes, scales = layout(t)
        sizes = (codes, scales * (FLOATS[t["scale_type"]][1] if scales else 0))
        for (offset, size, _digest), expected in zip(t["parts"], sizes):
            need(size == expected, "TENS: %s has %d bytes, expected %d" % (t["name"], size, expected))
            if expected:
                need(offset == align(end, 4096) and offset + size <= total, "TENS: offset of " + t["name"])
                end = offset + size
            else:
                need((offset, _digest) == (0, 0), "TENS: an empty part")
        tensors.append(t)
    cursor.end()
    check_codebooks(tensors)
    need(align(end, 64) == total, "the last part does not end the file")
    return tensors


def read_inputs(cursor):
    inputs = []
    for _ in range(cursor.count()):
        name_bytes, ops, zero, cols = cursor.get("HHIQ")
        need(zero == 0 and ops <= 16, "INPT: record")
        record = {"cols": cols, "ops": []}
        for _ in range(ops):
            *values, zero = cursor.get("HBBIIIII")
            need(1 <= values[0] <= 6 and zero == 0, "INPT: operation")
            record["ops"].append(dict(zip(("kind", "bits", "scope", "tensor", "matrix", "block", "group"), values)))
        record["name"] = cursor.text(name_bytes)
        cursor.pad()
        inputs.append(record)
    cursor.end()
    return inputs


def check_term(term, linear, source, tensors):
    need(1 <= term["kind"] <= 3, "LINR: term kind")
    need(term["row_begin"] + term["rows"] <= linear["rows"] and term["rows"] > 0, "LINR: rows")
    need(term["col_begin"] + term["cols"] <= linear["cols"] and term["cols"] > 0, "LINR: columns")
    rounds = [op["kind"] == 5 for op in source["ops"]]
    need({1: True, 2: not all(rounds), 3: any(rounds)}.get(term["tap"], False), "LINR: tap")
    need(term["tensor"] < len(tensors), "LINR: tensor")
    if term["kind"] == 1:
        t = tensors[term["tensor"]]
        need((t["rows"], t["cols"]) == (term["rows"], term["cols"]), "LINR: shape of " + t["name"])


def read_linears(cursor, inputs, tensors):
    linears = []
    for _ in range(cursor.count()):
        name_bytes, terms, post, zero, rows, cols, source, bias = cursor.get("HHHHQQII")
        need(zero == 0 and source < len(inputs) and cols == inputs[source]["cols"] and 1 <= terms <= 4096, "LINR: record")
        linear = {"rows": rows, "cols": cols, "input": source, "bias": bias, "terms": [], "post": []}
        for _ in range(terms):
            kind, tap, zero, scale, tensor, second, third, zero2, *span = cursor.get("HBBfIIIIQQQQ")
            need(zero == 0 and zero2 == 0, "LINR: reserved")
            term = {"kind": kind, "tap": tap, "scale": scale, "tensor": tensor, "second": second, "third": third}
            term.update(zip(("row_begin", "rows", "col_begin", "cols"), span))
            check_term(term, linear, inputs[source], tensors)
            linear["terms"].append(term)
        for _ in range(post):
            kind, zero, tensor, matrix, block = cursor.get("HHIII")
            need(kind in (1, 2) and zero == 0, "LINR: output operation")
            linear["post"].append({"kind": kind, "tensor": tensor, "matrix": matrix, "block": block})
        linear["name"] = cursor.text(name_bytes)
        cursor.pad()
        linears.append(linear)
    cursor.end()
    return linears


SPLIT_TOKEN = re.compile(  # the words of the dialect of split patterns; groups are checked by depth
    r"""\(\?(?:i?:|<?[=!])|\(|\)|\|
    |(?:[*+?]\??|\{\d+(?:,\d*)?\})
    |\[\^?(?!\])(?:[^\[\]\\&]|&(?!&)|\\(?:[rntfsSdD!-/:-@\[-`{-~]|[pP]\{\w+\}|x\{[0-9A-Fa-f]{1,6}\}|u[0-9A-Fa-f]{4}))*\]
    |\\(?:[rntfsSdD!-/:-@\[-`{-~]|[pP]\{\w+\}|x\{[0-9A-Fa-f]{1,6}\}|u[0-9A-Fa-f]{4})
    |[^\\^$.\[\](){}|?*+]""".replace("\n    ", ""))


def check_pattern(pattern):
    need(1 <= len(pattern.encode()) <= 4096, "TOKN: size of a pattern")
    at = depth = 0
    while at < len(pattern):
        word = SPLIT_TOKEN.match(pattern, at)
        need(word, "TOKN: a split pattern has something else at %d" % at)
        depth += word.group().startswith("(") - (word.group() == ")")
        need(0 <= depth <= 16, "TOKN: groups of a split pattern")
        at = word.end()
    need(depth == 0, "TOKN: groups of a split pattern")


def read_byte_bpe(cursor, t):
    patterns, merges = cursor.get("II")
    need(patterns <= 16 and merges <= 2**22 and not (merges and t["rank_by_id"]), "TOKN: patterns or merges")
    t["patterns"], t["merges"] = [], []
    for _ in range(patterns):
        flags, zero, size = cursor.get("BBH")
        need(flags <= 1 and zero == 0, "TOKN: pattern")
        t["patterns"].append({"pattern": cursor.text(size), "byte_alphabet": bool(flags)})
        check_pattern(t["patterns"][-1]["pattern"])
    seen = [p["byte_alphabet"] for p in t["patterns"]]
    need(seen == sorted(seen), "TOKN: byte_alphabet")
    for _ in range(merges):
        pair = list(cursor.get("II"))
        need(all(i < len(t["pieces"]) and t["pieces"][i]["type"] == 1 for i in pair), "TOKN: merge")
        t["merges"].append(pair)


def read_piece(cursor, kind):
    score, piece_type, zero, size = cursor.get("fBBH")
    need(1 <= piece_type <= 6 and zero == 0, "TOKN: piece")
    if kind == 1:
        need(size > 0, "TOKN: piece")
        return {"text": cursor.text(size), "score": score, "type": piece_type}
    need(score == 0 and piece_type not in (2, 6) and (size > 0 or piece_type == 5), "TOKN: piece")
    text = cursor.raw(size)
    if piece_type in (3, 4):
        try:
            need(size <= 255 and text.decode("utf-8"), "TOKN: special piece")
        except UnicodeDecodeError:
            raise Refused("TOKN: special piece") from None
    return {"text": text.hex(), "score": score, "type": piece_type}


def read_tokenizer(cursor):
    kind, flags, pieces, stops, bos, eos, unknown, pad, zero = cursor.get("HHIIiiiiI")
    need(kind in (1, 2) and 1 <= pieces <= 2**22 and stops <= 64 and zero == 0, "TOKN: fields")
    need(not flags & ~(0x3f if kind == 1 else 0x1c3) and not (kind == 2 and unknown != -1), "TOKN: flags")
    t = {"kind": kind, "bos": bos, "eos": eos, "unknown": unknown, "pad": pad}
    for bit, name in enumerate(("add_bos", "add_eos", "add_dummy_prefix", "remove_extra_whitespaces",
                                "escape_whitespaces", "byte_fallback", "nfc", "whole_piece_first", "rank_by_id")):
        t[name] = bool(flags >> bit & 1)
    t["stop_ids"] = [cursor.get("i") for _ in range(stops)]
    need(all(-1 <= i < pieces for i in (bos, eos, unknown, pad)), "TOKN: a special id")
    need(all(0 <= i < pieces for i in t["stop_ids"]), "TOKN: a stop id")
    t["pieces"] = [read_piece(cursor, kind) for _ in range(pieces)]
    t["patterns"], t["merges"] = [], []
    if kind == 2:
        read_byte_bpe(cursor, t)
    cursor.end()
    return t


def read_chat(cursor):
    template, zero, zero_too = cursor.get("HHI")
    need(template > 0 and zero == 0 and zero_too == 0, "CHAT: fields")
    cursor.end()
    return template


def read_metadata(cursor):
    entries = []
    for _ in range(cursor.count()):
        key_bytes, value_bytes = cursor.get("II")
        entries.append([cursor.text(key_bytes), cursor.text(value_bytes)])
        cursor.pad()
    cursor.end()
    return entries


def load(path):
    with open(path, "rb") as f:
        data = f.read()
    version, sections = read_frame(data)

    def cursor(kind):
        offset, size = sections[kind]
        return Cursor(data[offset:offset + size], kind)

    model = {"version": version, "config": read_config(cursor("CONF"))}
    model["tensors"] = read_tensors(cursor("TENS"), sections["DATA"][0], len(data))
    model["inputs"] = read_inputs(cursor("INPT"))
    model["linears"] = read_linears(cursor("LINR"), model["inputs"], model["tensors"])
    model["tokenizer"] = read_tokenizer(cursor("TOKN")) if "TOKN" in sections else None
    model["chat"] = read_chat(cursor("CHAT")) if "CHAT" in sections else None
    need(model["chat"] is None or model["tokenizer"], "CHAT: without a tokenizer")
    model["metadata"] = read_metadata(cursor("META")) if "META" in sections else []
    return data, model


def f32(value):
    """Rounds to the nearest f32."""
    return struct.unpack("<f", struct.pack("<f", value))[0]


def floats(data, offset, count, kind):
    form, _size = FLOATS[kind]
    values = struct.unpack_from("<%d%s" % (count, form), data, offset)
    if kind == 3:
        values = struct.unpack("<%df" % count, struct.pack("<%dI" % count, *(v << 16 for v in values)))
    return values


def five_trits(byte):
    """The base-3 digits of v, most significant first, minus 1; byte = ceil(v * 256 / 243)."""
    v = byte * 243 // 256
    return [v // 3**(4 - k) % 3 - 1 for k in range(5)]


def int_code(data, row, k, bits):
    """The code of column k of a group whose first block has the row's bytes at `row`."""
    if bits == 8:
        return data[row + k // 4 * 64 + k % 4]
    if bits == 4:
        return data[row + k // 8 * 64 + k % 4] >> 4 * (k % 8 // 4) & 15
    unit, k = row + k // 16 * 192, k % 16
    return int_code(data, unit, k, 4) | (data[unit + 128 + k % 4] >> 2 * (k // 4) & 3) << 4


def phase_element(data, t, stage, matrix, row, col):
    """Real and imaginary part of an element in {1, i, -1, -i}, each times its scale."""
    blocks, groups, tiles, codes, count = layout(t)
    group, k = divmod(col, t["cols"] // 2 // groups)
    tile, lane = divmod(row, 16)
    run = (tile * t["planes"] + stage) * groups + group
    block = 2 * (k // 32) + k % 4 // 2
    word = t["parts"][0][0] + ((run * blocks + block) * t["bits"] + matrix) * 64 + 2 * lane
    e1, e2 = (2 * (data[word + k % 2 + plane] >> k % 32 // 4 & 1) - 1 for plane in (0, 32))
    pairs, plane = t["bits"] * 2, 2 * matrix
    at = stage * pairs + plane if t["scope"] == 1 else (run * pairs + plane) * 16 + lane
    if t["scope"] == 4:
        at = ((row // 64 * t["planes"] + stage) * groups + group) * pairs + plane
    step = 1 if t["scope"] in (1, 4) else 16
    re, im = (floats(data, t["parts"][1][0] + i * FLOATS[t["scale_type"]][1], 1, t["scale_type"])[0]
              for i in (at, at + step))
    return (e1 + e2) // 2 * re, (e2 - e1) // 2 * im


def decode_phase(data, t):
    rows, cols = t["rows"] // 2, t["cols"] // 2
    values = [0.0] * (4 * rows * cols)
    for r in range(rows):
        for c in range(cols):
            top, low = r * 2 * cols + c, (r + rows) * 2 * cols + c
            for plane in range(t["planes"] * t["bits"]):
                stage, matrix = divmod(plane, t["bits"])
                re, im = phase_element(data, t, stage, matrix, r, c)
                sign = 1 if matrix == t["bits"] - 1 else -1  # W, or U
                for at, add in ((top, re), (top + cols, sign * im), (low, im), (low + cols, -sign * re)):
                    values[at] = f32(values[at] + add)
    return values


def read_index(data, record, bits, lanes, lane):
    """The index of a lane: fields of 16, 8, 4, 2, 1 bits, the first with the lowest bits."""
    index = low = 0
    for width in (16, 8, 4, 2, 1):
        if not bits & width:
            continue
        stride = lanes * width // 8
        if width == 16:
            part = data[record + 2 * lane] | data[record + 2 * lane + 1] << 8
        elif width == 8:
            part = data[record + lane]
        else:
            part = data[record + lane % stride] >> width * (lane // stride) & (1 << width) - 1
        index |= part << low
        record, low = record + stride, low + width
    return index


def decode_vectors(data, t, tensors):
    rows, cols, planes, length, bits = t["rows"], t["cols"], t["planes"], t["length"], t["bits"]
    positions, groups, _tiles, _codes, count = layout(t)
    book = decode(data, tensors[t["codebook"]], tensors)
    stride = len(book) // (groups * planes << bits)  # of an entry, padding included
    scales = floats(data, t["parts"][1][0], count, t["scale_type"] or 1)
    along_input, full = t["axis"], 64 if t["axis"] else 16
    tiles, first = [], t["parts"][0][0]
    for height in heights(align(rows if along_input else -(-rows // length), 8), full):
        tiles.append((first, height))
        first += align(planes * positions * height * bits // 8, 64)
    values = []
    for r in range(rows):
        for c in range(cols):
            lane, position, k = (r, c // length, c % length) if along_input else (r // length, c, r % length)
            start, height = tiles[lane // full]
            total = 0.0
            for p in range(planes):
                record = start + (p * positions + position) * height * bits // 8
                index = read_index(data, record, bits, height, lane % full)
                entry = ((c // t["group"] if t["group"] else 0) * planes + p << bits) + index
                scale = scales[{1: p, 2: (r // 16 * planes + p) * 16 + r % 16}[t["scope"]]] if t["scope"] else 1.0
                total = f32(total + scale * book[entry * stride + k])
            values.append(total)
    return values


def decode(data, t, tensors):
    """All values of a tensor, row by row."""
    if t["kind"] == 6:
        return decode_vectors(data, t, tensors)
    rows, cols, planes, kind = t["rows"], t["cols"], t["planes"], t["kind"]
    blocks, groups, tiles, _codes, count = layout(t)
    start = t["parts"][0][0]
    if kind == 7:
        return list(struct.unpack_from("<%dI" % (rows * cols), data, start))
    if kind == 0:
        return list(floats(data, start, rows * cols, t["value_type"]))
    if kind == 1:
        width = blocks * (1 if t["value_type"] == 1 else 2)
        stored = floats(data, start, tiles * width * 16, t["value_type"])
        return [stored[(r // 16 * width + c) * 16 + r % 16] for r in range(rows) for c in range(cols)]
    if kind == 5:
        return decode_phase(data, t)
    scales = floats(data, t["parts"][1][0], count, t["scale_type"])
    group = t["group"] if t["scope"] == 3 else cols
    values = []
    for r in range(rows):
        tile, lane = divmod(r, 16)
        for c in range(cols):
            g, k = divmod(c, group)
            total = 0.0
            for p in range(planes):
                first = start + ((tile * groups + g) * planes + p) * blocks * 64
                scale = {1: p, 2: (tile * planes + p) * 16 + lane, 3: ((tile * groups + g) * planes + p) * 16 + lane}
                if kind == 2:
                    code = int_code(data, first + lane * 4, k, t["bits"]) - (1 << t["bits"] - 1)
                elif t["bits"] == 1:
                    byte = data[first + k // 20 * 64 + lane * 4 + k % 4]
                    code = five_trits(byte)[k % 20 // 4]
                else:
                    byte = data[first + k // 16 * 64 + lane * 4 + k % 4]
                    code = (byte >> 2 * (k % 16 // 4) & 3) - 1
                total = f32(total + scales[scale[t["scope"]]] * code)
            values.append(total)
    return values


def main(arguments):
    data, model = load(arguments[-1])
    if arguments[0] == "--tensor":
        for t in model["tensors"]:
            if t["name"] == arguments[1]:
                values = decode(data, t, model["tensors"])
                for r in range(t["rows"]):
                    print(*values[r * t["cols"]:(r + 1) * t["cols"]])
                return
        raise Refused("no tensor " + arguments[1])
    for t in model["tensors"]:
        if arguments[0] == "--values":
            t["values"] = decode(data, t, model["tensors"])
    for t in model["tensors"]:
        t["codes"], t["scales"] = (part[1] for part in t.pop("parts"))
        for key in ("value_type", "bits", "planes", "scope", "scale_type", "experts"):
            t.pop(key)
    print(json.dumps(model))


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except (Refused, OSError) as error:
        print(error, file=sys.stderr)
        sys.exit(1)
