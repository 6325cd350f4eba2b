// Five trits in a byte x int8 activations without multiplications, a whole byte a look-up, for an ISA that selects from
// 128 bytes at once (VBMI). The sums of a byte column, one for each of the 256 bytes, are a table of 8 registers, low
// bytes and high bytes, made by additions once per activation vector; it stays in registers while 64 rows after 64 look
// theirs up. At two bits the nibble tables of trit_tables.h are faster.
//
// Exactness. An entry is kLift = 5 * 127 plus the sum of five activations times -1, 0 or 1: 0 to 1270. The uint16 sums
// take a burst of 8 blocks, 32 look-ups: 32 * 1270 < 2^16; sums of high bytes fit a byte.
#pragma once

#include "kernels/linear/trit/table_walk.h"
#include "kernels/linear/trit/trit_packing.h"

namespace tern {
namespace {

// How a table is put together. The 20 activations of a block are the first int16 of 64, zeros follow, and from 32 on
// the same negated: a trit adds one of these. The sums of places 0, 1 and of places 2, 3, 4 are 9 and 27 lanes of a
// register; a byte stands for one of each.
struct ByteTableConstants {
  static constexpr int kPlaces = 5, kLift = kPlaces * 127;
  alignas(64) uint16_t place[kPlaces][32] = {};            // which of the 64 each lane adds, of byte column 0
  alignas(64) uint16_t first[256] = {}, second[256] = {};  // the lanes that each byte stands for

  constexpr ByteTableConstants() {
    for (int i = 0; i < kPlaces; ++i) {
      for (int lane = 0; lane < 27; ++lane) {
        const int digit = i < 2 ? digit_of(lane, 1 - i) : digit_of(lane, 4 - i);
        const int from = digit == 0 ? 32 + 4 * i : digit == 1 ? 4 * kPlaces : 4 * i;
        place[i][lane] = static_cast<uint16_t>(from);
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

// Where a burst begins: in the tiles, in what is asked for meanwhile, in the tables.
struct TableBurst {
  uint64_t offset;
  uintptr_t next;
  const uint8_t* tables;
  uint64_t blocks;
};

// Adds the sums of a burst for `sets` sets of tiles from `set` on. A test reads its machine code.
template <class V, int sets>
__attribute__((noinline)) void trit_byte_table_sums(const TableTiles& tiles, uint64_t set, const TableBurst& at,
                                                    typename V::Ints* sums) {
  typename V::ByteSums acc[sets];
  unroll<sets>([&](auto s) TERN_LAMBDA { acc[s] = V::zero_byte_sums(); });
  const uint8_t* tables = at.tables;
  uintptr_t next = at.next;
  for (uint64_t b = 0; b < at.blocks; ++b, next += tiles.step) {
    typename V::ByteColumns block[sets];
    unroll<sets>([&](auto s) TERN_LAMBDA {
      block[s] = V::load_columns(tiles.codes + (set + s) * V::kTableTiles, at.offset + b * kBlockBytes);
    });
    for (int j = 0; j < 4; ++j, tables += V::kByteTableBytes) {
      const typename V::ByteTable table = V::load_byte_table(tables);
      unroll<sets>([&](auto s) TERN_LAMBDA {
        tiles.prefetch(next, set * V::kTableTiles + j * sets + s);
        acc[s] = V::look_up_byte(table, block[s].column[j], acc[s]);
        V::keep_order(next, acc[s]);
      });
    }
  }
  unroll<sets>([&](auto s) TERN_LAMBDA { V::add_byte_sums(sums + (set + s) * V::kTableTiles, acc[s]); });
}

template <class V>
struct ByteTables {
  static constexpr uint64_t kColumns = 4 * ByteTableConstants::kPlaces, kTableBytes = 4 * V::kByteTableBytes;
  static constexpr int kSets = 4;  // 12 sums beside the 8 registers of a table
  static constexpr uint64_t kChunkTiles = kSets * V::kTableTiles;

  static void build(const int8_t* a, uint8_t* tables) {
    static constexpr ByteTableConstants kConstants;
    V::build_byte_tables(kConstants, a, tables);
  }
  static int32_t offset(const int8_t*, uint64_t cols) {
    return static_cast<int32_t>(cols / kColumns * 4) * ByteTableConstants::kLift;
  }
  // Burst by burst, whose tables stay in the first cache while all sets pass.
  static void sum(const TableTiles& tiles, uint64_t sets, const uint8_t* tables, uint64_t blocks,
                  typename V::Ints* sums) {
    for (uint64_t t = 0; t < sets * V::kTableTiles; ++t) sums[t] = V::zero_ints();
    for (uint64_t first = 0; first < blocks; first += kBurst) {
      const uint64_t count = blocks - first < kBurst ? blocks - first : kBurst;
      const TableBurst burst{first * kBlockBytes, tiles.next + first * tiles.step, tables + first * kTableBytes, count};
      add_burst<kSets>(tiles, 0, sets, burst, sums);
    }
  }

 private:
  template <int most>
  static void add_burst(const TableTiles& tiles, uint64_t set, uint64_t sets, const TableBurst& burst,
                        typename V::Ints* sums) {
    for (; set + most <= sets; set += most) trit_byte_table_sums<V, most>(tiles, set, burst, sums);
    if constexpr (most > 1) add_burst<most / 2>(tiles, set, sets, burst, sums);
  }
};

template <class V>
void trit5_bytes_mulfree(const LinearCall& call, TileRange range) {
  walk_tables<V, ByteTables<V>>(call, range);
}

}  // namespace
}  // namespace tern
