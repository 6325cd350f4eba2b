#include "formats/import/complex_matrix.h"

#include <algorithm>
#include <vector>

namespace tern {
namespace {

// Rows [begin, begin + count) of left and of right, times a factor each, next to each other.
Status read_beside(const SourceMatrix& left, float left_factor, const SourceMatrix& right, float right_factor,
                   uint64_t begin, uint64_t count, std::span<float> out) {
  const uint64_t width = left.cols;
  std::vector<float> values(count * width);
  for (const bool second : {false, true}) {
    const float factor = second ? right_factor : left_factor;
    TERN_TRY((second ? right : left).read_rows(begin, count, values));
    for (uint64_t r = 0; r < count; ++r) {
      std::transform(
          values.begin() + static_cast<ptrdiff_t>(r * width), values.begin() + static_cast<ptrdiff_t>((r + 1) * width),
          out.begin() + static_cast<ptrdiff_t>((2 * r + second) * width), [factor](float v) { return v * factor; });
    }
  }
  return {};
}

}  // namespace

SideBySideMatrix::SideBySideMatrix(std::unique_ptr<SourceMatrix> re, std::unique_ptr<SourceMatrix> im, float factor)
    : re_(std::move(re)), im_(std::move(im)), factor_(factor) {
  name = re_->name;
  source_name = re_->source_name;
  rows = re_->rows;
  cols = 2 * re_->cols;
  form = re_->form;
}

Status SideBySideMatrix::read_rows(uint64_t begin, uint64_t count, std::span<float> out) const {
  return read_beside(*re_, factor_, *im_, factor_, begin, count, out);
}

ConjugateMatrix::ConjugateMatrix(std::unique_ptr<SourceMatrix> re, std::unique_ptr<SourceMatrix> im)
    : re_(std::move(re)), im_(std::move(im)) {
  name = re_->name;
  source_name = re_->source_name;
  rows = 2 * re_->rows;
  cols = 2 * re_->cols;
  form = re_->form;
}

Status ConjugateMatrix::read_rows(uint64_t begin, uint64_t count, std::span<float> out) const {
  const uint64_t half = re_->rows, above = begin < half ? std::min(count, half - begin) : 0;
  if (above != 0) TERN_TRY(read_beside(*re_, 1, *im_, 1, begin, above, out));
  if (above == count) return {};
  return read_beside(*im_, 1, *re_, -1, begin + above - half, count - above, out.subspan(above * cols));
}

}  // namespace tern
