#include "formats/import/convert_plan.h"

#include <fmt/format.h>

#include <algorithm>
#include <string_view>
#include <unordered_map>

#include "formats/encoding/vector.h"
#include "formats/import/convert_check.h"
#include "formats/import/vector_packer.h"

namespace tern {
namespace {

bool low_bit(const Encoding& e) {
  return e.kind == EncodingKind::int_ || e.kind == EncodingKind::trit || e.kind == EncodingKind::phase ||
         e.kind == EncodingKind::vector;
}

// Columns that share an activation scale; 0: all of a token. Phases: real and imaginary halves have one each.
uint32_t activation_group(const TensorRecord& t) {
  if (has_group_scales(t.encoding)) return t.encoding.group;
  return t.encoding.kind == EncodingKind::phase ? static_cast<uint32_t>(t.cols / 2) : 0;
}

bool is_table(const std::string& name) { return name == "embed.tokens" || name == "head"; }

class Planner {
 public:
  Planner(const SourceModel& source, const ConvertOptions& options, const ProgressCallback& progress)
      : source_(source), options_(options), progress_(progress) {}

  Result<ConvertPlan> run() {
    TERN_TRY(check_convert_options(source_, options_));
    TERN_TRY(plan_matrices());
    describe_model();
    describe_tensors();
    describe_codebooks();
    for (uint32_t i = 0; i < source_.config.layers; ++i) describe_block(fmt::format("blocks.{}.", i));
    add_input("head.in", {"head"});
    TERN_TRY(check_packing(plan_.description));
    return std::move(plan_);
  }

 private:
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
      if (m.form.kind == SourceForm::Kind::fixed) {
        plan_.matrices[i] = plan_fixed(m);
        continue;
      }
      if (is_table(m.name)) continue;
      if (m.rows == 1) {
        plan_.matrices[i] = plan_plain(m);
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
    return check_recovered();
  }

  Status check_recovered() const {
    if (options_.weights != WeightChoice::ptqtp_recover) return {};
    const bool any = std::any_of(plan_.matrices.begin(), plan_.matrices.end(),
                                 [](const MatrixPlan& m) { return m.encoding.planes == 2; });
    if (any) return {};
    return invalid_argument(fmt::format(
        "no linear layer holds sums of two trit planes with scales per {} columns: this is no dense release of PTQTP",
        options_.ptqtp_group));
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
    for (size_t i = 0; i < plan_.matrices.size(); ++i) {
      const std::string& codebook = plan_.matrices[i].source->form.codebook;
      if (!codebook.empty()) plan_.description.tensors[i].codebook = find_tensor(codebook);
    }
  }

  void describe_codebooks() {
    std::vector<TensorRecord>& tensors = plan_.description.tensors;
    for (size_t i = 0; i < plan_.matrices.size(); ++i) {
      const MatrixPlan& plan = plan_.matrices[i];
      if (!plan.vq) continue;
      TensorRecord record;
      record.name = plan.source->name + ".codebook";
      record.encoding = VectorPacker::codebook_encoding();
      record.rows = codebook_entries(plan.encoding, plan.source->cols);
      record.cols = plan.encoding.length;
      tensors[i].codebook = static_cast<uint32_t>(tensors.size());
      tensors.push_back(std::move(record));
    }
  }

  void describe_block(const std::string& block) {
    if (source_.find_linear(block + "attn.qkv") != nullptr) {
      add_input(block + "attn.in", {block + "attn.qkv"});
    } else {
      add_inputs(block + "attn.in", {block + "attn.q", block + "attn.k", block + "attn.v"});
    }
    add_input(block + "attn.out", {block + "attn.o"});
    if (source_.find_linear(block + "ffn.up_gate") != nullptr) {
      add_input(block + "ffn.in", {block + "ffn.up_gate"});
    } else {
      add_inputs(block + "ffn.in", {block + "ffn.gate", block + "ffn.up"});
    }
    add_input(block + "ffn.mid", {block + "ffn.down"});
  }

  uint32_t find_tensor(const std::string& name) const {
    const auto found = index_.find(name);
    return found != index_.end() ? found->second : kNoTensor;
  }

  // The tensor that a linear layer reads, by the layer's name; the writer refuses one that is missing. A composition
  // says itself what it reads; of one that is split it is the larger part.
  uint32_t tensor_of(const std::string& linear) const {
    const SourceLinear* composed = source_.find_linear(linear);
    if (composed != nullptr && !composed->split) return kNoTensor;
    return find_tensor(linear == "head" && source_.tied_head ? kEmbedding : linear);
  }

  // What a layer does with its input before its terms, other than norms.
  std::vector<InputOp> composed_ops(const std::string& linear) const {
    const SourceLinear* composed = source_.find_linear(linear);
    return composed != nullptr ? composed->input : std::vector<InputOp>();
  }

  // 0 of a layer that is missing.
  uint64_t cols_of(const std::string& linear) const {
    if (const SourceLinear* composed = source_.find_linear(linear)) return composed->linear.cols;
    const uint32_t tensor = tensor_of(linear);
    return tensor != kNoTensor ? plan_.description.tensors[tensor].cols : 0;
  }

  // One input for all, or, if the layers have norms or operations of their own, one for each.
  void add_inputs(const std::string& shared, const std::vector<std::string>& linears) {
    const bool alike = std::all_of(linears.begin(), linears.end(), [&](const std::string& linear) {
      return composed_ops(linear) == composed_ops(linears[0]);
    });
    if (alike && find_tensor(linears[0] + ".in.norm") == kNoTensor) return add_input(shared, linears);
    for (const std::string& linear : linears) add_input(linear + ".in", {linear});
  }

  void add_input(const std::string& name, const std::vector<std::string>& linears) {
    ModelDescription& d = plan_.description;
    std::vector<uint32_t> tensors;
    for (const std::string& linear : linears) tensors.push_back(tensor_of(linear));

    InputRecord input;
    input.name = name;
    input.cols = cols_of(linears[0]);
    const bool missing = std::any_of(linears.begin(), linears.end(), [&](const auto& l) { return cols_of(l) == 0; });
    if (!missing) {
      if (const uint32_t norm = find_tensor(name + ".norm"); norm != kNoTensor) {
        input.ops.emplace_back();
        input.ops.back().kind = InputOpKind::normalize;
        input.ops.back().tensor = norm;
      }
      const std::vector<InputOp> ops = composed_ops(linears[0]);
      input.ops.insert(input.ops.end(), ops.begin(), ops.end());
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
      if (tensor == kNoTensor) continue;
      const TensorRecord& record = plan_.description.tensors[tensor];
      if (!low_bit(record.encoding)) continue;  // what is no int, trit or phase reads floats
      const uint32_t group = activation_group(record);
      const ScaleScope scope = group != 0 ? ScaleScope::group : ScaleScope::row;
      same &= op.scope == ScaleScope::none || (op.scope == scope && op.group == group);
      op.scope = scope;
      op.group = group;
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
    const SourceLinear* composed = source_.find_linear(name);
    if (composed != nullptr) linear = composed->linear;
    linear.name = name;
    linear.input = static_cast<uint32_t>(d.inputs.size() - 1);
    linear.bias = find_tensor(name + ".bias");
    if (composed != nullptr) {
      if (composed->split && quantizes) {
        for (Term& part : linear.terms) part.tap = Tap::quantized;
      }
      return d.linears.push_back(std::move(linear));
    }
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
