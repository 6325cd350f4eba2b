// Phase weights x int8 activations without multiplications: runs of signs are indices of tables that hold the sums of
// the activations where the signs are set, for both halves of the input. Tables are built by additions, once per
// activation vector and call; a unit of 32 columns has V::kSignTableBytes of them, which V (signs_<isa>.h) builds,
// looks up and sums in narrow integers, exactly.
#pragma once

#include "kernels/linear/phase/phase_outputs.h"

namespace tern {
namespace {

// sums[r] += the bit sums of `units` units of the runs of code blocks codes[r], `step` bytes from block to block.
// Look-ups and additions only: a test reads the machine code.
template <class V, int runs>
__attribute__((noinline)) void phase_table_sums(const std::byte* const* codes, uint64_t step, const uint8_t* tables,
                                                uint64_t units, BitSums<V>* sums) {
  uint64_t offset = 0;
  while (units != 0) {
    const uint64_t some = units < V::kSignUnits ? units : V::kSignUnits;
    typename V::SignSums acc[runs];
    unroll<runs>([&](auto r) TERN_LAMBDA { acc[r] = V::zero_signs(); });
    for (uint64_t u = 0; u < some; ++u, offset += kPhaseUnitBlocks * step, tables += V::kSignTableBytes) {
      unroll<runs>([&](auto r) TERN_LAMBDA {
        prefetch_ahead(codes[r] + offset);
        prefetch_ahead(codes[r] + offset + step);
      });
      V::template look_up_unit<runs>(codes, offset, step, tables, acc);
      asm("" : "+r"(offset));  // else GCC counts with the product of step and units
    }
    unroll<runs>([&](auto r) TERN_LAMBDA { V::add_signs(sums[r], acc[r]); });
    units -= some;
  }
}

// What table entries carry to be no negative numbers: the negative activations, all of them.
template <class V>
int32_t sign_offset(const int8_t* a, uint64_t cols) {
  int32_t sum = 0;
  for (uint64_t c = 0; V::kSignOffset && c < cols; ++c) sum += a[c] < 0 ? -a[c] : 0;
  return sum;
}

// The tables of one token in scratch: all of them where they fit, else the units last asked for.
template <class V>
class SignTables {
 public:
  static constexpr uint64_t kUnits = kLinearScratchBytes / V::kSignTableBytes;

  SignTables(const LinearCall& call, uint64_t m)
      : xr_(call.in.codes + m * call.in.code_stride),
        xi_(xr_ + call.w.layout.groups * call.w.layout.padded_group_cols()),
        tables_(reinterpret_cast<uint8_t*>(call.scratch)) {
    const uint64_t units = call.w.layout.groups * call.w.layout.group_blocks / kPhaseUnitBlocks;
    whole_ = units <= kUnits;
    if (whole_) build(0, units);
  }
  bool whole() const { return whole_; }
  // Of `count` <= kUnits units from `first`, counted along a half.
  const uint8_t* get(uint64_t first, uint64_t count) {
    if (whole_) return tables_ + first * V::kSignTableBytes;
    if (first != first_ || count > count_) build(first, count);
    return tables_;
  }

 private:
  void build(uint64_t first, uint64_t count) {
    for (uint64_t u = 0; u < count; ++u) {
      const uint64_t column = (first + u) * kPhaseUnitCols;
      V::build_sign_tables(xr_ + column, xi_ + column, tables_ + u * V::kSignTableBytes);
    }
    first_ = first, count_ = count;
  }

  const int8_t *xr_, *xi_;
  uint8_t* tables_;
  uint64_t first_ = 0, count_ = 0;
  bool whole_ = false;
};

constexpr uint64_t kPhaseTiles = 8,
                   kManyPhaseTiles = 32;  // that share a pass over the tables; where those are in parts
constexpr uint64_t kPhaseRuns = 2 * kManyPhaseTiles;

// As many runs at once as share the tables' registers, then the rest.
template <class V, int runs>
TERN_INLINE void sum_runs(const std::byte* const* codes, uint64_t count, uint64_t step, const uint8_t* tables,
                          uint64_t units, BitSums<V>* sums) {
  for (; count >= runs; count -= runs, codes += runs, sums += runs)
    phase_table_sums<V, runs>(codes, step, tables, units, sums);
  if constexpr (runs > 1) sum_runs<V, runs / 2>(codes, count, step, tables, units, sums);
}

// sums[tile * matrices + matrix] of group g of a stage, for at most kManyPhaseTiles tiles.
template <class V>
void group_sums(const LinearCall& call, SignTables<V>& tables, TileRange range, uint64_t stage, uint64_t g,
                BitSums<V>* sums) {
  const uint64_t matrices = call.w.encoding.bits, step = matrices * kBlockBytes;
  const uint64_t units = call.w.layout.group_blocks / kPhaseUnitBlocks, runs = (range.end - range.begin) * matrices;
  const std::byte* codes[kPhaseRuns];
  for (uint64_t r = 0; r < runs; ++r) {
    codes[r] = phase_blocks(call.w, range.begin + r / matrices, stage, g, r % matrices);
    sums[r] = {V::zero_ints(), V::zero_ints(), V::zero_ints(), V::zero_ints()};
  }
  for (uint64_t u = 0; u < units; u += SignTables<V>::kUnits) {
    const uint64_t some = units - u < SignTables<V>::kUnits ? units - u : SignTables<V>::kUnits;
    sum_runs<V, V::kSignRuns>(codes, runs, step, tables.get(g * units + u, some), some, sums);
    for (uint64_t r = 0; r < runs; ++r) codes[r] += some * kPhaseUnitBlocks * step;
  }
}

template <class V>
void tile_outputs(const LinearCall& call, SignTables<V>& tables, TileRange range, uint64_t m) {
  const WeightView& w = call.w;
  const uint64_t count = range.end - range.begin, matrices = w.encoding.bits, cols = w.layout.padded_group_cols();
  const int8_t* x = call.in.codes + m * call.in.code_stride;
  ComplexRows<V> y[kManyPhaseTiles];
  BitSums<V> sums[kPhaseRuns];
  for (uint64_t t = 0; t < count; ++t) y[t] = {V::zero(), V::zero()};
  for (uint64_t stage = 0; stage < w.encoding.planes; ++stage) {
    for (uint64_t g = 0; g < w.layout.groups; ++g) {
      PhaseInput in = phase_input(call, m, g);
      in.zero_r += 2 * sign_offset<V>(x + g * cols, cols);
      in.zero_i += 2 * sign_offset<V>(x + (w.layout.groups + g) * cols, cols);
      group_sums(call, tables, range, stage, g, sums);
      for (uint64_t r = 0; r < count * matrices; ++r) {
        const uint64_t t = r / matrices, matrix = r % matrices;
        const auto re = phase_scales<V>(w, range.begin + t, stage, g, matrix, 0);
        const auto im = phase_scales<V>(w, range.begin + t, stage, g, matrix, 1);
        add_matrix(y[t], re, im, sums[r], in, matrix + 1 == matrices);
      }
    }
  }
  for (uint64_t t = 0; t < count; ++t) store_pair<V>(call, range.begin + t, m, y[t]);
}

template <class V>
void phase_mulfree(const LinearCall& call, TileRange range) {
  for (uint64_t m = 0; m < call.in.tokens; ++m) {
    SignTables<V> tables(call, m);
    const uint64_t chunk = tables.whole() ? kPhaseTiles : kManyPhaseTiles;
    for (uint64_t tile = range.begin; tile < range.end; tile += chunk)
      tile_outputs(call, tables, {tile, range.end - tile < chunk ? range.end : tile + chunk}, m);
  }
}

}  // namespace
}  // namespace tern
