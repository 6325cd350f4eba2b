// Phase weights x int8 activations without multiplications: runs of signs are indices of tables that hold the sums of
// the activations where the signs are set, for both halves of the input. Tables are built by additions, once per
// activation vector and call; a unit of 32 columns has V::kSignTableBytes of them, which V (signs_<isa>.h) builds,
// looks up and sums in narrow integers, exactly.
#pragma once

#include "kernels/linear/phase/phase_outputs.h"

namespace tern {
namespace {

// Into the second cache, as the tables pass through the first; may point beyond the tensor.
TERN_INLINE void prefetch_far(const std::byte* p, uint64_t ahead) {
  __builtin_prefetch(reinterpret_cast<const void*>(reinterpret_cast<uintptr_t>(p) + ahead), 0, 2);
}

// sums[r] += the bit sums of `units` units of the runs of code blocks codes[r], `step` bytes from block to block. With
// each block asks for the line `ahead` bytes on: one by one between look-ups, as a burst would wait for itself.
// Look-ups and additions only: a test reads the machine code.
template <class V, int runs>
__attribute__((noinline)) void phase_table_sums(const std::byte* const* codes, uint64_t step, uint64_t ahead,
                                                const uint8_t* tables, uint64_t units, BitSums<V>* sums) {
  uint64_t offset = 0;
  while (units != 0) {
    const uint64_t some = units < V::kSignUnits ? units : V::kSignUnits;
    typename V::SignSums acc[runs];
    unroll<runs>([&](auto r) TERN_LAMBDA { acc[r] = V::zero_signs(); });
    for (uint64_t u = 0; u < some; ++u, offset += kPhaseUnitBlocks * step, tables += V::kSignTableBytes) {
      V::template look_up_unit<runs>(codes, offset, step, tables, acc,
                                     [&](const std::byte* block) TERN_LAMBDA { prefetch_far(block, ahead); });
      asm("" : "+r"(offset));  // else GCC counts with the product of step and units
    }
    unroll<runs>([&](auto r) TERN_LAMBDA { V::add_signs(sums[r], acc[r]); });
    units -= some;
  }
}

// The tables of one token in scratch: all of them where they fit, else the units last asked for.
template <class V>
class SignTables {
 public:
  static constexpr uint64_t kGroups = 4096;  // of both halves, whose offsets are kept
  static constexpr uint64_t kUnits = (kLinearScratchBytes - kGroups * sizeof(int32_t)) / V::kSignTableBytes;

  SignTables(const LinearCall& call, uint64_t m)
      : group_cols_(call.w.layout.padded_group_cols()),
        groups_(call.w.layout.groups),
        xr_(call.in.codes + m * call.in.code_stride),
        xi_(xr_ + groups_ * group_cols_),
        tables_(reinterpret_cast<uint8_t*>(call.scratch)),
        offsets_(reinterpret_cast<int32_t*>(call.scratch + kUnits * V::kSignTableBytes)) {
    const uint64_t units = groups_ * group_cols_ / kPhaseUnitCols;
    whole_ = units <= kUnits;
    if (whole_) build(0, units);
    for (uint64_t g = 0; g < 2 * groups_ && keeps_offsets(); ++g) offsets_[g] = count_offset(g);
  }
  bool whole() const { return whole_; }
  // Of `count` units from `first`, counted along a half.
  const uint8_t* get(uint64_t first, uint64_t count) {
    if (whole_) return tables_ + first * V::kSignTableBytes;
    if (first != first_ || count > count_) build(first, count);
    return tables_;
  }
  // What the sums of group g carry too much so that no table entry is negative. Groups of the second half follow those
  // of the first.
  int32_t offset(uint64_t g) const { return keeps_offsets() ? offsets_[g] : count_offset(g); }

 private:
  bool keeps_offsets() const { return 2 * groups_ <= kGroups; }
  int32_t count_offset(uint64_t g) const {
    const int8_t* a = xr_ + g * group_cols_;
    int32_t sum = 0;
    for (uint64_t c = 0; c < group_cols_; ++c) sum += a[c] < 0 ? -a[c] : 0;
    return sum;
  }
  void build(uint64_t first, uint64_t count) {
    for (uint64_t u = 0; u < count; ++u) {
      const uint64_t column = (first + u) * kPhaseUnitCols;
      V::build_sign_tables(xr_ + column, xi_ + column, tables_ + u * V::kSignTableBytes);
    }
    first_ = first, count_ = count;
  }

  uint64_t group_cols_, groups_;
  const int8_t *xr_, *xi_;
  uint8_t* tables_;
  int32_t* offsets_;
  uint64_t first_ = 0, count_ = 0;
  bool whole_ = false;
};

constexpr uint64_t kManyPhaseTiles = 32;  // that share the tables of one part of a long vector
constexpr uint64_t kPhaseRuns = 2 * kManyPhaseTiles;
constexpr uint64_t kFarAhead = 8192;  // bytes of each tile, at most

// The walk of `tiles` tiles side by side through their stages and groups, and on to as many tiles that follow.
struct PhaseWalk {
  const LinearCall& call;
  TileRange range;
  uint64_t tiles;

  uint64_t step() const { return call.w.encoding.bits * kBlockBytes; }
  // f(run, tile, matrix) for each run of blocks.
  template <class F>
  TERN_INLINE void each_run(const F& f) const {
    uint64_t run = 0;
    for (uint64_t tile = range.begin; tile < range.end; ++tile)
      for (uint64_t matrix = 0; matrix < call.w.encoding.bits; ++matrix) f(run++, tile, matrix);
  }
  uint64_t runs() const { return (range.end - range.begin) * call.w.encoding.bits; }
  // From a place in a tile to where the walk will be when kFarAhead bytes of each tile have passed.
  uint64_t ahead(uint64_t place) const {
    const Layout& layout = call.w.layout;
    const uint64_t used = call.w.encoding.planes * layout.groups * layout.group_blocks * step();
    return place + kFarAhead < used ? kFarAhead : kFarAhead + tiles * layout.tile_bytes - used;
  }
};

// As many runs at once as share the tables' registers, then the rest.
template <class V, int most>
TERN_INLINE void sum_runs(const std::byte* const* codes, uint64_t runs, uint64_t step, uint64_t ahead,
                          const uint8_t* tables, uint64_t units, BitSums<V>* sums) {
  for (; runs >= most; runs -= most, codes += most, sums += most)
    phase_table_sums<V, most>(codes, step, ahead, tables, units, sums);
  if constexpr (most > 1) sum_runs<V, most / 2>(codes, runs, step, ahead, tables, units, sums);
}

// sums[tile * matrices + matrix] of group g of a stage. A part of the units is what is asked for at once.
template <class V>
void group_sums(const PhaseWalk& walk, SignTables<V>& tables, uint64_t stage, uint64_t g, BitSums<V>* sums) {
  const WeightView& w = walk.call.w;
  const uint64_t units = w.layout.group_blocks / kPhaseUnitBlocks, unit_bytes = kPhaseUnitBlocks * walk.step();
  const uint64_t most = kFarAhead / unit_bytes;
  const std::byte* codes[kPhaseRuns];
  walk.each_run([&](uint64_t run, uint64_t tile, uint64_t matrix) TERN_LAMBDA {
    codes[run] = phase_blocks(w, tile, stage, g, matrix);
    sums[run] = {V::zero_ints(), V::zero_ints(), V::zero_ints(), V::zero_ints()};
  });
  for (uint64_t u = 0; u < units; u += most) {
    const uint64_t some = units - u < most ? units - u : most;
    const uint64_t ahead = walk.ahead(((stage * w.layout.groups + g) * units + u) * unit_bytes);
    const uint8_t* part = tables.get(g * units + u, some);
    sum_runs<V, V::kSignRuns>(codes, walk.runs(), walk.step(), ahead, part, some, sums);
    for (uint64_t r = 0; r < walk.runs(); ++r) codes[r] += some * unit_bytes;
  }
}

// The scales of rows in a group are read when its sums are there: asks for them before.
TERN_INLINE void expect_scales(const PhaseWalk& walk, uint64_t stage, uint64_t g) {
  const WeightView& w = walk.call.w;
  if (w.encoding.scope != ScaleScope::row && w.encoding.scope != ScaleScope::group) return;
  const uint64_t bytes = kTileRows * (w.encoding.scale_type == FloatType::f32 ? 4 : 2);
  walk.each_run([&](uint64_t, uint64_t tile, uint64_t matrix) TERN_LAMBDA {
    const uint64_t run = (stage * w.layout.groups + g) * w.encoding.bits + matrix;
    __builtin_prefetch(w.scales + (tile * w.layout.tile_scales / kTileRows + 2 * run) * bytes);
  });
}

template <class V>
void tile_outputs(const PhaseWalk& walk, SignTables<V>& tables, uint64_t m) {
  const LinearCall& call = walk.call;
  const WeightView& w = call.w;
  ComplexRows<V> y[kManyPhaseTiles];
  BitSums<V> sums[kPhaseRuns];
  for (uint64_t t = 0; t < walk.tiles; ++t) y[t] = {V::zero(), V::zero()};
  for (uint64_t stage = 0; stage < w.encoding.planes; ++stage) {
    for (uint64_t g = 0; g < w.layout.groups; ++g) {
      PhaseInput in = phase_input(call, m, g);
      in.zero_r += 2 * tables.offset(g);
      in.zero_i += 2 * tables.offset(w.layout.groups + g);
      expect_scales(walk, stage, g);
      group_sums(walk, tables, stage, g, sums);
      walk.each_run([&](uint64_t run, uint64_t tile, uint64_t matrix) TERN_LAMBDA {
        const auto re = phase_scales<V>(w, tile, stage, g, matrix, 0),
                   im = phase_scales<V>(w, tile, stage, g, matrix, 1);
        add_matrix(y[tile - walk.range.begin], re, im, sums[run], in, matrix + 1 == w.encoding.bits);
      });
    }
  }
  for (uint64_t t = 0; t < walk.range.end - walk.range.begin; ++t) store_pair<V>(call, walk.range.begin + t, m, y[t]);
}

template <class V>
void phase_mulfree(const LinearCall& call, TileRange range) {
  constexpr uint64_t kTogether = V::kSignRuns;
  const uint64_t matrices = call.w.encoding.bits, few = kTogether > matrices ? kTogether / matrices : 1;
  for (uint64_t m = 0; m < call.in.tokens; ++m) {
    SignTables<V> tables(call, m);
    const uint64_t tiles = tables.whole() ? few : kManyPhaseTiles;
    for (uint64_t tile = range.begin; tile < range.end; tile += tiles)
      tile_outputs(PhaseWalk{call, {tile, range.end - tile < tiles ? range.end : tile + tiles}, tiles}, tables, m);
  }
}

}  // namespace
}  // namespace tern
