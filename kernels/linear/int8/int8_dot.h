// Eight-bit weights x int8 activations.
#pragma once

#include "kernels/linear/integer_dot.h"

namespace tern {
namespace {

template <class V>
struct Int8Dot {
  static constexpr int32_t kZero = V::kInt8Zero;

  template <int tiles, int tokens>
  TERN_INLINE static void sum(const std::byte* codes, uint64_t tile_bytes, uint64_t blocks, const int8_t* a,
                              uint64_t a_stride, typename V::Ints (&sums)[tiles][tokens]) {
    typename V::Int8Sums part[tiles][tokens];
    fill(part, V::zero_int8());
    for (uint64_t b = 0; b < blocks; ++b) {
      typename V::Int8Codes block[tiles];
      unroll<tiles>([&](auto t) TERN_LAMBDA {
        const std::byte* at = codes + b * kBlockBytes + t * tile_bytes;
        block[t] = V::split_int8(V::load_codes(at));
        prefetch_ahead(at);
      });
      unroll<tokens>([&](auto k) TERN_LAMBDA {
        const auto input = V::load_int8_input(a + 4 * b + k * a_stride);
        unroll<tiles>([&](auto t) TERN_LAMBDA { part[t][k] = V::dot_int8(part[t][k], block[t], input); });
      });
    }
    unroll2<tiles, tokens>([&](auto t, auto k) TERN_LAMBDA { sums[t][k] = V::widen_int8(part[t][k]); });
  }
};

template <class V>
void int8_dot(const LinearCall& call, TileRange range) {
  walk<IntegerDot<V, Int8Dot<V>>, V::kInt8Tiles, V::kInt8BatchTiles, V::kInt8Tokens>(call, range);
}

}  // namespace
}  // namespace tern
