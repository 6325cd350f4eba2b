// Five trits in a byte x int8 activations without multiplications, a whole byte a look-up, for an ISA that selects from
// 128 bytes at once (VBMI). The sums of a byte column, one for each of the 256 bytes, are a table of 8 registers, low
// bytes and high bytes, made by additions once per activation vector; it stays in registers while 64 rows after 64 look
// theirs up. At two bits the nibble tables of trit_tables.h are faster.
//
// Exactness. With 3 * max(0, -a) added for each of 5 activations an entry is at most 5 * 3 * 127 = 1905; the uint16 sums
// take a burst of 8 blocks, 32 look-ups: 32 * 1905 < 2^16.
#pragma once

#include "kernels/linear/trit/table_walk.h"
#include "kernels/linear/trit/trit_packing.h"

namespace tern {
namespace {

// The sums of places 0, 1 and of places 2, 3, 4 are lanes of two registers of int16; a byte stands for one of each.
struct ByteTableConstants {
  static constexpr int kPlaces = 5;
  uint32_t one[kPlaces] = {}, two[kPlaces] = {};           // lanes whose digit of this place is 1, 2
  alignas(64) uint16_t first[256] = {}, second[256] = {};  // the lanes that each byte stands for

  constexpr ByteTableConstants() {
    for (int place = 0; place < kPlaces; ++place) {
      for (int lane = 0; lane < 27; ++lane) {
        const int digit = place < 2 ? digit_of(lane, 1 - place) : digit_of(lane, 4 - place);
        one[place] |= static_cast<uint32_t>(digit == 1) << lane;
        two[place] |= static_cast<uint32_t>(digit == 2) << lane;
      }
    }
    for (int byte = 0; byte < 256; ++byte) {
      const int value = byte * 243 / 256;
      first[byte] = static_cast<uint16_t>(value / 27);
      second[byte] = static_cast<uint16_t>(value % 27);
    }
  }
  static constexpr int digit_of(int value, int place) {  // the least significant is place 0
    for (; place > 0; --place) value /= 3;
    return value % 3;
  }
};

constexpr uint64_t kBurst = 8;  // blocks

// Byte columns of a burst of blocks, for `sets` sets of tiles. Tiles are read a burst of lines at a time: one line each of
// so many that lie a power of two apart would not stay in a cache until it is used.
template <class V, int sets>
TERN_INLINE void read_burst(const TableTiles& tiles, uint64_t first, uint64_t offset, uint64_t blocks,
                            typename V::ByteColumns (&burst)[kBurst][sets]) {
  for (uint64_t s = 0; s < sets; ++s) {
    const uint64_t tile = first + s * V::kTableTiles;
    for (uint64_t b = 0; b < blocks; ++b) burst[b][s] = V::load_columns(tiles.codes + tile, offset + b * kBlockBytes);
  }
}

// Sums of a run of blocks for `sets` sets of tiles from `set` on. A test reads its machine code.
template <class V, int sets>
__attribute__((noinline)) void trit_byte_table_sums(const TableTiles& tiles, uint64_t set, const uint8_t* tables,
                                                    uint64_t blocks, typename V::Ints* sums) {
  for (int t = 0; t < sets * V::kTableTiles; ++t) sums[t] = V::zero_ints();
  typename V::ByteColumns burst[kBurst][sets];
  uintptr_t next = tiles.next;
  for (uint64_t done = 0; done < blocks; done += kBurst) {
    const uint64_t count = blocks - done < kBurst ? blocks - done : kBurst;
    read_burst<V, sets>(tiles, set * V::kTableTiles, done * kBlockBytes, count, burst);
    typename V::WordSums acc[sets];
    unroll<sets>([&](auto s) TERN_LAMBDA { acc[s] = V::zero_words(); });
    for (uint64_t b = 0; b < count; ++b, next += tiles.step) {
      for (int j = 0; j < 4; ++j, tables += V::kByteTableBytes) {
        const typename V::ByteTable table = V::load_byte_table(tables);
        unroll<sets>([&](auto s) TERN_LAMBDA {
          tiles.prefetch(next, set * V::kTableTiles + j * sets + s);
          acc[s] = V::look_up_byte(table, burst[b][s].column[j], acc[s]);
        });
      }
    }
    unroll<sets>([&](auto s) TERN_LAMBDA { V::add_words(sums + s * V::kTableTiles, acc[s]); });
  }
}

template <class V>
struct ByteTables {
  static constexpr uint64_t kColumns = 4 * ByteTableConstants::kPlaces, kTableBytes = 4 * V::kByteTableBytes;
  static constexpr int kSets = 4;  // 8 sums of words beside the 8 registers of a table
  static constexpr uint64_t kChunkTiles = kSets * V::kTableTiles;
  static constexpr int32_t kZero = 1;

  static void build(const int8_t* a, uint8_t* tables) {
    static constexpr ByteTableConstants kConstants;
    for (int j = 0; j < 4; ++j) V::build_byte_table(kConstants, a + j, tables + j * V::kByteTableBytes);
  }
  static void sum(const TableTiles& tiles, uint64_t sets, const uint8_t* tables, uint64_t blocks,
                  typename V::Ints* sums) {
    sum_sets<kSets>(tiles, 0, sets, tables, blocks, sums);
  }

 private:
  template <int most>
  static void sum_sets(const TableTiles& tiles, uint64_t set, uint64_t sets, const uint8_t* tables, uint64_t blocks,
                       typename V::Ints* sums) {
    for (; set + most <= sets; set += most)
      trit_byte_table_sums<V, most>(tiles, set, tables, blocks, sums + set * V::kTableTiles);
    if constexpr (most > 1) sum_sets<most / 2>(tiles, set, sets, tables, blocks, sums);
  }
};

template <class V>
void trit5_bytes_mulfree(const LinearCall& call, TileRange range) {
  walk_tables<V, ByteTables<V>>(call, range);
}

}  // namespace
}  // namespace tern
