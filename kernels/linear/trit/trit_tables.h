// Trits x int8 activations without multiplications. A nibble of the codes holds two trits of one row (in five trits a
// byte: is made of two digits); its 16 possible sums of two activations are a table, built by additions once per
// activation vector, and a byte shuffle looks up a whole register of rows.
//
// Exactness. An entry is c0 * a0 + c1 * a1 for codes 0..3, made non-negative by 3 * max(0, -a) for each activation:
// at most 3 * 127 * 2 = 762, kept as two bytes, entry = low + 32 * high with low <= 31 and high <= 23. A block makes
// 8 look-ups, 8 * 31 = 248 < 2^8; the int16 sums take 256 blocks, 256 * 248 < 2^16 (five in a byte: trit_packing.h).
// What was added leaves with the zero offset at the end of the group.
#pragma once

#include "kernels/linear/trit/table_walk.h"
#include "kernels/linear/trit/trit_packing.h"

namespace tern {
namespace {

// 16 low, then 16 high bytes.
inline void build_table(int16_t first, int16_t second, uint8_t* table) {
  const int16_t low_offset = first < 0 ? -first : 0, high_offset = second < 0 ? -second : 0;
  const int16_t offset = low_offset + high_offset;
  const int16_t base = offset + offset + offset, first2 = first + first, second2 = second + second;
  for (int i = 0; i < 16; ++i) {  // masks instead of products: bits 0, 1 of i are c0, bits 2, 3 are c1
    const int16_t b0 = -(i & 1), b1 = -(i >> 1 & 1), b2 = -(i >> 2 & 1), b3 = -(i >> 3 & 1);
    const int16_t entry = base + (first & b0) + (first2 & b1) + (second & b2) + (second2 & b3);
    table[i] = static_cast<uint8_t>(entry & 31);
    table[16 + i] = static_cast<uint8_t>(entry >> 5);
  }
}

// What a group's sums carry too much: the zero offset, and what kept table entries from being negative.
template <int32_t zero>
int32_t table_offset(const int8_t* a, uint64_t cols) {
  int32_t sum = 0, negative = 0;
  for (uint64_t c = 0; c < cols; ++c) {
    for (int32_t z = 0; z < zero; ++z) sum += a[c];
    negative += a[c] < 0 ? -a[c] : 0;
  }
  return sum + negative + negative + negative;
}

// Sums of a run of blocks for V::kTableTiles tiles, look-ups and additions only. A test reads its machine code.
template <class V, class Packing>
__attribute__((noinline)) void trit_table_sums(const TableTiles& tiles, uint64_t set, const uint8_t* tables,
                                               uint64_t blocks, typename V::Ints* sums) {
  for (int t = 0; t < V::kTableTiles; ++t) sums[t] = V::zero_ints();
  const uint64_t first = set * V::kTableTiles;
  uint64_t offset = 0;
  uintptr_t next = tiles.next;
  while (blocks != 0) {
    const uint64_t run = blocks < Packing::kTableSumBlocks ? blocks : Packing::kTableSumBlocks;
    typename V::TableSums acc = V::zero_tables();
    for (uint64_t b = 0; b < run; ++b, offset += kBlockBytes, tables += 32 * Packing::kTables) {
      const typename V::ByteColumns columns = V::load_columns(tiles.codes + first, offset);
      for (uint64_t t = 0; t < V::kTableTiles; ++t) tiles.prefetch(next, first + t);
      next += tiles.step;
      unroll<Packing::kRuns>([&](auto part) TERN_LAMBDA {
        typename V::Bytes low = V::zero_bytes(), high = V::zero_bytes();
        Packing::template for_each_table<part()>(columns, [&](int t, typename V::Bytes nibbles) TERN_LAMBDA {
          const uint8_t* table = tables + 32 * t;
          low = V::add_bytes(low, V::look_up(V::load_table(table), nibbles));
          high = V::add_bytes(high, V::look_up(V::load_table(table + 16), nibbles));
        });
        V::widen_bytes(acc, low, high);
      });
    }
    V::add_tables(sums, acc);
    blocks -= run;
  }
}

template <class V, class Packing>
struct NibbleTables {
  static constexpr uint64_t kColumns = 4 * Packing::kPlaces, kTableBytes = 32 * Packing::kTables;
  static constexpr uint64_t kChunkTiles = V::kTableTiles;

  static int32_t offset(const int8_t* a, uint64_t cols) { return table_offset<Packing::kTableZero>(a, cols); }
  static void build(const int8_t* a, uint8_t* tables) {
    for (int t = 0; t < Packing::kTables; ++t)
      build_table(a[Packing::low_column(t)], a[Packing::high_column(t)], tables + 32 * t);
  }
  static void sum(const TableTiles& tiles, uint64_t sets, const uint8_t* tables, uint64_t blocks,
                  typename V::Ints* sums) {
    for (uint64_t s = 0; s < sets; ++s)
      trit_table_sums<V, Packing>(tiles, s, tables, blocks, sums + s * V::kTableTiles);
  }
};

template <class V, class Packing = TwoBits<V>>
void trit_mulfree(const LinearCall& call, TileRange range) {
  walk_tables<V, NibbleTables<V, Packing>>(call, range);
}

}  // namespace
}  // namespace tern
