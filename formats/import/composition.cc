#include "formats/import/composition.h"

#include <fmt/format.h>

#include <algorithm>

namespace tern {

bool is_block_linear(const SourceMatrix& m) { return m.name.starts_with("blocks.") && m.rows > 1; }

Encoding plain_encoding(FloatType type) {
  Encoding e;
  e.kind = EncodingKind::plain, e.value_type = type;
  return e;
}

Encoding dense_encoding(FloatType type) {
  Encoding e;
  e.value_type = type;
  return e;
}

CodebookMatrix::CodebookMatrix(std::unique_ptr<SourceMatrix> stored, uint64_t entries, unsigned bits, std::string as)
    : stored_(std::move(stored)), entries_(entries), bits_(bits) {
  name = std::move(as);
  source_name = stored_->source_name;
  rows = stored_->rows / entries << bits, cols = stored_->cols;
  form.kind = SourceForm::Kind::fixed;
  form.encoding = plain_encoding(stored_->form.value_type);
}

Status CodebookMatrix::read_rows(uint64_t begin, uint64_t count, std::span<float> out) const {
  std::fill(out.begin(), out.end(), 0.f);
  const uint64_t all = uint64_t{1} << bits_, end = begin + count;
  for (uint64_t row = begin; row < end;) {
    const uint64_t group = row >> bits_, entry = row & (all - 1), next = std::min(end, (group + 1) << bits_);
    if (entry < entries_) {
      const uint64_t n = std::min(entries_ - entry, next - row);
      TERN_TRY(stored_->read_rows(group * entries_ + entry, n, out.subspan((row - begin) * cols, n * cols)));
    }
    row = next;
  }
  return {};
}

ValueMatrix::ValueMatrix(std::string as, std::vector<float> values, uint64_t columns, const Encoding& encoding)
    : values_(std::move(values)) {
  name = std::move(as);
  cols = columns, rows = values_.size() / columns;
  form.kind = SourceForm::Kind::fixed, form.encoding = encoding;
}

Status ValueMatrix::read_rows(uint64_t begin, uint64_t count, std::span<float> out) const {
  std::copy_n(values_.begin() + static_cast<std::ptrdiff_t>(begin * cols), count * cols, out.begin());
  return {};
}

PermutationVector::PermutationVector(std::string as, std::string from, std::vector<uint32_t> order)
    : order_(std::move(order)) {
  name = std::move(as), source_name = std::move(from);
  rows = 1, cols = order_.size();
  form.kind = SourceForm::Kind::fixed, form.encoding.kind = EncodingKind::index;
}

Status PermutationVector::read_indices(uint64_t begin, uint64_t count, std::span<uint32_t> out) const {
  std::copy_n(order_.begin() + static_cast<std::ptrdiff_t>(begin), count, out.begin());
  return {};
}

Status PermutationVector::read_rows(uint64_t, uint64_t, std::span<float>) const {
  return internal_error(name + ": a permutation has no values");
}

// ---- the record ----

CompositionBuilder::CompositionBuilder(SourceModel& model, std::string name, uint64_t rows, uint64_t cols)
    : model_(model) {
  layer_.linear.name = std::move(name);
  layer_.linear.rows = rows, layer_.linear.cols = cols;
}

uint32_t CompositionBuilder::add(std::unique_ptr<SourceMatrix> matrix) {
  model_.matrices.push_back(std::move(matrix));
  return static_cast<uint32_t>(model_.matrices.size() - 1);
}

uint32_t CompositionBuilder::add_vector(std::unique_ptr<SourceMatrix> vector) {
  vector->form.encoding = plain_encoding(vector->form.value_type);
  vector->form.kind = SourceForm::Kind::fixed;
  return add(std::move(vector));
}

void CompositionBuilder::scale_input(uint32_t factors) {
  InputOp& op = layer_.input.emplace_back();
  op.kind = InputOpKind::scale, op.tensor = factors;
}

void CompositionBuilder::permute_input(uint32_t order) {
  InputOp& op = layer_.input.emplace_back();
  op.kind = InputOpKind::permute, op.tensor = order;
}

void CompositionBuilder::hadamard_input(uint32_t matrix) {
  InputOp& op = layer_.input.emplace_back();
  op.kind = InputOpKind::hadamard, op.matrix = matrix;
}

void CompositionBuilder::add_term(uint32_t tensor, uint64_t col_begin, uint64_t cols, float scale) {
  Term& term = layer_.linear.terms.emplace_back();
  term.tap = layer_.input.empty() ? Tap::raw : Tap::transformed;
  term.tensor = tensor, term.scale = scale;
  term.rows = layer_.linear.rows, term.col_begin = col_begin, term.cols = cols;
}

void CompositionBuilder::add_shift(std::unique_ptr<SourceMatrix> shift) {
  shift->form.encoding = dense_encoding(shift->form.value_type);
  shift->form.kind = SourceForm::Kind::fixed;
  const uint64_t rows = layer_.linear.rows;
  Term term;
  term.kind = TermKind::low_rank;
  term.tensor = add(std::move(shift));
  const std::string ones = fmt::format("ones.{}", rows);  // shared by all layers of this height
  const auto found = std::find_if(model_.matrices.begin(), model_.matrices.end(),
                                  [&](const auto& matrix) { return matrix->name == ones; });
  term.second = static_cast<uint32_t>(found - model_.matrices.begin());
  if (found == model_.matrices.end()) {
    add(std::make_unique<ValueMatrix>(ones, std::vector<float>(rows, 1.f), 1, dense_encoding(FloatType::f16)));
  }
  term.rows = rows, term.cols = layer_.linear.cols;
  layer_.linear.terms.push_back(term);
}

void CompositionBuilder::hadamard_output(uint32_t matrix) {
  OutputOp& op = layer_.linear.post.emplace_back();
  op.kind = OutputOpKind::hadamard, op.matrix = matrix;
}

void CompositionBuilder::scale_output(uint32_t factors) { layer_.linear.post.emplace_back().tensor = factors; }

void CompositionBuilder::finish() { model_.linears.push_back(std::move(layer_)); }

}  // namespace tern
