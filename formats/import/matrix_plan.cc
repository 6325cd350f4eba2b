#include "formats/import/matrix_plan.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "formats/encoding/int.h"
#include "formats/encoding/trit2.h"
#include "formats/encoding/trit5.h"
#include "formats/import/composition.h"
#include "formats/import/plane_matrix.h"
#include "formats/import/ternary_matrix.h"
#include "formats/quantize/hessian_factor.h"

namespace tern {
namespace {

Encoding trit_encoding(ScaleScope scope, TritPacking pack) {
  Encoding e;
  e.kind = EncodingKind::trit;
  e.bits = pack == TritPacking::five_in_a_byte ? kTrit5Bits : kTrit2Bits;
  e.scope = scope;
  return e;
}

Encoding planes_encoding(const ConvertOptions& options, uint32_t group) {
  Encoding e = trit_encoding(ScaleScope::group, options.pack);
  e.planes = static_cast<uint8_t>(options.ptqtp.planes);
  e.scale_type = FloatType::f16;
  e.group = group;
  return e;
}

Encoding int_encoding(uint8_t bits, ScaleScope scope, uint32_t group, FloatType scale_type) {
  Encoding e;
  e.kind = EncodingKind::int_;
  e.bits = bits;
  e.scope = scope;
  e.scale_type = scale_type;
  e.group = group;
  return e;
}

std::optional<FloatType> float_choice(WeightChoice choice) {
  if (choice == WeightChoice::f32) return FloatType::f32;
  if (choice == WeightChoice::f16) return FloatType::f16;
  if (choice == WeightChoice::bf16) return FloatType::bf16;
  return {};
}

MatrixPlan with_encoding(const SourceMatrix& m, const Encoding& encoding, bool keep_codes) {
  MatrixPlan plan;
  plan.source = &m;
  plan.encoding = encoding;
  plan.keep_codes = keep_codes;
  return plan;
}

MatrixPlan as_ternary(const SourceMatrix& m, TernaryMatrix::Rule rule, const Encoding& encoding,
                      std::vector<float> scales) {
  MatrixPlan plan = with_encoding(m, encoding, true);
  plan.ternary = std::make_unique<TernaryMatrix>(m, rule, encoding.scope, std::move(scales));
  return plan;
}

Encoding phase_encoding(const PhaseMatrix& m) {
  Encoding e;
  e.kind = EncodingKind::phase;
  e.bits = static_cast<uint8_t>(m.parts());
  e.planes = static_cast<uint8_t>(m.phases().options.stages);
  e.scale_type = m.phases().options.scale_type;
  e.scope = ScaleScope::tensor;
  if (m.phases().region == PhaseRegion::row) e.scope = ScaleScope::row;
  if (m.phases().region == PhaseRegion::tile) {
    e.scope = ScaleScope::tile;
    e.group = static_cast<uint32_t>(m.half_cols() / m.groups());
  }
  return e;
}

MatrixPlan keep_phases(const SourceMatrix& m) {
  const auto& phases = static_cast<const PhaseMatrix&>(m);
  MatrixPlan plan = with_encoding(m, phase_encoding(phases), true);
  plan.phase = &phases;
  return plan;
}

Result<MatrixPlan> as_phases(const SourceMatrix& m, const ConvertOptions& options) {
  if (m.rows % 2 != 0 || m.cols % 2 != 0) return with_encoding(m, dense_encoding(m.form.value_type), false);
  PhaseForm form;
  form.options = options.fairy2i;
  form.region = options.fairy2i_scales;
  form.options.scale_type = form.region == PhaseRegion::tensor ? FloatType::f32 : FloatType::f16;
  TERN_ASSIGN(auto fitted, PhaseMatrix::fit(m, form));
  MatrixPlan plan = keep_phases(*fitted);
  plan.source = &m;
  plan.fitted = std::move(fitted);
  return plan;
}

uint8_t int_bits(WeightChoice choice) {
  if (choice == WeightChoice::int4) return 4;
  return choice == WeightChoice::int6 ? 6 : choice == WeightChoice::int8 ? 8 : 0;
}

MatrixPlan as_int(const SourceMatrix& m, uint8_t bits, const ConvertOptions& options) {
  if (bits == 8 && m.form.kind == SourceForm::Kind::int8) {  // as it is: any other grouping would lose something
    return with_encoding(m, int_encoding(bits, m.form.scope, m.form.group, FloatType::f32), true);
  }
  const uint64_t group = options.int_group.value_or(bits == 4 ? 32 : 64);
  const auto columns = static_cast<uint32_t>(std::min(group, m.cols));
  return with_encoding(m, int_encoding(bits, ScaleScope::group, columns, FloatType::f16), false);
}

// The diagonal of the Hessian, dampened as in GPTQ (arXiv 2210.17323) and with a mean of 1.
Result<std::vector<float>> importance_of(const SourceMatrix& m, const ColumnEnergies& calibration) {
  auto found = calibration.find(m.name);
  if (found == calibration.end() && m.name == "embed.tokens") found = calibration.find("head");  // tied
  if (found == calibration.end()) return std::vector<float>();
  const std::vector<double>& energies = found->second;
  const double sum = std::accumulate(energies.begin(), energies.end(), 0.0);
  const bool valid = std::all_of(energies.begin(), energies.end(), [](double e) { return e >= 0; });
  if (energies.size() != m.cols || !valid || !std::isfinite(sum)) {
    return invalid_argument(fmt::format("calibration of '{}': expected {} energies of 0 or more, found {} values",
                                        m.name, m.cols, energies.size()));
  }
  if (sum == 0) return std::vector<float>();
  std::vector<float> importance;
  for (const double energy : energies)
    importance.push_back(static_cast<float>(energy * static_cast<double>(m.cols) / sum + 0.01));
  return importance;
}

std::vector<float> picked(const std::vector<float>& values, const ColumnsMatrix& columns) {
  std::vector<float> own(columns.cols);
  for (uint64_t c = 0; c < columns.cols; ++c) own[c] = values[columns.order()[columns.begin() + c]];
  return own;
}

// The Hessian of a layer that is quantized with error feedback; none of one that only zeros were read from.
Result<std::span<const double>> hessian_of(const SourceMatrix& m, const HessianTriangles& hessians) {
  auto found = hessians.find(m.name);
  if (found == hessians.end() && m.name == "embed.tokens") found = hessians.find("head");  // tied
  if (found == hessians.end()) return std::span<const double>();
  const std::span<const double> triangle = found->second;
  if (triangle_cols(triangle.size()) != m.cols) {
    return invalid_argument(fmt::format("the Hessian of '{}': expected a triangle of {} columns, found {} values",
                                        m.name, m.cols, triangle.size()));
  }
  double sum = 0;
  for (uint64_t i = 0; i < m.cols; ++i) sum += triangle[i * (i + 1) / 2 + i];
  return sum == 0 ? std::span<const double>() : triangle;
}

Result<MatrixPlan> as_planes(const SourceMatrix& m, const ConvertOptions& options) {
  const auto columns = static_cast<uint32_t>(std::min<uint64_t>(options.ptqtp_group, m.cols));
  MatrixPlan plan = with_encoding(m, planes_encoding(options, columns), false);
  plan.ptqtp = options.ptqtp;
  TERN_ASSIGN(plan.importance, importance_of(m, options.calibration));
  return plan;
}

// Vectors along the input axis, each matrix with codebooks of its own; some of its columns as the whole would be.
Result<MatrixPlan> as_vectors(const SourceMatrix& m, const ConvertOptions& options) {
  const bool part = m.form.kind == SourceForm::Kind::columns;
  const ColumnsMatrix* columns = part ? static_cast<const ColumnsMatrix*>(&m) : nullptr;
  const SourceMatrix& whole = part ? columns->whole() : m;
  const VqOptions vq = part && columns->outliers() ? vq_of_outliers(options.vq) : options.vq;
  const uint64_t group = vq_group_cols(vq, m.cols);
  Encoding e;
  e.kind = EncodingKind::vector;
  e.axis = VectorAxis::input;
  e.length = vq.length, e.bits = vq.bits, e.planes = vq.planes;
  e.group = group < m.cols ? static_cast<uint32_t>(group) : 0;
  e.scope = ScaleScope::row;
  e.scale_type = FloatType::f16;
  MatrixPlan plan = with_encoding(m, e, false);
  plan.vq = vq, plan.columns = columns;
  TERN_ASSIGN(plan.importance, importance_of(whole, options.calibration));
  if (part && !plan.importance.empty()) plan.importance = picked(plan.importance, *columns);
  if (vq.feedback) {
    TERN_ASSIGN(plan.hessian, hessian_of(whole, options.hessians));
  }
  return plan;
}

// Ternary already, or rounded to it on request, or kept dense.
Result<MatrixPlan> plan_by_values(const SourceMatrix& m, bool force_trit, TritPacking pack) {
  using Rule = TernaryMatrix::Rule;
  TERN_ASSIGN(TernaryScan scan, scan_ternary(m, force_trit));
  if (scan.ternary && !scan.all_zero)
    return as_ternary(m, Rule::sign, trit_encoding(scan.scope, pack), std::move(scan.scales));
  if (force_trit) return as_ternary(m, Rule::absmean, trit_encoding(ScaleScope::tensor, pack), {scan.gamma});
  return with_encoding(m, dense_encoding(m.form.value_type), false);
}

// PTQTP's planes out of their dense sums. A matrix that never was planes is taken as without this choice; one that is
// for the most part is refused.
Result<MatrixPlan> recover_planes(const SourceMatrix& m, const ConvertOptions& options) {
  const auto group = static_cast<uint32_t>(std::min<uint64_t>(options.ptqtp_group, m.cols));
  TERN_ASSIGN(const PlaneScan scan, scan_planes(m, group));
  if (scan.damaged()) {
    return corrupt(
        fmt::format("tensor '{}': {} of its {} groups of {} columns are not sums of two trit planes, the "
                    "first at row {}, column {}",
                    m.source_name, scan.strange, scan.groups, group, scan.first_strange_row, scan.first_strange_col));
  }
  if (!scan.recovered()) return plan_by_values(m, false, options.pack);
  Encoding encoding = planes_encoding(options, group);
  encoding.planes = 2;
  encoding.scale_type = scan.scale_type;
  MatrixPlan plan = with_encoding(m, encoding, true);
  plan.ternary = std::make_unique<PlaneMatrix>(m, group, scan.scale_type);
  return plan;
}

}  // namespace

MatrixPlan plan_plain(const SourceMatrix& m) {
  Encoding e;
  e.kind = EncodingKind::plain;
  return with_encoding(m, e, false);
}

MatrixPlan plan_fixed(const SourceMatrix& m) { return with_encoding(m, m.form.encoding, true); }

Result<MatrixPlan> plan_linear(const SourceMatrix& m, WeightChoice choice, const ConvertOptions& options) {
  using Kind = SourceForm::Kind;
  const bool recover = choice == WeightChoice::ptqtp_recover;
  const bool automatic = choice == WeightChoice::automatic || recover;
  if (const auto type = float_choice(choice)) return with_encoding(m, dense_encoding(*type), false);
  if (const uint8_t bits = int_bits(choice)) return as_int(m, bits, options);
  if (automatic && m.form.kind == Kind::int8) return as_int(m, 8, options);
  if (automatic && m.form.kind == Kind::phase) return keep_phases(m);
  if (choice == WeightChoice::fairy2i) return as_phases(m, options);
  if (choice == WeightChoice::ptqtp) return as_planes(m, options);
  if (choice == WeightChoice::vq) return as_vectors(m, options);
  if (recover && m.form.kind == Kind::dense) return recover_planes(m, options);
  if (m.form.kind == Kind::trit) return with_encoding(m, trit_encoding(m.form.scope, options.pack), true);
  return plan_by_values(m, choice == WeightChoice::trit, options.pack);
}

// Embedding and head: int8 beside low-bit linears, else as the checkpoint has them.
Result<MatrixPlan> plan_table(const SourceMatrix& m, WeightChoice choice, bool linears_low_bit,
                              const ConvertOptions& options) {
  const bool phases = m.form.kind == SourceForm::Kind::phase;  // trained so
  if (choice != WeightChoice::automatic || phases) return plan_linear(m, choice, options);
  if (linears_low_bit || m.form.kind == SourceForm::Kind::int8) return as_int(m, 8, options);
  return with_encoding(m, dense_encoding(m.form.value_type), false);
}

}  // namespace tern
