// This CPU's kernels give the codebooks and indices of the plain ones.
#include "runtime/eval/quantize_kernels.h"

#include <catch2/catch.hpp>
#include <vector>

#include "base/random.h"
#include "formats/quantize/vptq.h"
#include "formats/quantize/vq.h"

namespace tern {
namespace {

std::vector<float> normal_values(uint64_t seed, size_t count) {
  Random random(seed);
  std::vector<float> values(count);
  for (float& v : values) v = random.normal();
  return values;
}

}  // namespace

TEST_CASE("quantize kernels: vectors along the input axis") {
  for (const unsigned length : {4u, 8u}) {
    VqOptions plain;
    plain.length = static_cast<uint8_t>(length), plain.bits = 7, plain.planes = 2;
    VqOptions fast = plain;
    fast.kernels = &quantize_kernels();
    constexpr uint64_t kCols = 100;
    const std::vector<float> values = normal_values(length, 40 * kCols);
    std::vector<uint16_t> indices[2];
    std::vector<VqBook> books;
    for (const VqOptions& options : {plain, fast}) {
      std::vector<VqSample> samples{{values, {}}};
      books.push_back(train_vq(options, kCols, samples).value());
      const uint64_t positions = (kCols + length - 1) / length;
      std::vector<uint16_t>& to = indices[books.size() - 1];
      to.resize(2 * positions);
      std::vector<float> scales(2), decoded(kCols);
      VqAssigner(books.back(), kCols).assign(std::span(values).first(kCols), {}, to.data(), positions, scales, decoded);
    }
    CHECK(books[0].codes == books[1].codes);
    CHECK(books[0].factors == books[1].factors);
    CHECK(indices[0] == indices[1]);
  }
}

TEST_CASE("quantize kernels: VPTQ's fit with feedback, in one level of k-means and in two, search in cells") {
  constexpr uint64_t kRows = 2 * 1024, kCols = 24;
  std::vector<double> triangle;
  const std::vector<float> inputs = normal_values(4, 100 * kCols);
  for (uint64_t i = 0; i < kCols; ++i) {
    for (uint64_t j = 0; j <= i; ++j) {
      triangle.push_back(0);
      for (uint64_t t = 0; t < 100; ++t) triangle.back() += double{inputs[t * kCols + i]} * inputs[t * kCols + j];
    }
  }
  const std::vector<float> values = normal_values(3, kRows * kCols);
  for (const unsigned bits : {5u, 11u, 13u}) {
    VptqOptions options;
    options.length = 3, options.bits = bits, options.feedback = true;
    const VptqFit plain = fit_vptq(options, values, kCols, triangle).value();
    options.kernels = &quantize_kernels();
    const VptqFit fast = fit_vptq(options, values, kCols, triangle).value();
    CHECK(plain.stages[0].codebook == fast.stages[0].codebook);
    CHECK(plain.stages[0].indices == fast.stages[0].indices);
    CHECK(plain.relative_error == fast.relative_error);
  }
}

}  // namespace tern
