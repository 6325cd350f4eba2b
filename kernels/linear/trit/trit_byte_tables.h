// Trits x int8 activations without multiplications, a whole byte of codes at a look-up, for an ISA that selects from 128
// bytes at once (VBMI). The 256 sums of a byte column, one for each byte of codes, are a table of 8 registers, made by
// additions once per activation vector; it stays in registers while 64 rows after 64 look theirs up.
//
// Exactness. With 3 * max(0, -a) added for each of at most 5 activations an entry is at most 5 * 3 * 127 = 1905, kept as
// two bytes, entry = low + 32 * high with low <= 31 and high <= 59. A block makes 4 look-ups, 4 * 59 = 236 < 2^8; the
// int16 sums take 256 blocks, 256 * 236 < 2^16.
#pragma once

#include "kernels/linear/trit/table_walk.h"
#include "kernels/linear/trit/trit_packing.h"

namespace tern {
namespace {

// A byte of codes is two parts: places 0, 1 and the places after them. The 9 to 27 sums of a part are the lanes of one
// register of int16 (at two bits: 16, code 3 included), and the byte says which lane of each it is made of.
template <class Packing>
struct ByteParts;

template <class V>
struct ByteParts<TwoBits<V>> {
  static constexpr int kPlaces = 4;
  static constexpr int code(int lane, int place) { return lane >> 2 * (place % 2) & 3; }
  static constexpr int first(int byte) { return byte & 15; }
  static constexpr int second(int byte) { return byte >> 4; }
};

template <class V>
struct ByteParts<FiveInByte<V>> {
  static constexpr int kPlaces = 5;
  static constexpr int digit(int value, int count, int place) {  // of `count` digits, the most significant first
    for (int i = place + 1; i < count; ++i) value /= 3;
    return value % 3;
  }
  static constexpr int code(int lane, int place) {
    return place < 2 ? digit(lane, 2, place) : digit(lane, 3, place - 2);
  }
  static constexpr int value(int byte) { return byte * 243 / 256; }
  static constexpr int first(int byte) { return value(byte) / 27; }
  static constexpr int second(int byte) { return value(byte) % 27; }
};

template <class Packing>
struct ByteTableConstants {
  using Parts = ByteParts<Packing>;
  uint32_t odd[Parts::kPlaces] = {}, two[Parts::kPlaces] = {};  // lanes whose code of this place has bit 0, bit 1
  alignas(64) uint16_t first[256] = {}, second[256] = {};       // lanes of the two parts, for each byte

  constexpr ByteTableConstants() {
    for (int place = 0; place < Parts::kPlaces; ++place) {
      for (int lane = 0; lane < 32; ++lane) {
        odd[place] |= static_cast<uint32_t>(Parts::code(lane, place) & 1) << lane;
        two[place] |= static_cast<uint32_t>(Parts::code(lane, place) >> 1) << lane;
      }
    }
    for (int byte = 0; byte < 256; ++byte) {
      first[byte] = static_cast<uint16_t>(Parts::first(byte));
      second[byte] = static_cast<uint16_t>(Parts::second(byte));
    }
  }
};

// Sums of a run of blocks for `sets` sets of tiles. A test reads its machine code.
template <class V, class Packing, int sets>
__attribute__((noinline)) void trit_byte_table_sums(const std::byte* const* tiles, const uint8_t* tables,
                                                    uint64_t blocks, typename V::Ints* sums) {
  constexpr uint64_t kSumBlocks = 256;
  for (int t = 0; t < sets * V::kTableTiles; ++t) sums[t] = V::zero_ints();
  uint64_t offset = 0;
  while (blocks != 0) {
    const uint64_t run = blocks < kSumBlocks ? blocks : kSumBlocks;
    typename V::TableSums acc[sets];  // in memory
    for (typename V::TableSums& sum : acc) sum = V::zero_tables();
    for (uint64_t b = 0; b < run; ++b, offset += kBlockBytes) {
      typename V::ByteColumns columns[sets];
      for (int s = 0; s < sets; ++s) columns[s] = V::load_columns(tiles + s * V::kTableTiles, offset);
      for (int t = 0; t < sets * V::kTableTiles; ++t) prefetch_ahead(tiles[t] + offset);
      typename V::Bytes low[sets], high[sets];
      unroll<sets>([&](auto s) TERN_LAMBDA { low[s] = high[s] = V::zero_bytes(); });
      for (int j = 0; j < 4; ++j, tables += V::kByteTableBytes) {
        const typename V::ByteTable table = V::load_byte_table(tables);
        unroll<sets>([&](auto s) TERN_LAMBDA { V::look_up_byte(table, columns[s].column[j], low[s], high[s]); });
      }
      unroll<sets>([&](auto s) TERN_LAMBDA { V::widen_bytes(acc[s], low[s], high[s]); });
    }
    for (int s = 0; s < sets; ++s) V::add_tables(sums + s * V::kTableTiles, acc[s]);
    blocks -= run;
  }
}

template <class V, class Packing>
struct ByteTables {
  static constexpr uint64_t kColumns = 4 * Packing::kPlaces, kTableBytes = 4 * V::kByteTableBytes;
  static constexpr uint64_t kChunkTiles = kMostChunkTiles;
  static constexpr int32_t kZero = 1;

  static void build(const int8_t* a, uint8_t* tables) {
    static constexpr ByteTableConstants<Packing> kConstants;
    for (int j = 0; j < 4; ++j) V::build_byte_table(kConstants, a + j, tables + j * V::kByteTableBytes);
  }
  static void sum(const std::byte* const* tiles, uint64_t sets, const uint8_t* tables, uint64_t blocks,
                  typename V::Ints* sums) {
    sum_sets<kMostChunkTiles / V::kTableTiles>(tiles, sets, tables, blocks, sums);
  }

 private:
  template <int most>
  static void sum_sets(const std::byte* const* tiles, uint64_t sets, const uint8_t* tables, uint64_t blocks,
                       typename V::Ints* sums) {
    for (; sets >= most; sets -= most, tiles += most * V::kTableTiles, sums += most * V::kTableTiles)
      trit_byte_table_sums<V, Packing, most>(tiles, tables, blocks, sums);
    if constexpr (most > 1) sum_sets<most / 2>(tiles, sets, tables, blocks, sums);
  }
};

template <class V, class Packing = TwoBits<V>>
void trit_bytes_mulfree(const LinearCall& call, TileRange range) {
  walk_tables<V, ByteTables<V, Packing>>(call, range);
}

}  // namespace
}  // namespace tern
