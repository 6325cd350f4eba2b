#include "runtime/model/linear_plan.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/checked.h"
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
    case TermKind::widely_linear:
      return "widely-linear";
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

Status check_rounding(const std::string& where, const InputOp& op) {
  if (op.bits != 8) return lacks(where, fmt::format("rounding of activations to {} bits (8 only)", op.bits));
  if (op.scope == ScaleScope::row || (op.scope == ScaleScope::group && op.group != 0)) return {};
  return lacks(where, "this scope of activation rounding (per token, or per token and group)");
}

}  // namespace

LinearPlanner::LinearPlanner(const TernFile& file, CpuFeatures features, const LoadOptions& options)
    : file_(file), features_(features), family_(options.family), activations_(options.activations) {}

Result<WeightView> LinearPlanner::bind(uint32_t tensor) const {
  const ModelDescription& d = file_.description();
  if (tensor >= d.tensors.size()) return corrupt(fmt::format("{}: tensor {} does not exist", file_.path(), tensor));
  const TensorRecord& record = d.tensors[tensor];
  if (record.experts != 1) return lacks(record.name, "stacked experts");
  WeightView view{record.encoding, {}, record.rows, record.cols, nullptr, nullptr};
  TERN_ASSIGN(view.layout, layout_of(record.encoding, record.rows, record.cols));
  const std::span<const std::byte> codes = file_.codes(tensor), scales = file_.scales(tensor);
  if (codes.size() != view.layout.code_bytes || scales.size() != view.layout.scale_bytes) {
    return corrupt(fmt::format("{}: tensor {} has {} + {} bytes of codes and scales, expected {} + {}", file_.path(),
                               record.name, codes.size(), scales.size(), view.layout.code_bytes,
                               view.layout.scale_bytes));
  }
  view.codes = codes.data();
  view.scales = scales.empty() ? nullptr : scales.data();
  return view;
}

Result<std::vector<float>> LinearPlanner::vector(uint32_t tensor, uint64_t size) const {
  TERN_ASSIGN(const WeightView view, bind(tensor));
  const std::string& name = file_.description().tensors[tensor].name;
  if (view.encoding.kind != EncodingKind::plain) return lacks(name, "vectors that are not plain arrays");
  if (view.rows != 1 || view.cols != size) {
    return corrupt(
        fmt::format("{}: tensor {} is [{}, {}], expected [1, {}]", file_.path(), name, view.rows, view.cols, size));
  }
  std::vector<float> values(size);
  for (uint64_t i = 0; i < size; ++i) values[i] = load_float(view.encoding.value_type, view.codes, i);
  return values;
}

Result<std::vector<float>> LinearPlanner::vector(const std::string& name, uint64_t size, bool optional) const {
  const uint32_t tensor = file_.find_tensor(name);
  if (tensor != kNoTensor) return vector(tensor, size);
  if (optional) return std::vector<float>();
  return corrupt(fmt::format("{}: tensor {} is missing", file_.path(), name));
}

// Whether the layer's term reads the rounded input.
Result<bool> LinearPlanner::wants_rounding(const LinearRecord& linear) const {
  const InputRecord& input = file_.description().inputs[linear.input];
  bool rounds = false;
  for (const InputOp& op : input.ops) {
    if (op.kind != InputOpKind::quantize)
      return lacks(input.name, fmt::format("the input operation '{}'", name_of(op.kind)));
    TERN_TRY(check_rounding(input.name, op));
    rounds = true;
  }
  const bool asked = linear.terms.front().tap == Tap::quantized;
  if (asked && !rounds) {
    return corrupt(fmt::format("{}: {} reads the rounded input of {}, which is not rounded", file_.path(), linear.name,
                               input.name));
  }
  return asked && activations_ == ActivationRounding::from_file;
}

Status LinearPlanner::widen(const LinearRecord& linear, const WeightView& weight, bool rounded,
                            InputPlan& input) const {
  const InputRecord& record = file_.description().inputs[linear.input];
  const Layout& layout = weight.layout;
  if (input.record == kNoTensor) {
    input.record = linear.input;
    input.cols = linear.cols;
    input.x_stride = align_up(linear.cols, kTileRows);
  }
  if (input.record != linear.input) {
    return lacks(linear.name, fmt::format("the input record {} here: layers side by side share one", record.name));
  }
  if (!rounded) {
    input.x_stride = std::max(input.x_stride, align_up(layout.padded_cols(), kTileRows));
    return {};
  }
  const uint64_t most = weight.encoding.kind == EncodingKind::int_ ? kMaxCols / 2 : kMaxCols;
  if (linear.cols > most)
    return lacks(linear.name, fmt::format("{} columns with int8 activations (at most {})", linear.cols, most));
  const InputOp& op = record.ops.back();
  const bool padded_inside = layout.groups > 1 && layout.padded_group_cols() != layout.group_cols;
  if (op.scope == ScaleScope::row) {
    if (padded_inside)
      return lacks(linear.name, fmt::format("rounding per token over weight groups of {}", layout.group_cols));
    input.groups = 1;
    input.group_cols = input.cols;
    input.padded_group_cols = std::max(input.padded_group_cols, layout.padded_cols());
  } else {
    if (layout.group_cols != op.group && !(layout.groups == 1 && op.group >= linear.cols)) {
      return lacks(linear.name, fmt::format("activation groups of {} columns over weight groups of {}", op.group,
                                            layout.group_cols));
    }
    if (input.rounded && input.padded_group_cols != layout.padded_group_cols()) {
      return lacks(linear.name, "encodings that pad the groups of one rounded input differently");
    }
    input.groups = layout.groups;
    input.group_cols = layout.group_cols;
    input.padded_group_cols = layout.padded_group_cols();
  }
  input.rounded = true;
  input.code_stride = align_up(input.groups * input.padded_group_cols, kBlockBytes);
  return {};
}

Status LinearPlanner::plan(const std::string& name, uint64_t rows, uint64_t cols, InputPlan& input,
                           LinearPlan& out) const {
  const ModelDescription& d = file_.description();
  const auto at =
      std::find_if(d.linears.begin(), d.linears.end(), [&](const LinearRecord& l) { return l.name == name; });
  if (at == d.linears.end()) return corrupt(fmt::format("{}: linear layer {} is missing", file_.path(), name));
  if (at->rows != rows || at->cols != cols || at->input >= d.inputs.size()) {
    return corrupt(fmt::format("{}: linear layer {} is [{}, {}] on input {}, expected [{}, {}]", file_.path(), name,
                               at->rows, at->cols, at->input, rows, cols));
  }
  TERN_TRY(check_composition(*at));
  TERN_ASSIGN(const bool rounded, wants_rounding(*at));
  TERN_ASSIGN(out.weight, bind(at->terms.front().tensor));
  const std::string encoding = describe(out.weight.encoding);
  if (out.weight.rows != rows || out.weight.cols != cols) {
    return corrupt(fmt::format("{}: the tensor of {} is [{}, {}], expected [{}, {}]", file_.path(), name,
                               out.weight.rows, out.weight.cols, rows, cols));
  }
  out.name = name;
  out.kernel = select_linear(out.weight.encoding, rounded ? LinearInput::int8 : LinearInput::f32, features_, family_);
  if (out.kernel == nullptr) {
    return lacks(name, fmt::format("{} weights on {} activations: no such kernel", encoding, rounded ? "int8" : "f32"));
  }
  TERN_TRY(widen(*at, out.weight, rounded, input));
  if (at->bias != kNoTensor) {
    TERN_ASSIGN(out.bias, vector(at->bias, rows));
  }
  return {};
}

}  // namespace tern
