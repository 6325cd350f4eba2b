// Batches of trits x int8 activations by both families in one loop. Dot products keep some of a core's vector pipes
// busy and leave others idle, where permutes and additions run: so of 48 columns 36 are multiplied, as in trit_dot.h,
// and twelve looked up (five in a byte: of 40 columns 28). On Zen 4 a register of dot products takes a cycle of the two
// pipes that multiply; look-ups of a third as many columns fit into the other two meanwhile.
//
// A four is a block of codes, a byte a trit, of four columns; a unit has kUnitBlocks blocks of the file, nine or seven
// fours to multiply and three whose bytes make c0 + 3 c1 + 9 c2 < 27, indices of the sums c0 x0 + c1 x1 + c2 x2 of
// three activations: int16, one register. A register of indices has the rows of two tiles.
//
// Columns are taken a slice at a time, for a batch of tokens and all tiles: the tables of a slice stay in the second
// cache, a few tiles of it unpacked in the first. Sums wait in scratch for the next slice.
//
// Exactness: an entry is at most 3 * 2 * 127 = 762; an int16 takes 43, a slice has up to 32. Code 3 of two bits, which
// no writer makes, has no index: tiles that have it are left to dot products alone.
#pragma once

#include "kernels/linear/trit/trit_unpacked.h"

namespace tern {
namespace {

constexpr int kMixedTiles = 4, kMixedTokens = 4;  // 16 sums, 8 of look-ups, 4 registers of codes, 4 to work with
constexpr int kTripleFours = 3, kTripleSteps = 4;
constexpr uint64_t kFourBytes = kMixedTiles * kBlockBytes, kIndexBytes = kFourBytes / 2;
constexpr uint64_t kTableBytes = 64, kStepTables = kMixedTokens * kTableBytes;

template <class Packing>
struct MixedUnit {
  static constexpr int kBlocks = Packing::kPlaces == 4 ? 3 : 2, kFours = kBlocks * Packing::kPlaces;
  static constexpr int kDotFours = kFours - kTripleFours;
  static constexpr uint64_t kCols = 4 * kFours, kDotCols = 4 * kDotFours;
  static constexpr uint64_t kIndices = kDotFours * kFourBytes;  // where they begin
  static constexpr uint64_t kBytes = kIndices + kTripleSteps * kIndexBytes;
  static constexpr uint64_t kTables = kTripleSteps * kStepTables;  // bytes
};

// Units, and in the last slice of a row blocks that are only multiplied.
struct MixedSlice {
  static constexpr uint64_t kMostUnits = 6;
  static_assert(kMostUnits * kTripleSteps * 3 * 2 * 127 < 1 << 15);
  uint64_t block, units, single_blocks;
  bool last;
};

// What a slice has of kMixedTiles tiles: units, then single fours. False: a code has no index.
template <class V, class Packing>
class MixedWeights {
 public:
  using Unit = MixedUnit<Packing>;

  static bool unpack(const std::byte* tile, uint64_t tile_bytes, const MixedSlice& slice, std::byte* to) {
    typename V::Codes wrong = V::zero_ints();
    unroll<kMixedTiles / 2>([&](auto pair) TERN_LAMBDA {
      const std::byte* from[2] = {tile + 2 * pair * tile_bytes, tile + (2 * pair + 1) * tile_bytes};
      std::byte* at = to + 2 * pair * kBlockBytes;
      std::byte* indices = to + Unit::kIndices + pair * kBlockBytes;
      for (uint64_t u = slice.units; u != 0; --u, at += Unit::kBytes, indices += Unit::kBytes)
        unpack_unit(from, at, indices, wrong);
      for (uint64_t b = slice.single_blocks; b != 0; --b, at += Packing::kPlaces * kFourBytes) {
        unpack_block(from, wrong, [&](auto q, auto t, typename V::Codes codes) TERN_LAMBDA {
          V::store_codes(at + q * kFourBytes + t * kBlockBytes, codes);
        });
      }
    });
    return !V::any(wrong);
  }

 private:
  // f(place, tile, codes) of the next block of two tiles.
  template <class F>
  TERN_INLINE static void unpack_block(const std::byte* (&from)[2], typename V::Codes& wrong, const F& f) {
    const typename Packing::Tables tables = Packing::tables();
    typename Packing::State block[2];
    unroll<2>([&](auto t) TERN_LAMBDA {
      if constexpr (!Packing::kEveryByte) wrong = V::or_threes(wrong, V::load_codes(from[t]));
      block[t] = Packing::begin(from[t], tables);
      from[t] += kBlockBytes;
    });
    unroll2<Packing::kPlaces, 2>([&](auto q, auto t) TERN_LAMBDA { f(q, t, Packing::template next<q()>(block[t])); });
  }

  TERN_INLINE static void unpack_unit(const std::byte* (&from)[2], std::byte* to, std::byte* indices,
                                      typename V::Codes& wrong) {
    typename V::Codes triple[2];
    unroll<Unit::kBlocks>([&](auto b) TERN_LAMBDA {
      unpack_block(from, wrong, [&](auto q, auto t, typename V::Codes codes) TERN_LAMBDA {
        constexpr int four = b() * Packing::kPlaces + q(), digit = four - Unit::kDotFours;
        if constexpr (digit < 0) V::store_codes(to + four * kFourBytes + t() * kBlockBytes, codes);
        if constexpr (digit == 0) triple[t()] = codes;
        if constexpr (digit > 0) triple[t()] = V::template add_digit<digit>(triple[t()], codes);
      });
    });
    unroll<kTripleSteps>([&](auto j) TERN_LAMBDA {
      V::store_codes(indices + j * kIndexBytes, V::template triple_indices<j()>(triple[0], triple[1]));
    });
  }
};

// The sums of kMixedTiles tiles and kMixedTokens tokens.
template <class V, class Packing>
class MixedSums {
 public:
  using Unit = MixedUnit<Packing>;
  using Registers = typename V::Ints[kMixedTiles][kMixedTokens];

  // A function of its own, for the registers' sake.
  __attribute__((noinline)) static void add_units(uint64_t units, const std::byte* weights, const int8_t* a,
                                                  uint64_t a_stride, const std::byte* tables, bool first,
                                                  std::byte* kept) {
    Registers sums;
    typename V::Words words[kMixedTiles / 2][kMixedTokens];
    first ? fill(sums, V::zero_ints()) : load(kept, sums);
    fill(words, V::zero_words());
    for (; units != 0; --units, a += Unit::kCols, weights += Unit::kBytes, tables += Unit::kTables) {
      unroll<kTripleSteps>([&](auto step) TERN_LAMBDA {
        constexpr int begin = step() * Unit::kDotFours / kTripleSteps;
        constexpr int end = (step() + 1) * Unit::kDotFours / kTripleSteps;
        unroll<end - begin>([&](auto i) TERN_LAMBDA {
          multiply(weights + (begin + i) * kFourBytes, a + 4 * (begin + i), a_stride, sums);
        });
        look_up(weights + Unit::kIndices + step * kIndexBytes, tables + step * kStepTables, words);
      });
    }
    unroll2<kMixedTiles, kMixedTokens>([&](auto t, auto k) TERN_LAMBDA {
      sums[t][k] = V::template add_words<t() % 2>(sums[t][k], words[t() / 2][k]);
    });
    store(sums, kept);
  }

  TERN_INLINE static void add_fours(uint64_t fours, const std::byte* weights, const int8_t* a, uint64_t a_stride,
                                    Registers& sums) {
    for (; fours != 0; --fours, a += 4, weights += kFourBytes) multiply(weights, a, a_stride, sums);
  }

  TERN_INLINE static void load(const std::byte* kept, Registers& sums) {
    unroll2<kMixedTiles, kMixedTokens>(
        [&](auto t, auto k) TERN_LAMBDA { sums[t][k] = V::load_codes(kept + (t * kMixedTokens + k) * kBlockBytes); });
  }
  TERN_INLINE static void store(const Registers& sums, std::byte* kept) {
    unroll2<kMixedTiles, kMixedTokens>(
        [&](auto t, auto k) TERN_LAMBDA { V::store_codes(kept + (t * kMixedTokens + k) * kBlockBytes, sums[t][k]); });
  }

 private:
  TERN_INLINE static void multiply(const std::byte* codes, const int8_t* a, uint64_t a_stride, Registers& sums) {
    typename V::Codes four[kMixedTiles];
    unroll<kMixedTiles>([&](auto t) TERN_LAMBDA { four[t] = V::load_codes(codes + t * kBlockBytes); });
    unroll<kMixedTokens>([&](auto k) TERN_LAMBDA {
      const auto input = V::template load_trit_input<0>(a + k * a_stride);
      unroll<kMixedTiles>([&](auto t) TERN_LAMBDA {
        sums[t][k] = V::template dot_trits<0>(sums[t][k], four[t], input);
        V::keep(sums[t][k]);
      });
    });
  }

  TERN_INLINE static void look_up(const std::byte* indices, const std::byte* tables,
                                  typename V::Words (&words)[kMixedTiles / 2][kMixedTokens]) {
    typename V::Codes index[kMixedTiles / 2];
    unroll<kMixedTiles / 2>([&](auto p) TERN_LAMBDA { index[p] = V::load_codes(indices + p * kBlockBytes); });
    unroll<kMixedTokens>([&](auto k) TERN_LAMBDA {
      typename V::Codes table = V::load_codes(tables + k * kTableBytes);
      V::keep(table);
      unroll<kMixedTiles / 2>([&](auto p) TERN_LAMBDA { V::look_up_words(words[p][k], table, index[p]); });
    });
  }
};

}  // namespace
}  // namespace tern
