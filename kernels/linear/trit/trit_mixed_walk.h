// The walk of trit_mixed.h over slices, tiles and tokens.
#pragma once

#include "base/checked.h"
#include "kernels/linear/trit/trit_mixed.h"

namespace tern {
namespace {

using LinearBody = void (*)(const LinearCall&, TileRange);

inline void run_tokens(LinearBody body, const LinearCall& call, TileRange tiles, TokenRange tokens) {
  const uint64_t m = tokens.begin;
  InputView in = call.in;
  in.tokens = tokens.end - m;
  in.codes += m * in.code_stride, in.scales += m * in.groups, in.sums += m * in.groups;
  if (in.tokens != 0 && tiles.begin != tiles.end)
    body({call.w, in, {call.out.y + m * call.out.stride, call.out.stride}, call.scratch}, tiles);
}

// Sets of kMixedTiles tiles and of kMixedTokens tokens, as many as scratch takes.
template <class V, class Packing>
class MixedWalk {
 public:
  using Unit = MixedUnit<Packing>;
  using Sums = MixedSums<V, Packing>;
  static constexpr uint64_t kTokens = 128;
  static constexpr uint64_t kWeightBytes =
      MixedSlice::kMostUnits * Unit::kBytes + (Unit::kBlocks - 1) * Packing::kPlaces * kFourBytes;
  static constexpr uint64_t kSetTables = MixedSlice::kMostUnits * Unit::kTables;
  static constexpr uint64_t kTableSets = kTokens / kMixedTokens;
  static constexpr uint64_t kSumBytes = sizeof(typename Sums::Registers);
  static constexpr uint64_t kMostSets =
      (kLinearScratchBytes - kWeightBytes - kTableSets * kSetTables) / (kTableSets * kSumBytes);

  // REQUIRES whole sets, at most kMostSets of tiles and kTokens tokens.
  MixedWalk(const LinearCall& call, TileRange tiles, TokenRange tokens)
      : call_(call),
        tiles_(tiles),
        tokens_(tokens),
        weights_(call.scratch),
        tables_(weights_ + kWeightBytes),
        sums_(tables_ + kTableSets * kSetTables) {}

  // plain: for tiles with codes that have no index.
  void run(LinearBody plain) {
    const uint64_t units = call_.w.layout.group_blocks / Unit::kBlocks;
    const uint64_t slices = ceil_div(units, MixedSlice::kMostUnits), each = ceil_div(units, slices);
    for (uint64_t u = 0; u < units; u += each) {
      const bool last = units - u <= each;
      add_slice(
          {u * Unit::kBlocks, last ? units - u : each, last ? call_.w.layout.group_blocks % Unit::kBlocks : 0, last});
    }
    for (uint64_t set = 0; set < sets(); ++set)
      if (plain_[set]) run_tokens(plain, call_, {tile_of(set), tile_of(set) + kMixedTiles}, tokens_);
  }

 private:
  uint64_t sets() const { return (tiles_.end - tiles_.begin) / kMixedTiles; }
  uint64_t token_sets() const { return (tokens_.end - tokens_.begin) / kMixedTokens; }
  uint64_t tile_of(uint64_t set) const { return tiles_.begin + set * kMixedTiles; }
  const int8_t* input(uint64_t m, const MixedSlice& slice) const {
    return call_.in.codes + m * call_.in.code_stride + slice.block * 4 * Packing::kPlaces;
  }

  void add_slice(const MixedSlice& slice) {
    build_tables(slice);
    const uint64_t tile_bytes = call_.w.layout.tile_bytes;
    for (uint64_t set = 0; set < sets(); ++set) {
      const std::byte* tile = call_.w.codes + tile_of(set) * tile_bytes + slice.block * kBlockBytes;
      plain_[set] |= !MixedWeights<V, Packing>::unpack(tile, tile_bytes, slice, weights_);
      if (plain_[set]) continue;
      for (uint64_t k = 0; k < token_sets(); ++k) add_tokens(slice, set, k);
    }
  }

  void build_tables(const MixedSlice& slice) {
    for (uint64_t m = tokens_.begin; m < tokens_.end; ++m) {
      const uint64_t k = m - tokens_.begin;
      std::byte* to = tables_ + k / kMixedTokens * kSetTables + k % kMixedTokens * kTableBytes;
      const int8_t* a = input(m, slice) + Unit::kDotCols;
      for (uint64_t u = slice.units; u != 0; --u, a += Unit::kCols, to += Unit::kTables)
        V::build_triples(a, to, kStepTables);
    }
  }

  void add_tokens(const MixedSlice& slice, uint64_t set, uint64_t k) {
    const uint64_t m = tokens_.begin + k * kMixedTokens, stride = call_.in.code_stride;
    std::byte* kept = sums_ + (set * token_sets() + k) * kSumBytes;
    const int8_t* a = input(m, slice);
    if (slice.last) expect_outputs<kMixedTiles, kMixedTokens>(call_, tile_of(set), m);
    Sums::add_units(slice.units, weights_, a, stride, tables_ + k * kSetTables, slice.block == 0, kept);
    if (slice.last) finish(slice, tile_of(set), m, kept);
  }

  void finish(const MixedSlice& slice, uint64_t tile, uint64_t m, const std::byte* kept) const {
    typename Sums::Registers sums;
    Sums::load(kept, sums);
    Sums::add_fours(slice.single_blocks * Packing::kPlaces, weights_ + slice.units * Unit::kBytes,
                    input(m, slice) + slice.units * Unit::kCols, call_.in.code_stride, sums);
    unroll<kMixedTiles>([&](auto t) TERN_LAMBDA {
      const typename V::Floats scales = load_scales<V>(call_.w, tile + t, 0, 0);
      unroll<kMixedTokens>([&](auto k) TERN_LAMBDA {
        const typename V::Floats s = V::to_floats(V::subtract(sums[t][k], Packing::kZero * call_.in.sums[m + k]));
        const typename V::Floats scale = V::mul(scales, V::broadcast(call_.in.scales[m + k]));
        store_tile<V>(call_, tile + t, m + k, V::fma(s, scale, V::zero()));
      });
    });
  }

  const LinearCall& call_;
  TileRange tiles_;
  TokenRange tokens_;
  std::byte *weights_, *tables_, *sums_;
  bool plain_[kMostSets] = {};
};

// Plain: what runs where this does not pay: few tokens or rows, short or grouped rows, several planes.
template <class V, class Packing, LinearBody plain>
void trit_mixed(const LinearCall& call, TileRange range) {
  using Walk = MixedWalk<V, Packing>;
  constexpr uint64_t kFewTokens = 16, kFewTiles = 8;
  const Layout& layout = call.w.layout;
  const uint64_t tokens = call.in.tokens / kMixedTokens * kMixedTokens;
  const uint64_t tiles = (range.end - range.begin) / kMixedTiles * kMixedTiles;
  if (layout.groups != 1 || call.w.encoding.planes != 1 || layout.group_blocks < MixedUnit<Packing>::kBlocks ||
      tokens < kFewTokens || tiles < kFewTiles)
    return plain(call, range);
  for (uint64_t m = 0; m < tokens; m += Walk::kTokens) {
    const TokenRange some = {m, tokens - m < Walk::kTokens ? tokens : m + Walk::kTokens};
    for (uint64_t t = 0; t < tiles; t += Walk::kMostSets * kMixedTiles) {
      const uint64_t end = tiles - t < Walk::kMostSets * kMixedTiles ? tiles : t + Walk::kMostSets * kMixedTiles;
      Walk(call, {range.begin + t, range.begin + end}, some).run(plain);
    }
  }
  run_tokens(plain, call, range, {tokens, call.in.tokens});
  run_tokens(plain, call, {range.begin + tiles, range.end}, {0, tokens});
}

}  // namespace
}  // namespace tern
