// Large batches of trits as files have them, without code 3, bit for bit against the scalar reference: shapes that fill
// several slices, sets of tiles and of tokens of trit_mixed.h, each with a rest, and codes that these leave to others.
#include <catch2/catch.hpp>
#include <cstring>

#include "tests/kernels/linear_case.h"

namespace tern {
namespace {

struct Shape {
  uint64_t rows, cols, tokens;
};

LinearCase trit_case(Random& random, const LinearKernelEntry& kernel, const Shape& shape, Values values) {
  Encoding e;
  e.kind = EncodingKind::trit;
  e.bits = kernel.bits;
  e.scope = random.below(2) ? ScaleScope::row : ScaleScope::tensor;
  e.scale_type = random.below(2) ? FloatType::f32 : FloatType::f16;
  LinearCase c = make_case(random, e, LinearInput::int8, shape.rows, shape.cols, shape.tokens, false, values);
  for (uint64_t i = 0; kernel.bits == 2 && i < c.memory[0].size(); ++i) {
    std::byte& four = c.memory[0].data()[i];
    four &= ~(four >> 1 & std::byte{0x55});
  }
  return c;
}

std::vector<float> expected_of(const LinearCase& c, const LinearKernelEntry& kernel) {
  for (const LinearKernelEntry& k : linear_kernels()) {
    if (k.family == KernelFamily::reference && k.encoding == kernel.encoding && k.bits == kernel.bits &&
        k.input == kernel.input)
      return run_guarded(c, k.run, {0, c.layout.tiles});
  }
  return {};
}

void check(const LinearCase& c, const LinearKernelEntry& kernel) {
  INFO(kernel.name << ": " << c.text);
  const std::vector<float> expected = expected_of(c, kernel), y = run_guarded(c, kernel.run, {0, c.layout.tiles});
  REQUIRE(y.size() == expected.size());
  uint64_t i = 0;
  while (i < y.size() && std::memcmp(&y[i], &expected[i], sizeof(float)) == 0) ++i;
  INFO("token " << i / (c.rows + 3) << ", row " << i % (c.rows + 3));
  REQUIRE(i == y.size());
}

template <class F>
void for_each_kernel(const F& f) {
  const CpuFeatures features = detect_cpu().features;
  for (const LinearKernelEntry& kernel : linear_kernels()) {
    const bool served = kernel.encoding == EncodingKind::trit && kernel.input == LinearInput::int8;
    if (served && kernel.needs != 0 && (kernel.needs & ~features) == 0) f(kernel);
  }
}

}  // namespace

TEST_CASE("large batches of trits are those of the reference", "[short]") {
  for_each_kernel([](const LinearKernelEntry& kernel) {
    Random random(7);
    for (const Shape& shape : {Shape{139, 361, 17}, {1675, 53, 22}, {130, 70, 155}, {213, 700, 39}})
      check(trit_case(random, kernel, shape, Values::ordinary), kernel);
    for (int i = 0; i < 4; ++i) {
      const Shape shape{100 + random.below(200), 30 + random.below(300), 12 + random.below(40)};
      check(trit_case(random, kernel, shape, Values::ordinary), kernel);
    }
  });
}

TEST_CASE("large batches of the largest trits and activations do not overflow", "[short]") {
  for_each_kernel([](const LinearKernelEntry& kernel) {
    Random random(8);
    for (int i = 0; i < 4; ++i) check(trit_case(random, kernel, {131, 900, 18}, Values::extreme), kernel);
  });
}

TEST_CASE("a code 3 at any place of a batch is the weight 2", "[short]") {
  for_each_kernel([](const LinearKernelEntry& kernel) {
    if (kernel.bits != 2) return;
    Random random(9);
    for (uint64_t i = 0; i < 12; ++i) {  // places of three blocks of some tile
      LinearCase c = trit_case(random, kernel, {140, 190, 17}, Values::ordinary);
      const uint64_t block = 3 * random.below(4) + i / 4, tile = random.below(c.layout.tiles);
      c.memory[0].data()[tile * c.layout.tile_bytes + block * kBlockBytes + random.below(64)] |= std::byte{3}
                                                                                                 << 2 * (i % 4);
      check(c, kernel);
    }
  });
}

}  // namespace tern
