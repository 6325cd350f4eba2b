// Batches of five trits in a byte: tiles become a byte a trit in scratch, once for all tokens, and are multiplied as
// such.
#pragma once

#include "kernels/linear/trit/trit_dot.h"

namespace tern {
namespace {

// Five blocks of codes, a place each, where one of bytes was: a packing for TritDot.
template <class V>
struct UnpackedFive {
  static constexpr int kPlaces = 5;
  static constexpr int32_t kZero = V::kDigitZero;
  static constexpr uint64_t kBlocks = V::kDigitBlocks, kBytes = kPlaces * kBlockBytes;
  static constexpr bool kInPlace = false;
  using State = const std::byte*;
  struct Tables {};
  TERN_INLINE static Tables tables() { return {}; }
  TERN_INLINE static State begin(const std::byte* blocks, Tables) { return blocks; }
  template <int q>
  TERN_INLINE static typename V::Codes next(State blocks) {
    return V::load_codes(blocks + q * kBlockBytes);
  }
};

// For layouts whose blocks are those of one place, four columns wide.
template <class V>
struct UnpackedDot {
  using Packing = UnpackedFive<V>;
  static constexpr int32_t kZero = Packing::kZero;
  template <int tiles, int tokens>
  TERN_INLINE static void sum(const TileRun& run, uint64_t blocks, const int8_t* a, uint64_t a_stride,
                              typename V::Ints (&sums)[tiles][tokens]) {
    TritDot<V, Packing>::template sum<tiles, tokens>(run, blocks / Packing::kPlaces, a, a_stride, sums);
  }
};

template <class V>
void unpack_tiles(const std::byte* from, uint64_t bytes, std::byte* to) {
  using Five = FiveInByte<V>;
  const typename Five::Tables tables = Five::tables();
  for (const std::byte* end = from + bytes; from != end; from += kBlockBytes) {
    typename Five::State x = Five::begin(from, tables);
    unroll<Five::kPlaces>([&](auto q) TERN_LAMBDA {
      const typename V::Codes codes = Five::template next<q()>(x);
      static_assert(sizeof codes == kBlockBytes);
      __builtin_memcpy(to, &codes, kBlockBytes);
      to += kBlockBytes;
    });
  }
}

// `tiles` tiles at a time, for a range of tokens.
template <class V, int tiles>
void walk_unpacked(const LinearCall& call, TileRange range, TokenRange inputs) {
  WeightView w = call.w;
  w.layout.tile_bytes *= UnpackedFive<V>::kPlaces, w.layout.group_blocks *= UnpackedFive<V>::kPlaces;
  w.layout.unit_cols = 4;
  uint64_t tile = range.begin;
  for (; tile + tiles <= range.end; tile += tiles) {
    unpack_tiles<V>(call.w.codes + tile * call.w.layout.tile_bytes, tiles * call.w.layout.tile_bytes, call.scratch);
    const uintptr_t tile_0 = reinterpret_cast<uintptr_t>(call.scratch) - tile * w.layout.tile_bytes;
    w.codes = reinterpret_cast<const std::byte*>(tile_0);
    walk_tokens<IntegerDot<V, UnpackedDot<V>>, tiles, V::kTritTokens>({w, call.in, call.out, nullptr}, tile, inputs);
  }
  if constexpr (tiles > 1) walk_unpacked<V, tiles / 2>(call, {tile, range.end}, inputs);
}

// Dot: what few tokens run, who would not pay for unpacking, and rows that scratch does not take unpacked.
template <class V, class Dot, class Batch = V>
void trit5(const LinearCall& call, TileRange range) {
  constexpr uint64_t kFew = 12, kInputBytes = 512 * 1024;
  const uint64_t count = call.in.tokens, unpacked = UnpackedFive<Batch>::kPlaces * call.w.layout.tile_bytes;
  if (count < kFew || Batch::kTritBatchTiles * unpacked > kLinearScratchBytes)
    return walk<IntegerDot<V, Dot>, V::kTrit5Tiles, V::kTritBatchTiles, V::kTritTokens>(call, range);
  const uint64_t each = tokens_at_once(call.in, kInputBytes);
  for (uint64_t m = 0; m < count; m += each)
    walk_unpacked<Batch, Batch::kTritBatchTiles>(call, range, {m, m + each < count ? m + each : count});
}

// One token by one way, few by another.
template <class One, class Few>
struct OneOrFew {
  static constexpr int32_t kZero = One::kZero;
  static_assert(kZero == Few::kZero);
  template <int tiles, int tokens, class Ints>
  TERN_INLINE static void sum(const TileRun& run, uint64_t blocks, const int8_t* a, uint64_t a_stride,
                              Ints (&sums)[tiles][tokens]) {
    std::conditional_t<tokens == 1, One, Few>::template sum<tiles, tokens>(run, blocks, a, a_stride, sums);
  }
};

template <class V, class Batch = V>
void trit5_dot(const LinearCall& call, TileRange range) {
  trit5<V, OneOrFew<TritDot<V, FiveInByte<V>>, TritDot<Batch, FiveInByte<Batch>>>, Batch>(call, range);
}

}  // namespace
}  // namespace tern
