#include "formats/import/vptq_fitted_layer.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <utility>

#include "formats/import/composition.h"

namespace tern {

FittedLayer::FittedLayer(std::unique_ptr<SourceMatrix> dense, const VptqOptions& options,
                         std::span<const double> hessian, std::shared_ptr<LastFit> last, Interruption interruption)
    : dense_(std::move(dense)),
      options_(options),
      hessian_(hessian),
      last_(std::move(last)),
      interruption_(std::move(interruption)) {}

Result<const VptqFit*> FittedLayer::fit() const {
  if (last_->layer == this) return &last_->fit;
  last_->layer = nullptr, last_->fit = {};
  std::vector<float> weights(dense_->rows * dense_->cols);
  TERN_TRY(dense_->read_rows(0, dense_->rows, weights));
  if (!std::all_of(weights.begin(), weights.end(), [](float w) { return std::fabs(w) <= 65504; })) {
    return invalid_argument(fmt::format("tensor '{}' ('{}') holds values that are not finite or beyond f16",
                                        dense_->name, dense_->source_name));
  }
  TERN_ASSIGN(last_->fit, fit_vptq(options_, weights, dense_->cols, hessian_, interruption_));
  last_->layer = this;
  return &last_->fit;
}

namespace {

// One tensor of a layer.
class FittedMatrix : public SourceMatrix {
 public:
  FittedMatrix(FittedLayerPtr layer, const std::string& suffix, uint64_t row_count, uint64_t col_count)
      : layer_(std::move(layer)) {
    name = layer_->dense().name + suffix, source_name = layer_->dense().source_name;
    rows = row_count, cols = col_count;
    form.kind = SourceForm::Kind::fixed;
  }

  Status read_rows(uint64_t, uint64_t, std::span<float>) const override {
    return internal_error(name + ": indices have no values");
  }

 protected:
  Result<const VptqFit*> fit() const { return layer_->fit(); }
  FittedLayerPtr layer_;
};

class FittedVector final : public FittedMatrix {
 public:
  FittedVector(FittedLayerPtr layer, const std::string& suffix, std::vector<float> VptqFit::*part)
      : FittedMatrix(layer, suffix, 1, layer->dense().cols), part_(part) {
    form.value_type = FloatType::f16;
  }

  Status read_rows(uint64_t, uint64_t, std::span<float> out) const override {
    TERN_ASSIGN(const VptqFit* fit, this->fit());
    std::copy_n((fit->*part_).begin(), cols, out.begin());
    return {};
  }

 private:
  std::vector<float> VptqFit::*part_;
};

class FittedOrder final : public FittedMatrix {
 public:
  explicit FittedOrder(FittedLayerPtr layer) : FittedMatrix(layer, ".permutation", 1, layer->dense().cols) {
    form.encoding.kind = EncodingKind::index;
  }

  Status read_indices(uint64_t begin, uint64_t count, std::span<uint32_t> out) const override {
    TERN_ASSIGN(const VptqFit* fit, this->fit());
    std::copy_n(fit->order.begin() + static_cast<std::ptrdiff_t>(begin), count, out.begin());
    return {};
  }
};

uint64_t fitted_entries(const VptqStage& shape) { return shape.cols / shape.group_cols << shape.bits; }

class FittedCodebook final : public FittedMatrix {
 public:
  FittedCodebook(FittedLayerPtr layer, const std::string& suffix, const VptqStage& shape, size_t stage)
      : FittedMatrix(std::move(layer), suffix + ".codebook", fitted_entries(shape), shape.length), stage_(stage) {
    form.encoding = plain_encoding(FloatType::f16);
  }

  Status read_rows(uint64_t begin, uint64_t count, std::span<float> out) const override {
    TERN_ASSIGN(const VptqFit* fit, this->fit());
    std::copy_n(fit->stages[stage_].codebook.begin() + static_cast<std::ptrdiff_t>(begin * cols), count * cols,
                out.begin());
    return {};
  }

 private:
  size_t stage_;
};

// The same of int8: entries in rows of four, the last of each filled up with zeros (docs/format.md, "Vectors").
class FittedInt8Codebook final : public FittedMatrix {
 public:
  FittedInt8Codebook(FittedLayerPtr layer, const std::string& suffix, const VptqStage& shape, size_t stage)
      : FittedMatrix(std::move(layer), suffix + ".codebook", fitted_entries(shape) * ((shape.length + 3) / 4), 4),
        stage_(stage),
        length_(shape.length) {
    form.encoding.kind = EncodingKind::int_, form.encoding.bits = 8, form.encoding.scope = ScaleScope::tensor;
  }

  Status read_codes(uint64_t begin, uint64_t count, std::span<int8_t> out) const override {
    TERN_ASSIGN(const VptqFit* fit, this->fit());
    const uint64_t rows_each = (length_ + 3) / 4;
    for (uint64_t k = 0; k < count * 4; ++k) {
      const uint64_t row = begin + k / 4, value = row % rows_each * 4 + k % 4;
      out[k] = value < length_ ? fit->stages[stage_].codes[row / rows_each * length_ + value] : int8_t{0};
    }
    return {};
  }

  Status read_scales(uint64_t, uint64_t, std::span<float> out) const override {
    TERN_ASSIGN(const VptqFit* fit, this->fit());
    out[0] = fit->stages[stage_].scale;
    return {};
  }

  Status read_rows(uint64_t begin, uint64_t count, std::span<float> out) const override {
    std::vector<int8_t> codes(count * cols);
    float scale = 0;
    TERN_TRY(read_codes(begin, count, codes));
    TERN_TRY(read_scales(begin, count, std::span(&scale, 1)));
    for (size_t i = 0; i < codes.size(); ++i) out[i] = scale * static_cast<float>(codes[i]);
    return {};
  }

 private:
  size_t stage_;
  uint64_t length_;
};

class FittedIndices final : public FittedMatrix {
 public:
  // absorbed: columns in the order of the input, not of the fit.
  FittedIndices(FittedLayerPtr layer, const std::string& suffix, const VptqStage& shape, size_t stage, bool absorbed)
      : FittedMatrix(layer, suffix, layer->dense().rows, shape.cols), stage_(stage), absorbed_(absorbed) {
    Encoding& e = form.encoding;
    e.kind = EncodingKind::vector, e.axis = VectorAxis::output;
    e.length = static_cast<uint8_t>(shape.length), e.bits = static_cast<uint8_t>(shape.bits);
    e.group = shape.group_cols < shape.cols ? static_cast<uint32_t>(shape.group_cols) : 0;
    form.codebook = name + ".codebook";
  }

  Status read_indices(uint64_t begin, uint64_t count, std::span<uint32_t> out) const override {
    TERN_ASSIGN(const VptqFit* fit, this->fit());
    for (uint64_t i = 0; i < count * cols; ++i) {
      const uint64_t column = i % cols, to = absorbed_ ? fit->order[column] : column;
      out[i / cols * cols + to] = fit->stages[stage_].indices[begin * cols + i];
    }
    return {};
  }

  double relative_error() const override {
    const auto fit = this->fit();
    return fit.ok() ? (*fit)->relative_error : 0;
  }

 private:
  size_t stage_;
  bool absorbed_;
};

}  // namespace

std::unique_ptr<SourceMatrix> vptq_vector(FittedLayerPtr layer, const std::string& suffix,
                                          std::vector<float> VptqFit::*part) {
  return std::make_unique<FittedVector>(std::move(layer), suffix, part);
}

std::unique_ptr<SourceMatrix> vptq_order(FittedLayerPtr layer) {
  return std::make_unique<FittedOrder>(std::move(layer));
}

std::unique_ptr<SourceMatrix> vptq_codebook(FittedLayerPtr layer, const std::string& suffix, const VptqStage& shape,
                                            size_t stage, bool int8) {
  if (int8) return std::make_unique<FittedInt8Codebook>(std::move(layer), suffix, shape, stage);
  return std::make_unique<FittedCodebook>(std::move(layer), suffix, shape, stage);
}

std::unique_ptr<SourceMatrix> vptq_indices(FittedLayerPtr layer, const std::string& suffix, const VptqStage& shape,
                                           size_t stage, bool absorbed) {
  return std::make_unique<FittedIndices>(std::move(layer), suffix, shape, stage, absorbed);
}

}  // namespace tern
