// Vectors along the input axis, indices of 8 bits, int8 activations: tables of 256 sums in registers (Tables, e.g.
// simd/table256_avx512vbmi.h), 64 rows a look-up. Codebooks whose sums may leave int16 go by tables in memory.
#pragma once

#include "kernels/linear/vector/vin4_shuffle.h"

namespace tern {
namespace {

constexpr uint64_t kPermuteTiles = 128;  // whose sums stay in scratch while the tables change

template <class Tables>
struct PermuteScratch {
  uint8_t tables[Tables::kPositions * Tables::kBytes];
  int32_t sums[kPermuteTiles * kInputLanes];
};

// The codebook of a plane and column group: blocks of 16 entries x 4 values, as the encoding int has them.
inline const std::byte* book_blocks(const WeightView& w, uint64_t plane, uint64_t group) {
  const uint64_t entry = (group * w.encoding.planes + plane) * kMaxEntries;
  return w.codebook.values + entry / kTileRows * ((w.encoding.length + 3u) / 4) * kBlockBytes;
}

struct PermuteRun {
  const std::byte* records[4];
  uint64_t lanes[4];
  uint64_t ahead;  // from a record to the one that is looked up in its place in the next call
  int32_t* sums;
};

// No multiplication here.
template <class Tables, int tiles, bool full>
[[gnu::noinline]] void vector_permute_table_sums(PermuteRun run, const uint8_t* tables, uint64_t count) {
  typename Tables::Sums s[tiles];
  uint64_t rows[tiles];
  unroll<tiles>([&](auto t) TERN_LAMBDA {
    s[t] = Tables::zero();
    rows[t] = ~uint64_t{0} >> (kInputLanes - run.lanes[t]);
  });
  for (uint64_t i = 0; i < count; ++i, tables += Tables::kBytes) {
    const typename Tables::Table table = Tables::load(tables);
    unroll<tiles>([&](auto t) TERN_LAMBDA {
      if constexpr (full) Tables::add(s[t], table, run.records[t]);
      if constexpr (!full) Tables::add_some(s[t], table, run.records[t], rows[t]);
      __builtin_prefetch(reinterpret_cast<const void*>(reinterpret_cast<uintptr_t>(run.records[t]) + run.ahead));
      run.records[t] += full ? kInputLanes : run.lanes[t];
    });
  }
  unroll<tiles>([&](auto t)
                    TERN_LAMBDA { Tables::flush(s[t], static_cast<int32_t>(count), run.sums + t * kInputLanes); });
}

// Positions of a plane whose tables stand in scratch.
struct TableRun {
  uint64_t plane, position, count;
  const std::byte* next;  // the first record of the positions that follow
};

template <class Tables, int tiles>
void permute_tiles(const LinearCall& call, TileRange range, const TableRun& at, const uint8_t* tables, int32_t* sums) {
  const Encoding& e = call.w.encoding;
  for (; range.begin + tiles <= range.end; range.begin += tiles, sums += tiles * kInputLanes) {
    PermuteRun run{{}, {}, tiles * call.w.layout.tile_bytes, sums};
    for (int t = 0; t < tiles; ++t) {
      const uint64_t tile = range.begin + static_cast<uint64_t>(t);
      run.records[t] = call.w.codes + vector_record(e, call.w.layout, call.w.cols, tile, at.plane, at.position);
      run.lanes[t] = vector_lanes(e, call.w.layout, tile);
    }
    if (range.begin + tiles == range.end) run.ahead = static_cast<uint64_t>(at.next - run.records[0]);
    const bool full = run.lanes[tiles - 1] == kInputLanes;
    (full ? vector_permute_table_sums<Tables, tiles, true>
          : vector_permute_table_sums<Tables, tiles, false>)(run, tables, at.count);
  }
  if constexpr (tiles > 1) permute_tiles<Tables, tiles / 2>(call, range, at, tables, sums);
}

template <class V, class Tables>
void permute_token(const LinearCall& call, TileRange tiles, uint64_t plane, uint64_t m) {
  const Encoding& e = call.w.encoding;
  auto& scratch = *reinterpret_cast<PermuteScratch<Tables>*>(call.scratch);
  static_assert(sizeof scratch <= kLinearScratchBytes);
  for (int32_t& s : scratch.sums) s = 0;
  for_each_run(call.w, Tables::kPositions, [&](uint64_t position, uint64_t count, uint64_t group) {
    const int8_t* a = IntTables::input(call, m) + position * e.length;
    for (uint64_t k = 0; k < count; ++k)
      Tables::template build<V>(book_blocks(call.w, plane, group), e.length, a + k * e.length,
                                scratch.tables + k * Tables::kBytes);
    const std::byte* next =
        call.w.codes + vector_record(e, call.w.layout, call.w.cols, tiles.begin, plane, position + count);
    permute_tiles<Tables, Tables::kTiles>(call, tiles, {plane, position, count, next}, scratch.tables, scratch.sums);
  });
  finish_sums<V, IntTables>(call, tiles, plane, m, scratch.sums);
}

template <class V, class Tables>
void vin8_permute(const LinearCall& call, TileRange range) {
  if (call.w.encoding.bits != 8 || !sums_fit_int16(call.w)) return vin8_int_tables<V>(call, range);
  for (uint64_t m = 0; m < call.in.tokens; ++m) {
    for (uint64_t plane = 0; plane < call.w.encoding.planes; ++plane)
      for_each_tiles(range, kPermuteTiles, [&](TileRange tiles) { permute_token<V, Tables>(call, tiles, plane, m); });
  }
}

}  // namespace
}  // namespace tern
