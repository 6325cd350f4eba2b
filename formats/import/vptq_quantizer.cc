#include "formats/import/vptq_quantizer.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "base/checked.h"
#include "formats/import/composition.h"
#include "formats/quantize/hessian_factor.h"

namespace tern {
namespace {

// The layer that was fitted last.
struct LastFit {
  const void* layer = nullptr;
  VptqFit fit;
};

// A dense matrix, and its fit when it is asked for.
class Layer {
 public:
  Layer(std::unique_ptr<SourceMatrix> dense, const VptqOptions& options, std::span<const double> hessian,
        std::shared_ptr<LastFit> last, Interruption interruption)
      : dense_(std::move(dense)),
        options_(options),
        hessian_(hessian),
        last_(std::move(last)),
        interruption_(std::move(interruption)) {}

  const SourceMatrix& dense() const { return *dense_; }

  Result<const VptqFit*> fit() const {
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

 private:
  std::unique_ptr<SourceMatrix> dense_;
  VptqOptions options_;
  std::span<const double> hessian_;
  std::shared_ptr<LastFit> last_;
  Interruption interruption_;
};

// One tensor of a layer.
class FittedMatrix : public SourceMatrix {
 public:
  FittedMatrix(std::shared_ptr<const Layer> layer, const std::string& suffix, uint64_t row_count, uint64_t col_count)
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
  std::shared_ptr<const Layer> layer_;
};

class FittedVector final : public FittedMatrix {
 public:
  FittedVector(std::shared_ptr<const Layer> layer, const std::string& suffix, std::vector<float> VptqFit::*part)
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
  explicit FittedOrder(std::shared_ptr<const Layer> layer)
      : FittedMatrix(layer, ".permutation", 1, layer->dense().cols) {
    form.encoding.kind = EncodingKind::index;
  }

  Status read_indices(uint64_t begin, uint64_t count, std::span<uint32_t> out) const override {
    TERN_ASSIGN(const VptqFit* fit, this->fit());
    std::copy_n(fit->order.begin() + static_cast<std::ptrdiff_t>(begin), count, out.begin());
    return {};
  }
};

uint64_t stage_entries(const VptqStage& shape) { return shape.cols / shape.group_cols << shape.bits; }

class FittedCodebook final : public FittedMatrix {
 public:
  FittedCodebook(std::shared_ptr<const Layer> layer, const std::string& suffix, const VptqStage& shape, size_t stage)
      : FittedMatrix(std::move(layer), suffix + ".codebook", stage_entries(shape), shape.length), stage_(stage) {
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
  FittedInt8Codebook(std::shared_ptr<const Layer> layer, const std::string& suffix, const VptqStage& shape,
                     size_t stage)
      : FittedMatrix(std::move(layer), suffix + ".codebook", stage_entries(shape) * ((shape.length + 3) / 4), 4),
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
  FittedIndices(std::shared_ptr<const Layer> layer, const std::string& suffix, const VptqStage& shape, size_t stage,
                bool absorbed)
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

void add_composition(SourceModel& source, std::shared_ptr<const Layer> layer, const VptqOptions& options) {
  const uint64_t rows = layer->dense().rows, cols = layer->dense().cols;
  const std::vector<VptqStage> shapes = vptq_stages(options, cols);
  const bool absorbed = options.groups == 1 && shapes[0].col_begin == 0;
  CompositionBuilder builder(source, layer->dense().name, rows, cols);
  builder.scale_input(builder.add_vector(std::make_unique<FittedVector>(layer, ".scale", &VptqFit::factors)));
  if (!absorbed) builder.permute_input(builder.add(std::make_unique<FittedOrder>(layer)));
  for (size_t i = 0; i < shapes.size(); ++i) {
    const bool residual = options.residual && i == 1;
    const char* suffix = i == 0 ? "" : residual ? ".residual" : ".outliers";
    if (options.int8_codebooks)
      builder.add(std::make_unique<FittedInt8Codebook>(layer, suffix, shapes[i], i));
    else
      builder.add(std::make_unique<FittedCodebook>(layer, suffix, shapes[i], i));
    builder.add_term(builder.add(std::make_unique<FittedIndices>(layer, suffix, shapes[i], i, absorbed)),
                     shapes[i].col_begin, shapes[i].cols);
  }
  builder.add_shift(std::make_unique<FittedVector>(layer, ".shift", &VptqFit::offsets));
  builder.finish();
}

bool is_linear(const SourceMatrix& m) { return m.name.starts_with("blocks.") && m.rows > 1; }

// Outliers are few: entries that they do not need stay zero.
Status check_vectors(const SourceMatrix& m, const VptqOptions& options) {
  const VptqStage main = vptq_stages(options, m.cols)[0];
  const uint64_t vectors = ceil_div(m.rows, uint64_t{main.length}) * main.group_cols;
  if (vectors >= uint64_t{1} << main.bits) return {};
  return invalid_argument(
      fmt::format("layer '{}' has {} vectors of {} values for a codebook of {} entries: choose fewer bits of an index",
                  m.name, vectors, main.length, uint64_t{1} << main.bits));
}

Status check(const SourceModel& source, const VptqOptions& o) {
  if (!source.linears.empty()) {
    return invalid_argument(fmt::format("layer '{}' of this checkpoint ({}) is stored as it is: choose no encoding",
                                        source.linears[0].linear.name, source.convention));
  }
  const auto shaped = [](unsigned length, unsigned bits, unsigned most) {
    return length >= 2 && length <= 32 && bits >= 1 && bits <= most;
  };
  if (!shaped(o.length, o.bits, kMaxVptqBits) || !shaped(o.outliers.length, o.outliers.bits, kMaxOutlierBits)) {
    return invalid_argument(fmt::format(
        "vectors of {} with {} bits, outliers of {} with {}, expected 2 to 32 values, 1 to {} bits, outliers to {}",
        o.length, o.bits, o.outliers.length, o.outliers.bits, kMaxVptqBits, kMaxOutlierBits));
  }
  if (o.groups == 0 || o.outliers.percent > kMaxOutlierPercent) {
    return invalid_argument(
        fmt::format("{} column groups, {} % outliers, expected 1 or more, 0 to 50", o.groups, o.outliers.percent));
  }
  for (const auto& m : source.matrices) {
    if (!is_linear(*m)) continue;
    if (m->form.kind != SourceForm::Kind::dense)
      return invalid_argument(fmt::format("layer '{}' is no dense matrix: VPTQ takes full precision", m->name));
    TERN_TRY(check_vectors(*m, o));
  }
  return {};
}

// The Hessian of a layer that is to have one.
Result<std::span<const double>> hessian_for(const SourceMatrix& m, const VptqOptions& options,
                                            const HessianTriangles& hessians) {
  const auto found = hessians.find(m.name);
  if (found != hessians.end() && triangle_cols(found->second.size()) == m.cols) return found->second;
  if (!options.feedback && options.outliers.percent == 0) return std::span<const double>();
  return invalid_argument(fmt::format("layer '{}' has no Hessian of {} columns, which {} needs", m.name, m.cols,
                                      options.feedback ? "error feedback" : "the choice of outliers"));
}

}  // namespace

Status quantize_vptq(SourceModel& source, const VptqOptions& options, const HessianTriangles& hessians,
                     const Interruption& interruption) {
  TERN_TRY(check(source, options));
  std::vector<std::span<const double>> of_matrices(source.matrices.size());
  for (size_t i = 0; i < of_matrices.size(); ++i) {
    if (!is_linear(*source.matrices[i])) continue;
    TERN_ASSIGN(of_matrices[i], hessian_for(*source.matrices[i], options, hessians));
  }
  const auto last = std::make_shared<LastFit>();
  std::vector<std::shared_ptr<const Layer>> layers;
  std::vector<std::unique_ptr<SourceMatrix>> others;
  for (size_t i = 0; i < of_matrices.size(); ++i) {
    std::unique_ptr<SourceMatrix>& m = source.matrices[i];
    if (is_linear(*m))
      layers.push_back(std::make_shared<Layer>(std::move(m), options, of_matrices[i], last, interruption));
    else
      others.push_back(std::move(m));
  }
  source.matrices = std::move(others);
  for (const auto& layer : layers) add_composition(source, layer, options);
  return {};
}

// The weights, twice as they are quantized, entries' indices; the sample of a codebook with its weights, errors,
// choices.
uint64_t vptq_working_bytes(const SourceModel& source, const VptqOptions& options, unsigned threads) {
  uint64_t most = 0;
  for (const auto& m : source.matrices) {
    if (!is_linear(*m)) continue;
    const uint64_t feedback = 4 * m->cols * m->cols + threads * 8 * m->cols * kVptqRows;
    most = std::max(most, 16 * m->rows * m->cols + (options.feedback ? feedback : 0));
  }
  const uint64_t sample = (vptq_sample_vectors(options.bits) << options.bits) * options.length;
  return most + 32 * sample + (uint64_t{16} << 20);
}

}  // namespace tern
