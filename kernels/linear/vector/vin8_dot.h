// A batch of int8 activations x vectors of int8 codebooks along the input axis: the entries at the indices are blocks
// of the encoding int with 8 bits (four columns of a row are four bytes), so tiles of 16 rows are decoded to such a
// matrix in scratch and multiplied by its kernel. Several planes and lengths of other than fours go by tables, token by
// token, as one token does.
#pragma once

#include "kernels/linear/int/int_dot.h"
#include "kernels/linear/vector/vin4_shuffle.h"

namespace tern {
namespace {

constexpr uint64_t kDecodedBytes = 192 * 1024;
constexpr uint64_t kDecodedTiles = kInputLanes / kTileRows;

struct DecodedScratch {  // behind the decoded blocks
  float scales[kInputLanes];
  uint16_t indices[kInputLanes];
};
static_assert(kDecodedBytes + sizeof(DecodedScratch) <= kLinearScratchBytes);

inline uint64_t decoded_tile_bytes(const WeightView& w) {
  return vector_positions(w.encoding, w.cols) * w.encoding.length / 4 * kBlockBytes;
}

inline bool decodes_to_blocks(const WeightView& w) {
  return w.encoding.planes == 1 && w.encoding.length % 4 == 0 && decoded_tile_bytes(w) <= kDecodedBytes;
}

// Lanes lane..lane + 16 * tiles of a tile as a matrix of int8 in scratch.
inline void decode_blocks(const LinearCall& call, uint64_t tile, uint64_t lane, uint64_t tiles, std::byte* to) {
  const Encoding& e = call.w.encoding;
  const uint64_t lanes = vector_lanes(e, call.w.layout, tile), fours = e.length / 4;
  const uint64_t tile_bytes = decoded_tile_bytes(call.w), rows = tiles * kTileRows;
  auto& scratch = *reinterpret_cast<DecodedScratch*>(call.scratch + kDecodedBytes);
  const std::byte* record = call.w.codes + vector_record(e, call.w.layout, call.w.cols, tile, 0, 0);
  for (uint64_t p = 0; p < vector_positions(e, call.w.cols); ++p, record += vector_record_bytes(e, lanes)) {
    unpack_indices(e.bits, lanes, record, 1, scratch.indices);
    for (uint64_t l = lanes; l < kInputLanes; ++l) scratch.indices[l] = 0;
    const uint64_t first = vector_book(e, p, 0);
    for (uint64_t r = 0; r < rows; ++r) {
      const uint64_t entry = first + scratch.indices[lane + r];
      const std::byte* from = call.w.codebook.values + entry / kTileRows * fours * kBlockBytes + entry % kTileRows * 4;
      std::byte* at = to + r / kTileRows * tile_bytes + p * fours * kBlockBytes + r % kTileRows * 4;
      for (uint64_t q = 0; q < fours; ++q) __builtin_memcpy(at + q * kBlockBytes, from + q * kBlockBytes, 4);
    }
  }
}

template <class V>
void multiply_blocks(const LinearCall& call, uint64_t row, uint64_t tiles) {
  auto& scratch = *reinterpret_cast<DecodedScratch*>(call.scratch + kDecodedBytes);
  WeightView w = call.w;
  w.rows = call.w.rows - row < tiles * kTileRows ? call.w.rows - row : tiles * kTileRows;
  for (uint64_t r = 0; r < w.rows; ++r) scratch.scales[r] = vector_scale(call.w, row + r, 0);
  w.encoding.kind = EncodingKind::int_, w.encoding.bits = 8;
  w.encoding.scope = ScaleScope::row, w.encoding.scale_type = FloatType::f32;
  w.layout.tiled_rows = w.rows, w.layout.groups = 1, w.layout.group_cols = call.w.cols;
  w.layout.tile_bytes = decoded_tile_bytes(call.w), w.layout.group_blocks = w.layout.tile_bytes / kBlockBytes;
  w.layout.unit_cols = 4;
  w.codes = call.scratch, w.scales = reinterpret_cast<const std::byte*>(scratch.scales);
  const OutputView out{call.out.y + row, call.out.stride};
  int_dot<V, 8>({w, call.in, out, nullptr}, {0, (w.rows + kTileRows - 1) / kTileRows});
}

template <class V>
void vin8_blocks(const LinearCall& call, TileRange range) {
  const uint64_t fit = kDecodedBytes / decoded_tile_bytes(call.w);
  const uint64_t tiles = fit < kDecodedTiles ? fit : kDecodedTiles;
  for (uint64_t tile = range.begin; tile < range.end; ++tile) {
    for (uint64_t lane = 0; lane < kInputLanes; lane += tiles * kTileRows) {
      const uint64_t row = tile * kInputLanes + lane, left = (kInputLanes - lane) / kTileRows;
      if (row >= call.w.rows) break;
      decode_blocks(call, tile, lane, tiles < left ? tiles : left, call.scratch);
      multiply_blocks<V>(call, row, tiles < left ? tiles : left);
    }
  }
}

// one_token: what a single token, and what cannot be decoded so, runs.
template <class V, void (*one_token)(const LinearCall&, TileRange)>
void vin8_dot(const LinearCall& call, TileRange range) {
  if (call.in.tokens > 1 && decodes_to_blocks(call.w)) return vin8_blocks<V>(call, range);
  one_token(call, range);
}

}  // namespace
}  // namespace tern
