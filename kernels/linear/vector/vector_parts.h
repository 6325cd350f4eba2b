// What the kernels of vectors share: indices as u16, codebooks as f32, scales. Included by files of several ISAs:
// everything here has internal linkage.
#pragma once

#include "kernels/linear/blocking.h"

namespace tern {
namespace {

// A field of `width` < 8 bits in a record of `lanes` lanes: those of eight lanes from `from` on, a byte each.
template <unsigned width, uint64_t lanes>
TERN_INLINE uint64_t field_bytes(const uint8_t* field, uint64_t from) {
  constexpr uint64_t stride = lanes * width / 8, part = stride < 8 ? stride : 8;
  constexpr uint64_t mask = 0x0101010101010101u * ((1 << width) - 1);
  uint64_t x = 0, bytes = 0;
  __builtin_memcpy(&x, field + from % stride, part);
  for (uint64_t l = 0; l < 8; l += part) bytes |= (x >> width * ((from + l) / stride) & mask) << 8 * l;
  return bytes;
}

// to[i] = byte i of low + 256 * byte i of high.
TERN_INLINE void join_bytes(uint64_t low, uint64_t high, uint16_t* to) {
  using Bytes [[gnu::vector_size(16)]] = uint8_t;
  using Words [[gnu::vector_size(16)]] = uint64_t;
  const Bytes l = __builtin_bit_cast(Bytes, Words{low, 0}), h = __builtin_bit_cast(Bytes, Words{high, 0});
  const Bytes joined = __builtin_shufflevector(l, h, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
  __builtin_memcpy(to, &joined, sizeof joined);
}

// The indices of eight lanes from `from` on: what the field of 8 bits has, and the others in the byte above it.
template <uint64_t lanes>
TERN_INLINE void unpack_eight(unsigned bits, const uint8_t* record, uint64_t from, uint16_t* to) {
  const uint8_t *fours = record + (bits & 8 ? lanes : 0), *twos = fours + (bits & 4 ? lanes / 2 : 0);
  const uint8_t* ones = twos + (bits & 2 ? lanes / 4 : 0);
  uint64_t low = 0, high = 0;
  if (bits & 4) high = field_bytes<4, lanes>(fours, from);
  if (bits & 2) high |= field_bytes<2, lanes>(twos, from) << (bits & 4);
  if (bits & 1) high |= field_bytes<1, lanes>(ones, from) << (bits & 6);
  if (bits & 8) __builtin_memcpy(&low, record + from, 8);
  join_bytes(bits & 8 ? low : high, bits & 8 ? high : 0, to);
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

template <uint64_t lanes>
TERN_INLINE void unpack_full(unsigned bits, const uint8_t* record, uint16_t* to) {
  for (uint64_t from = 0; from < lanes; from += 8) unpack_eight<lanes>(bits, record, from, to + from);
}

// The indices of `count` records of `lanes` lanes each, [record][lane]: the fields of vector.h, the widest first.
inline void unpack_indices(unsigned bits, uint64_t lanes, const std::byte* records, uint64_t count,
                           uint16_t* __restrict to) {
  const auto* at = reinterpret_cast<const uint8_t*>(records);
  if (bits == 16) {
    __builtin_memcpy(to, at, 2 * lanes * count);
    return;
  }
  for (; count > 0; --count, at += lanes * bits / 8, to += lanes) {
    if (lanes == kOutputLanes) {
      unpack_full<kOutputLanes>(bits, at, to);
    } else if (lanes == kInputLanes) {
      unpack_full<kInputLanes>(bits, at, to);
    } else {
      unpack_record(bits, lanes, at, to);
    }
  }
}

// Value i of an entry, without the codebook's scale.
inline float book_value(const WeightView& w, uint64_t entry, uint64_t i) {
  const uint64_t length = w.encoding.length;
  if (!w.codebook.integer) return load_value(w.codebook.values, w.codebook.type, entry * length + i);
  const uint64_t block = entry / kTileRows * ((length + 3) / 4) + i / 4;
  const auto* bytes = reinterpret_cast<const uint8_t*>(w.codebook.values);
  return static_cast<float>(static_cast<int>(bytes[block * kBlockBytes + entry % kTileRows * 4 + i % 4]) - 128);
}

constexpr uint64_t kBookBytes = 128 * 1024;  // of scratch, from its start: expanded codebooks

// The codebooks of one plane as kernels load them: in place, or expanded in scratch to f32 with zeros up to a multiple
// of four values.
struct Books {
  const std::byte* at = nullptr;
  FloatType type = FloatType::f32;
  uint64_t entry_bytes = 0, group_bytes = 0;  // from the codebook of one column group to that of the next
  bool fours = false;                         // entries are whole fours
};

inline uint64_t book_groups(const Encoding& e, uint64_t cols) {
  return e.group == 0 ? 1 : (cols + e.group - 1) / e.group;
}

inline Books books_in_place(const WeightView& w, uint64_t plane) {
  const Encoding& e = w.encoding;
  const uint64_t entry = e.length * (w.codebook.type == FloatType::f32 ? 4 : 2);
  return {w.codebook.values + (plane << e.bits) * entry, w.codebook.type, entry, (entry * e.planes) << e.bits,
          e.length % 4 == 0 && !w.codebook.integer};
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
  return {call.scratch, FloatType::f32, floats * 4, entries * floats * 4, true};
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
