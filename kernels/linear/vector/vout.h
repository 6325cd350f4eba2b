// Vectors along the output axis x f32 activations: s = fma(entry, x_c, s) for every lane over ascending columns.
// One token: the sums of some lanes stay in registers, an index loads an entry. A batch, and codebooks that no such
// loads fit: runs of columns are decoded once, to [column][row], and multiplied with all tokens.
#pragma once

#include <type_traits>

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

struct OutputRun {  // columns of a tile whose entries lie in one codebook
  const std::byte* records;
  uint64_t record_bytes;
  unsigned bits;  // of PackedIndices
  const float* x;
  uint64_t count;
  const std::byte* book;
};

// Full records of any number of bits, unpacked lane by lane where they are used: meanwhile entries arrive.
struct PackedIndices {};

template <class Index, int lanes>
struct LaneIndices {
  const Index* index;
  TERN_INLINE LaneIndices(const OutputRun&, const std::byte* record, uint64_t lane)
      : index(reinterpret_cast<const Index*>(record) + lane) {}
};

template <int lanes>
struct LaneIndices<PackedIndices, lanes> {
  uint16_t index[lanes];
  TERN_INLINE LaneIndices(const OutputRun& run, const std::byte* record, uint64_t lane) {
    for (uint64_t l = 0; l < lanes; l += 8)
      unpack_eight<kOutputLanes>(run.bits, reinterpret_cast<const uint8_t*>(record), lane + l, index + l);
    asm("" : "+m"(index));  // loads of u16 are cheaper than what GCC has to take them out of a register
  }
};

// Adds the columns of a run to the sums of `lanes` lanes; an entry is `fours` times four values of type `type`.
template <class F8, FloatType type, int fours, int lanes, class Index>
TERN_INLINE void add_columns(const OutputRun& run, uint64_t lane, float* sums) {
  constexpr int kParts = (fours + 1) / 2;
  constexpr uint64_t kValue = type == FloatType::f32 ? 4 : 2;
  F8 s[lanes][kParts];
  unroll2<lanes, kParts>([&](auto l, auto i) TERN_LAMBDA {
    s[l][i] = F8::template load<FloatType::f32>(reinterpret_cast<const std::byte*>(sums + (l * kParts + i) * 8));
  });
  const std::byte* record = run.records;
  for (uint64_t c = 0; c < run.count; ++c, record += run.record_bytes) {
    const F8 x = F8::broadcast(run.x[c]);
    const LaneIndices<Index, lanes> at(run, record, lane);
    prefetch_ahead(record);
    unroll<lanes>([&](auto l) TERN_LAMBDA {
      const std::byte* entry = run.book + static_cast<uint64_t>(at.index[l]) * (4 * fours * kValue);
      unroll<kParts>([&](auto i) TERN_LAMBDA {
        constexpr bool half = 2 * i + 1 == fours;
        const std::byte* p = entry + 8 * i * kValue;
        s[l][i] = F8::fma(half ? F8::template load_four<type>(p) : F8::template load<type>(p), x, s[l][i]);
      });
    });
  }
  unroll2<lanes, kParts>([&](auto l, auto i) TERN_LAMBDA { s[l][i].store(sums + (l * kParts + i) * 8); });
}

// One token, all lanes of a tile and plane. `most` registers hold sums.
template <class F8, int most, FloatType type, int fours, class Index>
struct OutputTile {
  static constexpr int kParts = (fours + 1) / 2, kLanes = most / kParts;
  static constexpr bool kPacked = std::is_same_v<Index, PackedIndices>;

  static void run(const LinearCall& call, const Books& books, uint64_t tile, uint64_t plane) {
    const Encoding& e = call.w.encoding;
    const uint64_t lanes = vector_lanes(e, call.w.layout, tile);
    OutputScratch& scratch = output_scratch(call);
    float sums[kOutputLanes * kParts * 8] = {};
    const bool unpack = kPacked && (kLanes < 8 || lanes != kOutputLanes);
    for_each_run(call.w, unpack ? kRunCols : call.w.cols, [&](uint64_t c, uint64_t count, uint64_t group) {
      const std::byte* records = call.w.codes + vector_record(e, call.w.layout, call.w.cols, tile, plane, c);
      const std::byte* book = books.at + group * books.group_bytes;
      OutputRun run{records, vector_record_bytes(e, lanes), e.bits, call.in.x + c, count, book};
      if constexpr (!kPacked || kLanes >= 8) {
        if (!unpack) return add_lanes<kLanes, Index>(run, lanes, sums);
      }
      unpack_indices(e.bits, lanes, records, count, scratch.indices);
      run.records = reinterpret_cast<const std::byte*>(scratch.indices), run.record_bytes = lanes * sizeof(uint16_t);
      add_lanes<kLanes, uint16_t>(run, lanes, sums);
    });
    const uint64_t first = tile * kOutputLanes;
    for (uint64_t l = 0; l < lanes; ++l)
      finish_rows(call, (first + l) * e.length, e.length, plane, 0, sums + l * kParts * 8);
  }

  template <int width, class Form>
  TERN_INLINE static void add_lanes(const OutputRun& run, uint64_t lanes, float* sums) {
    if constexpr (width > static_cast<int>(kLaneStep)) {
      if (lanes % width != 0) return add_lanes<width / 2, Form>(run, lanes, sums);
    }
    for (uint64_t l = 0; l < lanes; l += width)
      add_columns<F8, type, fours, width, Form>(run, l, sums + l * kParts * 8);
  }
};

using OutputTileFunction = void (*)(const LinearCall&, const Books&, uint64_t tile, uint64_t plane);

template <class F8, int most, FloatType type, class Index>
OutputTileFunction output_tile_of(uint64_t fours) {
  if (fours == 1) return OutputTile<F8, most, type, 1, Index>::run;
  if (fours == 2) return OutputTile<F8, most, type, 2, Index>::run;
  if (fours == 3) return OutputTile<F8, most, type, 3, Index>::run;
  return fours == 4 ? OutputTile<F8, most, type, 4, Index>::run : nullptr;
}

template <class F8, int most, FloatType type>
OutputTileFunction output_tile_of(const Encoding& e) {
  const uint64_t fours = (e.length + 3u) / 4;
  if (e.bits == 8) return output_tile_of<F8, most, type, uint8_t>(fours);
  if (e.bits == 16) return output_tile_of<F8, most, type, uint16_t>(fours);
  return output_tile_of<F8, most, type, PackedIndices>(fours);
}

template <class F8, int most>
OutputTileFunction output_tile_of(const Books& books, const Encoding& e) {
  if (!books.fours) return nullptr;
  if (books.type == FloatType::f16) return output_tile_of<F8, most, FloatType::f16>(e);
  if (books.type == FloatType::bf16) return output_tile_of<F8, most, FloatType::bf16>(e);
  return output_tile_of<F8, most, FloatType::f32>(e);
}

// Copies the entries of a run's indices to [column][row], `rows` floats a column. In ascending order: what is copied
// too much is overwritten.
template <class F8, FloatType type>
void copy_entries(const Books& books, const std::byte* book, const uint16_t* indices, uint64_t count, uint64_t lanes,
                  uint64_t length, uint64_t rows, float* to) {
  constexpr uint64_t kValue = type == FloatType::f32 ? 4 : 2;
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
    const auto copy = books.type == FloatType::f32   ? copy_entries<F8, FloatType::f32>
                      : books.type == FloatType::f16 ? copy_entries<F8, FloatType::f16>
                                                     : copy_entries<F8, FloatType::bf16>;
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
    const Books books = prepare_books(call, plane);
    const OutputTileFunction one = call.in.tokens == 1 ? output_tile_of<F8, most>(books, e) : nullptr;
    const OutputTileFunction each = one ? one : output_batch<V, F8>;
    for (uint64_t tile = range.begin; tile < range.end; ++tile) each(call, books, tile, plane);
  }
}

}  // namespace
}  // namespace tern
