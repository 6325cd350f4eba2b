// vpdpbusd sums four products of unsigned and signed bytes into the int32 of a row: what it changes in the traits of a
// register width. Dot::add(sums, codes, input) is the instruction on a whole block.
#pragma once

#include <cstdint>

namespace tern {
namespace {

template <class Base, class Dot>
struct DpBusd : Base {
  using typename Base::Codes;
  using typename Base::Ints;
  using Input = typename Dot::Input;  // four columns for every row

  // int32 sums: 3 * 127 * kMaxCols < 2^31 for trits, 63 * 127 * kMaxCols for four and six bits, 255 * 127 *
  // kMaxCols / 2 for eight.
  using TritSums = Ints;
  static constexpr uint64_t kTritBlocks = 1u << 20, kDigitBlocks = kTritBlocks;
  static TritSums zero_trits() { return Base::zero_ints(); }
  template <int q>
  static Input load_trit_input(const int8_t* a) {
    return Base::broadcast4(a + 4 * q);
  }
  template <int q>
  static TritSums dot_trits(TritSums s, Codes c, Input a) {
    return Dot::add(s, c, a);
  }
  static Ints widen_trits(TritSums s) { return s; }

  static constexpr int32_t kInt8Zero = 128;
  using Int8Codes = Codes;
  using Int8Sums = Ints;
  static Int8Codes split_int8(Codes c) { return c; }
  static Input load_int8_input(const int8_t* a) { return Base::broadcast4(a); }
  static Int8Sums zero_int8() { return Base::zero_ints(); }
  static Int8Sums dot_int8(Int8Sums s, Int8Codes c, Input a) { return Dot::add(s, c, a); }
  static Ints widen_int8(Int8Sums s) { return s; }
  template <class NarrowInput>
  static Int8Sums dot_narrow(Int8Sums s, Codes first, Codes second, NarrowInput a) {
    return Dot::add(Dot::add(s, first, a.first), second, a.second);
  }
};

}  // namespace
}  // namespace tern
