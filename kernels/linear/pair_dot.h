// int8 activations on an ISA that multiplies small matrices (i8mm): tokens two by two, columns eight by eight. Traits
// like TritDot and Int8Dot for IntegerDot; what is left over (one token, four columns) is theirs.
#pragma once

#include "kernels/linear/int8/int8_dot.h"
#include "kernels/linear/trit/trit_dot.h"

namespace tern {
namespace {

// part[t][p] += rows of `codes` (tile t) x tokens 2p, 2p + 1 at eight columns from a.
template <class V, int tiles, int pairs>
TERN_INLINE void add_pairs(const typename V::RowPairs (&codes)[tiles], const int8_t* a, uint64_t a_stride,
                           typename V::PairSums (&part)[tiles][pairs]) {
  unroll<pairs>([&](auto p) TERN_LAMBDA {
    const int8_t* first = a + 2 * p * a_stride;
    const auto input = V::load_token_pair(first, first + a_stride);
    unroll<tiles>([&](auto t) TERN_LAMBDA { part[t][p] = V::dot_pairs(part[t][p], codes[t], input); });
  });
}

template <class V, int tiles, int pairs>
TERN_INLINE void split_pairs(const typename V::PairSums (&part)[tiles][pairs],
                             typename V::Ints (&sums)[tiles][2 * pairs]) {
  unroll2<tiles, pairs>([&](auto t, auto p) TERN_LAMBDA {
    sums[t][2 * p] = V::first_token(part[t][p]);
    sums[t][2 * p + 1] = V::second_token(part[t][p]);
  });
}

template <class V>
struct TritPairs {
  static constexpr int32_t kZero = TritDot<V>::kZero;

  template <int tiles, int tokens>
  TERN_INLINE static void sum(const std::byte* codes, uint64_t tile_bytes, uint64_t blocks, const int8_t* a,
                              uint64_t a_stride, typename V::Ints (&sums)[tiles][tokens]) {
    if constexpr (tokens % 2 != 0) {
      TritDot<V>::template sum<tiles, tokens>(codes, tile_bytes, blocks, a, a_stride, sums);
    } else {
      typename V::PairSums part[tiles][tokens / 2];
      fill(part, V::zero_pairs());
      for (uint64_t b = 0; b < blocks; ++b, a += 16) {
        unroll<2>([&](auto half) TERN_LAMBDA {
          typename V::RowPairs rows[tiles];
          unroll<tiles>([&](auto t) TERN_LAMBDA {
            const typename V::Codes block = V::load_codes(codes + b * kBlockBytes + t * tile_bytes);
            rows[t] = V::join_columns(V::template signed_trits<2 * half()>(block),
                                      V::template signed_trits<2 * half() + 1>(block));
          });
          add_pairs<V>(rows, a + 8 * half(), a_stride, part);
        });
      }
      split_pairs<V>(part, sums);
    }
  }
};

template <class V>
struct Int8Pairs {
  static constexpr int32_t kZero = Int8Dot<V>::kZero;

  template <int tiles, int tokens>
  TERN_INLINE static void sum(const std::byte* codes, uint64_t tile_bytes, uint64_t blocks, const int8_t* a,
                              uint64_t a_stride, typename V::Ints (&sums)[tiles][tokens]) {
    if constexpr (tokens % 2 != 0) {
      Int8Dot<V>::template sum<tiles, tokens>(codes, tile_bytes, blocks, a, a_stride, sums);
    } else {
      typename V::PairSums part[tiles][tokens / 2];
      fill(part, V::zero_pairs());
      const uint64_t even = blocks - blocks % 2;
      for (uint64_t b = 0; b < even; b += 2) {
        typename V::RowPairs rows[tiles];
        unroll<tiles>([&](auto t) TERN_LAMBDA {
          const std::byte* at = codes + b * kBlockBytes + t * tile_bytes;
          rows[t] = V::join_columns(V::split_int8(V::load_codes(at)), V::split_int8(V::load_codes(at + kBlockBytes)));
        });
        add_pairs<V>(rows, a + 4 * b, a_stride, part);
      }
      split_pairs<V>(part, sums);
      if (even == blocks) return;
      typename V::Ints last[tiles][tokens];
      Int8Dot<V>::template sum<tiles, tokens>(codes + even * kBlockBytes, tile_bytes, 1, a + 4 * even, a_stride, last);
      unroll2<tiles, tokens>([&](auto t, auto k) TERN_LAMBDA { sums[t][k] = V::add(sums[t][k], last[t][k]); });
    }
  }
};

template <class V>
void trit_pairs(const LinearCall& call, TileRange range) {
  walk<IntegerDot<V, TritPairs<V>>, V::kTritTiles, V::kTritBatchTiles, V::kTritTokens>(call, range);
}

template <class V>
void int8_pairs(const LinearCall& call, TileRange range) {
  walk<IntegerDot<V, Int8Pairs<V>>, V::kInt8Tiles, V::kInt8BatchTiles, V::kInt8Tokens>(call, range);
}

}  // namespace
}  // namespace tern
