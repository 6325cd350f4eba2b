// What the kernels of vectors share: indices as u16, codebooks as f32, scales. Included by files of several ISAs:
// everything here has internal linkage.
#pragma once

#include "kernels/linear/blocking.h"

namespace tern {
namespace {

// Adds the field of `width` bits, whose lowest is bit `low` of the index, to the indices of a record. With a count of
// lanes that the compiler knows these are a few wide instructions.
template <unsigned width>
TERN_INLINE const uint8_t* add_field(uint64_t lanes, const uint8_t* field, unsigned low, uint16_t* to) {
  const uint64_t stride = lanes * width / 8;
  for (unsigned part = 0; part < 8 / width; ++part) {
    for (uint64_t i = 0; i < stride; ++i)
      to[part * stride + i] |= static_cast<uint16_t>((field[i] >> width * part & ((1 << width) - 1)) << low);
  }
  return field + stride;
}

TERN_INLINE void unpack_records(unsigned bits, uint64_t lanes, const uint8_t* at, uint64_t count, uint16_t* to) {
  const uint64_t bytes = bits & 8 ? lanes : 0;
  for (; count > 0; --count, to += lanes, at += bytes) {
    const uint8_t* field = at;
    if (bits & 8) {
      for (uint64_t l = 0; l < lanes; ++l) to[l] = field[l];
    } else {
      for (uint64_t l = 0; l < lanes; ++l) to[l] = 0;
    }
    at += lanes * (bits & 7) / 8;
    field += bytes;
    if (bits & 4) field = add_field<4>(lanes, field, bits & 8, to);
    if (bits & 2) field = add_field<2>(lanes, field, bits & 12, to);
    if (bits & 1) add_field<1>(lanes, field, bits & 14, to);
  }
}

// The indices of `count` records of `lanes` lanes each, [record][lane]: the fields of vector.h, the widest first.
inline void unpack_indices(unsigned bits, uint64_t lanes, const std::byte* records, uint64_t count, uint16_t* to) {
  const auto* at = reinterpret_cast<const uint8_t*>(records);
  if (bits == 16) {
    __builtin_memcpy(to, at, 2 * lanes * count);
  } else if (lanes == kOutputLanes) {
    unpack_records(bits, kOutputLanes, at, count, to);
  } else if (lanes == kInputLanes) {
    unpack_records(bits, kInputLanes, at, count, to);
  } else {
    unpack_records(bits, lanes, at, count, to);
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
constexpr uint64_t kFirstCache = 24 * 1024;   // beyond it f16 is faster than f32: half the lines

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

// Expands them if kernels cannot load them in place, or if they then fit the first cache and `uses` look-ups are worth it.
inline Books prepare_books(const LinearCall& call, uint64_t plane, uint64_t uses) {
  const WeightView& w = call.w;
  const Encoding& e = w.encoding;
  const uint64_t floats = (e.length + 3u) / 4 * 4, entries = uint64_t{1} << e.bits, groups = book_groups(e, w.cols);
  const Books in_place = books_in_place(w, plane);
  const uint64_t bytes = entries * groups * floats * 4;
  const bool pays = bytes <= kFirstCache && in_place.type != FloatType::f32 && uses >= 8 * entries * groups;
  if (bytes > kBookBytes || (in_place.fours && !pays)) return in_place;
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
