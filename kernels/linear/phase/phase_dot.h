// Phase weights x int8 activations with a dot-product instruction. A bit of every byte of a unit is a 0 or 1 for four
// neighbouring columns of each row; both halves of the activations are multiplied with it, and what is unpacked serves
// all tokens of a register block.
#pragma once

#include "kernels/linear/phase/phase_outputs.h"

namespace tern {
namespace {

// A step is one bit: four columns.
template <class V>
struct BitSteps {
  static constexpr int kSteps = 8;
  static constexpr uint64_t kUnits = V::kTritBlocks * (4 * 3) / kSteps;  // narrow sums: codes of 1, not 3, in 8 places
  using Rows = typename V::Codes;
  struct Sums {
    typename V::TritSums r, i;
  };
  struct Input {
    typename V::TritInput r, i;
  };
  TERN_INLINE static Sums zero() { return {V::zero_trits(), V::zero_trits()}; }
  template <int step>
  TERN_INLINE static Rows rows(const typename V::Codes& words) {
    return V::template bit_of_bytes<step>(words);
  }
  template <int step>
  TERN_INLINE static Input load(const int8_t* xr, const int8_t* xi) {
    constexpr int first = step / 4 * 16;
    return {V::template load_trit_input<step % 4>(xr + first), V::template load_trit_input<step % 4>(xi + first)};
  }
  template <int step>
  TERN_INLINE static Sums add(const Sums& s, const Rows& rows, const Input& in) {
    return {V::template dot_trits<step % 4>(s.r, rows, in.r), V::template dot_trits<step % 4>(s.i, rows, in.i)};
  }
  TERN_INLINE static typename V::Ints first_half(const Sums& s) { return V::widen_trits(s.r); }
  TERN_INLINE static typename V::Ints second_half(const Sums& s) { return V::widen_trits(s.i); }
};

// An ISA that multiplies two rows of eight columns with two vectors (i8mm) takes both halves at once.
template <class V>
struct PairSteps {
  static constexpr int kSteps = 4;
  static constexpr uint64_t kUnits = V::kTritBlocks;
  using Rows = typename V::RowPairs;
  using Sums = typename V::PairSums;
  using Input = decltype(V::load_token_pair(nullptr, nullptr));
  TERN_INLINE static Sums zero() { return V::zero_pairs(); }
  template <int step>
  TERN_INLINE static Rows rows(const typename V::Codes& words) {
    return V::join_columns(V::as_signed(V::template bit_of_bytes<2 * step>(words)),
                           V::as_signed(V::template bit_of_bytes<2 * step + 1>(words)));
  }
  template <int step>
  TERN_INLINE static Input load(const int8_t* xr, const int8_t* xi) {
    return V::load_token_pair(xr + 8 * step, xi + 8 * step);
  }
  template <int step>
  TERN_INLINE static Sums add(const Sums& s, const Rows& rows, const Input& in) {
    return V::dot_pairs(s, rows, in);
  }
  TERN_INLINE static typename V::Ints first_half(const Sums& s) { return V::first_token(s); }
  TERN_INLINE static typename V::Ints second_half(const Sums& s) { return V::second_token(s); }
};

template <class V, class Steps>
struct PhaseDot {
  template <int tiles, int tokens>
  static void run(const LinearCall& call, uint64_t tile, uint64_t m) {
    static_assert(tiles == 1);
    const WeightView& w = call.w;
    ComplexRows<V> y[tokens];
    unroll<tokens>([&](auto k) TERN_LAMBDA { y[k] = {V::zero(), V::zero()}; });
    for (uint64_t stage = 0; stage < w.encoding.planes; ++stage) {
      for (uint64_t g = 0; g < w.layout.groups; ++g) {
        for (uint64_t matrix = 0; matrix < w.encoding.bits; ++matrix) {
          BitSums<V> sums[tokens];
          sum_group(call, phase_blocks(w, tile, stage, g, matrix), m, g, sums);
          const typename V::Floats re = phase_scales<V>(w, tile, stage, g, matrix, 0);
          const typename V::Floats im = phase_scales<V>(w, tile, stage, g, matrix, 1);
          const bool is_w = matrix + 1 == w.encoding.bits;
          unroll<tokens>([&](auto k)
                             TERN_LAMBDA { add_matrix(y[k], re, im, sums[k], phase_input(call, m + k, g), is_w); });
        }
      }
    }
    unroll<tokens>([&](auto k) TERN_LAMBDA { store_pair<V>(call, tile, m + k, y[k]); });
  }

 private:
  // A unit's words make two registers of rows; V::kPartsAtOnce of them at a time, as many as there are registers for.
  template <int tokens>
  TERN_INLINE static void sum_group(const LinearCall& call, const std::byte* codes, uint64_t m, uint64_t g,
                                    BitSums<V> (&sums)[tokens]) {
    typename V::Ints halves[2][2][tokens];  // of the input, parts of the rows
    constexpr int kParts = V::kPartsAtOnce;
    unroll<2 / kParts>([&](auto first) TERN_LAMBDA { sum_parts<first() * kParts, kParts>(call, codes, m, g, halves); });
    unroll<tokens>([&](auto k) TERN_LAMBDA {
      sums[k] = {V::first_plane(halves[0][0][k], halves[0][1][k]), V::second_plane(halves[0][0][k], halves[0][1][k]),
                 V::first_plane(halves[1][0][k], halves[1][1][k]), V::second_plane(halves[1][0][k], halves[1][1][k])};
    });
  }

  template <int first, int parts, int tokens>
  TERN_INLINE static void sum_parts(const LinearCall& call, const std::byte* codes, uint64_t m, uint64_t g,
                                    typename V::Ints (&halves)[2][2][tokens]) {
    const Layout& layout = call.w.layout;
    const uint64_t units = layout.group_blocks / kPhaseUnitBlocks, step = call.w.encoding.bits * kBlockBytes;
    const int8_t* xr = call.in.codes + m * call.in.code_stride + g * layout.padded_group_cols();
    const int8_t* xi = xr + layout.groups * layout.padded_group_cols();
    unroll2<parts, tokens>([&](auto p, auto k)
                               TERN_LAMBDA { halves[0][first + p][k] = halves[1][first + p][k] = V::zero_ints(); });
    for (uint64_t u = 0; u < units;) {
      const uint64_t end = units - u < Steps::kUnits ? units : u + Steps::kUnits;
      typename Steps::Sums part[parts][tokens];
      fill(part, Steps::zero());
      for (; u < end; ++u, codes += kPhaseUnitBlocks * step, xr += kPhaseUnitCols, xi += kPhaseUnitCols)
        add_unit<first>(codes, step, xr, xi, call.in.code_stride, part);
      unroll2<parts, tokens>([&](auto p, auto k) TERN_LAMBDA {
        halves[0][first + p][k] = V::add(halves[0][first + p][k], Steps::first_half(part[p][k]));
        halves[1][first + p][k] = V::add(halves[1][first + p][k], Steps::second_half(part[p][k]));
      });
    }
  }

  template <int first, int parts, int tokens>
  TERN_INLINE static void add_unit(const std::byte* codes, uint64_t step, const int8_t* xr, const int8_t* xi,
                                   uint64_t x_stride, typename Steps::Sums (&sums)[parts][tokens]) {
    const typename V::Codes block0 = V::load_codes(codes), block1 = V::load_codes(codes + step);
    prefetch_ahead(codes);
    prefetch_ahead(codes + step);
    typename V::Codes words[parts];
    unroll<parts>([&](auto p) TERN_LAMBDA { words[p] = V::template join_words<first + p()>(block0, block1); });
    unroll<Steps::kSteps>([&](auto s) TERN_LAMBDA {
      typename Steps::Rows rows[parts];
      unroll<parts>([&](auto p) TERN_LAMBDA { rows[p] = Steps::template rows<s()>(words[p]); });
      unroll<tokens>([&](auto k) TERN_LAMBDA {
        const typename Steps::Input in = Steps::template load<s()>(xr + k * x_stride, xi + k * x_stride);
        unroll<parts>([&](auto p) TERN_LAMBDA { sums[p][k] = Steps::template add<s()>(sums[p][k], rows[p], in); });
      });
    });
  }
};

template <class V, class Steps = BitSteps<V>>
void phase_dot(const LinearCall& call, TileRange range) {
  walk<PhaseDot<V, Steps>, 1, 1, V::kPhaseTokens>(call, range);
}

}  // namespace
}  // namespace tern
