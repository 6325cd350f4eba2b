// int8 activations on an ISA that multiplies small matrices (i8mm): tokens two by two, columns eight by eight. Traits
// like TritDot and IntDot for IntegerDot; what is left over (one token, four columns) is theirs.
#pragma once

#include "kernels/linear/int/int_dot.h"
#include "kernels/linear/trit/trit_telescoped.h"

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

// How an encoding's blocks become rows of eight columns: kSteps such rows from every kBlocks blocks.
template <class V>
struct TritRows {
  using Single = TritDot<V>;
  static constexpr uint64_t kBlocks = 1, kSteps = 2;
  template <int step>
  TERN_INLINE static typename V::RowPairs load(const std::byte* at) {
    const typename V::Codes block = V::load_codes(at);
    return V::join_columns(V::as_signed(V::template trit_codes<2 * step>(block)),
                           V::as_signed(V::template trit_codes<2 * step + 1>(block)));
  }
};

// Five places of two blocks are ten runs of four columns.
template <class V>
struct Trit5Rows {
  using Single = TelescopedDot<V>;
  static constexpr uint64_t kBlocks = 2, kSteps = 5;
  template <int step>
  TERN_INLINE static typename V::RowPairs load(const std::byte* at) {
    return V::join_columns(four<2 * step>(at), four<2 * step + 1>(at));
  }
  template <int i>
  TERN_INLINE static typename V::Int8Codes four(const std::byte* at) {
    return V::as_signed(FiveInByte<V>::template digits<i % 5>(V::load_codes(at + i / 5 * kBlockBytes)));
  }
};

template <class V, int bits>
struct IntRows {
  using Single = IntDot<V, bits>;
  using Unit = IntUnit<V, bits>;
  static constexpr uint64_t kBlocks = Unit::kBlocks, kSteps = Unit::kSteps / 2;
  template <int step>
  TERN_INLINE static typename V::RowPairs load(const std::byte* at) {
    typename V::Codes unit[kBlocks];
    load_unit<V, bits>(at, unit);
    return V::join_columns(V::as_signed(Unit::template bytes<2 * step>(unit)),
                           V::as_signed(Unit::template bytes<2 * step + 1>(unit)));
  }
};

template <class V>
struct IntRows<V, 8> {
  using Single = IntDot<V, 8>;
  static constexpr uint64_t kBlocks = 2, kSteps = 1;
  template <int step>
  TERN_INLINE static typename V::RowPairs load(const std::byte* at) {
    return V::join_columns(V::split_int8(V::load_codes(at)), V::split_int8(V::load_codes(at + kBlockBytes)));
  }
};

template <class V, class Rows>
struct PairDot {
  static constexpr int32_t kZero = Rows::Single::kZero;

  template <int tiles, int tokens>
  TERN_INLINE static void sum(const TileRun& run, uint64_t blocks, const int8_t* a, uint64_t a_stride,
                              typename V::Ints (&sums)[tiles][tokens]) {
    if constexpr (tokens % 2 != 0) {
      Rows::Single::template sum<tiles, tokens>(run, blocks, a, a_stride, sums);
    } else {
      typename V::PairSums part[tiles][tokens / 2];
      fill(part, V::zero_pairs());
      const uint64_t whole = blocks - blocks % Rows::kBlocks;
      for (uint64_t b = 0; b < whole; b += Rows::kBlocks) {
        unroll<Rows::kSteps>([&](auto step) TERN_LAMBDA {
          typename V::RowPairs rows[tiles];
          unroll<tiles>([&](auto t) TERN_LAMBDA {
            rows[t] = Rows::template load<step()>(run.codes + b * kBlockBytes + t * run.tile_bytes);
          });
          add_pairs<V>(rows, a, a_stride, part);
          a += 8;
        });
      }
      split_pairs<V>(part, sums);
      if (whole == blocks) return;
      typename V::Ints last[tiles][tokens];
      Rows::Single::template sum<tiles, tokens>(run.from(whole * kBlockBytes), blocks - whole, a, a_stride, last);
      unroll2<tiles, tokens>([&](auto t, auto k) TERN_LAMBDA { sums[t][k] = V::add(sums[t][k], last[t][k]); });
    }
  }
};

template <class V>
void trit_pairs(const LinearCall& call, TileRange range) {
  walk<IntegerDot<V, PairDot<V, TritRows<V>>>, V::kTritTiles, V::kTritBatchTiles, V::kTritTokens>(call, range);
}

template <class V>
void trit5_pairs(const LinearCall& call, TileRange range) {
  walk<IntegerDot<V, PairDot<V, Trit5Rows<V>>>, V::kTrit5Tiles, V::kTritBatchTiles, V::kTritTokens>(call, range);
}

template <class V, int bits>
void int_pairs(const LinearCall& call, TileRange range) {
  walk<IntegerDot<V, PairDot<V, IntRows<V, bits>>>, V::kInt8Tiles, V::kInt8BatchTiles, V::kInt8Tokens>(call, range);
}

}  // namespace
}  // namespace tern
