#include "formats/import/vptq_quantizer.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/checked.h"
#include "formats/import/composition.h"
#include "formats/import/vptq_fitted_layer.h"
#include "formats/quantize/hessian_factor.h"

namespace tern {
namespace {

void add_composition(SourceModel& source, const FittedLayerPtr& layer, const VptqOptions& options) {
  const uint64_t rows = layer->dense().rows, cols = layer->dense().cols;
  const std::vector<VptqStage> shapes = vptq_stages(options, cols);
  const bool absorbed = options.groups == 1 && shapes[0].col_begin == 0;
  CompositionBuilder builder(source, layer->dense().name, rows, cols);
  builder.scale_input(builder.add_vector(vptq_vector(layer, ".scale", &VptqFit::factors)));
  if (!absorbed) builder.permute_input(builder.add(vptq_order(layer)));
  for (size_t i = 0; i < shapes.size(); ++i) {
    const bool residual = options.residual && i == 1;
    const char* suffix = i == 0 ? "" : residual ? ".residual" : ".outliers";
    builder.add(vptq_codebook(layer, suffix, shapes[i], i, options.int8_codebooks));
    builder.add_term(builder.add(vptq_indices(layer, suffix, shapes[i], i, absorbed)), shapes[i].col_begin,
                     shapes[i].cols);
  }
  builder.add_shift(vptq_vector(layer, ".shift", &VptqFit::offsets));
  builder.finish();
}

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
    if (!is_block_linear(*m)) continue;
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
    if (!is_block_linear(*source.matrices[i])) continue;
    TERN_ASSIGN(of_matrices[i], hessian_for(*source.matrices[i], options, hessians));
  }
  const auto last = std::make_shared<FittedLayer::LastFit>();
  std::vector<FittedLayerPtr> layers;
  std::vector<std::unique_ptr<SourceMatrix>> others;
  for (size_t i = 0; i < of_matrices.size(); ++i) {
    std::unique_ptr<SourceMatrix>& m = source.matrices[i];
    if (is_block_linear(*m))
      layers.push_back(std::make_shared<FittedLayer>(std::move(m), options, of_matrices[i], last, interruption));
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
    if (!is_block_linear(*m)) continue;
    const uint64_t feedback = 4 * m->cols * m->cols + threads * 8 * m->cols * kVptqRows;
    most = std::max(most, 16 * m->rows * m->cols + (options.feedback ? feedback : 0));
  }
  const uint64_t sample = (vptq_sample_vectors(options.bits) << options.bits) * options.length;
  return most + 32 * sample + (uint64_t{16} << 20);
}

}  // namespace tern
