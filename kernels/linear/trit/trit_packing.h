// The two packings of trits (docs/format.md) as the bodies of this folder see them: how a block becomes codes, and how
// a byte column becomes indices of tables.
//
// Five in a byte: with x_0 the byte and x_{k+1} = 3 x_k mod 256, digit k is floor(3 x_k / 256), for every byte. Shifted
// by 128, as signed bytes, x goes on by the same tripling, and the digit is 0 up to -43, 2 from 43 on. The traits have
// their own ways to the digits (V::next_digit).
#pragma once

#include "kernels/linear/blocking.h"

namespace tern {
namespace {

template <class V>
struct TwoBits {
  static constexpr int kPlaces = 4;  // of a byte; place q is 16 rows x columns 4q .. 4q + 3
  static constexpr int32_t kZero = 1;
  static constexpr uint64_t kBlocks = V::kTritBlocks;  // that narrow sums of codes take
  static constexpr uint64_t kBytes = kBlockBytes;
  static constexpr bool kInPlace = true;     // codes may be multiplied where they lie in their byte
  static constexpr bool kEveryByte = false;  // there is a code 3
  using State = typename V::Codes;
  struct Tables {};  // what the loop over blocks keeps at hand
  TERN_INLINE static Tables tables() { return {}; }
  TERN_INLINE static State begin(const std::byte* block, Tables) { return V::load_codes(block); }
  // The codes of place q; places in order.
  template <int q>
  TERN_INLINE static typename V::Codes next(const State& x) {
    return V::template trit_codes<q>(x);
  }
  // 4^(q % 4) times the codes, without a shift.
  template <int q>
  TERN_INLINE static typename V::Codes in_place(const State& x) {
    return V::template trit_codes_in_place<q>(x);
  }
  template <int column>
  TERN_INLINE static typename V::Floats weights(const typename V::Codes& block) {
    return V::template trit_weights<column>(block);
  }

  // Tables: a nibble holds two trits, low bits and high bits. Table 2j + h serves nibble h of byte column j.
  static constexpr int kTables = 8, kRuns = 1;  // runs: parts of a block that byte sums take
  static constexpr uint64_t kTableSumBlocks = 256;
  static constexpr int32_t kTableZero = 1;
  static constexpr int low_column(int table) { return 8 * (table % 2) + table / 2; }
  static constexpr int high_column(int table) { return low_column(table) + 4; }
  // f(table, its indices) for the tables of a run.
  template <int run, class F>
  TERN_INLINE static void for_each_table(const typename V::ByteColumns& columns, const F& f) {
    unroll<4>([&](auto j) TERN_LAMBDA {
      const typename V::Bytes nibbles[2] = {V::low_nibbles(columns.column[j()]), V::high_nibbles(columns.column[j()])};
      unroll<2>([&](auto h) TERN_LAMBDA { f(2 * j() + h(), nibbles[h()]); });
    });
  }
};

template <class V>
struct FiveInByte {
  static constexpr int kPlaces = 5;
  static constexpr int32_t kZero = V::kDigitZero;
  static constexpr uint64_t kBlocks = V::kDigitBlocks;
  static constexpr uint64_t kBytes = kBlockBytes;
  static constexpr bool kInPlace = true, kEveryByte = true;
  using State = typename V::FiveDigits;
  using Tables = typename V::DigitTables;
  TERN_INLINE static Tables tables() { return V::digit_tables(); }
  TERN_INLINE static State begin(const std::byte* block, const Tables& t) {
    return V::begin_digits(V::load_codes(block), t);
  }
  template <int q>
  TERN_INLINE static typename V::Codes next(State& x) {
    return V::template next_digit<q>(x);
  }
  template <int q>
  TERN_INLINE static typename V::Codes in_place(const State& x) {
    return V::template digit_in_place<q>(x);
  }
  // Place q of a block at once; the compiler finds what several places share.
  template <int q>
  TERN_INLINE static typename V::Codes digits(const typename V::Codes& block) {
    State x = V::begin_digits(block, tables());
    unroll<q>([&](auto k) TERN_LAMBDA { next<k()>(x); });
    return next<q>(x);
  }
  template <int column>
  TERN_INLINE static typename V::Floats weights(const typename V::Codes& block) {
    return V::template digit_weights<column % 4>(digits<column / 4>(block));
  }

  // Tables: pairs of places 0, 1 and of 2, 3 of a byte column, and place 4 of two neighbouring columns. Two byte
  // columns are a run of five tables: 5 * 31 < 2^8, and 2 * 155 * 208 < 2^16 (the sums of trit_tables.h).
  static constexpr int kTables = 10, kRuns = 2;
  static constexpr uint64_t kTableSumBlocks = 208;
  static constexpr int32_t kTableZero = V::kTopDigitZero;
  static constexpr int low_column(int table) {
    const int run = table / 5, i = table % 5;
    return i == 4 ? 16 + 2 * run + 1 : 8 * (i % 2) + 4 + 2 * run + i / 2;
  }
  static constexpr int high_column(int table) { return low_column(table) - (table % 5 == 4 ? 1 : 4); }
  template <int run, class F>
  TERN_INLINE static void for_each_table(const typename V::ByteColumns& columns, const F& f) {
    typename V::Bytes last[2];
    unroll<2>([&](auto j) TERN_LAMBDA {
      typename V::Bytes x = columns.column[2 * run + j()];
      unroll<2>([&](auto h) TERN_LAMBDA {
        const typename V::Bytes next = V::triple(x);
        f(5 * run + 2 * j() + h(), V::digit_pair(V::top_digit(x), V::top_digit(next)));
        x = V::triple(next);
      });
      last[j()] = V::top_digit(x);
    });
    f(5 * run + 4, V::digit_pair(last[0], last[1]));
  }
};

}  // namespace
}  // namespace tern
