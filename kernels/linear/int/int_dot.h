// Weights of 4, 6 and 8 bits x int8 activations. Codes are multiplied as they are; the zero offset leaves at the end of
// a group. A round is what goes into an int32 at once: with codes below 64, two steps fit the int16 of a pair of
// products, so that an ISA that multiplies bytes in pairs adds them there first.
#pragma once

#include <type_traits>

#include "kernels/linear/int/int_unit.h"
#include "kernels/linear/integer_dot.h"

namespace tern {
namespace {

// Eight bits: codes too large for that, and on some ISAs signed (kInt8Zero 0).
template <class V>
struct WideRound {
  static constexpr int kSteps = 1;
  static constexpr int32_t kZero = V::kInt8Zero;
  using Codes = typename V::Int8Codes;
  TERN_INLINE static Codes prepare(typename V::Codes bytes) { return V::split_int8(bytes); }
  TERN_INLINE static auto load_input(const int8_t* a) { return V::load_int8_input(a); }
  template <class Input>
  TERN_INLINE static typename V::Int8Sums add(const typename V::Int8Sums& s, const Codes (&codes)[1], Input a) {
    return V::dot_int8(s, codes[0], a);
  }
};

template <class V, int bits>
struct NarrowRound {
  static constexpr int kSteps = 2;
  static constexpr int32_t kZero = 1 << (bits - 1);
  static_assert(2 * kSteps * ((1 << bits) - 1) * 127 < 1 << 15);  // two columns a step
  using Codes = typename V::Codes;
  TERN_INLINE static Codes prepare(typename V::Codes bytes) { return bytes; }
  TERN_INLINE static auto load_input(const int8_t* a) { return V::load_narrow_input(a); }
  template <class Input>
  TERN_INLINE static typename V::Int8Sums add(const typename V::Int8Sums& s, const Codes (&codes)[2], Input a) {
    return V::dot_narrow(s, codes[0], codes[1], a);
  }
};

template <class V, int bits>
struct IntDot {
  using Unit = IntUnit<V, bits>;
  using Round = std::conditional_t<bits == 8, WideRound<V>, NarrowRound<V, bits>>;
  static constexpr int32_t kZero = Round::kZero;

  template <int tiles, int tokens>
  TERN_INLINE static void sum(const TileRun& run, uint64_t blocks, const int8_t* a, uint64_t a_stride,
                              typename V::Ints (&sums)[tiles][tokens]) {
    fill(sums, V::zero_ints());
    constexpr int chains = tokens == 1 ? V::kInt8Chains : 1, each = 4 * Unit::kSteps;
    typename V::Int8Sums part[chains * tiles][tokens];
    fill(part, V::zero_int8());
    uint64_t b = 0;
    for (; b + chains * Unit::kBlocks <= blocks; b += chains * Unit::kBlocks, a += chains * each) {
      unroll<chains>([&](auto c) TERN_LAMBDA {
        add_unit<tiles, c()>(run, (b + c() * Unit::kBlocks) * kBlockBytes, a + c() * each, a_stride, part);
      });
    }
    for (; b < blocks; b += Unit::kBlocks, a += each) add_unit<tiles, 0>(run, b * kBlockBytes, a, a_stride, part);
    unroll2<chains * tiles, tokens>([&](auto i, auto k) TERN_LAMBDA {
      sums[i() % tiles][k] = V::add(sums[i() % tiles][k], V::widen_int8(part[i][k]));
    });
  }

  // Adds tile t to part[chain * tiles + t].
  template <int tiles, int chain, int sums, int tokens>
  TERN_INLINE static void add_unit(const TileRun& run, uint64_t at, const int8_t* a, uint64_t a_stride,
                                   typename V::Int8Sums (&part)[sums][tokens]) {
    typename V::Codes unit[tiles][Unit::kBlocks];
    unroll<tiles>([&](auto t) TERN_LAMBDA { load_unit<V, bits>(run.codes + at + t * run.tile_bytes, unit[t]); });
    unroll<Unit::kBlocks>([&](auto b) TERN_LAMBDA { prefetch_tiles<tiles>(run, at + b * kBlockBytes); });
    unroll<Unit::kSteps / Round::kSteps>([&](auto round) TERN_LAMBDA {
      typename Round::Codes round_codes[tiles][Round::kSteps];
      unroll2<tiles, Round::kSteps>([&](auto t, auto s) TERN_LAMBDA {
        constexpr int step = round() * Round::kSteps + s();
        round_codes[t][s] = Round::prepare(Unit::template bytes<step>(unit[t]));
      });
      unroll<tokens>([&](auto k) TERN_LAMBDA {
        const auto input = Round::load_input(a + 4 * Round::kSteps * round() + k * a_stride);
        unroll<tiles>([&](auto t) TERN_LAMBDA {
          typename V::Int8Sums& sum = part[chain * tiles + t()][k];
          sum = Round::add(sum, round_codes[t], input);
        });
      });
    });
  }
};

template <class V, int bits>
void int_dot(const LinearCall& call, TileRange range) {
  walk<IntegerDot<V, IntDot<V, bits>>, V::kInt8Tiles, V::kInt8BatchTiles, V::kInt8Tokens>(call, range);
}

}  // namespace
}  // namespace tern
