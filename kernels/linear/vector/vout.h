// Vectors along the output axis x f32 activations: s = fma(entry, x_c, s) for every lane over ascending columns.
// One token: the sums of some lanes stay in registers, an index loads an entry. A batch, and codebooks that no such
// loads fit: runs of columns are decoded once, to [column][row], and multiplied with all tokens.
#pragma once

#include "kernels/linear/vector/vector_parts.h"

namespace tern {
namespace {

constexpr uint64_t kRunCols = 32;  // columns unpacked or decoded at a time
constexpr uint64_t kMaxTileRows = kOutputLanes * kMaxVectorLength;
constexpr uint64_t kSumFloats = 12 * 1024;  // sums of a batch

struct OutputScratch {  // behind the expanded codebooks
  float weights[kRunCols * kMaxTileRows + 8];
  float sums[kSumFloats];
  uint16_t indices[kRunCols * kOutputLanes];
};
static_assert(kBookBytes + sizeof(OutputScratch) <= kLinearScratchBytes);

inline OutputScratch& output_scratch(const LinearCall& call) {
  return *reinterpret_cast<OutputScratch*>(call.scratch + kBookBytes);
}

constexpr uint64_t kWideBytes = 16 * 1024;  // of floats that stay in the first cache beside the indices

// Few entries of bytes become f32, which need no conversion where they are used; more would crowd the first cache.
template <class F8>
Books widen_books(const LinearCall& call, const Books& books) {
  const Encoding& e = call.w.encoding;
  const uint64_t values = books.entry_bytes << e.bits, groups = book_groups(e, call.w.cols);
  if (books.type != EntryType::int8 || values * groups * sizeof(float) > kWideBytes) return books;
  float* to = reinterpret_cast<float*>(call.scratch);
  for (uint64_t g = 0; g < groups; ++g)
    for (uint64_t i = 0; i < values; i += 8, to += 8)
      F8::template load<EntryType::int8>(books.at + g * books.group_bytes + i).store(to);
  return {call.scratch, EntryType::f32, 4 * books.entry_bytes, 4 * values, true};
}

struct OutputRun {  // columns of a tile whose entries lie in one codebook
  const std::byte* records;
  uint64_t record_bytes;
  const float* x;
  uint64_t count;
  const std::byte* book;
};

// Adds the columns of a run to the sums of `lanes` lanes; an entry is `fours` times four values of type `type`.
template <class F8, EntryType type, int fours, int lanes, class Index>
TERN_INLINE void add_columns(const OutputRun& run, uint64_t lane, float* sums) {
  constexpr int kParts = (fours + 1) / 2;
  constexpr uint64_t kValue = entry_value_bytes(type);
  F8 s[lanes][kParts];
  unroll2<lanes, kParts>([&](auto l, auto i) TERN_LAMBDA {
    s[l][i] = F8::template load<EntryType::f32>(reinterpret_cast<const std::byte*>(sums + (l * kParts + i) * 8));
  });
  const std::byte* record = run.records;
  for (uint64_t c = 0; c < run.count; ++c, record += run.record_bytes) {
    const F8 x = F8::broadcast(run.x[c]);
    const Index* index = reinterpret_cast<const Index*>(record) + lane;
    prefetch_ahead(record);
    unroll<lanes>([&](auto l) TERN_LAMBDA {
      const std::byte* entry = run.book + static_cast<uint64_t>(index[l]) * (4 * fours * kValue);
      unroll<kParts>([&](auto i) TERN_LAMBDA {
        constexpr bool half = 2 * i + 1 == fours;
        const std::byte* p = entry + 8 * i * kValue;
        s[l][i] = F8::fma(half ? F8::template load_four<type>(p) : F8::template load<type>(p), x, s[l][i]);
      });
    });
  }
  unroll2<lanes, kParts>([&](auto l, auto i) TERN_LAMBDA { s[l][i].store(sums + (l * kParts + i) * 8); });
}

// One token, all lanes of a tile and plane. `most` registers hold sums. Indices that are no bytes or words are unpacked
// for some columns at a time, while entries of the columns before them arrive.
template <class F8, int most, EntryType type, int fours, class Index>
struct OutputTile {
  static constexpr int kParts = (fours + 1) / 2, kLanes = most / kParts;

  static void run(const LinearCall& call, const Books& books, uint64_t tile, uint64_t plane) {
    const Encoding& e = call.w.encoding;
    const uint64_t lanes = vector_lanes(e, call.w.layout, tile);
    uint16_t* const unpacked = output_scratch(call).indices;
    float sums[kOutputLanes * kParts * 8] = {};
    const bool unpack = e.bits != 8 * sizeof(Index);
    for_each_run(call.w, unpack ? kRunCols : call.w.cols, [&](uint64_t c, uint64_t count, uint64_t group) {
      const std::byte* records = call.w.codes + vector_record(e, call.w.layout, call.w.cols, tile, plane, c);
      OutputRun run{records, lanes * sizeof(Index), call.in.x + c, count, books.at + group * books.group_bytes};
      if (unpack) {
        unpack_indices(e.bits, lanes, records, count, unpacked);
        run.records = reinterpret_cast<const std::byte*>(unpacked);
      }
      add_lanes<kLanes>(run, lanes, sums);
    });
    const uint64_t first = tile * kOutputLanes;
    for (uint64_t l = 0; l < lanes; ++l)
      finish_rows(call, (first + l) * e.length, e.length, plane, 0, sums + l * kParts * 8);
  }

  template <int width>
  TERN_INLINE static void add_lanes(const OutputRun& run, uint64_t lanes, float* sums) {
    if constexpr (width > static_cast<int>(kLaneStep)) {
      if (lanes % width != 0) return add_lanes<width / 2>(run, lanes, sums);
    }
    for (uint64_t l = 0; l < lanes; l += width)
      add_columns<F8, type, fours, width, Index>(run, l, sums + l * kParts * 8);
  }
};

using OutputTileFunction = void (*)(const LinearCall&, const Books&, uint64_t tile, uint64_t plane);

template <class F8, int most, EntryType type, class Index>
OutputTileFunction output_tile_of(uint64_t fours) {
  if (fours == 1) return OutputTile<F8, most, type, 1, Index>::run;
  if (fours == 2) return OutputTile<F8, most, type, 2, Index>::run;
  if (fours == 3) return OutputTile<F8, most, type, 3, Index>::run;
  return fours == 4 ? OutputTile<F8, most, type, 4, Index>::run : nullptr;
}

template <class F8, int most, EntryType type>
OutputTileFunction output_tile_of(const Encoding& e) {
  const uint64_t fours = (e.length + 3u) / 4;
  return e.bits == 8 ? output_tile_of<F8, most, type, uint8_t>(fours) : output_tile_of<F8, most, type, uint16_t>(fours);
}

template <class F8, int most>
OutputTileFunction output_tile_of(const Books& books, const Encoding& e) {
  if (!books.fours) return nullptr;
  if (books.type == EntryType::f16) return output_tile_of<F8, most, EntryType::f16>(e);
  if (books.type == EntryType::bf16) return output_tile_of<F8, most, EntryType::bf16>(e);
  if (books.type == EntryType::int8) return output_tile_of<F8, most, EntryType::int8>(e);
  return output_tile_of<F8, most, EntryType::f32>(e);
}

// Copies the entries of a run's indices to [column][row], `rows` floats a column. In ascending order: what is copied
// too much is overwritten.
template <class F8, EntryType type>
void copy_entries(const Books& books, const std::byte* book, const uint16_t* indices, uint64_t count, uint64_t lanes,
                  uint64_t length, uint64_t rows, float* to) {
  constexpr uint64_t kValue = entry_value_bytes(type);
  for (uint64_t c = 0; c < count; ++c, to += rows) {
    for (uint64_t l = 0; l < lanes; ++l, ++indices) {
      const std::byte* entry = book + *indices * books.entry_bytes;
      float* at = to + l * length;
      uint64_t i = 0;
      for (; i + 8 <= (length + 3) / 4 * 4; i += 8) F8::template load<type>(entry + i * kValue).store(at + i);
      if (i < length) F8::template load_four<type>(entry + i * kValue).store(at + i);
    }
  }
}

template <class F8>
void decode_columns(const LinearCall& call, const Books& books, const uint16_t* indices, uint64_t lanes, uint64_t count,
                    uint64_t group, uint64_t plane, uint64_t rows, float* to) {
  const Encoding& e = call.w.encoding;
  const std::byte* book = books.at + group * books.group_bytes;
  if (books.fours) {
    const auto copy = books.type == EntryType::f32    ? copy_entries<F8, EntryType::f32>
                      : books.type == EntryType::f16  ? copy_entries<F8, EntryType::f16>
                      : books.type == EntryType::bf16 ? copy_entries<F8, EntryType::bf16>
                                                      : copy_entries<F8, EntryType::int8>;
    return copy(books, book, indices, count, lanes, e.length, rows, to);
  }
  const uint64_t first = (group * e.planes + plane) << e.bits;
  for (uint64_t c = 0; c < count; ++c, to += rows) {
    for (uint64_t l = 0; l < lanes; ++l, ++indices)
      for (uint64_t i = 0; i < e.length; ++i) to[l * e.length + i] = book_value(call.w, first + *indices, i);
  }
}

// sums[token][row] += decoded columns times activations: `units` times 16 rows, `tokens` tokens.
template <class V, int units, int tokens>
TERN_INLINE void multiply_columns(const float* weights, uint64_t rows, const float* x, uint64_t x_stride,
                                  uint64_t count, float* sums) {
  typename V::Floats s[units][tokens];
  unroll2<units, tokens>([&](auto u, auto k) TERN_LAMBDA {
    s[u][k] = V::load_f32(reinterpret_cast<const std::byte*>(sums + k * rows + u * kTileRows));
  });
  for (uint64_t c = 0; c < count; ++c, weights += rows) {
    typename V::Floats w[units];
    unroll<units>([&](auto u)
                      TERN_LAMBDA { w[u] = V::load_f32(reinterpret_cast<const std::byte*>(weights + u * kTileRows)); });
    unroll<tokens>([&](auto k) TERN_LAMBDA {
      const typename V::Floats input = V::broadcast(x[k * x_stride + c]);
      unroll<units>([&](auto u) TERN_LAMBDA { s[u][k] = V::fma(w[u], input, s[u][k]); });
    });
  }
  unroll2<units, tokens>([&](auto u, auto k) TERN_LAMBDA { V::store(sums + k * rows + u * kTileRows, s[u][k]); });
}

template <class V, int tokens>
void multiply_run(const float* weights, uint64_t rows, const float* x, uint64_t x_stride, uint64_t count,
                  uint64_t tokens_left, float* sums) {
  constexpr int kUnits = V::kFloatBatchTiles;
  for (; tokens_left >= tokens; tokens_left -= tokens, x += tokens * x_stride, sums += tokens * rows) {
    uint64_t r = 0;
    for (; r + kUnits * kTileRows <= rows; r += kUnits * kTileRows)
      multiply_columns<V, kUnits, tokens>(weights + r, rows, x, x_stride, count, sums + r);
    for (; r < rows; r += kTileRows) multiply_columns<V, 1, tokens>(weights + r, rows, x, x_stride, count, sums + r);
  }
  if constexpr (tokens > 1) multiply_run<V, tokens / 2>(weights, rows, x, x_stride, count, tokens_left, sums);
}

template <class V, class F8>
void output_batch(const LinearCall& call, const Books& books, uint64_t tile, uint64_t plane) {
  const Encoding& e = call.w.encoding;
  const uint64_t lanes = vector_lanes(e, call.w.layout, tile), real = lanes * e.length;
  const uint64_t rows = (real + kTileRows - 1) / kTileRows * kTileRows, most = kSumFloats / rows;
  OutputScratch& scratch = output_scratch(call);
  for (uint64_t r = 0; r < kRunCols * rows + 8; ++r) scratch.weights[r] = 0;
  for (uint64_t m = 0; m < call.in.tokens; m += most) {
    const uint64_t left = call.in.tokens - m, tokens = left < most ? left : most;
    for (uint64_t i = 0; i < tokens * rows; ++i) scratch.sums[i] = 0;
    for_each_run(call.w, kRunCols, [&](uint64_t c, uint64_t count, uint64_t group) {
      const std::byte* records = call.w.codes + vector_record(e, call.w.layout, call.w.cols, tile, plane, c);
      unpack_indices(e.bits, lanes, records, count, scratch.indices);
      decode_columns<F8>(call, books, scratch.indices, lanes, count, group, plane, rows, scratch.weights);
      const float* x = call.in.x + m * call.in.x_stride + c;
      multiply_run<V, V::kFloatTokens>(scratch.weights, rows, x, call.in.x_stride, count, tokens, scratch.sums);
    });
    for (uint64_t k = 0; k < tokens; ++k)
      finish_rows(call, tile * call.w.layout.tile_rows, real, plane, m + k, scratch.sums + k * rows);
  }
}

template <class V, class F8, int most>
void vout_dot(const LinearCall& call, TileRange range) {
  const Encoding& e = call.w.encoding;
  for (uint64_t plane = 0; plane < e.planes; ++plane) {
    const Books books = widen_books<F8>(call, prepare_books(call, plane));
    const OutputTileFunction one = call.in.tokens == 1 ? output_tile_of<F8, most>(books, e) : nullptr;
    const OutputTileFunction each = one ? one : output_batch<V, F8>;
    for (uint64_t tile = range.begin; tile < range.end; ++tile) each(call, books, tile, plane);
  }
}

}  // namespace
}  // namespace tern
