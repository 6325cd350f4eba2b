// Trits x int8 activations without multiplications. A nibble of the codes holds two trits of one row (in five trits a
// byte: is made of two digits); its 16 possible sums of two activations are a table, built by additions once per
// activation vector, and a byte shuffle looks up a whole register of rows.
//
// Exactness. An entry is c0 * a0 + c1 * a1 for codes 0..3, made non-negative by 3 * max(0, -a) for each activation:
// at most 3 * 127 * 2 = 762, kept as two bytes, entry = low + 32 * high with low <= 31 and high <= 23. A block makes
// 8 look-ups, 8 * 31 = 248 < 2^8; the int16 sums take 256 blocks, 256 * 248 < 2^16 (five in a byte: trit_packing.h).
// What was added leaves with the zero offset at the end of the group.
#pragma once

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

// Sums of a run of blocks for V::kTableTiles tiles, look-ups and additions only. A test reads its machine code.
template <class V, class Packing>
__attribute__((noinline)) void trit_table_sums(const std::byte* const* tiles, const uint8_t* tables, uint64_t blocks,
                                               typename V::Ints* sums) {
  for (int t = 0; t < V::kTableTiles; ++t) sums[t] = V::zero_ints();
  uint64_t offset = 0;
  while (blocks != 0) {
    const uint64_t run = blocks < Packing::kTableSumBlocks ? blocks : Packing::kTableSumBlocks;
    typename V::TableSums acc = V::zero_tables();
    for (uint64_t b = 0; b < run; ++b, offset += kBlockBytes, tables += 32 * Packing::kTables) {
      const typename V::ByteColumns columns = V::load_columns(tiles, offset);
      for (int t = 0; t < V::kTableTiles; ++t) prefetch_ahead(tiles[t] + offset);
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

// What a group's sums carry too much: the zero offset, and what kept table entries from being negative.
template <class Packing>
int32_t table_offset(const int8_t* a, uint64_t cols) {
  int32_t sum = 0, negative = 0;
  for (uint64_t c = 0; c < cols; ++c) {
    for (int32_t z = 0; z < Packing::kTableZero; ++z) sum += a[c];
    negative += a[c] < 0 ? -a[c] : 0;
  }
  return sum + negative + negative + negative;
}

// The tables of one activation vector in scratch: all of them where they fit, else the run last asked for.
template <class Packing>
class TritTables {
 public:
  static constexpr uint64_t kTableBytes = 32 * Packing::kTables;  // of a block
  static constexpr uint64_t kGroups = 4096;                       // offsets kept
  static constexpr uint64_t kBlocks = (kLinearScratchBytes - kGroups * sizeof(int32_t)) / kTableBytes;

  TritTables(const LinearCall& call, uint64_t m)
      : a_(call.in.codes + m * call.in.code_stride),
        group_cols_(group_stride(call.w.layout)),
        groups_(call.w.layout.groups),
        tables_(reinterpret_cast<uint8_t*>(call.scratch)),
        offsets_(reinterpret_cast<int32_t*>(call.scratch + kBlocks * kTableBytes)) {
    const uint64_t blocks = groups_ * call.w.layout.group_blocks;
    whole_ = blocks <= kBlocks;
    if (whole_) build(0, blocks);
    for (uint64_t g = 0; g < groups_ && groups_ <= kGroups; ++g)
      offsets_[g] = table_offset<Packing>(a_ + g * group_cols_, group_cols_);
  }
  bool whole() const { return whole_; }
  // Tables of `count` <= kBlocks blocks from `first`, counted along the whole vector.
  const uint8_t* get(uint64_t first, uint64_t count) {
    if (whole_) return tables_ + first * kTableBytes;
    if (first != first_ || count > count_) build(first, count);
    return tables_;
  }
  int32_t offset(uint64_t g) const {
    return groups_ <= kGroups ? offsets_[g] : table_offset<Packing>(a_ + g * group_cols_, group_cols_);
  }

 private:
  void build(uint64_t first, uint64_t count) {
    const int8_t* a = a_ + 4 * Packing::kPlaces * first;
    uint8_t* table = tables_;
    for (uint64_t b = 0; b < count; ++b, a += 4 * Packing::kPlaces)
      for (int t = 0; t < Packing::kTables; ++t, table += 32)
        build_table(a[Packing::low_column(t)], a[Packing::high_column(t)], table);
    first_ = first;
    count_ = count;
  }
  const int8_t* a_;
  uint64_t group_cols_, groups_;
  uint8_t* tables_;
  int32_t* offsets_;
  uint64_t first_ = 0, count_ = 0;
  bool whole_ = false;
};

constexpr uint64_t kChunkTiles = 32;  // tiles that share the tables of one part of a long vector

// sums[t] of group g of plane p for the tiles of the range, at most kChunkTiles.
template <class V, class Packing>
TERN_INLINE void chunk_sums(const LinearCall& call, TritTables<Packing>& tables, TileRange range, uint64_t g,
                            uint64_t p, typename V::Ints* sums) {
  constexpr uint64_t kMost = TritTables<Packing>::kBlocks;
  const uint64_t blocks = call.w.layout.group_blocks, count = range.end - range.begin;
  for (uint64_t t = 0; t < count; ++t) sums[t] = V::zero_ints();
  for (uint64_t b = 0; b < blocks; b += kMost) {
    const uint64_t run = blocks - b < kMost ? blocks - b : kMost;
    const uint8_t* run_tables = tables.get(g * blocks + b, run);
    for (uint64_t t = 0; t < count; t += V::kTableTiles) {
      const std::byte* codes[V::kTableTiles];  // a set that is not full repeats its first tile
      for (uint64_t k = 0; k < V::kTableTiles; ++k)
        codes[k] = group_blocks(call.w, range.begin + (t + k < count ? t + k : t), g, p) + b * kBlockBytes;
      typename V::Ints part[V::kTableTiles];
      trit_table_sums<V, Packing>(codes, run_tables, run, part);
      for (uint64_t k = 0; k < V::kTableTiles && t + k < count; ++k) sums[t + k] = V::add(sums[t + k], part[k]);
    }
  }
}

template <class V, class Packing>
void chunk_outputs(const LinearCall& call, TritTables<Packing>& tables, TileRange range, uint64_t m) {
  const WeightView& w = call.w;
  const uint64_t count = range.end - range.begin;
  typename V::Floats y[kChunkTiles];
  typename V::Ints sums[kChunkTiles];
  for (uint64_t t = 0; t < count; ++t) y[t] = V::zero();
  for (uint64_t g = 0; g < w.layout.groups; ++g) {
    const int32_t offset = tables.offset(g);
    const typename V::Floats a_scale = V::broadcast(activation_scale(call.in, m, g));
    for (uint64_t p = 0; p < w.encoding.planes; ++p) {
      chunk_sums<V, Packing>(call, tables, range, g, p, sums);
      for (uint64_t t = 0; t < count; ++t) {
        const typename V::Floats scales = load_scales<V>(w, range.begin + t, g, p);
        y[t] = V::fma(V::to_floats(V::subtract(sums[t], offset)), V::mul(scales, a_scale), y[t]);
      }
    }
  }
  for (uint64_t t = 0; t < count; ++t) store_tile<V>(call, range.begin + t, m, y[t]);
}

template <class V, class Packing = TwoBits<V>>
void trit_mulfree(const LinearCall& call, TileRange range) {
  for (uint64_t m = 0; m < call.in.tokens; ++m) {
    TritTables<Packing> tables(call, m);
    const uint64_t chunk = tables.whole() ? V::kTableTiles : kChunkTiles;
    for (uint64_t tile = range.begin; tile < range.end; tile += chunk)
      chunk_outputs<V, Packing>(call, tables, {tile, range.end - tile < chunk ? range.end : tile + chunk}, m);
  }
}

}  // namespace
}  // namespace tern
