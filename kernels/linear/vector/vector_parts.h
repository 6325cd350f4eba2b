// What the kernels of vectors share: indices as u16, codebooks as f32, scales. Included by files of several ISAs:
// everything here has internal linkage.
#pragma once

#include "kernels/linear/blocking.h"
#include "kernels/simd/entry.h"

namespace tern {
namespace {

using Bytes16 [[gnu::vector_size(16)]] = uint8_t;
using Words8 [[gnu::vector_size(16)]] = uint16_t;

// `parts` parts of `part` bytes, all loaded from one place, the one after another shifted by `width` bits more.
template <class Part, unsigned width>
TERN_INLINE Bytes16 shifted_parts(const uint8_t* p) {
  using Parts [[gnu::vector_size(16)]] = Part;
  Part x;
  __builtin_memcpy(&x, p, sizeof x);
  Parts shifts;
  for (unsigned i = 0; i < 16 / sizeof x; ++i) shifts[i] = static_cast<Part>(width * i);
  return __builtin_bit_cast(Bytes16, (Parts{} + x) >> shifts);
}

// A field of `width` < 8 bits in a record of `lanes` lanes: those of sixteen lanes from `from` on, from bit `low` of a
// byte each.
template <unsigned width, uint64_t lanes, unsigned low>
TERN_INLINE Bytes16 field_bytes(const uint8_t* field, uint64_t from) {
  constexpr uint64_t stride = lanes * width / 8;
  const uint8_t* p = field + from % stride;
  Bytes16 bytes;
  if constexpr (stride >= 16) {
    __builtin_memcpy(&bytes, p, 16);
  } else if constexpr (stride == 8) {
    bytes = shifted_parts<uint64_t, width>(p);
  } else if constexpr (stride == 4) {
    bytes = shifted_parts<uint32_t, width>(p);
  } else {
    bytes = shifted_parts<uint16_t, width>(p);
  }
  const Words8 shifted = __builtin_bit_cast(Words8, bytes) >> static_cast<uint16_t>(width * (from / stride));
  return __builtin_bit_cast(Bytes16, shifted << low) & static_cast<uint8_t>(((1 << width) - 1) << low);
}

// The indices of sixteen lanes from `from` on: what the field of 8 bits has, and the others in the byte above it.
template <unsigned bits, uint64_t lanes>
TERN_INLINE void unpack_sixteen(const uint8_t* record, uint64_t from, uint16_t* to) {
  const uint8_t *fours = record + (bits & 8 ? lanes : 0), *twos = fours + (bits & 4 ? lanes / 2 : 0);
  const uint8_t* ones = twos + (bits & 2 ? lanes / 4 : 0);
  Bytes16 rest = {}, low = {};
  if constexpr ((bits & 4) != 0) rest |= field_bytes<4, lanes, 0>(fours, from);
  if constexpr ((bits & 2) != 0) rest |= field_bytes<2, lanes, bits & 4>(twos, from);
  if constexpr ((bits & 1) != 0) rest |= field_bytes<1, lanes, bits & 6>(ones, from);
  if constexpr ((bits & 8) != 0) __builtin_memcpy(&low, record + from, 16);
  const Bytes16 a = bits & 8 ? low : rest, b = bits & 8 ? rest : low;
  const Bytes16 first = __builtin_shufflevector(a, b, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
  const Bytes16 last = __builtin_shufflevector(a, b, 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31);
  __builtin_memcpy(to, &first, 16);
  __builtin_memcpy(to + 8, &last, 16);
}

// The same of all lanes, of any number: that of the last tile.
inline void unpack_record(unsigned bits, uint64_t lanes, const uint8_t* field, uint16_t* to) {
  for (uint64_t l = 0; l < lanes; ++l) to[l] = 0;
  for (unsigned width = 8, low = 0; width > 0; width /= 2) {
    if ((bits & width) == 0) continue;
    const uint64_t stride = lanes * width / 8;
    for (uint64_t l = 0; l < lanes; ++l)
      to[l] |= static_cast<uint16_t>((field[l % stride] >> width * (l / stride) & ((1 << width) - 1)) << low);
    field += stride, low += width;
  }
}

template <unsigned bits, uint64_t lanes>
void unpack_full(const uint8_t* records, uint64_t count, uint16_t* __restrict to) {
  for (; count > 0; --count, records += lanes * bits / 8, to += lanes) {
    // To the second cache: the first holds entries.
    __builtin_prefetch(reinterpret_cast<const void*>(reinterpret_cast<uintptr_t>(records) + kAhead), 0, 2);
    for (uint64_t from = 0; from < lanes; from += 16) unpack_sixteen<bits, lanes>(records, from, to + from);
  }
}

template <uint64_t lanes, unsigned bits = 15>
void unpack_full(unsigned width, const uint8_t* records, uint64_t count, uint16_t* to) {
  if (width == bits) return unpack_full<bits, lanes>(records, count, to);
  if constexpr (bits > 1) unpack_full<lanes, bits - 1>(width, records, count, to);
}

// The indices of `count` records of `lanes` lanes each, [record][lane]: the fields of vector.h, the widest first.
inline void unpack_indices(unsigned bits, uint64_t lanes, const std::byte* records, uint64_t count, uint16_t* to) {
  const auto* at = reinterpret_cast<const uint8_t*>(records);
  if (bits == 16) {
    __builtin_memcpy(to, at, 2 * lanes * count);
    return;
  }
  if (lanes == kOutputLanes) return unpack_full<kOutputLanes>(bits, at, count, to);
  if (lanes == kInputLanes) return unpack_full<kInputLanes>(bits, at, count, to);
  for (; count > 0; --count, at += lanes * bits / 8, to += lanes) unpack_record(bits, lanes, at, to);
}

// Value i of an entry, without the codebook's scale.
inline float book_value(const WeightView& w, uint64_t entry, uint64_t i) {
  const uint64_t length = w.encoding.length;
  if (!w.codebook.integer) return load_value(w.codebook.values, w.codebook.type, entry * length + i);
  return static_cast<float>(static_cast<int>(w.codebook.values[codebook_byte(w.encoding, entry, i)]) - 128);
}

constexpr uint64_t kBookBytes = 128 * 1024;  // of scratch, from its start: expanded codebooks

// The codebooks of one plane as kernels load them: in place, or expanded in scratch to f32 with zeros up to a multiple
// of four values.
struct Books {
  const std::byte* at = nullptr;
  EntryType type = EntryType::f32;
  uint64_t entry_bytes = 0, group_bytes = 0;  // from the codebook of one column group to that of the next
  bool fours = false;                         // entries are whole fours
};

inline uint64_t book_groups(const Encoding& e, uint64_t cols) {
  return e.group == 0 ? 1 : (cols + e.group - 1) / e.group;
}

inline Books books_in_place(const WeightView& w, uint64_t plane) {
  const Encoding& e = w.encoding;
  const bool bytes = w.codebook.integer, apart = bytes && e.axis == VectorAxis::input;
  const EntryType type = bytes ? EntryType::int8 : entry_type(w.codebook.type);
  const uint64_t entry = bytes ? (e.length + 3u) / 4 * 4 : e.length * entry_value_bytes(type);
  return {w.codebook.values + (plane << e.bits) * entry, type, entry, (entry * e.planes) << e.bits,
          entry % (4 * entry_value_bytes(type)) == 0 && !apart};
}

// Expands them if kernels cannot load them in place: halves that are whole fours are as fast as floats, in half the
// lines.
inline Books prepare_books(const LinearCall& call, uint64_t plane) {
  const WeightView& w = call.w;
  const Encoding& e = w.encoding;
  const uint64_t floats = (e.length + 3u) / 4 * 4, entries = uint64_t{1} << e.bits, groups = book_groups(e, w.cols);
  const Books in_place = books_in_place(w, plane);
  if (in_place.fours || entries * groups * floats * 4 > kBookBytes) return in_place;
  float* to = reinterpret_cast<float*>(call.scratch);
  for (uint64_t k = 0; k < entries * groups; ++k, to += floats) {
    const uint64_t entry = ((k / entries * e.planes + plane) << e.bits) + k % entries;
    for (uint64_t i = 0; i < floats; ++i) to[i] = i < e.length ? book_value(w, entry, i) : 0;
  }
  return {call.scratch, EntryType::f32, floats * 4, entries * floats * 4, true};
}

inline float vector_scale(const WeightView& w, uint64_t row, uint64_t plane) {
  const Encoding& e = w.encoding;
  if (e.scope == ScaleScope::none) return w.codebook.scale;
  const uint64_t in_rows = (row / kTileRows * e.planes + plane) * kTileRows + row % kTileRows;
  const uint64_t i = e.scope == ScaleScope::row ? in_rows : plane;
  return load_value(w.scales, e.scale_type, i) * w.codebook.scale;
}

// y = fma(scale_p, s, y) for `count` rows of one token from `row` on; plane 0 starts at y = 0. Rows beyond the matrix
// are left out.
inline void finish_rows(const LinearCall& call, uint64_t row, uint64_t count, uint64_t plane, uint64_t m,
                        const float* s) {
  const uint64_t left = row < call.w.rows ? call.w.rows - row : 0;
  float* y = call.out.y + m * call.out.stride + row;
  for (uint64_t r = 0; r < (count < left ? count : left); ++r)
    y[r] = __builtin_fmaf(vector_scale(call.w, row + r, plane), s[r], plane == 0 ? 0 : y[r]);
}

// Calls f(first position, positions, column group) for runs of at most `most` positions that share a codebook.
template <class F>
TERN_INLINE void for_each_run(const WeightView& w, uint64_t most, F f) {
  const Encoding& e = w.encoding;
  const uint64_t positions = vector_positions(e, w.cols);
  const uint64_t each = e.group == 0 ? positions : e.axis == VectorAxis::output ? e.group : e.group / e.length;
  for (uint64_t at = 0; at < positions;) {
    const uint64_t group_end = (at / each + 1) * each, end = group_end < positions ? group_end : positions;
    const uint64_t count = end - at < most ? end - at : most;
    f(at, count, at / each);
    at += count;
  }
}

}  // namespace
}  // namespace tern
