// The walk of multiplication-free kernels: tables of one activation vector, then all tiles by look-ups. A policy,
// Tables:
//   kColumns     columns of a block
//   kTableBytes  bytes of a block's tables, a multiple of 64
//   kChunkTiles  tiles that share what is read of the tables, at most kMostChunkTiles, a multiple of V::kTableTiles
//   build(a, tables)                         tables of one block of activations
//   offset(a, cols)                          what the sums of a group of activations carry too much
//   sum(tiles, sets, tables, blocks, sums)   of sets of V::kTableTiles tiles (TableTiles), over a run of blocks
#pragma once

#include "kernels/linear/blocking.h"

namespace tern {
namespace {

constexpr uint64_t kMostChunkTiles = 32;

// Tiles are read side by side, which memory does not foresee; so a chunk is asked for beforehand from its first byte to
// its last, into the second cache: the tables pass through the first. The first chunk of a range is asked for while the
// tables are built, each other one with the blocks of the chunk before it; behind the last nothing is read.
struct ChunkAhead {
  uintptr_t next;  // what is asked for with the first block
  uint64_t step;   // and how much with each: a line for each tile and plane

  TERN_INLINE static void prefetch(uintptr_t at, uint64_t line) {
    __builtin_prefetch(reinterpret_cast<const void*>(at + line * kBlockBytes), 0, 2);
  }
};

// Where the codes of a chunk's tiles are, and the chunk after it.
struct TableTiles : ChunkAhead {
  const std::byte* codes[kMostChunkTiles];
};

// The tables of one activation vector in scratch: all of them where they fit, else the run last asked for.
template <class Tables>
class InputTables {
 public:
  static constexpr uint64_t kGroups = 4096;  // offsets kept
  static constexpr uint64_t kBlocks = (kLinearScratchBytes - kGroups * sizeof(int32_t)) / Tables::kTableBytes;

  // ahead: the first weights that the tables serve.
  InputTables(const LinearCall& call, uint64_t m, ChunkAhead ahead)
      : a_(call.in.codes + m * call.in.code_stride),
        group_cols_(group_stride(call.w.layout)),
        groups_(call.w.layout.groups),
        tables_(reinterpret_cast<uint8_t*>(call.scratch)),
        offsets_(reinterpret_cast<int32_t*>(call.scratch + kBlocks * Tables::kTableBytes)) {
    const uint64_t blocks = groups_ * call.w.layout.group_blocks;
    whole_ = blocks <= kBlocks;
    if (whole_) build(0, blocks, ahead);
    for (uint64_t g = 0; g < groups_ && groups_ <= kGroups; ++g) offsets_[g] = count_offset(g);
  }
  bool whole() const { return whole_; }
  // Tables of `count` <= kBlocks blocks from `first`, counted along the whole vector.
  const uint8_t* get(uint64_t first, uint64_t count) {
    if (whole_) return tables_ + first * Tables::kTableBytes;
    if (first != first_ || count > count_) build(first, count, {});
    return tables_;
  }
  int32_t offset(uint64_t g) const { return groups_ <= kGroups ? offsets_[g] : count_offset(g); }

 private:
  int32_t count_offset(uint64_t g) const { return Tables::offset(a_ + g * group_cols_, group_cols_); }
  void build(uint64_t first, uint64_t count, ChunkAhead ahead) {
    for (uint64_t b = 0; b < count; ++b, ahead.next += ahead.step) {
      Tables::build(a_ + Tables::kColumns * (first + b), tables_ + b * Tables::kTableBytes);
      for (uint64_t line = 0; line < ahead.step / kBlockBytes; ++line) ChunkAhead::prefetch(ahead.next, line);
    }
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

inline uintptr_t code_address(const WeightView& w, uint64_t tile) {
  return reinterpret_cast<uintptr_t>(w.codes) + tile * w.layout.tile_bytes;
}

// Tiles that share what is read of the tables, at most kMostChunkTiles, and how many follow in the next chunk.
struct TableChunk {
  TileRange range;
  uint64_t following;
};

// sums[t] of group g of plane p for the tiles of a chunk.
template <class V, class Tables>
TERN_INLINE void chunk_sums(const LinearCall& call, InputTables<Tables>& tables, const TableChunk& chunk, uint64_t g,
                            uint64_t p, typename V::Ints* sums) {
  const TileRange range = chunk.range;
  constexpr uint64_t kMost = InputTables<Tables>::kBlocks;
  const uint64_t blocks = call.w.layout.group_blocks, count = range.end - range.begin;
  const uint64_t sets = (count + V::kTableTiles - 1) / V::kTableTiles;
  for (uint64_t t = 0; t < count; ++t) sums[t] = V::zero_ints();
  for (uint64_t b = 0; b < blocks; b += kMost) {
    const uint64_t run = blocks - b < kMost ? blocks - b : kMost;
    TableTiles tiles;  // a set that is not full repeats the last tile
    const std::byte* from = group_blocks(call.w, range.begin, g, p) + b * kBlockBytes;
    const uint64_t before = static_cast<uint64_t>(from - (call.w.codes + range.begin * call.w.layout.tile_bytes));
    tiles.next = code_address(call.w, range.end) + before * chunk.following;
    tiles.step = chunk.following * kBlockBytes;
    for (uint64_t t = 0; t < sets * V::kTableTiles; ++t)
      tiles.codes[t] = group_blocks(call.w, range.begin + (t < count ? t : count - 1), g, p) + b * kBlockBytes;
    typename V::Ints part[kMostChunkTiles];
    Tables::sum(tiles, sets, tables.get(g * blocks + b, run), run, part);
    for (uint64_t t = 0; t < count; ++t) sums[t] = V::add(sums[t], part[t]);
  }
}

template <class V, class Tables>
void chunk_outputs(const LinearCall& call, InputTables<Tables>& tables, const TableChunk& chunk, uint64_t m) {
  const WeightView& w = call.w;
  const TileRange range = chunk.range;
  const uint64_t count = range.end - range.begin;
  typename V::Floats y[kMostChunkTiles];
  typename V::Ints sums[kMostChunkTiles];
  for (uint64_t t = 0; t < count; ++t) y[t] = V::zero();
  for (uint64_t g = 0; g < w.layout.groups; ++g) {
    const int32_t offset = tables.offset(g);
    const typename V::Floats a_scale = V::broadcast(activation_scale(call.in, m, g));
    for (uint64_t p = 0; p < w.encoding.planes; ++p) {
      chunk_sums<V, Tables>(call, tables, chunk, g, p, sums);
      for (uint64_t t = 0; t < count; ++t) {
        const typename V::Floats scales = load_scales<V>(w, range.begin + t, g, p);
        y[t] = V::fma(V::to_floats(V::subtract(sums[t], offset)), V::mul(scales, a_scale), y[t]);
      }
    }
  }
  for (uint64_t t = 0; t < count; ++t) store_tile<V>(call, range.begin + t, m, y[t]);
}

template <class V, class Tables>
void walk_tables(const LinearCall& call, TileRange range) {
  for (uint64_t m = 0; m < call.in.tokens; ++m) {
    const uint64_t lines = Tables::kChunkTiles * call.w.encoding.planes;
    InputTables<Tables> tables(call, m, {code_address(call.w, range.begin), lines * kBlockBytes});
    const uint64_t most = tables.whole() ? Tables::kChunkTiles : kMostChunkTiles;
    for (uint64_t tile = range.begin; tile < range.end;) {
      const uint64_t count = range.end - tile < most ? range.end - tile : most, left = range.end - tile - count;
      chunk_outputs<V, Tables>(call, tables, {{tile, tile + count}, left < most ? left : most}, m);
      tile += count;
    }
  }
}

}  // namespace
}  // namespace tern
