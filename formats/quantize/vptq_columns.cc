#include "formats/quantize/vptq_columns.h"

#include <algorithm>
#include <numeric>
#include <optional>

#include "base/checked.h"
#include "formats/quantize/entry_search.h"
#include "formats/quantize/error_feedback.h"

namespace tern {
namespace {

// A stage's codebooks as [group][value][entry].
struct Book {
  Book(const VptqStage& stage, const QuantizeKernels& kernels) : centers(stage.codebook.size()) {
    const uint64_t length = stage.length, entries = uint64_t{1} << stage.bits;
    for (uint64_t i = 0; i < centers.size(); ++i) {
      const uint64_t group = i / length / entries, entry = i / length % entries;
      centers[(group * length + i % length) * entries + entry] = stage.codebook[i];
    }
    for (size_t at = 0; at < centers.size(); at += length * entries)
      searches.emplace_back(std::span(centers).subspan(at, length * entries), stage.length,
                            static_cast<unsigned>(entries), kernels);
  }
  std::vector<float> centers;
  std::vector<EntrySearch> searches;  // of a group
};

// Runs of rows, whole bands of every stage, one after the other.
class RowRun {
 public:
  RowRun(const VptqOptions& options, const VptqColumns& all, const std::vector<Book>& books, uint64_t most_rows,
         bool with_residual, std::vector<VptqStage>& stages)
      : all_(all), books_(books), with_residual_(with_residual), stages_(stages), aims_(most_rows) {
    if (all.factor) feedback_.emplace(*all.factor, most_rows, 1, *options.kernels);
  }

  void quantize(uint64_t first, uint64_t rows) {
    first_ = first, rows_ = rows;
    if (feedback_) feedback_->start(rows);
    for (uint64_t s = 0; s < all_.cols; ++s) {
      aim(s);
      if (s < stages_[0].col_begin) {
        take(stages_.size() - 1, s);
      } else {
        take(0, s);
        if (with_residual_) take(1, s);
      }
      if (feedback_) pass_on(s);
    }
  }

 private:
  // What the entries of column s are to come to: the weights, and what the errors before it add.
  void aim(uint64_t s) {
    for (uint64_t i = 0; i < rows_; ++i) {
      const uint64_t at = (first_ + i) * all_.cols + s;
      aims_[i] = all_.values[at];
      if (feedback_) aims_[i] += feedback_->carried(i)[s] / all_.factor->row(s)[s];
      all_.left[at] = aims_[i];
    }
  }

  // The nearest entry of every band; what it leaves.
  void take(size_t at, uint64_t s) {
    VptqStage& stage = stages_[at];
    const uint64_t entries = uint64_t{1} << stage.bits, column = s - stage.col_begin;
    const uint64_t group = column / stage.group_cols;
    const float* centers = &books_[at].centers[group * stage.length * entries];
    for (uint64_t row = first_; row < first_ + rows_; row += stage.length) {
      const uint64_t count = std::min<uint64_t>(stage.length, first_ + rows_ - row);
      float x[32] = {}, weights[32] = {};
      for (uint64_t t = 0; t < count; ++t) x[t] = all_.left[(row + t) * all_.cols + s], weights[t] = 1;
      const unsigned k = books_[at].searches[group].nearest(x, weights);
      stage.indices[row / stage.length * stage.cols + column] = static_cast<uint16_t>(k);
      for (uint64_t t = 0; t < count; ++t) all_.left[(row + t) * all_.cols + s] -= centers[t * entries + k];
    }
  }

  void pass_on(uint64_t s) {
    for (uint64_t i = 0; i < rows_; ++i) {
      const uint64_t at = (first_ + i) * all_.cols + s;
      feedback_->errors(i)[s] = all_.values[at] - (aims_[i] - all_.left[at]);
    }
    feedback_->settle(s, s + 1);
  }

  const VptqColumns& all_;
  const std::vector<Book>& books_;
  bool with_residual_;
  std::vector<VptqStage>& stages_;
  uint64_t first_ = 0, rows_ = 0;
  std::vector<float> aims_;
  std::optional<ErrorFeedback> feedback_;
};

}  // namespace

Status quantize_columns(const VptqOptions& options, const VptqColumns& columns, bool with_residual,
                        std::vector<VptqStage>& stages, const Interruption& interruption) {
  std::vector<Book> books;
  for (const VptqStage& stage : stages) books.emplace_back(stage, *options.kernels);
  const uint64_t unit = std::lcm(options.length, options.outliers.length), run = align_up(64, unit);
  for (uint64_t first = 0; first < columns.rows; first += 16 * run) {
    if (interruption) TERN_TRY(interruption());
    const uint64_t end = std::min(columns.rows, first + 16 * run);
#pragma omp parallel
    {
      RowRun rows(options, columns, books, run, with_residual, stages);
#pragma omp for schedule(dynamic)
      for (uint64_t row = first; row < end; row += run) rows.quantize(row, std::min(run, columns.rows - row));
    }
  }
  return {};
}

}  // namespace tern
