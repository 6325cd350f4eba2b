// How the codes of a unit (docs/format.md, "int") become unsigned bytes: 16 rows x 4 neighbouring columns a step.
#pragma once

#include "kernels/linear/blocking.h"

namespace tern {
namespace {

// kBlocks blocks hold kSteps steps of four columns; bytes<step>(blocks) are the codes of one step.
template <class V, int bits>
struct IntUnit;

template <class V>
struct IntUnit<V, 8> {
  static constexpr int kBlocks = 1, kSteps = 1;
  template <int step>
  TERN_INLINE static typename V::Codes bytes(const typename V::Codes (&blocks)[kBlocks]) {
    return blocks[0];
  }
};

template <class V>
struct IntUnit<V, 4> {
  static constexpr int kBlocks = 1, kSteps = 2;
  template <int step>
  TERN_INLINE static typename V::Codes bytes(const typename V::Codes (&blocks)[kBlocks]) {
    return V::template nibbles<step>(blocks[0]);
  }
};

template <class V>
struct IntUnit<V, 6> {
  static constexpr int kBlocks = 3, kSteps = 4;
  template <int step>
  TERN_INLINE static typename V::Codes bytes(const typename V::Codes (&blocks)[kBlocks]) {
    return V::merge(V::template nibbles<step % 2>(blocks[step / 2]), V::template upper_pairs<step>(blocks[2]));
  }
};

template <class V, int bits>
TERN_INLINE void load_unit(const std::byte* at, typename V::Codes (&blocks)[IntUnit<V, bits>::kBlocks]) {
  unroll<IntUnit<V, bits>::kBlocks>([&](auto b) TERN_LAMBDA { blocks[b] = V::load_codes(at + b * kBlockBytes); });
}

}  // namespace
}  // namespace tern
