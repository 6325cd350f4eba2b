// Vectors along the input axis, up to 8 bits an index: tables T[position][entry] of the entry's dot product with that
// run of inputs, then look-ups and additions alone (AQLM's Kx8, arXiv 2401.06118, section 4). One token: tables of some
// positions, each row's sum over them in a register. A batch of f32: an entry of a table is 16 tokens wide.
#pragma once

#include "kernels/linear/vector/vector_parts.h"

namespace tern {
namespace {

constexpr uint64_t kMaxEntries = 256;
constexpr uint64_t kTablePositions = 16;  // tables of 16 KiB
constexpr uint64_t kInputTiles = 32;      // whose sums stay in scratch while the tables change
constexpr uint64_t kInputRows = kInputTiles * kInputLanes;
constexpr int kGroup = 16;          // tokens of a batch at a time
constexpr uint64_t kFewTokens = 4;  // that come one by one

template <class T>
struct TableScratch {
  T book[kMaxVectorLength * kMaxEntries];  // [value][entry]
  T tables[kTablePositions * kMaxEntries];
  T sums[kInputRows];
  uint16_t indices[kTablePositions * kInputLanes];
};

struct BatchScratch {
  float book[kMaxEntries * kMaxVectorLength];  // [entry][value]
  float x[kMaxVectorLength * kGroup];          // [value][token]
  float table[kMaxEntries * kGroup];
  float sums[kInputRows * kGroup];
};
static_assert(sizeof(TableScratch<float>) <= kLinearScratchBytes && sizeof(BatchScratch) <= kLinearScratchBytes);

// Tables of f32: t = fma(value, x, t) from 0 over the vector.
struct FloatTables {
  using Value = float;
  static const float* input(const LinearCall& call, uint64_t m) { return call.in.x + m * call.in.x_stride; }
  static float scale(const LinearCall&, uint64_t) { return 1; }

  template <class V>
  TERN_INLINE static void build(const float* book, uint64_t entries, uint64_t length, const float* x, float* table) {
    for (uint64_t k = 0; k < entries; k += kTileRows) {
      typename V::Floats t = V::zero();
      for (uint64_t i = 0; i < length; ++i)
        t = V::fma(V::load_f32(reinterpret_cast<const std::byte*>(book + i * kMaxEntries + k)), V::broadcast(x[i]), t);
      V::store(table + k, t);
    }
  }
};

// Tables of int32, exact.
struct IntTables {
  using Value = int32_t;
  static const int8_t* input(const LinearCall& call, uint64_t m) { return call.in.codes + m * call.in.code_stride; }
  static float scale(const LinearCall& call, uint64_t m) { return call.in.scales[m]; }

  template <class V>
  TERN_INLINE static void build(const int32_t* book, uint64_t entries, uint64_t length, const int8_t* a,
                                int32_t* table) {
    for (uint64_t k = 0; k < entries; ++k) table[k] = 0;
    for (uint64_t i = 0; i < length; ++i)
      for (uint64_t k = 0; k < entries; ++k) table[k] += book[i * kMaxEntries + k] * a[i];
  }
};

// The codebook of a plane and column group as [value][entry], entries padded to 16.
template <class T>
void transpose_book(const WeightView& w, uint64_t plane, uint64_t group, T* to) {
  const uint64_t entries = uint64_t{1} << w.encoding.bits, first = (group * w.encoding.planes + plane) * entries;
  for (uint64_t i = 0; i < w.encoding.length; ++i)
    for (uint64_t k = 0; k < (entries < kTileRows ? kTileRows : entries); ++k)
      to[i * kMaxEntries + k] = k < entries ? static_cast<T>(book_value(w, first + k, i)) : T{0};
}

// sums[lane] += the tables' entries at the indices of `count` positions, for 8 lanes. No multiplication here.
template <class T, class Index>
[[gnu::noinline]] void vector_table_sums(const T* tables, const Index* indices, uint64_t stride, uint64_t count,
                                         T* sums) {
  T s0 = sums[0], s1 = sums[1], s2 = sums[2], s3 = sums[3], s4 = sums[4], s5 = sums[5], s6 = sums[6], s7 = sums[7];
  for (; count > 0; --count, tables += kMaxEntries, indices += stride) {
    s0 += tables[indices[0]], s1 += tables[indices[1]], s2 += tables[indices[2]], s3 += tables[indices[3]];
    s4 += tables[indices[4]], s5 += tables[indices[5]], s6 += tables[indices[6]], s7 += tables[indices[7]];
  }
  sums[0] = s0, sums[1] = s1, sums[2] = s2, sums[3] = s3, sums[4] = s4, sums[5] = s5, sums[6] = s6, sums[7] = s7;
}

template <class V>
TERN_INLINE typename V::Floats load_vector_scales(const WeightView& w, uint64_t tile, uint64_t plane) {
  const typename V::Floats book = V::broadcast(w.codebook.scale);
  return w.encoding.scope == ScaleScope::none ? book : V::mul(load_scales<V>(w, tile, 0, plane), book);
}

// y = fma(float(S), scale_p * a_scale, y) for the rows of some tiles; f32 has no a_scale.
template <class V, class Tables>
void finish_sums(const LinearCall& call, TileRange range, uint64_t plane, uint64_t m,
                 const typename Tables::Value* sums) {
  const typename V::Floats a_scale = V::broadcast(Tables::scale(call, m));
  const uint64_t end = range.end * kInputLanes < call.w.rows ? range.end * kInputLanes : call.w.rows;
  for (uint64_t row = range.begin * kInputLanes; row < end; row += kTileRows, sums += kTileRows) {
    const uint64_t rows = end - row < kTileRows ? end - row : kTileRows;
    float s[kTileRows], last[kTileRows], *y = call.out.y + m * call.out.stride + row;
    for (uint64_t r = 0; r < kTileRows; ++r) s[r] = static_cast<float>(sums[r]);
    for (uint64_t r = 0; r < rows; ++r) last[r] = plane == 0 ? 0 : y[r];
    const auto load = [](const float* p) TERN_LAMBDA { return V::load_f32(reinterpret_cast<const std::byte*>(p)); };
    const typename V::Floats scale = V::mul(load_vector_scales<V>(call.w, row / kTileRows, plane), a_scale);
    V::store(last, V::fma(scale, load(s), load(last)));
    for (uint64_t r = 0; r < rows; ++r) y[r] = last[r];
  }
}

// Calls f(tiles) for ranges of at most `most` tiles.
template <class F>
TERN_INLINE void for_each_tiles(TileRange range, uint64_t most, F f) {
  for (uint64_t at = range.begin; at < range.end; at += most)
    f(TileRange{at, at + most < range.end ? at + most : range.end});
}

template <class V, class Tables>
void add_tables(const LinearCall& call, uint64_t tile, uint64_t plane, uint64_t position, uint64_t count,
                TableScratch<typename Tables::Value>& scratch, typename Tables::Value* sums) {
  const Encoding& e = call.w.encoding;
  const uint64_t lanes = vector_lanes(e, call.w.layout, tile);
  const std::byte* records = call.w.codes + vector_record(e, call.w.layout, call.w.cols, tile, plane, position);
  for (uint64_t i = 0; i < count * lanes * e.bits / 8; i += kBlockBytes) prefetch_ahead(records + i);
  if (e.bits != 8) unpack_indices(e.bits, lanes, records, count, scratch.indices);
  for (uint64_t l = 0; l < lanes; l += kLaneStep) {
    if (e.bits == 8) {
      vector_table_sums(scratch.tables, reinterpret_cast<const uint8_t*>(records) + l, lanes, count, sums + l);
    } else {
      vector_table_sums(scratch.tables, scratch.indices + l, lanes, count, sums + l);
    }
  }
}

template <class V, class Tables>
void table_token(const LinearCall& call, TileRange tiles, uint64_t plane, uint64_t m) {
  using Value = typename Tables::Value;
  const Encoding& e = call.w.encoding;
  auto& scratch = *reinterpret_cast<TableScratch<Value>*>(call.scratch);
  for (uint64_t i = 0; i < kInputRows; ++i) scratch.sums[i] = 0;
  uint64_t at_group = ~uint64_t{0};
  for_each_run(call.w, kTablePositions, [&](uint64_t position, uint64_t count, uint64_t group) {
    if (group != at_group) transpose_book(call.w, plane, group, scratch.book);
    at_group = group;
    const auto* x = Tables::input(call, m) + position * e.length;
    for (uint64_t k = 0; k < count; ++k)
      Tables::template build<V>(scratch.book, uint64_t{1} << e.bits, e.length, x + k * e.length,
                                scratch.tables + k * kMaxEntries);
    for (uint64_t t = tiles.begin; t < tiles.end; ++t)
      add_tables<V, Tables>(call, t, plane, position, count, scratch, scratch.sums + (t - tiles.begin) * kInputLanes);
  });
  finish_sums<V, Tables>(call, tiles, plane, m, scratch.sums);
}

template <class V, class Tables>
void table_tokens(const LinearCall& call, TileRange range, uint64_t begin, uint64_t end) {
  for (uint64_t m = begin; m < end; ++m) {
    for (uint64_t plane = 0; plane < call.w.encoding.planes; ++plane)
      for_each_tiles(range, kInputTiles, [&](TileRange tiles) { table_token<V, Tables>(call, tiles, plane, m); });
  }
}

// table[entry] = the entry's products with up to 16 tokens.
template <class V>
void build_wide_table(const LinearCall& call, BatchScratch& scratch, uint64_t m, uint64_t tokens, uint64_t position) {
  const uint64_t length = call.w.encoding.length;
  for (uint64_t k = 0; k < tokens; ++k) {
    const float* x = call.in.x + (m + k) * call.in.x_stride + position * length;
    for (uint64_t i = 0; i < length; ++i) scratch.x[i * kGroup + k] = x[i];
  }
  const float* values = scratch.book;
  for (uint64_t k = 0; k < uint64_t{1} << call.w.encoding.bits; ++k, values += length) {
    typename V::Floats t = V::zero();
    for (uint64_t i = 0; i < length; ++i)
      t = V::fma(V::broadcast(values[i]), V::load_f32(reinterpret_cast<const std::byte*>(scratch.x + i * kGroup)), t);
    V::store(scratch.table + k * kGroup, t);
  }
}

template <class V>
TERN_INLINE void add_wide_entries(const BatchScratch& scratch, const uint16_t* indices, uint64_t lanes, float* sums) {
  for (uint64_t l = 0; l < lanes; ++l, sums += kGroup) {
    const auto* entry = reinterpret_cast<const std::byte*>(scratch.table + indices[l] * kGroup);
    V::store(sums, V::add(V::load_f32(reinterpret_cast<const std::byte*>(sums)), V::load_f32(entry)));
  }
}

template <class V>
void table_batch(const LinearCall& call, TileRange tiles, uint64_t plane, uint64_t m, uint64_t tokens) {
  const Encoding& e = call.w.encoding;
  auto& scratch = *reinterpret_cast<BatchScratch*>(call.scratch);
  for (uint64_t i = 0; i < kInputRows * kGroup; ++i) scratch.sums[i] = 0;
  for (uint64_t i = 0; i < kMaxVectorLength * kGroup; ++i) scratch.x[i] = 0;
  const uint64_t entries = uint64_t{1} << e.bits;
  uint64_t at_group = ~uint64_t{0};
  for_each_run(call.w, 1, [&](uint64_t position, uint64_t, uint64_t group) {
    for (uint64_t i = 0; i < entries * e.length && group != at_group; ++i)
      scratch.book[i] = book_value(call.w, ((group * e.planes + plane) << e.bits) + i / e.length, i % e.length);
    at_group = group;
    build_wide_table<V>(call, scratch, m, tokens, position);
    for (uint64_t t = tiles.begin; t < tiles.end; ++t) {
      uint16_t indices[kInputLanes];
      const uint64_t lanes = vector_lanes(e, call.w.layout, t);
      unpack_indices(e.bits, lanes, call.w.codes + vector_record(e, call.w.layout, call.w.cols, t, plane, position), 1,
                     indices);
      add_wide_entries<V>(scratch, indices, lanes, scratch.sums + (t - tiles.begin) * kInputLanes * kGroup);
    }
  });
  const uint64_t first = tiles.begin * kInputLanes, end = tiles.end * kInputLanes;
  for (uint64_t row = first; row < end && row < call.w.rows; ++row) {
    const float scale = vector_scale(call.w, row, plane);
    for (uint64_t k = 0; k < tokens; ++k) {
      float& y = call.out.y[(m + k) * call.out.stride + row];
      y = __builtin_fmaf(scale, scratch.sums[(row - first) * kGroup + k], plane == 0 ? 0 : y);
    }
  }
}

template <class V>
void vin8_tables(const LinearCall& call, TileRange range) {
  const uint64_t count = call.in.tokens, few = count % kGroup <= kFewTokens ? count % kGroup : 0;
  for (uint64_t m = 0; m < count - few; m += kGroup) {
    const uint64_t tokens = count - few - m < kGroup ? count - few - m : kGroup;
    for (uint64_t plane = 0; plane < call.w.encoding.planes; ++plane)
      for_each_tiles(range, kInputTiles, [&](TileRange tiles) { table_batch<V>(call, tiles, plane, m, tokens); });
  }
  table_tokens<V, FloatTables>(call, range, count - few, count);
}

// Whether every table entry of an int codebook fits int16: |code| * 127 * length < 2^15.
inline bool sums_fit_int16(const WeightView& w) {
  const auto* codes = reinterpret_cast<const uint8_t*>(w.codebook.values);
  const uint64_t entries = book_groups(w.encoding, w.cols) * w.encoding.planes << w.encoding.bits;
  int most = 0;
  for (uint64_t i = 0; i < entries * ((w.encoding.length + 3u) / 4 * 4); ++i) {
    const int value = codes[i] < 128 ? 128 - codes[i] : codes[i] - 128;
    most = most > value ? most : value;
  }
  return most * 127 * w.encoding.length < 1 << 15;
}

}  // namespace
}  // namespace tern
