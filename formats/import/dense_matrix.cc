#include "formats/import/dense_matrix.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstring>

#include "base/half.h"

namespace tern {
namespace {

// Rows in a file may start at any byte.
void widen(FloatType type, const std::byte* bytes, uint64_t count, float* out) {
  if (type == FloatType::f32) {
    std::memcpy(out, bytes, count * sizeof(float));
    return;
  }
  for (uint64_t i = 0; i < count; ++i) {
    uint16_t half;
    std::memcpy(&half, bytes + 2 * i, 2);
    out[i] = type == FloatType::f16 ? f16_to_f32(half) : bf16_to_f32(half);
  }
}

}  // namespace

DenseMatrix::DenseMatrix(ByteView values, FloatType type, uint64_t rows_, uint64_t cols_) : values_(std::move(values)) {
  rows = rows_;
  cols = cols_;
  form = {SourceForm::Kind::dense, type, ScaleScope::none, 0};
}

Status DenseMatrix::read_rows(uint64_t begin, uint64_t count, std::span<float> out) const {
  const uint64_t width = float_bytes(form.value_type), values = count * cols;
  widen(form.value_type, values_.data() + begin * cols * width, values, out.data());
  values_.release(begin * cols * width, values * width);
  const auto bad = std::find_if(out.begin(), out.begin() + static_cast<ptrdiff_t>(values),
                                [](float v) { return !std::isfinite(v); });
  const auto at = static_cast<uint64_t>(bad - out.begin());
  if (at == values) return {};
  return corrupt(fmt::format("{}: tensor '{}' holds {} at row {}, column {}", values_.path(), source_name,
                             std::isnan(*bad) ? "NaN" : "infinity", begin + at / cols, at % cols));
}

}  // namespace tern
