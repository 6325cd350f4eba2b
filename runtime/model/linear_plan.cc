#include "runtime/model/linear_plan.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/checked.h"
#include "formats/encoding/phase.h"
#include "formats/encoding/values.h"

namespace tern {
namespace {

const char* name_of(InputOpKind kind) {
  switch (kind) {
    case InputOpKind::scale:
      return "scale";
    case InputOpKind::permute:
      return "permute";
    case InputOpKind::hadamard:
      return "hadamard";
    case InputOpKind::rotate:
      return "rotate";
    case InputOpKind::quantize:
      return "quantize";
    case InputOpKind::normalize:
      return "normalize";
  }
  return "unknown";
}

const char* name_of(TermKind kind) {
  switch (kind) {
    case TermKind::encoded:
      return "encoded";
    case TermKind::sparse:
      return "sparse";
    case TermKind::low_rank:
      return "low-rank";
  }
  return "unknown";
}

Status lacks(const std::string& layer, const std::string& part) {
  return unsupported(fmt::format("{}: this version does not run {}", layer, part));
}

// The one term that this version runs, or what it lacks.
Status check_composition(const LinearRecord& linear) {
  if (!linear.post.empty()) {
    const bool hadamard = linear.post.front().kind == OutputOpKind::hadamard;
    return lacks(linear.name, fmt::format("the output operation '{}'", hadamard ? "hadamard" : "scale"));
  }
  for (const Term& term : linear.terms) {
    if (term.kind != TermKind::encoded) return lacks(linear.name, fmt::format("{} terms", name_of(term.kind)));
  }
  if (linear.terms.size() != 1) return lacks(linear.name, fmt::format("sums of {} terms", linear.terms.size()));
  const Term& term = linear.terms.front();
  if (term.row_begin != 0 || term.col_begin != 0 || term.rows != linear.rows || term.cols != linear.cols) {
    return lacks(linear.name, fmt::format("a term over rows {}+{} and columns {}+{} of [{}, {}]", term.row_begin,
                                          term.rows, term.col_begin, term.cols, linear.rows, linear.cols));
  }
  if (term.scale != 1.f) return lacks(linear.name, fmt::format("a term scale ({})", term.scale));
  return {};
}

// One scale a token. Codes lie side by side, so weight groups must have no padding inside.
Status round_per_token(const std::string& layer, const Layout& layout, InputPlan& input) {
  if (layout.groups > 1 && layout.padded_group_cols() != layout.group_cols) {
    return lacks(layer, fmt::format("rounding per token over weight groups of {}", layout.group_cols));
  }
  input.groups = 1;
  input.group_cols = input.cols;
  input.padded_group_cols = std::max(input.padded_group_cols, layout.padded_cols());
  return {};
}

// One scale a token and group of the weights.
Status round_per_group(const std::string& layer, uint32_t group, const Layout& layout, InputPlan& input) {
  if (layout.group_cols != group) {
    return lacks(layer,
                 fmt::format("activation groups of {} columns over weight groups of {}", group, layout.group_cols));
  }
  if (input.rounded && input.padded_group_cols != layout.padded_group_cols()) {
    return lacks(layer, "encodings that pad the groups of one rounded input differently");
  }
  input.groups = layout.input_groups();
  input.group_cols = layout.group_cols;
  input.padded_group_cols = layout.padded_group_cols();
  return {};
}

// Adds to the input the int8 form that this weight reads.
Status round_input(const std::string& layer, const InputOp& op, const WeightView& weight, InputPlan& input) {
  const uint64_t most = weight.encoding.bits == 8 ? kMaxCols / 2 : kMaxCols;
  if (weight.cols > most) {
    return lacks(layer, fmt::format("{} columns with int8 activations (at most {})", weight.cols, most));
  }
  if (op.scope == ScaleScope::row) {
    TERN_TRY(round_per_token(layer, weight.layout, input));
  } else {
    TERN_TRY(round_per_group(layer, op.group, weight.layout, input));
  }
  input.rounded = true;
  input.code_stride = align_up(input.groups * input.padded_group_cols, kBlockBytes);
  return {};
}

}  // namespace

OutputRows::OutputRows(const Layout& layout, Range tiles) : count_(layout.halves) {
  const uint64_t begin = std::min(tiles.begin * kTileRows, layout.tiled_rows);
  const uint64_t end = std::min(tiles.end * kTileRows, layout.tiled_rows);
  for (uint64_t half = 0; half < count_; ++half)
    ranges_[half] = {half * layout.tiled_rows + begin, half * layout.tiled_rows + end};
}

uint64_t LinearPlan::bytes() const {
  const uint64_t all = weight.layout.code_bytes + weight.layout.scale_bytes;
  if (weight.encoding.kind != EncodingKind::phase) return all;
  return all / (weight.layout.tile_bytes / phase_stage_bytes(weight.encoding, weight.layout)) * weight.encoding.planes;
}

LinearPlanner::LinearPlanner(const TernFile& file, CpuFeatures features, const LoadOptions& options)
    : file_(file),
      features_(features),
      family_(options.family),
      activations_(options.activations),
      stages_(options.stages) {
  for (const LinearRecord& l : file.description().linears) linears_.emplace(l.name, &l);
}

Result<WeightView> LinearPlanner::bind(uint32_t tensor) const {
  const TensorRecord& record = file_.description().tensors[tensor];
  if (record.experts != 1) return lacks(record.name, "stacked experts");
  WeightView view{record.encoding, {}, record.rows, record.cols, file_.codes(tensor).data(), nullptr};
  TERN_ASSIGN(view.layout, layout_of(record.encoding, record.rows, record.cols));
  if (view.layout.scale_bytes != 0) view.scales = file_.scales(tensor).data();
  return view;
}

Result<std::vector<float>> LinearPlanner::vector(uint32_t tensor) const {
  TERN_ASSIGN(const WeightView view, bind(tensor));
  std::vector<float> values(view.cols);
  for (uint64_t i = 0; i < view.cols; ++i) values[i] = load_float(view.encoding.value_type, view.codes, i);
  return values;
}

Result<std::vector<float>> LinearPlanner::vector(const std::string& name) const {
  const uint32_t tensor = file_.find_tensor(name);
  return tensor != kNoTensor ? vector(tensor) : std::vector<float>();
}

bool LinearPlanner::has_own_input(const std::string& name) const {
  return file_.description().inputs[linears_.at(name)->input].name == name + ".in";
}

Status LinearPlanner::check_ops(const LinearRecord& linear, bool own_input) const {
  const InputRecord& input = file_.description().inputs[linear.input];
  for (size_t i = 0; i < input.ops.size(); ++i) {
    const InputOp& op = input.ops[i];
    const bool norm = own_input && i == 0 && op.kind == InputOpKind::normalize;
    if (norm && linear.terms.front().tap == Tap::raw) return lacks(linear.name, "a raw tap beside a normalized one");
    if (norm) continue;
    if (op.kind != InputOpKind::quantize) {
      return lacks(input.name, fmt::format("the input operation '{}' here", name_of(op.kind)));
    }
    if (op.bits != 8) return lacks(input.name, fmt::format("rounding of activations to {} bits (8 only)", op.bits));
  }
  return {};
}

Status LinearPlanner::choose_stages(const std::string& name, Encoding& encoding) const {
  if (stages_ == 0 || encoding.kind != EncodingKind::phase) return {};
  if (stages_ > encoding.planes) {
    return invalid_argument(fmt::format("stages is {}, expected at most the {} of {}", stages_, encoding.planes, name));
  }
  encoding.planes = static_cast<uint8_t>(stages_);
  return {};
}

Status LinearPlanner::plan(const std::string& name, InputPlan& input, LinearPlan& out, bool own_input) const {
  const LinearRecord& linear = *linears_.at(name);
  TERN_TRY(check_composition(linear));
  TERN_TRY(check_ops(linear, own_input));
  const std::vector<InputOp>& ops = file_.description().inputs[linear.input].ops;
  if (!ops.empty() && ops.front().kind == InputOpKind::normalize) {
    TERN_ASSIGN(input.norm, vector(ops.front().tensor));
  }
  const bool rounded = linear.terms.front().tap == Tap::quantized && activations_ == ActivationRounding::from_file;
  TERN_ASSIGN(out.weight, bind(linear.terms.front().tensor));
  TERN_TRY(choose_stages(name, out.weight.encoding));
  out.name = name;
  const auto works = [&](const LinearKernelEntry& kernel) {
    if (agrees_with_reference(kernel)) return true;
    out.passed_over.push_back(&kernel);
    return false;
  };
  const LinearInput form = rounded ? LinearInput::int8 : LinearInput::f32;
  out.kernel = select_linear(out.weight.encoding, form, features_, family_, works);
  if (out.kernel == nullptr) {
    return lacks(name, fmt::format("{} weights on {} activations: no such kernel", describe(out.weight.encoding),
                                   rounded ? "int8" : "f32"));
  }
  input.cols = linear.cols;
  input.x_stride = std::max(input.x_stride, align_up(linear.cols, kTileRows));
  if (rounded) {
    TERN_TRY(round_input(name, ops.back(), out.weight, input));
  } else {
    input.x_stride = std::max(input.x_stride, align_up(out.weight.layout.padded_cols(), kTileRows));
  }
  if (linear.bias != kNoTensor) {
    TERN_ASSIGN(out.bias, vector(linear.bias));
  }
  return {};
}

}  // namespace tern
