#include "formats/import/ternary_matrix.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "formats/quantize/absmean.h"
#include "formats/quantize/recognise_ternary.h"

namespace tern {
namespace {

constexpr uint64_t kChunkBytes = uint64_t{1} << 22;

}  // namespace

PackedBitnetMatrix::PackedBitnetMatrix(ByteView codes, float scale, uint64_t rows_, uint64_t cols_)
    : codes_(std::move(codes)), scale_(scale) {
  rows = rows_;
  cols = cols_;
  form = {SourceForm::Kind::trit, FloatType::f32, ScaleScope::tensor, 0};
}

Status PackedBitnetMatrix::check() const {
  std::array<bool, 256> seen{};
  for (uint64_t begin = 0; begin < codes_.bytes; begin += kChunkBytes) {
    const uint64_t size = std::min(kChunkBytes, codes_.bytes - begin);
    for (uint64_t i = begin; i < begin + size; ++i) {
      const auto byte = std::to_integer<uint8_t>(codes_.data()[i]);
      if (byte & (byte >> 1) & 0x55) {
        return corrupt(
            fmt::format("{}: tensor '{}' holds the code 3 in byte {}; packed ternary weights have codes 0 to 2",
                        codes_.path(), source_name, i));
      }
      seen[byte] = true;
    }
    codes_.release(begin, size);
  }
  if (std::count(seen.begin(), seen.end(), true) == 1 && (seen[0x00] || seen[0x55] || seen[0xaa])) {
    return corrupt(
        fmt::format("{}: all codes of tensor '{}' are equal: the upload is damaged; try an older revision of the "
                    "checkpoint",
                    codes_.path(), source_name));
  }
  return {};
}

void PackedBitnetMatrix::decode_row(uint64_t row, std::span<int8_t> out) const {
  const uint64_t quarter = rows / 4;
  const std::byte* bytes = codes_.data() + row % quarter * cols;
  const unsigned shift = 2 * static_cast<unsigned>(row / quarter);
  for (uint64_t c = 0; c < cols; ++c) {
    out[c] = static_cast<int8_t>((std::to_integer<unsigned>(bytes[c]) >> shift & 3) - 1);
  }
}

void PackedBitnetMatrix::release_rows(uint64_t begin, uint64_t count) const {
  const uint64_t quarter = rows / 4;
  while (count > 0) {  // a run of rows may cross into the next quarter, whose bytes start over
    const uint64_t run = std::min(count, quarter - begin % quarter);
    codes_.release(begin % quarter * cols, run * cols);
    begin += run;
    count -= run;
  }
}

Status PackedBitnetMatrix::read_codes(uint64_t begin, uint64_t count, std::span<int8_t> out) const {
  for (uint64_t k = 0; k < count; ++k) decode_row(begin + k, out.subspan(k * cols, cols));
  release_rows(begin, count);
  return {};
}

Status PackedBitnetMatrix::read_rows(uint64_t begin, uint64_t count, std::span<float> out) const {
  std::vector<int8_t> trits(cols);
  for (uint64_t k = 0; k < count; ++k) {
    decode_row(begin + k, trits);
    for (uint64_t c = 0; c < cols; ++c) out[k * cols + c] = scale_ * static_cast<float>(trits[c]);
  }
  release_rows(begin, count);
  return {};
}

Status PackedBitnetMatrix::read_scales(uint64_t, uint64_t, std::span<float> out) const {
  out[0] = scale_;
  return {};
}

TernaryMatrix::TernaryMatrix(const SourceMatrix& dense, Rule rule, ScaleScope scope, std::vector<float> scales)
    : dense_(dense), rule_(rule), scales_(std::move(scales)) {
  name = dense.name;
  source_name = dense.source_name;
  rows = dense.rows;
  cols = dense.cols;
  form = {SourceForm::Kind::trit, FloatType::f32, scope, 0};
}

TernaryMatrix::TernaryMatrix(std::unique_ptr<SourceMatrix> dense, Rule rule, ScaleScope scope,
                             std::vector<float> scales)
    : TernaryMatrix(*dense, rule, scope, std::move(scales)) {
  owned_ = std::move(dense);
}

void TernaryMatrix::round(std::span<const float> values, std::span<int8_t> trits) const {
  if (rule_ == Rule::sign) {
    sign_trits(values, trits);
  } else {
    absmean_trits(values, scales_[0], trits);
  }
}

Status TernaryMatrix::read_codes(uint64_t begin, uint64_t count, std::span<int8_t> out) const {
  std::vector<float> values(count * cols);
  TERN_TRY(dense_.read_rows(begin, count, values));
  round(values, out);
  return {};
}

Status TernaryMatrix::read_rows(uint64_t begin, uint64_t count, std::span<float> out) const {
  TERN_TRY(dense_.read_rows(begin, count, out));
  std::vector<int8_t> trits(cols);
  for (uint64_t k = 0; k < count; ++k) {
    const auto row = out.subspan(k * cols, cols);
    round(row, trits);
    const float scale = form.scope == ScaleScope::row ? scales_[begin + k] : scales_[0];
    for (uint64_t c = 0; c < cols; ++c) row[c] = scale * static_cast<float>(trits[c]);
  }
  return {};
}

Status TernaryMatrix::read_scales(uint64_t begin, uint64_t count, std::span<float> out) const {
  if (form.scope == ScaleScope::tensor) {
    out[0] = scales_[0];
  } else {
    std::copy_n(scales_.begin() + static_cast<ptrdiff_t>(begin), count, out.begin());
  }
  return {};
}

Result<TernaryScan> scan_ternary(const SourceMatrix& dense, bool with_gamma) {
  TernaryRecogniser recogniser;
  AbsMean mean;
  const uint64_t block = std::max<uint64_t>(1, kChunkBytes / (4 * dense.cols));
  std::vector<float> values(std::min(block, dense.rows) * dense.cols);
  bool ternary = true;
  for (uint64_t begin = 0; begin < dense.rows && (ternary || with_gamma); begin += block) {
    const uint64_t count = std::min(block, dense.rows - begin);
    const std::span<float> part(values.data(), count * dense.cols);
    TERN_TRY(dense.read_rows(begin, count, part));
    for (uint64_t k = 0; k < count && ternary; ++k) {
      ternary = recogniser.add_row(part.subspan(k * dense.cols, dense.cols));
    }
    if (with_gamma) mean.add(part);
  }
  TernaryScan scan;
  scan.ternary = ternary;
  scan.all_zero = ternary && recogniser.all_zero();
  if (ternary) {
    scan.scope = recogniser.scope();
    scan.scales = recogniser.scales();
  }
  if (with_gamma) scan.gamma = mean.gamma();
  return scan;
}

}  // namespace tern
