// Large batches of trits as files have them, without code 3, bit for bit against the scalar reference: shapes that fill
// several slices, sets of tiles and of tokens of trit_mixed.h, each with a rest, and codes that these leave to others.
#include <catch2/catch.hpp>
#include <cstring>

#include "formats/encoding/trit5.h"
#include "tests/kernels/linear_case.h"

namespace tern {
namespace {

struct Shape {
  uint64_t rows, cols, tokens;
};

LinearCase trit_case(Random& random, uint8_t bits, const Shape& shape, Values values) {
  Encoding e;
  e.kind = EncodingKind::trit;
  e.bits = bits;
  e.scope = random.below(2) ? ScaleScope::row : ScaleScope::tensor;
  e.scale_type = random.below(2) ? FloatType::f32 : FloatType::f16;
  LinearCase c = make_case(random, e, LinearInput::int8, shape.rows, shape.cols, shape.tokens, false, values);
  for (uint64_t i = 0; bits == 2 && i < c.memory[0].size(); ++i) {
    std::byte& four = c.memory[0].data()[i];
    four &= ~(four >> 1 & std::byte{0x55});
  }
  return c;
}

// The reference once, then every kernel that this CPU runs.
void check(const LinearCase& c) {
  const CpuFeatures features = detect_cpu().features;
  const TileRange all{0, c.layout.tiles};
  const std::vector<float> expected = run_guarded(c, select_linear(c.encoding, LinearInput::int8, 0)->run, all);
  for (const LinearKernelEntry& kernel : linear_kernels()) {
    if (kernel.encoding != EncodingKind::trit || kernel.bits != c.encoding.bits || kernel.input != LinearInput::int8 ||
        kernel.needs == 0 || (kernel.needs & ~features) != 0)
      continue;
    const std::vector<float> y = run_guarded(c, kernel.run, all);
    uint64_t i = 0;
    while (i < y.size() && std::memcmp(&y[i], &expected[i], sizeof(float)) == 0) ++i;
    INFO(kernel.name << ": " << c.text << ", token " << i / (c.rows + 3) << ", row " << i % (c.rows + 3));
    REQUIRE(i == expected.size());
  }
}

constexpr uint8_t kTwoBits = 2;

}  // namespace

TEST_CASE("large batches of trits are those of the reference", "[short]") {
  for (const uint8_t bits : {kTwoBits, kTrit5Bits}) {
    Random random(7);
    for (const Shape& shape : {Shape{139, 361, 17}, {1675, 53, 22}, {130, 70, 155}, {213, 700, 39}})
      check(trit_case(random, bits, shape, Values::ordinary));
    for (int i = 0; i < 4; ++i) {
      const Shape shape{100 + random.below(200), 30 + random.below(300), 12 + random.below(40)};
      check(trit_case(random, bits, shape, Values::ordinary));
    }
  }
}

TEST_CASE("large batches of the largest trits and activations do not overflow", "[short]") {
  Random random(8);
  for (const uint8_t bits : {kTwoBits, kTrit5Bits})
    for (int i = 0; i < 4; ++i) check(trit_case(random, bits, {131, 900, 18}, Values::extreme));
}

TEST_CASE("a code 3 at any place of a batch is the weight 2", "[short]") {
  Random random(9);
  for (uint64_t i = 0; i < 12; ++i) {  // places of three blocks of some tile, in the first of two slices
    LinearCase c = trit_case(random, kTwoBits, {140, 345, 17}, Values::ordinary);
    const uint64_t block = 3 * random.below(4) + i / 4, tile = random.below(c.layout.tiles);
    std::byte* at = c.memory[0].data() + tile * c.layout.tile_bytes + block * kBlockBytes + random.below(64);
    *at |= std::byte{3} << 2 * (i % 4);
    check(c);
  }
}

}  // namespace tern
