#include "formats/import/index_packer.h"

#include <algorithm>
#include <cstring>

#include "base/checked.h"
#include "formats/encoding/values.h"
#include "formats/encoding/vector.h"

namespace tern {

Result<IndexPacker> IndexPacker::create(const MatrixPlan& plan) {
  TERN_ASSIGN(const Layout layout, layout_of(plan.encoding, plan.source->rows, plan.source->cols));
  return IndexPacker(plan, layout);
}

uint64_t IndexPacker::parts() const { return plan_->encoding.kind == EncodingKind::index ? 1 : layout_.tiles; }

Status IndexPacker::pack(uint64_t part) {
  scales_.clear();
  if (plan_->encoding.kind == EncodingKind::vector) {
    TERN_TRY(pack_tile(part));
    return pack_scales(part);
  }
  indices_.resize(plan_->source->cols);
  TERN_TRY(plan_->source->read_indices(0, indices_.size(), indices_));
  codes_.resize(indices_.size() * sizeof(uint32_t));
  std::memcpy(codes_.data(), indices_.data(), codes_.size());
  return {};
}

Status IndexPacker::pack_tile(uint64_t tile) {
  const Encoding& e = plan_->encoding;
  const uint64_t cols = plan_->source->cols, positions = vector_positions(e, cols), full = vector_tile_lanes(e);
  const uint64_t all =
      e.axis == VectorAxis::output ? ceil_div(plan_->source->rows, uint64_t{e.length}) : plan_->source->rows;
  const uint64_t lanes = std::min(full, all - tile * full);
  indices_.resize(e.planes * lanes * positions);
  TERN_TRY(plan_->source->read_indices(tile * full, lanes, indices_));
  narrow_.assign(indices_.begin(), indices_.end());
  codes_.resize(vector_tile_bytes(e, layout_, cols, tile));
  pack_vector_tile(e, layout_, cols, tile, lanes, narrow_.data(), positions, lanes * positions, codes_.data());
  return {};
}

Status IndexPacker::pack_scales(uint64_t tile) {
  const Encoding& e = plan_->encoding;
  if (e.scope == ScaleScope::none || (e.scope == ScaleScope::tensor && tile != 0)) return {};
  const uint64_t first = tile * layout_.tile_rows;
  const uint64_t rows = e.scope == ScaleScope::tensor ? 1 : std::min(layout_.tile_rows, plan_->source->rows - first);
  scale_values_.resize(rows * e.planes);
  TERN_TRY(plan_->source->read_scales(first, rows, scale_values_));
  if (e.scope == ScaleScope::tensor) {
    scales_.resize(e.planes * float_bytes(e.scale_type));
    for (uint64_t p = 0; p < e.planes; ++p) store_float(e.scale_type, scales_.data(), p, scale_values_[p]);
    return {};
  }
  const uint64_t each = tile_scale_bytes(e, layout_);
  scales_.resize(ceil_div(rows, kTileRows) * each);
  for (uint64_t row = 0; row < rows; row += kTileRows) {
    pack_tile_scales(e, layout_, std::min<uint64_t>(kTileRows, rows - row), scale_values_.data() + row * e.planes,
                     scales_.data() + row / kTileRows * each);
  }
  return {};
}

}  // namespace tern
