#include "runtime/model/input_forms.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/checked.h"

namespace tern {
namespace {

using Kind = InputForm::Kind;

constexpr uint64_t kTokensForKernels = 8;  // share the reading of a rotation or of A

size_t find_or_add(InputPlan& input, const InputForm& wanted) {
  const auto same = [&](const InputForm& f) {
    return f.kind == wanted.kind && f.type == wanted.type && f.source == wanted.source &&
           f.col_begin == wanted.col_begin && f.cols == wanted.cols && f.groups == wanted.groups &&
           f.padded_group_cols == wanted.padded_group_cols && f.weight.codes == wanted.weight.codes;
  };
  const auto found = std::find_if(input.forms.begin(), input.forms.end(), same);
  if (found == input.forms.end()) return input.forms.push_back(wanted), input.forms.size() - 1;
  found->stride = std::max(found->stride, wanted.stride);
  return static_cast<size_t>(found - input.forms.begin());
}

size_t find_or_add_rounded(InputPlan& input, const InputOp& rounding) {
  for (size_t i = 0; i < input.forms.size(); ++i) {
    if (input.forms[i].kind == Kind::rounded) return i;
  }
  InputForm form;
  form.kind = Kind::rounded, form.type = LinearInput::int8, form.cols = input.cols;
  form.group_cols = rounding.scope == ScaleScope::group ? rounding.group : input.cols;
  form.groups = ceil_div(input.cols, form.group_cols);
  return find_or_add(input, form);
}

// Whether activations lie without padding between the weight's groups, so that one group may stand for all.
bool lies_dense(const Layout& layout) { return layout.groups == 1 || layout.padded_group_cols() == layout.group_cols; }

// Whether the rounded row, as it lies, serves a weight that reads all of it; widens its padding for it.
bool serves(InputForm& rounded, const Layout& layout) {
  const uint64_t padded = layout.padded_group_cols();
  if (rounded.groups == 1 && lies_dense(layout)) {
    rounded.padded_group_cols = std::max(rounded.padded_group_cols, layout.padded_cols());
    return true;
  }
  if (rounded.group_cols != layout.group_cols) return false;
  if (rounded.padded_group_cols == 0) rounded.padded_group_cols = padded;
  return rounded.padded_group_cols == padded;
}

uint64_t bytes_of(const InputForm& form) {
  if (form.type == LinearInput::f32) return form.stride * sizeof(float);
  return form.stride + 2 * align_up(form.groups * sizeof(float), kBlockBytes);
}

}  // namespace

bool InputPlan::rounded() const {
  return std::any_of(forms.begin(), forms.end(), [](const InputForm& f) { return f.kind == Kind::rounded; });
}

uint64_t columns_read(const WeightView& weight) {
  const uint64_t padded = std::max(weight.cols, weight.layout.padded_cols());
  return weight.encoding.kind == EncodingKind::vector ? align_up(padded, kTileRows) : padded;
}

FormColumns f32_columns(InputPlan& input, size_t form, uint64_t col_begin, const WeightView& weight) {
  const uint64_t padded = columns_read(weight);
  if (padded == weight.cols || col_begin + weight.cols == input.cols) {
    input.x_stride = std::max(input.x_stride, align_up(col_begin + padded, kTileRows));
    return {form, col_begin};
  }
  InputForm slice;
  slice.kind = Kind::slice, slice.source = form, slice.col_begin = col_begin, slice.cols = weight.cols;
  slice.stride = align_up(padded, kTileRows);
  return {find_or_add(input, slice), 0};
}

Result<FormColumns> rounded_columns(InputPlan& input, const std::string& layer, const InputOp& rounding,
                                    uint64_t col_begin, const WeightView& weight) {
  const Layout& layout = weight.layout;
  if (rounding.scope == ScaleScope::group && layout.group_cols != rounding.group) {
    return unsupported(
        fmt::format("{}: this version does not run activation groups of {} columns over weight groups of {}", layer,
                    rounding.group, layout.group_cols));
  }
  const size_t rounded = find_or_add_rounded(input, rounding);
  const bool whole = weight.cols == input.cols;
  if (whole && serves(input.forms[rounded], layout)) return FormColumns{rounded, 0};
  InputForm slice;
  slice.kind = Kind::slice, slice.type = LinearInput::int8, slice.source = rounded;
  slice.col_begin = col_begin, slice.cols = weight.cols;
  slice.groups = layout.groups, slice.group_cols = layout.group_cols;
  slice.padded_group_cols = layout.padded_group_cols();
  if (rounding.scope == ScaleScope::row && lies_dense(layout)) {
    slice.groups = 1, slice.group_cols = weight.cols, slice.padded_group_cols = layout.padded_cols();
  }
  return FormColumns{find_or_add(input, slice), 0};
}

size_t product_form(InputPlan& input, const FormColumns& from, const LinearKernelEntry& kernel, const WeightView& a) {
  InputForm form;
  form.kind = Kind::product, form.source = from.form, form.col_begin = from.col_begin;
  form.cols = a.rows, form.stride = align_up(a.rows, kTileRows);
  form.kernel = &kernel, form.weight = a;
  input.tokens_at_once = kTokensForKernels;
  return find_or_add(input, form);
}

void lay_out(InputPlan& input) {
  for (size_t i = 0; i <= input.last_f32(); ++i) input.forms[i].stride = input.x_stride;
  input.bytes = 0;
  for (size_t i = 1; i < input.forms.size(); ++i) {
    InputForm& form = input.forms[i];
    if (form.type == LinearInput::int8) {
      form.padded_group_cols = std::max(form.padded_group_cols, form.group_cols);
      form.stride = align_up(form.groups * form.padded_group_cols, kBlockBytes);
    }
    form.at = input.bytes;
    input.bytes += bytes_of(form);
  }
  for (const RowStep& step : input.steps) {
    if (step.kind == RowStep::Kind::rotate) input.tokens_at_once = kTokensForKernels;
    input.scratch = std::max(input.scratch, step_scratch(step, input.cols, kTokensForKernels));
  }
}

}  // namespace tern
