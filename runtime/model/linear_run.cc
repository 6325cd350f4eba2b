#include "runtime/model/linear_run.h"

#include <algorithm>
#include <cstring>

#include "base/checked.h"

namespace tern {
namespace {

using Kind = InputForm::Kind;

// One form's rows in the workspace.
struct FormRows {
  float* x = nullptr;
  int8_t* codes = nullptr;
  float* scales = nullptr;
  int32_t* sums = nullptr;
};

FormRows rows_of(const InputForm& form, const LinearInputBuffer& in) {
  if (form.kind == Kind::raw) return {in.x};
  std::byte* at = in.forms + form.at * in.tokens;
  if (form.type == LinearInput::f32) return {reinterpret_cast<float*>(at)};
  std::byte* scales = at + form.stride * in.tokens;
  std::byte* sums = scales + align_up(form.groups * sizeof(float), kBlockBytes) * in.tokens;
  return {nullptr, reinterpret_cast<int8_t*>(at), reinterpret_cast<float*>(scales), reinterpret_cast<int32_t*>(sums)};
}

// Tokens from `first` on, as a kernel reads them.
InputView view_of(const InputForm& form, const LinearInputBuffer& in, uint64_t col_begin, uint64_t first,
                  uint64_t tokens) {
  const FormRows rows = rows_of(form, in);
  InputView view;
  view.tokens = tokens;
  if (form.type == LinearInput::f32) {
    view.x = rows.x + first * form.stride + col_begin, view.x_stride = form.stride;
    return view;
  }
  view.codes = rows.codes + first * form.stride, view.code_stride = form.stride;
  view.groups = form.groups;
  view.scales = rows.scales + first * form.groups, view.sums = rows.sums + first * form.groups;
  return view;
}

void copy_padded(const float* from, uint64_t cols, float* to, uint64_t stride) {
  std::memcpy(to, from, cols * sizeof(float));
  std::memset(to + cols, 0, (stride - cols) * sizeof(float));
}

}  // namespace

const float* last_f32_rows(const InputPlan& plan, const LinearInputBuffer& in) {
  return rows_of(plan.forms[plan.last_f32()], in).x;
}

void LinearRun::make_forms(const InputPlan& plan, const LinearInputBuffer& in, IndexRange tokens) const {
  for (uint64_t t = tokens.begin; t < tokens.end; ++t) {
    std::memset(in.x + t * plan.x_stride + plan.cols, 0, (plan.x_stride - plan.cols) * sizeof(float));
  }
  for (size_t i = 1; i < plan.forms.size(); ++i) make(plan, plan.forms[i], in, tokens);
}

void LinearRun::make(const InputPlan& plan, const InputForm& form, const LinearInputBuffer& in,
                     IndexRange tokens) const {
  switch (form.kind) {
    case Kind::raw:
      return;
    case Kind::transformed:
      return transform(plan, form, in, tokens);
    case Kind::rounded:
      return round(plan, form, in, tokens);
    case Kind::slice:
      for (uint64_t t = tokens.begin; t < tokens.end; ++t) slice(plan.forms[form.source], form, in, t);
      return;
    case Kind::product:
      return multiply(plan.forms[form.source], form, in, tokens);
  }
}

void LinearRun::transform(const InputPlan& plan, const InputForm& form, const LinearInputBuffer& in,
                          IndexRange tokens) const {
  float* x = rows_of(form, in).x;
  for (uint64_t t = tokens.begin; t < tokens.end; ++t) {
    copy_padded(in.x + t * plan.x_stride, plan.cols, x + t * form.stride, form.stride);
  }
  for (const RowStep& step : plan.steps) {
    apply_step(step, e_, plan.cols, x + tokens.begin * form.stride, form.stride, tokens.end - tokens.begin,
               scratch_.row, scratch_.kernel);
  }
}

void LinearRun::round(const InputPlan& plan, const InputForm& form, const LinearInputBuffer& in,
                      IndexRange tokens) const {
  const float* x = last_f32_rows(plan, in);
  const FormRows to = rows_of(form, in);
  for (uint64_t t = tokens.begin; t < tokens.end; ++t) {
    e_.quantize_int8(x + t * plan.x_stride, form.cols, form.groups, form.group_cols, form.padded_group_cols,
                     to.codes + t * form.stride, to.scales + t * form.groups, to.sums + t * form.groups);
  }
}

void LinearRun::multiply(const InputForm& source, const InputForm& form, const LinearInputBuffer& in,
                         IndexRange tokens) const {
  const uint64_t count = tokens.end - tokens.begin;
  float* y = rows_of(form, in).x + tokens.begin * form.stride;
  form.kernel->run(form.weight, view_of(source, in, form.col_begin, tokens.begin, count), {y, form.stride},
                   {0, form.weight.layout.tiles}, scratch_.kernel);
  for (uint64_t t = 0; t < count; ++t) {
    std::memset(y + t * form.stride + form.cols, 0, (form.stride - form.cols) * sizeof(float));
  }
}

void LinearRun::slice(const InputForm& source, const InputForm& form, const LinearInputBuffer& in, uint64_t t) const {
  if (form.type == LinearInput::int8) return slice_codes(source, form, in, t);
  copy_padded(rows_of(source, in).x + t * source.stride + form.col_begin, form.cols,
              rows_of(form, in).x + t * form.stride, form.stride);
}

// A group of the slice lies within one group of the source; it keeps that one's scale and gets a sum of its own.
void LinearRun::slice_codes(const InputForm& source, const InputForm& form, const LinearInputBuffer& in,
                            uint64_t t) const {
  const FormRows from = rows_of(source, in), to = rows_of(form, in);
  for (uint64_t g = 0; g < form.groups; ++g) {
    const uint64_t first = g * form.group_cols, n = std::min(form.group_cols, form.cols - first);
    const uint64_t column = form.col_begin + first, group = column / source.group_cols;
    const int8_t* codes =
        from.codes + t * source.stride + group * source.padded_group_cols + column % source.group_cols;
    int8_t* out = to.codes + t * form.stride + g * form.padded_group_cols;
    std::memcpy(out, codes, n);
    std::memset(out + n, 0, form.padded_group_cols - n);
    int32_t sum = 0;
    for (uint64_t i = 0; i < n; ++i) sum += codes[i];
    to.sums[t * form.groups + g] = sum;
    to.scales[t * form.groups + g] = from.scales[t * source.groups + group];
  }
}

void LinearRun::sum_terms(const LinearPlan& plan, const InputPlan& input, const LinearInputBuffer& in, IndexRange rows,
                          uint64_t tokens, float* y) const {
  if (plan.starts_at_zero) {
    for (uint64_t t = 0; t < tokens; ++t) {
      std::memset(y + t * plan.rows + rows.begin, 0, (rows.end - rows.begin) * sizeof(float));
    }
  }
  for (const LinearTerm& term : plan.terms) {
    const IndexRange own{std::max(rows.begin, term.row_begin), std::min(rows.end, term.row_begin + term.rows)};
    if (own.begin >= own.end) continue;
    add_term(term, view_of(input.forms[term.form], in, term.col_begin, 0, tokens),
             {own.begin - term.row_begin, own.end - term.row_begin}, y + term.row_begin, plan.rows);
  }
  if (plan.whole_rows) return;
  for (uint64_t first = 0; first < plan.rows; first += plan.half_rows()) {
    for (uint64_t t = 0; t < tokens; ++t) finish(plan, {first + rows.begin, first + rows.end}, y + t * plan.rows);
  }
}

// rows: of the term; y: of its first row.
void LinearRun::add_term(const LinearTerm& term, const InputView& in, IndexRange rows, float* y,
                         uint64_t stride) const {
  if (term.kernel == nullptr) {
    for (uint64_t t = 0; t < in.tokens; ++t) {
      e_.add_sparse(term.sparse, rows.begin, rows.end, in.x + t * in.x_stride, term.scale, y + t * stride);
    }
    return;
  }
  const uint64_t tile_rows = term.weight.layout.tile_rows;
  if (term.sets) {
    const TileRange tiles{rows.begin / tile_rows, ceil_div(rows.end, tile_rows)};
    return term.kernel_of(in.tokens).run(term.weight, in, {y, stride}, tiles, scratch_.kernel);
  }
  for (const uint64_t each = kPartialRows / tile_rows * tile_rows; rows.begin < rows.end;) {
    const uint64_t end = std::min(rows.end, rows.begin / tile_rows * tile_rows + each);
    add_partial(term, in, {rows.begin, end}, y, stride);
    rows.begin = end;
  }
}

// Whole tiles go to scratch, the rows from there to y: what else a tile holds is another part's.
void LinearRun::add_partial(const LinearTerm& term, const InputView& in, IndexRange rows, float* y,
                            uint64_t stride) const {
  const uint64_t tile_rows = term.weight.layout.tile_rows, first = rows.begin / tile_rows * tile_rows;
  // Kernels count from row 0 of the term.
  const uintptr_t row_0 = reinterpret_cast<uintptr_t>(scratch_.partial) - first * sizeof(float);
  term.kernel_of(in.tokens).run(term.weight, in, {reinterpret_cast<float*>(row_0), kPartialRows},
                                {first / tile_rows, ceil_div(rows.end, tile_rows)}, scratch_.kernel);
  for (uint64_t t = 0; t < in.tokens; ++t) {
    e_.add_scaled(scratch_.partial + t * kPartialRows + rows.begin - first, term.scale, rows.end - rows.begin,
                  y + t * stride + rows.begin);
  }
}

void LinearRun::finish(const LinearPlan& plan, IndexRange rows, float* y) const {
  const uint64_t n = rows.end - rows.begin;
  for (const RowStep& step : plan.post) {
    if (step.kind == RowStep::Kind::scale) {
      e_.multiply(step.values.data() + rows.begin, n, y + rows.begin);
    } else {
      apply_step(step, e_, n, y, n, 1, scratch_.row, scratch_.kernel);
    }
  }
  if (!plan.bias.empty()) e_.add(plan.bias.data() + rows.begin, n, y + rows.begin);
}

void LinearRun::finish_tokens(const LinearPlan& plan, IndexRange tokens, float* y) const {
  if (!plan.whole_rows) return;
  for (uint64_t t = tokens.begin; t < tokens.end; ++t) finish(plan, {0, plan.rows}, y + t * plan.rows);
}

}  // namespace tern
