// Five trits in a byte: all 256 bytes and five digits through every kernel that this CPU runs, one activation at a
// time, alone and in a batch, so that nothing can cancel.
#include <catch2/catch.hpp>
#include <cstring>

#include "formats/encoding/trit5.h"
#include "formats/encoding/values.h"
#include "tests/kernels/linear_case.h"

namespace tern {
namespace {

constexpr uint64_t kRows = 64, kCols = kTrit5BlockCols;  // four blocks of one tile each hold every byte once

// Token m sees column (m + first) % kCols alone.
LinearCase one_column_at_a_time(LinearInput input, uint64_t tokens, uint64_t first) {
  Encoding e;
  e.kind = EncodingKind::trit;
  e.bits = kTrit5Bits;
  e.scope = ScaleScope::tensor;
  Random random(1);
  LinearCase c = make_case(random, e, input, kRows, kCols, tokens, false, Values::ordinary);
  for (unsigned i = 0; i < 256; ++i) c.memory[0].data()[i] = static_cast<std::byte>(i);
  store_float(FloatType::f32, c.memory[1].data(), 0, 1);
  const bool f32 = input == LinearInput::f32;
  std::memset(c.memory[2].data(), 0, c.memory[2].size());
  for (uint64_t m = 0; m < tokens; ++m) {
    const uint64_t column = (m + first) % kCols;
    if (f32) {
      store_float(FloatType::f32, c.memory[2].data(), m * c.input.x_stride + column, 1);
      continue;
    }
    c.memory[2].data()[m * c.input.code_stride + column] = std::byte{1};
    store_float(FloatType::f32, c.memory[3].data(), m, 1);
    const int32_t sum = 1;
    std::memcpy(c.memory[4].data() + 4 * m, &sum, 4);
  }
  return c;
}

void check_digits(const LinearCase& c, const LinearKernelEntry& kernel, uint64_t first) {
  const std::vector<float> y = run_guarded(c, kernel.run, {0, c.layout.tiles});
  for (uint64_t m = 0; m < c.tokens; ++m) {
    for (uint64_t row = 0; row < kRows; ++row) {
      const uint64_t column = (m + first) % kCols;
      const auto byte = static_cast<uint8_t>(4 * row + column % 4);
      const auto expected = static_cast<float>(trit5_digit(byte, static_cast<unsigned>(column / 4))) - 1;
      INFO(kernel.name << ", byte " << int{byte} << ", digit " << column / 4);
      REQUIRE(y[m * (kRows + 3) + row] == expected);
    }
  }
}

}  // namespace

TEST_CASE("every digit of every byte comes out of every kernel", "[short]") {
  const CpuFeatures features = detect_cpu().features;
  int kernels = 0;
  for (const LinearKernelEntry& kernel : linear_kernels()) {
    const bool served = kernel.encoding == EncodingKind::trit && kernel.bits == kTrit5Bits;
    if (!served || (kernel.needs & ~features) != 0) continue;
    check_digits(one_column_at_a_time(kernel.input, kCols, 0), kernel, 0);
    for (uint64_t first = 0; first < kCols; ++first)
      for (const uint64_t tokens : {1, 2, 12})
        check_digits(one_column_at_a_time(kernel.input, tokens, first), kernel, first);
    ++kernels;
  }
  CHECK(kernels >= 2);  // the scalar ones at least
}

}  // namespace tern
