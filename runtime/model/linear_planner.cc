#include "runtime/model/linear_planner.h"

#include <fmt/format.h>

#include <algorithm>
#include <numeric>

#include "base/checked.h"
#include "formats/encoding/phase.h"

namespace tern {
namespace {

Status lacks(const std::string& where, const std::string& part) {
  return unsupported(fmt::format("{}: this version does not run {}", where, part));
}

// Integer sums must fit 32 bits (linear.h).
Status check_sums(const std::string& layer, const InputOp& rounding, const WeightView& weight) {
  const bool vector = weight.encoding.kind == EncodingKind::vector;
  if (vector && !weight.codebook.integer) return lacks(layer, "int8 activations with a codebook of floats");
  if (vector && rounding.scope != ScaleScope::row) return lacks(layer, "vectors with activations rounded per group");
  const uint64_t most = vector || weight.encoding.bits == 8 ? kMaxCols / 2 : kMaxCols;
  if (weight.cols <= most) return {};
  return lacks(layer, fmt::format("{} columns with int8 activations (at most {})", weight.cols, most));
}

// Of phase weights the stages that run.
uint64_t bytes_read(const WeightView& weight) {
  const Layout& layout = weight.layout;
  const uint64_t all = layout.code_bytes + layout.scale_bytes;
  if (weight.encoding.kind != EncodingKind::phase) return all;
  return all / (layout.tile_bytes / phase_stage_bytes(weight.encoding, layout)) * weight.encoding.planes;
}

bool overlap(const LinearTerm& a, const LinearTerm& b) {
  return a.row_begin < b.row_begin + b.rows && b.row_begin < a.row_begin + a.rows;
}

// Which terms write their rows themselves, and what the others leave open.
void settle_rows(LinearPlan& plan) {
  uint64_t set = 0;
  for (auto term = plan.terms.begin(); term != plan.terms.end(); ++term) {
    const bool first = std::none_of(plan.terms.begin(), term, [&](const LinearTerm& t) { return overlap(t, *term); });
    const uint64_t tile_rows = term->weight.layout.tile_rows;
    term->sets = term->kernel != nullptr && term->scale == 1 && term->row_begin % tile_rows == 0 && first;
    if (term->sets) set += term->rows;
    if (term->sets) plan.row_unit = std::lcm(plan.row_unit, tile_rows);
  }
  plan.starts_at_zero = set < plan.rows;
}

InputForm f32_form(InputForm::Kind kind, uint64_t cols) {
  InputForm form;
  form.kind = kind, form.cols = cols;
  return form;
}

}  // namespace

struct LinearPlanner::Layer {
  const LinearRecord& linear;
  const InputRecord& record;
  InputPlan& input;
  LinearPlan& out;
};

LinearPlanner::LinearPlanner(const TernFile& file, CpuFeatures features, const LoadOptions& options)
    : file_(file),
      tensors_(file),
      features_(features),
      family_(options.family),
      dense_batch_(options.dense_batch),
      activations_(options.activations),
      stages_(options.stages) {
  for (const LinearRecord& l : file.description().linears) linears_.emplace(l.name, &l);
}

bool LinearPlanner::has_own_input(const std::string& name) const {
  return file_.description().inputs[linears_.at(name)->input].name == name + ".in";
}

Status LinearPlanner::plan(const std::string& name, InputPlan& input, LinearPlan& out) const {
  const LinearRecord& linear = *linears_.at(name);
  const Layer layer{linear, file_.description().inputs[linear.input], input, out};
  out.name = name, out.rows = linear.rows, out.cols = linear.cols;
  if (input.forms.empty()) TERN_TRY(plan_input(layer));
  for (const Term& term : linear.terms) TERN_TRY(add_term(term, layer));
  for (const OutputOp& op : linear.post) TERN_TRY(add_post(op, layer).within("linear '" + name + "'"));
  if (linear.bias != kNoTensor) {
    TERN_ASSIGN(out.bias, tensors_.values(linear.bias));
  }
  settle_rows(out);
  lay_out(input);
  return {};
}

// ---- the input record ----

Status LinearPlanner::plan_input(const Layer& layer) const {
  InputPlan& input = layer.input;
  input.cols = layer.record.cols;
  input.x_stride = align_up(input.cols, kTileRows);
  for (size_t i = 0; i < layer.record.ops.size(); ++i) {
    const InputOp& op = layer.record.ops[i];
    if (op.kind == InputOpKind::quantize) {
      if (op.bits == 8) continue;
      return lacks(layer.record.name, fmt::format("rounding of activations to {} bits (8 only)", op.bits));
    }
    TERN_TRY(add_step(op, layer).within(fmt::format("input '{}': operation {}", layer.record.name, i)));
  }
  input.forms.push_back(f32_form(InputForm::Kind::raw, input.cols));
  if (!input.steps.empty()) input.forms.push_back(f32_form(InputForm::Kind::transformed, input.cols));
  return {};
}

Status LinearPlanner::add_step(const InputOp& op, const Layer& layer) const {
  using Kind = RowStep::Kind;
  RowStep step;
  if (op.kind == InputOpKind::hadamard) {
    TERN_ASSIGN(step, hadamard(op.tensor, op.matrix, op.block, layer.record.cols));
  } else if (op.kind == InputOpKind::rotate) {
    TERN_ASSIGN(step, rotation(op.tensor, layer));
  } else if (op.kind == InputOpKind::permute) {
    step.kind = Kind::permute;
    TERN_ASSIGN(step.permutation, tensors_.permutation(op.tensor));
  } else {
    step.kind = op.kind == InputOpKind::normalize ? Kind::normalize : Kind::scale;
    step.epsilon = file_.description().config.norm_eps;
    TERN_ASSIGN(step.values, tensors_.values(op.tensor));
  }
  layer.input.steps.push_back(std::move(step));
  return {};
}

Result<RowStep> LinearPlanner::rotation(uint32_t tensor, const Layer& layer) const {
  RowStep step;
  step.kind = RowStep::Kind::rotate;
  TERN_ASSIGN(step.weight, tensors_.matrix(tensor));
  if (step.weight.encoding.kind == EncodingKind::phase) return lacks(layer.record.name, "rotations of phase weights");
  const uint64_t read = columns_read(step.weight);
  if (step.weight.cols != layer.record.cols && read != step.weight.cols) {
    return lacks(layer.record.name,
                 fmt::format("rotations of {} columns whose encoding pads them to {}", step.weight.cols, read));
  }
  layer.input.x_stride = std::max(layer.input.x_stride, align_up(read, kTileRows));
  TERN_ASSIGN(step.kernel, choose(step.weight, LinearInput::f32, layer));
  return step;
}

Result<RowStep> LinearPlanner::hadamard(uint32_t signs, uint32_t matrix, uint32_t block, uint64_t n) const {
  RowStep step;
  step.kind = RowStep::Kind::hadamard;
  TERN_ASSIGN(step.values, tensors_.signs(signs));
  TERN_ASSIGN(step.matrix, tensors_.signs(matrix));
  if (matrix != kNoTensor) step.order = file_.description().tensors[matrix].rows;
  step.length = (block == 0 ? n : block) / step.order;
  return step;
}

void share_raw_rows(InputPlan& shared, std::span<InputPlan> own) {
  shared.cols = own.front().cols;
  for (const InputPlan& plan : own) shared.x_stride = std::max(shared.x_stride, plan.x_stride);
  shared.forms.assign(1, f32_form(InputForm::Kind::raw, shared.cols));
  for (InputPlan& plan : own) {
    plan.x_stride = shared.x_stride;
    shared.tokens_at_once = std::max(shared.tokens_at_once, plan.tokens_at_once);
    lay_out(plan);
  }
  lay_out(shared);
}

// ---- terms ----

bool LinearPlanner::rounds(const Term& term) const {
  return term.tap == Tap::quantized && activations_ == ActivationRounding::from_file;
}

Status LinearPlanner::add_term(const Term& term, const Layer& layer) const {
  const auto planned = [&]() -> Result<LinearTerm> {
    switch (term.kind) {
      case TermKind::encoded:
        return encoded(term, layer);
      case TermKind::low_rank:
        return low_rank(term, layer);
      case TermKind::sparse:
        return sparse(term, layer);
    }
    return lacks(layer.linear.name, "terms of this kind");
  };
  TERN_ASSIGN(LinearTerm out, planned());
  out.row_begin = term.row_begin, out.rows = term.rows, out.scale = term.scale;
  layer.out.terms.push_back(std::move(out));
  return {};
}

// The columns of the term's tap, in the form that the weight reads.
Result<FormColumns> LinearPlanner::columns(const Term& term, const WeightView& weight, const Layer& layer) const {
  if (rounds(term)) {
    const InputOp& rounding = layer.record.ops.back();
    TERN_TRY(check_sums(layer.linear.name, rounding, weight));
    return rounded_columns(layer.input, layer.linear.name, rounding, term.col_begin, weight);
  }
  return f32_columns(layer.input, term.tap == Tap::raw ? 0 : layer.input.last_f32(), term.col_begin, weight);
}

// A matrix of phases gives rows of both halves: it is the whole layer. Cuts it to the stages that were asked for.
Status LinearPlanner::admit_phase(const Term& term, WeightView& weight, const Layer& layer) const {
  const std::string& name = layer.linear.name;
  if (layer.linear.terms.size() != 1 || weight.rows != layer.linear.rows || weight.cols != layer.linear.cols)
    return lacks(name, "phase weights beside other terms");
  if (term.scale != 1) return lacks(name, "a scale of phase weights");
  if (rounds(term) && layer.record.ops.back().scope != ScaleScope::group)
    return lacks(name, "phase weights with one activation scale for both halves");
  layer.out.halves = 2;
  if (stages_ == 0) return {};
  if (stages_ > weight.encoding.planes) {
    return invalid_argument(
        fmt::format("stages is {}, expected at most the {} of {}", stages_, weight.encoding.planes, name));
  }
  weight.encoding.planes = static_cast<uint8_t>(stages_);
  return {};
}

Result<LinearTerm> LinearPlanner::encoded(const Term& term, const Layer& layer) const {
  LinearTerm out;
  TERN_ASSIGN(out.weight, tensors_.matrix(term.tensor));
  if (out.weight.encoding.kind == EncodingKind::phase) TERN_TRY(admit_phase(term, out.weight, layer));
  TERN_ASSIGN(out.kernel, choose(out.weight, rounds(term) ? LinearInput::int8 : LinearInput::f32, layer));
  if (dense_batch_ && out.weight.encoding.kind == EncodingKind::dense) {
    out.batch_kernel = dense_batch_(out.weight.encoding.value_type);
    if (out.batch_kernel) layer.out.kernels.push_back({out.batch_kernel, {}});
  }
  TERN_ASSIGN(const FormColumns from, columns(term, out.weight, layer));
  out.form = from.form, out.col_begin = from.col_begin;
  return out;
}

// A x is a form of the record, B an encoded term over it.
Result<LinearTerm> LinearPlanner::low_rank(const Term& term, const Layer& layer) const {
  TERN_ASSIGN(const WeightView a, tensors_.matrix(term.tensor));
  TERN_ASSIGN(const auto kernel, choose(a, rounds(term) ? LinearInput::int8 : LinearInput::f32, layer));
  TERN_ASSIGN(const FormColumns from, columns(term, a, layer));
  LinearTerm out;
  TERN_ASSIGN(out.weight, tensors_.matrix(term.second));
  for (const WeightView& part : {a, out.weight}) {
    if (part.encoding.kind == EncodingKind::phase) return lacks(layer.linear.name, "phase weights in a low-rank term");
  }
  TERN_ASSIGN(out.kernel, choose(out.weight, LinearInput::f32, layer));
  out.form = product_form(layer.input, from, *kernel, a);
  InputForm& product = layer.input.forms[out.form];
  product.stride = std::max(product.stride, align_up(columns_read(out.weight), kTileRows));
  return out;
}

Result<LinearTerm> LinearPlanner::sparse(const Term& term, const Layer& layer) const {
  if (rounds(term)) return lacks(layer.linear.name, "sparse terms over rounded activations");
  LinearTerm out;
  TERN_ASSIGN(out.sparse, tensors_.sparse(term));
  out.form = term.tap == Tap::raw ? 0 : layer.input.last_f32(), out.col_begin = term.col_begin;
  const uint64_t values = file_.description().tensors[term.tensor].cols;
  layer.out.products += values;
  layer.out.weight_bytes += values * (float_bytes(out.sparse.type) + sizeof(uint32_t)) + term.rows * sizeof(uint32_t);
  return out;
}

Result<const LinearKernelEntry*> LinearPlanner::choose(const WeightView& weight, LinearInput input,
                                                       const Layer& layer) const {
  LinearPlan::Choice choice{nullptr, {}};
  const auto works = [&](const LinearKernelEntry& kernel) {
    if (agrees_with_reference(kernel)) return true;
    choice.passed_over.push_back(&kernel);
    return false;
  };
  choice.kernel = select_linear(weight.encoding, input, features_, family_, works);
  if (choice.kernel == nullptr) {
    return lacks(layer.linear.name,
                 fmt::format("{} weights on {} activations: no such kernel", describe(weight.encoding),
                             input == LinearInput::int8 ? "int8" : "f32"));
  }
  layer.out.weight_bytes += bytes_read(weight);
  layer.out.products += weight.rows * weight.cols;
  layer.out.kernels.push_back(choice);
  return choice.kernel;
}

// ---- output operations ----

Status LinearPlanner::add_post(const OutputOp& op, const Layer& layer) const {
  RowStep step;
  if (op.kind == OutputOpKind::hadamard) {
    TERN_ASSIGN(step, hadamard(op.tensor, op.matrix, op.block, layer.linear.rows));
    layer.out.whole_rows = true;
    layer.out.scratch = std::max(layer.out.scratch, step_scratch(step, layer.linear.rows, 1));
  } else {
    TERN_ASSIGN(step.values, tensors_.values(op.tensor));
  }
  layer.out.post.push_back(std::move(step));
  return {};
}

}  // namespace tern
