// Trits x int8 activations with a dot-product instruction. Codes 0..2 are multiplied as they are, the zero offset
// leaves at the end of the group; the codes of a block are unpacked once for all tokens of the block. One token may
// have a chain of sums for each place: codes then stay where they are in their bytes, 4^(q % 4) times too large, and
// the sum is shifted in the end, which is exact. It fits: 3 * 64 * 127 * kMaxCols / 4 < 2^31.
#pragma once

#include "kernels/linear/integer_dot.h"
#include "kernels/linear/trit/trit_packing.h"

namespace tern {
namespace {

template <class V, class Packing = TwoBits<V>>
struct TritDot {
  static constexpr int32_t kZero = Packing::kZero;

  // sums[t][k] = sum over `blocks` blocks of code * activation.
  template <int tiles, int tokens>
  TERN_INLINE static void sum(const TileRun& run, uint64_t blocks, const int8_t* a, uint64_t a_stride,
                              typename V::Ints (&sums)[tiles][tokens]) {
    fill(sums, V::zero_ints());
    constexpr int chains = Packing::kInPlace && tokens == 1 && V::kTritChains > 1 ? Packing::kPlaces : 1;
    const typename Packing::Tables tables = Packing::tables();
    for (uint64_t b = 0; b < blocks;) {
      const uint64_t end = blocks - b < Packing::kBlocks ? blocks : b + Packing::kBlocks;
      typename V::TritSums part[chains * tiles][tokens];
      fill(part, V::zero_trits());
      for (; b < end; ++b) {
        add_block<tiles, chains>(run, b * Packing::kBytes, tables, a + 4 * Packing::kPlaces * b, a_stride, part);
      }
      unroll2<chains * tiles, tokens>([&](auto i, auto k) TERN_LAMBDA {
        typename V::Ints whole = V::widen_trits(part[i][k]);
        if constexpr (chains > 1) whole = V::template shift_right<i() / tiles % 4 * 2>(whole);
        sums[i() % tiles][k] = V::add(sums[i() % tiles][k], whole);
      });
    }
  }

  // Place q of tile t adds to part[q % chains * tiles + t].
  template <int tiles, int chains, int sums, int tokens>
  TERN_INLINE static void add_block(const TileRun& run, uint64_t at, const typename Packing::Tables& tables,
                                    const int8_t* a, uint64_t a_stride, typename V::TritSums (&part)[sums][tokens]) {
    typename Packing::State block[tiles];
    unroll<tiles>([&](auto t) TERN_LAMBDA { block[t] = Packing::begin(run.codes + at + t * run.tile_bytes, tables); });
    prefetch_tiles<tiles>(run, at);
    unroll<Packing::kPlaces>([&](auto q) TERN_LAMBDA {
      typename V::Codes unpacked[tiles];
      unroll<tiles>([&](auto t) TERN_LAMBDA { unpacked[t] = unpack<q(), (chains > 1)>(block[t]); });
      unroll<tokens>([&](auto k) TERN_LAMBDA {
        const auto input = V::template load_trit_input<q()>(a + k * a_stride);
        unroll<tiles>([&](auto t) TERN_LAMBDA {
          typename V::TritSums& sum = part[q() % chains * tiles + t()][k];
          sum = V::template dot_trits<q()>(sum, unpacked[t], input);
        });
      });
    });
  }

 private:
  template <int q, bool in_place>
  TERN_INLINE static typename V::Codes unpack(typename Packing::State& block) {
    if constexpr (in_place) {
      return Packing::template in_place<q>(block);
    } else {
      return Packing::template next<q>(block);
    }
  }
};

template <class V>
void trit_dot(const LinearCall& call, TileRange range) {
  walk<IntegerDot<V, TritDot<V>>, V::kTritTiles, V::kTritBatchTiles, V::kTritTokens>(call, range);
}

}  // namespace
}  // namespace tern
