// Vectors along the input axis, more than 8 bits an index, x f32 activations: no table pays, entries are multiplied
// where they are looked up. Column k of a row goes to sum k mod 16; the sums of a row are one virtual register of 16
// floats. One token and entries of eight values: two entries at a time from the codebook, eight rows in flight. Else
// some rows are decoded for a run of columns and multiplied with all tokens.
#pragma once

#include "kernels/linear/vector/vector_parts.h"

namespace tern {
namespace {

constexpr uint64_t kSums = 16;
constexpr uint64_t kRowStep = kLaneStep;  // rows in flight
constexpr uint64_t kRunPositions = 64;    // unpacked or decoded at a time: whole multiples of 16 columns
constexpr uint64_t kPassTokens = 32;

struct RowScratch {  // behind the expanded codebooks
  float weights[kRowStep * (kRunPositions * kMaxVectorLength + 8)];
  float sums[kRowStep * kPassTokens * kSums];
  uint16_t indices[kRunPositions * kInputLanes];
};
static_assert(kBookBytes + sizeof(RowScratch) <= kLinearScratchBytes);

inline RowScratch& row_scratch(const LinearCall& call) {
  return *reinterpret_cast<RowScratch*>(call.scratch + kBookBytes);
}

// sum i += sum i + 8, + 4, + 2, + 1.
inline float tree_sum(const float* s) {
  float t[8];
  for (int i = 0; i < 8; ++i) t[i] = s[i] + s[i + 8];
  for (int i = 0; i < 4; ++i) t[i] += t[i + 4];
  return (t[0] + t[2]) + (t[1] + t[3]);
}

struct Rows {  // of a tile, from lane `lane` on
  uint64_t tile, plane, lane, lanes;
};

// Indices of a run of positions: [position][lane], u16.
inline const uint16_t* run_indices(const LinearCall& call, const Rows& rows, uint64_t position, uint64_t count) {
  const Encoding& e = call.w.encoding;
  const std::byte* records =
      call.w.codes + vector_record(e, call.w.layout, call.w.cols, rows.tile, rows.plane, position);
  if (e.bits == 16) return reinterpret_cast<const uint16_t*>(records);
  unpack_indices(e.bits, rows.lanes, records, count, row_scratch(call).indices);
  return row_scratch(call).indices;
}

// Eight values an entry: even positions are sums 0..7, odd ones 8..15.
template <class F8, EntryType type>
void add_eights(const LinearCall& call, const Books& books, const Rows& rows, float* sums) {
  constexpr int kRows = kRowStep;
  constexpr uint64_t kEntry = 8 * entry_value_bytes(type);
  F8 s[2][kRows];
  fill(s, F8::zero());
  for_each_run(call.w, kRunPositions, [&](uint64_t position, uint64_t count, uint64_t group) {
    const uint16_t* index = run_indices(call, rows, position, count) + rows.lane;
    const std::byte* book = books.at + group * books.group_bytes;
    const float* x = call.in.x + position * 8;
    const auto add = [&](auto half) TERN_LAMBDA {
      const F8 input = F8::template load<EntryType::f32>(reinterpret_cast<const std::byte*>(x));
      prefetch_ahead(reinterpret_cast<const std::byte*>(index));
      unroll<kRows>([&](auto r) TERN_LAMBDA {
        s[half()][r] = F8::fma(F8::template load<type>(book + index[r] * kEntry), input, s[half()][r]);
      });
      x += 8, index += rows.lanes;
    };
    uint64_t k = 0;
    if (position % 2 != 0) add(std::integral_constant<int, 1>()), ++k;
    for (; k + 2 <= count; k += 2) add(std::integral_constant<int, 0>()), add(std::integral_constant<int, 1>());
    if (k < count) add(std::integral_constant<int, 0>());
  });
  if (vector_positions(call.w.encoding, call.w.cols) % 2 != 0)  // sixteen columns with zeros
    unroll<kRows>([&](auto r) TERN_LAMBDA { s[1][r] = F8::add(s[1][r], F8::zero()); });
  unroll<kRows>([&](auto r) TERN_LAMBDA {
    s[0][r].store(sums + r * kSums);
    s[1][r].store(sums + r * kSums + 8);
  });
}

template <class F8>
void one_token_eights(const LinearCall& call, const Books& books, const Rows& rows) {
  float sums[kRowStep * kSums], s[kRowStep];
  if (books.type == EntryType::f32) add_eights<F8, EntryType::f32>(call, books, rows, sums);
  if (books.type == EntryType::f16) add_eights<F8, EntryType::f16>(call, books, rows, sums);
  if (books.type == EntryType::bf16) add_eights<F8, EntryType::bf16>(call, books, rows, sums);
  for (uint64_t r = 0; r < kRowStep; ++r) s[r] = tree_sum(sums + r * kSums);
  finish_rows(call, rows.tile * kInputLanes + rows.lane, kRowStep, rows.plane, 0, s);
}

// Decodes a run of positions of some rows, [row][column] with `stride` floats a row.
template <class F8, EntryType type>
void copy_row_entries(const Books& books, const std::byte* book, const uint16_t* index, uint64_t lanes, uint64_t count,
                      uint64_t length, uint64_t stride, float* to) {
  constexpr uint64_t kValue = entry_value_bytes(type);
  for (uint64_t p = 0; p < count; ++p, index += lanes, to += length) {
    for (uint64_t r = 0; r < kRowStep; ++r) {
      const std::byte* entry = book + index[r] * books.entry_bytes;
      float* at = to + r * stride;
      uint64_t i = 0;
      for (; i + 8 <= (length + 3) / 4 * 4; i += 8) F8::template load<type>(entry + i * kValue).store(at + i);
      if (i < length) F8::template load_four<type>(entry + i * kValue).store(at + i);
    }
  }
}

template <class F8>
void decode_rows(const LinearCall& call, const Books& books, const Rows& rows, uint64_t position, uint64_t count,
                 uint64_t group, uint64_t stride, float* to) {
  const Encoding& e = call.w.encoding;
  const uint16_t* index = run_indices(call, rows, position, count) + rows.lane;
  if (books.fours) {
    const auto copy = books.type == EntryType::f32   ? copy_row_entries<F8, EntryType::f32>
                      : books.type == EntryType::f16 ? copy_row_entries<F8, EntryType::f16>
                                                     : copy_row_entries<F8, EntryType::bf16>;
    return copy(books, books.at + group * books.group_bytes, index, rows.lanes, count, e.length, stride, to);
  }
  const uint64_t first = (group * e.planes + rows.plane) << e.bits;
  for (uint64_t p = 0; p < count; ++p, index += rows.lanes) {
    for (uint64_t r = 0; r < kRowStep; ++r)
      for (uint64_t i = 0; i < e.length; ++i)
        to[r * stride + p * e.length + i] = book_value(call.w, first + index[r], i);
  }
}

// sums[row][token][16] += decoded rows times inputs, sixteen columns a step.
template <class V, int row_count, int tokens>
TERN_INLINE void multiply_rows(const float* weights, uint64_t stride, const float* x, uint64_t x_stride, uint64_t cols,
                               float* sums) {
  typename V::Floats s[row_count][tokens];
  const auto at = [](const float* p) TERN_LAMBDA { return V::load_f32(reinterpret_cast<const std::byte*>(p)); };
  unroll2<row_count, tokens>([&](auto r, auto k) TERN_LAMBDA { s[r][k] = at(sums + (r * kPassTokens + k) * kSums); });
  for (uint64_t c = 0; c < cols; c += kSums) {
    typename V::Floats w[row_count];
    unroll<row_count>([&](auto r) TERN_LAMBDA { w[r] = at(weights + r * stride + c); });
    unroll<tokens>([&](auto k) TERN_LAMBDA {
      const typename V::Floats input = at(x + k * x_stride + c);
      unroll<row_count>([&](auto r) TERN_LAMBDA { s[r][k] = V::fma(w[r], input, s[r][k]); });
    });
  }
  unroll2<row_count, tokens>([&](auto r, auto k)
                                 TERN_LAMBDA { V::store(sums + (r * kPassTokens + k) * kSums, s[r][k]); });
}

template <class V, int tokens>
void multiply_row_run(const float* weights, uint64_t stride, const float* x, uint64_t x_stride, uint64_t cols,
                      uint64_t left, float* sums) {
  constexpr int kRows = V::kFloatBatchTiles * 2;
  for (; left >= tokens; left -= tokens, x += tokens * x_stride, sums += tokens * kSums) {
    for (uint64_t r = 0; r < kRowStep; r += kRows)
      multiply_rows<V, kRows, tokens>(weights + r * stride, stride, x, x_stride, cols, sums + r * kPassTokens * kSums);
  }
  if constexpr (tokens > 1) multiply_row_run<V, tokens / 2>(weights, stride, x, x_stride, cols, left, sums);
}

template <class V, class F8>
void row_batch(const LinearCall& call, const Books& books, const Rows& rows, uint64_t m, uint64_t tokens) {
  const uint64_t length = call.w.encoding.length;
  RowScratch& scratch = row_scratch(call);
  // Runs start at multiples of 16 columns: what a group's end leaves over stays for the next run.
  const uint64_t stride = kRunPositions * length + 8;
  for (float& s : scratch.sums) s = 0;
  uint64_t begin = 0, held = 0;  // columns decoded, from `begin` on
  const auto multiply = [&](uint64_t cols) {
    for (uint64_t r = 0; r < kRowStep; ++r)
      for (uint64_t c = held; c < cols; ++c) scratch.weights[r * stride + c] = 0;
    const float* x = call.in.x + m * call.in.x_stride + begin;
    multiply_row_run<V, V::kFloatTokens>(scratch.weights, stride, x, call.in.x_stride, cols, tokens, scratch.sums);
    begin += cols, held = 0;
  };
  for_each_run(call.w, kRunPositions, [&](uint64_t position, uint64_t count, uint64_t group) {
    for (uint64_t done = 0; done < count;) {
      const uint64_t room = kRunPositions - held / length, now = count - done < room ? count - done : room;
      decode_rows<F8>(call, books, rows, position + done, now, group, stride, scratch.weights + held);
      held += now * length, done += now;
      if (held == kRunPositions * length) multiply(held);
    }
  });
  if (held != 0) multiply((held + kSums - 1) / kSums * kSums);
  for (uint64_t k = 0; k < tokens; ++k) {
    float s[kRowStep];
    for (uint64_t r = 0; r < kRowStep; ++r) s[r] = tree_sum(scratch.sums + (r * kPassTokens + k) * kSums);
    finish_rows(call, rows.tile * kInputLanes + rows.lane, kRowStep, rows.plane, m + k, s);
  }
}

template <class V, class F8>
void vin16_dot(const LinearCall& call, TileRange range) {
  const Encoding& e = call.w.encoding;
  for (uint64_t plane = 0; plane < e.planes; ++plane) {
    const Books books = prepare_books(call, plane);
    const bool eights = call.in.tokens == 1 && e.length == 8 && books.fours;
    for (uint64_t tile = range.begin; tile < range.end; ++tile) {
      const uint64_t lanes = vector_lanes(e, call.w.layout, tile);
      for (uint64_t lane = 0; lane < lanes; lane += kRowStep) {
        const Rows rows{tile, plane, lane, lanes};
        if (eights) one_token_eights<F8>(call, books, rows);
        for (uint64_t m = 0; m < call.in.tokens && !eights; m += kPassTokens)
          row_batch<V, F8>(call, books, rows, m, call.in.tokens - m < kPassTokens ? call.in.tokens - m : kPassTokens);
      }
    }
  }
}

}  // namespace
}  // namespace tern
