#include "formats/import/vector_packer.h"

#include <fmt/format.h>
#include <omp.h>

#include <algorithm>
#include <cmath>

#include "base/checked.h"
#include "formats/encoding/int.h"
#include "formats/encoding/values.h"

namespace tern {
namespace {

constexpr uint64_t kBlockValues = uint64_t{1} << 20;
constexpr uint64_t kSampleValues = uint64_t{1} << 19;  // that a codebook is trained on

}  // namespace

uint64_t VectorPacker::block_rows() const {
  return std::max<uint64_t>(kInputLanes, kBlockValues / plan_->source->cols / kInputLanes * kInputLanes);
}

Result<VectorPacker> VectorPacker::create(const MatrixPlan& plan) {
  TERN_ASSIGN(const Layout layout, layout_of(plan.encoding, plan.source->rows, plan.source->cols));
  VectorPacker packer(plan, layout);
  TERN_TRY(packer.train());
  return packer;
}

// Rows at equal distances, scaled to a root mean square of 1, their last vector filled up with values of no importance.
Status VectorPacker::train() {
  const SourceMatrix& m = *plan_->source;
  const uint64_t length = plan_->vq->length, width = align_up(m.cols, length);
  const uint64_t count = std::clamp<uint64_t>(kSampleValues / width, 1, m.rows);
  std::vector<float> row(m.cols), vectors(count * width), importance(count * width);
  for (uint64_t k = 0; k < count; ++k) {
    TERN_TRY(m.read_rows(k * m.rows / count, 1, row));
    double squares = 0;
    for (const float w : row) squares += static_cast<double>(w) * w;
    if (!std::isfinite(squares))
      return invalid_argument(fmt::format("tensor '{}' ('{}') holds values that are not finite", m.name, m.source_name));
    const double rms = std::sqrt(squares / static_cast<double>(m.cols));
    for (uint64_t c = 0; c < m.cols && rms > 0; ++c) {
      vectors[k * width + c] = static_cast<float>(row[c] / rms);
      importance[k * width + c] = plan_->importance.empty() ? 1 : plan_->importance[c];
    }
  }
  book_ = train_vq(*plan_->vq, vectors, importance);
  return {};
}

Status VectorPacker::pack(uint64_t begin, uint64_t count) {
  const SourceMatrix& m = *plan_->source;
  const Encoding& e = plan_->encoding;
  const uint64_t positions = vector_positions(e, m.cols), planes = e.planes, stride = count * positions;
  values_.resize(count * m.cols);
  TERN_TRY(m.read_rows(begin, count, values_));
  std::vector<uint16_t> indices(planes * stride);
  std::vector<float> scales(count * planes);
  std::vector<double> errors(count), norms(count);
#pragma omp parallel
  {
    VqAssigner assigner(book_, m.cols);
    std::vector<float> decoded(m.cols);
#pragma omp for schedule(static)
    for (uint64_t r = 0; r < count; ++r) {
      const auto row = std::span(values_).subspan(r * m.cols, m.cols);
      assigner.assign(row, plan_->importance, indices.data() + r * positions, stride,
                      std::span(scales).subspan(r * planes, planes), decoded);
      for (uint64_t c = 0; c < m.cols; ++c) {
        const double difference = static_cast<double>(row[c]) - decoded[c];
        errors[r] += difference * difference;
        norms[r] += static_cast<double>(row[c]) * row[c];
      }
    }
  }
  for (uint64_t r = 0; r < count; ++r) {
    if (!std::isfinite(errors[r])) {
      return invalid_argument(fmt::format("tensor '{}' ('{}'): row {} holds values beyond the range of {}", m.name,
                                          m.source_name, begin + r, describe(e)));
    }
    error_ += errors[r], norm_ += norms[r];
  }
  codes_.clear(), scales_.clear();
  for (uint64_t first = 0; first < count; first += kInputLanes) {
    const uint64_t tile = (begin + first) / kInputLanes, lanes = std::min<uint64_t>(kInputLanes, count - first);
    const size_t at = codes_.size();
    codes_.resize(at + vector_tile_bytes(e, layout_, m.cols, tile));
    pack_vector_tile(e, layout_, m.cols, tile, lanes, indices.data() + first * positions, positions, stride,
                     codes_.data() + at);
  }
  const uint64_t tile_bytes = tile_scale_bytes(e, layout_);
  for (uint64_t first = 0; first < count; first += kTileRows) {
    scales_.resize(scales_.size() + tile_bytes);
    pack_tile_scales(e, layout_, std::min<uint64_t>(kTileRows, count - first), scales.data() + first * planes,
                     scales_.data() + scales_.size() - tile_bytes);
  }
  return {};
}

double VectorPacker::relative_error() const {
  if (error_ == 0) return 0;
  return norm_ == 0 ? INFINITY : std::sqrt(error_ / norm_);
}

Encoding VectorPacker::codebook_encoding() {
  Encoding e;
  e.kind = EncodingKind::int_;
  e.bits = 8;
  e.scope = ScaleScope::tensor;
  return e;
}

std::vector<std::byte> VectorPacker::codebook() const {
  const uint64_t length = plan_->vq->length, entries = book_.codes.size() / length;
  const Layout layout = layout_of(codebook_encoding(), entries, length).value();
  std::vector<std::byte> bytes(layout.code_bytes);
  for (uint64_t first = 0; first < entries; first += kTileRows) {
    pack_int_tile(8, layout, std::min<uint64_t>(kTileRows, entries - first), length,
                  book_.codes.data() + first * length, length, bytes.data() + first / kTileRows * layout.tile_bytes);
  }
  return bytes;
}

std::vector<std::byte> VectorPacker::codebook_scale() {
  std::vector<std::byte> bytes(sizeof(float));
  store_float(FloatType::f32, bytes.data(), 0, 1);
  return bytes;
}

}  // namespace tern
