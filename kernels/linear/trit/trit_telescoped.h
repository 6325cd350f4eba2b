// Five trits in a byte x int8 activations without extracting digits, for dot products of whole bytes. As
// 256 d_k = 3 x_k - x_{k+1} (trit_packing.h),
//
//   sum_k d_k a_k = (3 * sum_k x_k a_k - sum_k x_{k+1} a_k) / 256
//
// so two byte additions step x and two dot products use it. With bytes made signed by subtracting 128 the same formula
// gives trits in place of digits: 3 * 128 - 128 = 256. From two tokens on, digits that the tokens share cost less.
//
// Exactness: |sum d a| <= 2 * 127 * 32000 columns = 8128000, times 256 below 2^31. The two sums stay below 2^31 too,
// three times the first may not, but wraps modulo 2^32, and so does the difference. (Signed bytes: 4 * 128 * 127 *
// 32000 < 2^31, nothing wraps.)
#pragma once

#include "kernels/linear/trit/trit_unpacked.h"

namespace tern {
namespace {

template <class V>
struct TelescopedDot {
  using Digits = TritDot<V, FiveInByte<V>>;
  static constexpr int32_t kZero = V::kInt8Zero / 128;
  static_assert(kZero == Digits::kZero);
  static constexpr uint64_t kBlocks = 1600;
  static constexpr int kChains = V::kTritChains;

  template <int tiles, int tokens>
  TERN_INLINE static void sum(const TileRun& run, uint64_t blocks, const int8_t* a, uint64_t a_stride,
                              typename V::Ints (&sums)[tiles][tokens]) {
    if constexpr (tokens > 1) {
      Digits::template sum<tiles, tokens>(run, blocks, a, a_stride, sums);
    } else {
      fill(sums, V::zero_ints());
      for (uint64_t b = 0; b < blocks;) {
        const uint64_t end = blocks - b < kBlocks ? blocks : b + kBlocks;
        typename V::Int8Sums here[kChains * tiles][tokens], next[kChains * tiles][tokens];
        fill(here, V::zero_int8());
        fill(next, V::zero_int8());
        for (; b < end; ++b) add_block<tiles>(run, b * kBlockBytes, a + 20 * b, a_stride, here, next);
        unroll2<kChains * tiles, tokens>([&](auto i, auto k) TERN_LAMBDA {
          const auto part = V::telescope(V::widen_int8(here[i][k]), V::widen_int8(next[i][k]));
          sums[i() % tiles][k] = V::add(sums[i() % tiles][k], part);
        });
      }
    }
  }

  // Place q of tile t adds to here and next[q % kChains * tiles + t].
  template <int tiles, int sums, int tokens>
  TERN_INLINE static void add_block(const TileRun& run, uint64_t at, const int8_t* a, uint64_t a_stride,
                                    typename V::Int8Sums (&here)[sums][tokens],
                                    typename V::Int8Sums (&next)[sums][tokens]) {
    typename V::Int8Codes x[tiles];
    unroll<tiles>([&](auto t)
                      TERN_LAMBDA { x[t] = V::split_int8(V::load_codes(run.codes + at + t * run.tile_bytes)); });
    prefetch_tiles<tiles>(run, at);
    unroll<5>([&](auto q) TERN_LAMBDA {
      constexpr int chain = q() % kChains * tiles;
      unroll2<tiles, tokens>([&](auto t, auto k) TERN_LAMBDA {
        typename V::Int8Sums& sum = here[chain + t()][k];
        sum = V::dot_int8(sum, x[t], V::load_int8_input(a + k * a_stride + 4 * q()));
      });
      unroll<tiles>([&](auto t) TERN_LAMBDA { x[t] = V::triple(x[t]); });
      unroll2<tiles, tokens>([&](auto t, auto k) TERN_LAMBDA {
        typename V::Int8Sums& sum = next[chain + t()][k];
        sum = V::dot_int8(sum, x[t], V::load_int8_input(a + k * a_stride + 4 * q()));
      });
    });
  }
};

template <class V>
void trit5_telescoped(const LinearCall& call, TileRange range) {
  trit5<V, TelescopedDot<V>>(call, range);
}

}  // namespace
}  // namespace tern
