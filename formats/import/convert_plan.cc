#include "formats/import/convert_plan.h"

#include <fmt/format.h>

#include <algorithm>
#include <string_view>
#include <unordered_map>

#include "formats/encoding/int8.h"
#include "formats/encoding/trit2.h"
#include "formats/import/ternary_matrix.h"

namespace tern {
namespace {

Encoding plain_f32() {
  Encoding e;
  e.kind = EncodingKind::plain;
  return e;
}

Encoding dense_encoding(FloatType type) {
  Encoding e;
  e.value_type = type;
  return e;
}

Encoding trit_encoding(ScaleScope scope) {
  Encoding e;
  e.kind = EncodingKind::trit;
  e.bits = kTrit2Bits;
  e.scope = scope;
  return e;
}

Encoding planes_encoding(unsigned planes, uint32_t group) {
  Encoding e = trit_encoding(ScaleScope::group);
  e.planes = static_cast<uint8_t>(planes);
  e.scale_type = FloatType::f16;
  e.group = group;
  return e;
}

Encoding int8_encoding(ScaleScope scope, uint32_t group, FloatType scale_type) {
  Encoding e;
  e.kind = EncodingKind::int_;
  e.bits = kInt8Bits;
  e.scope = scope;
  e.scale_type = scale_type;
  e.group = group;
  return e;
}

bool low_bit(const Encoding& e) { return e.kind == EncodingKind::int_ || e.kind == EncodingKind::trit; }

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

MatrixPlan as_ternary(const SourceMatrix& m, TernaryMatrix::Rule rule, ScaleScope scope, std::vector<float> scales) {
  MatrixPlan plan = with_encoding(m, trit_encoding(scope), true);
  plan.ternary = std::make_unique<TernaryMatrix>(m, rule, scope, std::move(scales));
  return plan;
}

MatrixPlan as_int8(const SourceMatrix& m, uint32_t group) {
  if (m.form.kind == SourceForm::Kind::int8) {  // taken over as it is: any other grouping would lose something
    return with_encoding(m, int8_encoding(m.form.scope, m.form.group, FloatType::f32), true);
  }
  const auto columns = static_cast<uint32_t>(std::min<uint64_t>(group, m.cols));
  return with_encoding(m, int8_encoding(ScaleScope::group, columns, FloatType::f16), false);
}

MatrixPlan as_planes(const SourceMatrix& m, const ConvertOptions& options) {
  const auto columns = static_cast<uint32_t>(std::min<uint64_t>(options.ptqtp_group, m.cols));
  MatrixPlan plan = with_encoding(m, planes_encoding(options.ptqtp.planes, columns), false);
  plan.ptqtp = options.ptqtp;
  return plan;
}

// Ternary already, or rounded to it on request, or kept dense.
Result<MatrixPlan> plan_by_values(const SourceMatrix& m, bool force_trit) {
  using Rule = TernaryMatrix::Rule;
  TERN_ASSIGN(TernaryScan scan, scan_ternary(m, force_trit));
  if (scan.ternary && !scan.all_zero) return as_ternary(m, Rule::sign, scan.scope, std::move(scan.scales));
  if (force_trit) return as_ternary(m, Rule::absmean, ScaleScope::tensor, {scan.gamma});
  return with_encoding(m, dense_encoding(m.form.value_type), false);
}

Result<MatrixPlan> plan_linear(const SourceMatrix& m, WeightChoice choice, const ConvertOptions& options) {
  using Kind = SourceForm::Kind;
  const bool automatic = choice == WeightChoice::automatic;
  if (const auto type = float_choice(choice)) return with_encoding(m, dense_encoding(*type), false);
  if (choice == WeightChoice::int8 || (automatic && m.form.kind == Kind::int8)) return as_int8(m, options.int8_group);
  if (choice == WeightChoice::ptqtp) return as_planes(m, options);
  if (m.form.kind == Kind::trit) return with_encoding(m, trit_encoding(m.form.scope), true);
  return plan_by_values(m, choice == WeightChoice::trit);
}

// Embedding and head: int8 beside low-bit linears, else as the checkpoint has them.
Result<MatrixPlan> plan_table(const SourceMatrix& m, WeightChoice choice, bool linears_low_bit,
                              const ConvertOptions& options) {
  if (choice != WeightChoice::automatic) return plan_linear(m, choice, options);
  if (linears_low_bit || m.form.kind == SourceForm::Kind::int8) return as_int8(m, options.int8_group);
  return with_encoding(m, dense_encoding(m.form.value_type), false);
}

bool is_table(const std::string& name) { return name == "embed.tokens" || name == "head"; }

class Planner {
 public:
  Planner(const SourceModel& source, const ConvertOptions& options, const ProgressCallback& progress)
      : source_(source), options_(options), progress_(progress) {}

  Result<ConvertPlan> run() {
    TERN_TRY(check_options());
    TERN_TRY(plan_matrices());
    describe_model();
    describe_tensors();
    for (uint32_t i = 0; i < source_.config.layers; ++i) describe_block(fmt::format("blocks.{}.", i));
    add_input("head.in", {"head"});
    return std::move(plan_);
  }

 private:
  Status check_options() const {
    if (options_.int8_group == 0 || options_.ptqtp_group == 0)
      return invalid_argument("the group size is 0, expected a positive count");
    const PtqtpOptions& ptqtp = options_.ptqtp;
    if (ptqtp.planes == 0 || ptqtp.planes > kMaxPtqtpPlanes)
      return invalid_argument(fmt::format("{} trit planes, expected 1 to {}", ptqtp.planes, kMaxPtqtpPlanes));
    if (ptqtp.tied && ptqtp.planes != 2)
      return invalid_argument(fmt::format("tied scales need 2 trit planes, not {}", ptqtp.planes));
    const bool differ = options_.head != options_.embed && options_.head != WeightChoice::automatic &&
                        options_.embed != WeightChoice::automatic;
    if (source_.tied_head && differ) {
      return invalid_argument(
          "the head of this model is tied to its embedding: both are one matrix, choose one encoding");
    }
    return {};
  }

  WeightChoice table_choice(const std::string& name) const {
    const WeightChoice own = name == "head" ? options_.head : options_.embed;
    return source_.tied_head && own == WeightChoice::automatic ? options_.head : own;
  }

  Status report(const SourceMatrix& m) const {
    if (progress_ && !progress_({m.name, 0, 0})) return aborted("conversion stopped on request");
    return {};
  }

  Status plan_matrices() {
    plan_.matrices.resize(source_.matrices.size());
    bool linears_low_bit = false;
    for (size_t i = 0; i < source_.matrices.size(); ++i) {
      const SourceMatrix& m = *source_.matrices[i];
      if (is_table(m.name)) continue;
      if (m.rows == 1) {
        plan_.matrices[i] = with_encoding(m, plain_f32(), false);
        continue;
      }
      TERN_TRY(report(m));
      TERN_ASSIGN(plan_.matrices[i], plan_linear(m, options_.weights, options_));
      linears_low_bit |= low_bit(plan_.matrices[i].encoding);
    }
    for (size_t i = 0; i < source_.matrices.size(); ++i) {
      const SourceMatrix& m = *source_.matrices[i];
      if (!is_table(m.name)) continue;
      TERN_TRY(report(m));
      TERN_ASSIGN(plan_.matrices[i], plan_table(m, table_choice(m.name), linears_low_bit, options_));
    }
    return {};
  }

  void describe_model() {
    ModelDescription& d = plan_.description;
    d.config = source_.config;
    d.tokenizer = source_.tokenizer;
    d.chat = source_.chat;
    d.metadata = source_.metadata;
  }

  void describe_tensors() {
    for (const MatrixPlan& plan : plan_.matrices) {
      index_.emplace(plan.source->name, static_cast<uint32_t>(index_.size()));
      TensorRecord record;
      record.name = plan.source->name;
      record.source_name = plan.source->source_name;
      record.encoding = plan.encoding;
      record.rows = plan.source->rows;
      record.cols = plan.source->cols;
      plan_.description.tensors.push_back(std::move(record));
    }
  }

  void describe_block(const std::string& block) {
    add_inputs(block + "attn.in", {block + "attn.q", block + "attn.k", block + "attn.v"});
    add_input(block + "attn.out", {block + "attn.o"});
    add_inputs(block + "ffn.in", {block + "ffn.gate", block + "ffn.up"});
    add_input(block + "ffn.mid", {block + "ffn.down"});
  }

  uint32_t find_tensor(const std::string& name) const {
    const auto found = index_.find(name);
    return found != index_.end() ? found->second : kNoTensor;
  }

  // The tensor that a linear layer reads, by the layer's name; the writer refuses one that is missing.
  uint32_t tensor_of(const std::string& linear) const {
    return find_tensor(linear == "head" && source_.tied_head ? kEmbedding : linear);
  }

  // One input for all, or, if the layers have norms of their own, one for each.
  void add_inputs(const std::string& shared, const std::vector<std::string>& linears) {
    if (find_tensor(linears[0] + ".in.norm") == kNoTensor) return add_input(shared, linears);
    for (const std::string& linear : linears) add_input(linear + ".in", {linear});
  }

  void add_input(const std::string& name, const std::vector<std::string>& linears) {
    ModelDescription& d = plan_.description;
    std::vector<uint32_t> tensors;
    for (const std::string& linear : linears) tensors.push_back(tensor_of(linear));

    InputRecord input;
    input.name = name;
    const bool missing = std::find(tensors.begin(), tensors.end(), kNoTensor) != tensors.end();
    if (!missing) {
      input.cols = d.tensors[tensors[0]].cols;
      if (const uint32_t norm = find_tensor(name + ".norm"); norm != kNoTensor) {
        input.ops.emplace_back();
        input.ops.back().kind = InputOpKind::normalize;
        input.ops.back().tensor = norm;
      }
      if (const auto op = activation_rounding(name == "head.in", tensors)) input.ops.push_back(*op);
    }
    d.inputs.push_back(std::move(input));
    for (size_t i = 0; i < linears.size(); ++i) add_linear(linears[i], tensors[i]);
  }

  // Activations as the model was trained to see them; without such training, in the groups of the weights.
  std::optional<InputOp> activation_rounding(bool head, const std::vector<uint32_t>& tensors) const {
    if (options_.f32_activations) return {};
    InputOp op;
    op.bits = 8;
    op.scope = ScaleScope::none;
    bool same = true;
    for (uint32_t tensor : tensors) {
      const Encoding& e = plan_.description.tensors[tensor].encoding;
      if (!low_bit(e)) continue;  // dense weights read the raw input
      const bool grouped = e.scope == ScaleScope::group;
      const ScaleScope scope = grouped ? ScaleScope::group : ScaleScope::row;
      same &= op.scope == ScaleScope::none || (op.scope == scope && op.group == (grouped ? e.group : 0));
      op.scope = scope;
      op.group = grouped ? e.group : 0;
    }
    if (op.scope == ScaleScope::none) return {};
    const bool per_token = !head && source_.linear_input == TrainedInput::int8_per_token;
    if (per_token || !same) {
      op.scope = ScaleScope::row;
      op.group = 0;
    }
    return op;
  }

  void add_linear(const std::string& name, uint32_t tensor) {
    ModelDescription& d = plan_.description;
    const std::vector<InputOp>& ops = d.inputs.back().ops;
    const bool quantizes = !ops.empty() && ops.back().kind == InputOpKind::quantize;
    const bool transforms = ops.size() > (quantizes ? 1 : 0);
    LinearRecord linear;
    linear.name = name;
    linear.input = static_cast<uint32_t>(d.inputs.size() - 1);
    linear.bias = find_tensor(name + ".bias");
    Term term;
    term.tensor = tensor;
    if (tensor != kNoTensor) {
      const TensorRecord& record = d.tensors[tensor];
      linear.rows = term.rows = record.rows;
      linear.cols = term.cols = record.cols;
      term.tap = quantizes && low_bit(record.encoding) ? Tap::quantized : transforms ? Tap::transformed : Tap::raw;
    }
    linear.terms.push_back(term);
    d.linears.push_back(std::move(linear));
  }

  inline static const std::string kEmbedding = "embed.tokens";
  const SourceModel& source_;
  const ConvertOptions& options_;
  const ProgressCallback& progress_;
  ConvertPlan plan_;
  std::unordered_map<std::string_view, uint32_t> index_;  // tensors by name
};

}  // namespace

Result<ConvertPlan> plan_conversion(const SourceModel& source, const ConvertOptions& options,
                                    const ProgressCallback& progress) {
  return Planner(source, options, progress).run();
}

}  // namespace tern
