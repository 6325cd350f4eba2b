#include "formats/encoding/values.h"

#include <algorithm>
#include <cstring>

#include "base/half.h"
#include "base/math.h"
#include "formats/encoding/dense.h"
#include "formats/encoding/int.h"
#include "formats/encoding/phase.h"
#include "formats/encoding/trit2.h"
#include "formats/encoding/trit5.h"

namespace tern {
namespace {

constexpr uint64_t kChunk = 320;  // columns unpacked at a time: a multiple of every block

// Calls body(group, first column, columns, first block of the group to read) for runs that stay in one group.
// From that block on, the tile looks like one whose columns start there.
template <class Body>
void for_each_run(const Layout& layout, uint64_t cols, Body body) {
  for (uint64_t group = 0; group * layout.group_cols < cols; ++group) {
    const uint64_t begin = group * layout.group_cols, end = std::min(cols, begin + layout.group_cols);
    for (uint64_t c = begin; c < end; c += kChunk) {
      body(group, c, std::min(kChunk, end - c), (c - begin) / layout.unit_cols * layout.unit_blocks);
    }
  }
}

void decode_int_row(const Encoding& e, const Layout& layout, uint64_t cols, const std::byte* tile,
                    const std::byte* scales, uint64_t row, float* out) {
  int8_t q[kChunk];
  for_each_run(layout, cols, [&](uint64_t group, uint64_t begin, uint64_t count, uint64_t block) {
    const float scale = load_float(e.scale_type, scales, scale_index(e, layout, row, group, 0));
    const std::byte* blocks = tile + (group * layout.group_blocks + block) * kBlockBytes;
    unpack_int_row(e.bits, layout, count, blocks, static_cast<unsigned>(row % kTileRows), q);
    for (uint64_t i = 0; i < count; ++i) out[begin + i] = scale * static_cast<float>(q[i]);
  });
}

void decode_trit_row(const Encoding& e, const Layout& layout, uint64_t cols, const std::byte* tile,
                     const std::byte* scales, uint64_t row, float* out) {
  int8_t trits[kChunk];
  std::memset(out, 0, cols * sizeof(float));
  for_each_run(layout, cols, [&](uint64_t group, uint64_t begin, uint64_t count, uint64_t block) {
    const std::byte* blocks = tile + (group * e.planes * layout.group_blocks + block) * kBlockBytes;
    for (unsigned p = 0; p < e.planes; ++p) {
      const float scale = load_float(e.scale_type, scales, scale_index(e, layout, row, group, p));
      unpack_trit_row(e, layout, count, blocks, static_cast<unsigned>(row % kTileRows), p, trits);
      for (uint64_t i = 0; i < count; ++i) out[begin + i] = fma32(scale, trits[i], out[begin + i]);
    }
  });
}

}  // namespace

float load_float(FloatType type, const std::byte* array, uint64_t index) {
  if (type == FloatType::f32) {
    float value;
    std::memcpy(&value, array + index * 4, 4);
    return value;
  }
  uint16_t half;
  std::memcpy(&half, array + index * 2, 2);
  return type == FloatType::f16 ? f16_to_f32(half) : bf16_to_f32(half);
}

void store_float(FloatType type, std::byte* array, uint64_t index, float value) {
  if (type == FloatType::f32) {
    std::memcpy(array + index * 4, &value, 4);
    return;
  }
  const uint16_t half = type == FloatType::f16 ? f32_to_f16(value) : f32_to_bf16(value);
  std::memcpy(array + index * 2, &half, 2);
}

uint64_t scale_index(const Encoding& e, const Layout& layout, uint64_t row, uint64_t group, unsigned plane) {
  if (e.scope == ScaleScope::tensor) return plane;
  const unsigned planes = e.kind == EncodingKind::phase ? 2 * e.bits : e.planes;  // side by side
  const uint64_t run = (plane / planes * layout.groups + (has_group_scales(e) ? group : 0)) * planes + plane % planes;
  const uint64_t first = row / scale_rows(e) * layout.tile_scales;
  return e.scope == ScaleScope::tile ? first + run : first + run * kTileRows + row % kTileRows;
}

uint64_t tile_scale_bytes(const Encoding& e, const Layout& layout) {
  if (e.scope != ScaleScope::row && !has_group_scales(e)) return 0;
  return layout.tile_scales * float_bytes(e.scale_type);
}

void pack_tile_scales(const Encoding& e, const Layout& layout, uint64_t rows, const float* values, std::byte* out) {
  const uint64_t bytes = tile_scale_bytes(e, layout);
  if (bytes == 0) return;
  std::memset(out, 0, bytes);
  const unsigned planes = scale_planes(e);
  const uint64_t groups = has_group_scales(e) ? layout.groups : 1;  // those of vectors are no scales'
  if (e.scope == ScaleScope::tile) rows = 1;
  for (uint64_t r = 0; r < rows; ++r) {
    for (uint64_t g = 0; g < groups; ++g) {
      for (unsigned p = 0; p < planes; ++p) {
        store_float(e.scale_type, out, scale_index(e, layout, r, g, p), values[(r * groups + g) * planes + p]);
      }
    }
  }
}

void pack_trit_tile(const Encoding& e, const Layout& layout, uint64_t rows, uint64_t cols, const int8_t* trits,
                    uint64_t row_stride, uint64_t plane_stride, std::byte* tile) {
  const auto pack = e.bits == kTrit5Bits ? pack_trit5_tile : pack_trit2_tile;
  pack(layout, e.planes, rows, cols, trits, row_stride, plane_stride, tile);
}

void unpack_trit_row(const Encoding& e, const Layout& layout, uint64_t cols, const std::byte* tile, unsigned row,
                     unsigned plane, int8_t* trits) {
  const auto unpack = e.bits == kTrit5Bits ? unpack_trit5_row : unpack_trit2_row;
  unpack(layout, e.planes, cols, tile, row, plane, trits);
}

void decode_row(const Encoding& e, const Layout& layout, uint64_t cols, const std::byte* codes, const std::byte* scales,
                uint64_t row, float* out, const CodebookView& codebook) {
  const std::byte* tile = codes + row / kTileRows * layout.tile_bytes;
  switch (e.kind) {
    case EncodingKind::plain:
      for (uint64_t c = 0; c < cols; ++c) out[c] = load_float(e.value_type, codes, row * cols + c);
      return;
    case EncodingKind::dense:
      return unpack_dense_row(e.value_type, cols, tile, static_cast<unsigned>(row % kTileRows), out);
    case EncodingKind::int_:
      return decode_int_row(e, layout, cols, tile, scales, row, out);
    case EncodingKind::trit:
      return decode_trit_row(e, layout, cols, tile, scales, row, out);
    case EncodingKind::phase:
      return decode_phase_row(e, layout, codes, scales, row, out);
    case EncodingKind::vector:
      return decode_vector_row(e, layout, cols, codes, scales, codebook, row, out);
    default:
      return;  // excluded by REQUIRES
  }
}

}  // namespace tern
