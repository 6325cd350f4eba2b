// The encoding phase against docs/format.md: every bit of every byte, and the real matrix by the definition.
#include "formats/encoding/phase.h"

#include <catch2/catch.hpp>
#include <complex>

#include "formats/encoding/values.h"
#include "tests/format/tile_shapes.h"

namespace tern {
namespace {

using Complex = std::complex<float>;

// Shapes of complex matrices.
const TileShape kPhaseShapes[] = {{16, 32, 0},  {1, 1, 0},  {3, 33, 0},    {16, 31, 0},  {5, 64, 32},
                                  {16, 60, 20}, {7, 33, 1}, {2, 300, 300}, {9, 260, 130}};

Encoding phase(uint8_t bits, uint8_t stages, ScaleScope scope, uint32_t group = 0) {
  return {EncodingKind::phase, FloatType::f32, bits, stages, scope, FloatType::f16, group};
}

Encoding phase_of(const TileShape& s, uint8_t bits, uint8_t stages) {
  return phase(bits, stages, s.group ? ScaleScope::group : ScaleScope::row, s.group);
}

std::vector<uint8_t> draw_phases(uint64_t count, uint64_t seed) {
  Random random(seed);
  std::vector<uint8_t> codes(count);
  for (uint8_t& code : codes) code = static_cast<uint8_t>(random.below(4));
  return codes;
}

Complex unit(unsigned code) { return std::vector<Complex>{{1, 0}, {0, 1}, {-1, 0}, {0, -1}}[code]; }

// The whole matrix of `rows` complex rows, tile by tile.
std::vector<std::byte> pack_all(const Encoding& e, const Layout& l, const std::vector<uint8_t>& codes, uint64_t rows,
                                uint64_t cols) {
  std::vector<std::byte> packed(l.code_bytes);
  for (uint64_t t = 0; t < l.tiles; ++t) {
    pack_phase_tile(e, l, std::min<uint64_t>(16, rows - t * 16), codes.data() + t * 16 * cols, cols, rows * cols,
                    packed.data() + t * l.tile_bytes);
  }
  return packed;
}

}  // namespace

TEST_CASE("phase: layout_of counts what docs/format.md says") {
  // 18 x 40 complex: 2 tiles; groups of 20: 2 groups of one unit of 2 blocks; U and W of 3 stages.
  const Layout l = layout_of(phase(2, 3, ScaleScope::group, 20), 36, 80).value();
  CHECK(l.halves == 2);
  CHECK(l.tiled_rows == 18);
  CHECK(l.tiles == 2);
  CHECK(l.groups == 2);
  CHECK(l.group_blocks == 2);
  CHECK(l.padded_group_cols() == 32);
  CHECK(l.padded_cols() == 4 * 32);
  CHECK(l.tile_bytes == 3 * 2 * 2 * 2 * 64);
  CHECK(l.scale_count == 2 * 2 * 3 * 4 * 16);
  CHECK(layout_of(phase(1, 2, ScaleScope::tensor), 36, 80)->scale_count == 4);
  CHECK(layout_of(phase(1, 2, ScaleScope::row), 36, 80)->scale_count == 2 * 4 * 16);
  CHECK(bits_per_weight(layout_of(phase(2, 2, ScaleScope::tensor), 4096, 4096).value(), 4096, 4096) ==
        2 + 8 * 16. / (4096 * 4096));
  CHECK(bits_per_weight(layout_of(phase(2, 2, ScaleScope::group, 64), 4096, 4096).value(), 4096, 4096) == 2.5);
  CHECK(layout_of(phase(2, 3, ScaleScope::tile, 20), 132, 80)->scale_count == 2 * 2 * 3 * 4);  // 66 rows: 64 and 2
  CHECK(bits_per_weight(layout_of(phase(2, 2, ScaleScope::tile, 64), 4096, 4096).value(), 4096, 4096) ==
        2 + 8 * 16. / (128 * 128));
  CHECK(describe(phase(2, 2, ScaleScope::tile, 64)) == "phase U and W, 2 stages, f16 scale per 64x64");
  CHECK(describe(phase(2, 2, ScaleScope::group, 64)) == "phase U and W, 2 stages, f16 scale per 64");
  CHECK(describe(phase(1, 1, ScaleScope::tensor)) == "phase W, f16 scale per tensor");
}

TEST_CASE("phase: layout_of refuses what breaks a rule, naming the field") {
  const auto message = [](const Encoding& e, uint64_t rows, uint64_t cols) {
    return layout_of(e, rows, cols).status().message();
  };
  CHECK(message(phase(3, 1, ScaleScope::row), 4, 4) == "bits is 3, expected 1 (W alone) or 2 (U and W) for phase");
  CHECK(message(phase(2, 0, ScaleScope::row), 4, 4) == "planes is 0, expected 1 to 4 stages of phase");
  CHECK(message(phase(2, 5, ScaleScope::row), 4, 4) == "planes is 5, expected 1 to 4 stages of phase");
  CHECK(message(phase(2, 1, ScaleScope::row), 5, 4) == "a phase matrix is 5 x 4, expected even numbers");
  CHECK(message(phase(2, 1, ScaleScope::row), 4, 3) == "a phase matrix is 4 x 3, expected even numbers");
  CHECK(message(phase(2, 1, ScaleScope::group, 3), 4, 4) == "group is 3, expected 1 to the 2 columns");
  CHECK(message(phase(2, 1, ScaleScope::group, 2), 4, 6) == "group is 2, expected a divisor of 3, half the columns");
  CHECK(message(phase(2, 1, ScaleScope::none), 4, 4).starts_with("scale scope is 0"));
  CHECK(message(phase(2, 1, static_cast<ScaleScope>(5)), 4, 4) ==
        "scale scope is 5, expected 1 (tensor), 2 (row), 3 (group) or 4 (tile)");
  CHECK(message(phase(2, 1, ScaleScope::tile, 2), 4, 6) == "group is 2, expected a divisor of 3, half the columns");
  Encoding trits;
  trits.kind = EncodingKind::trit, trits.bits = 2, trits.scope = ScaleScope::tile, trits.group = 4;
  CHECK(message(trits, 4, 4) == "scale scope is 4, expected 1 (tensor), 2 (row) or 3 (group)");
}

TEST_CASE("phase puts every sign where the formula says and pads with zero bits") {
  for (const TileShape& s : kPhaseShapes) {
    for (const uint8_t bits : {1, 2}) {
      for (const uint8_t stages : {1, 3}) {
        const Encoding e = phase_of(s, bits, stages);
        const Layout l = layout_of(e, 2 * s.rows, 2 * s.cols).value();
        const auto codes = draw_phases(stages * bits * s.rows * s.cols, s.cols);
        std::vector<std::byte> tile(l.tile_bytes + 64, kBeyondTile);
        pack_phase_tile(e, l, s.rows, codes.data(), s.cols, s.rows * s.cols, tile.data());
        for (size_t i = l.tile_bytes; i < tile.size(); ++i) REQUIRE(tile[i] == kBeyondTile);

        // The inverse view: every bit of every byte, to the column that the document gives it.
        const uint64_t group = s.group ? s.group : s.cols;
        for (uint64_t byte = 0; byte < l.tile_bytes; ++byte) {
          const uint64_t block = byte / 64, matrix = block % bits, b = block / bits % l.group_blocks;
          const uint64_t g = block / bits / l.group_blocks % l.groups, stage = block / bits / l.group_blocks / l.groups;
          const uint64_t plane = byte % 64 / 32, row = byte % 32 / 2;
          for (unsigned k = 0; k < 8; ++k) {
            const uint64_t in_group = b / 2 * 32 + 4 * k + 2 * (b % 2) + byte % 2;
            bool expected = false;
            if (row < s.rows && in_group < group) {
              const unsigned code = codes[((stage * bits + matrix) * s.rows + row) * s.cols + g * group + in_group];
              const Complex turned = unit(code) * Complex(1, 1);
              expected = (plane == 0 ? turned.real() : turned.imag()) > 0;
            }
            REQUIRE((std::to_integer<unsigned>(tile[byte]) >> k & 1) == unsigned{expected});
          }
        }
        std::vector<uint8_t> back(codes.size());
        for (unsigned p = 0; p < unsigned{stages} * bits; ++p) {
          for (unsigned r = 0; r < s.rows; ++r)
            unpack_phase_row(e, l, tile.data(), r, p, back.data() + (p * s.rows + r) * s.cols);
        }
        REQUIRE(back == codes);
      }
    }
  }
}

TEST_CASE("phase: decode_row gives the real matrix of U x + W conj(x)") {
  for (const TileShape& s : kPhaseShapes) {
    for (const uint8_t bits : {1, 2}) {
      const uint64_t rows = s.rows + 16, cols = s.cols;  // two tiles
      const Encoding e = phase_of(s, bits, 2);
      const Layout l = layout_of(e, 2 * rows, 2 * cols).value();
      const auto codes = draw_phases(2 * bits * rows * cols, rows);
      const std::vector<std::byte> packed = pack_all(e, l, codes, rows, cols);
      std::vector<std::byte> scales(l.scale_bytes);
      Random random(3);
      for (uint64_t i = 0; i < l.scale_count; ++i)
        store_float(FloatType::f16, scales.data(), i, static_cast<float>(random.below(64)) / 16 - 2);  // exact sums
      std::vector<float> top(2 * cols + 1, 99.f), low(top);
      for (uint64_t r = 0; r < rows; ++r) {
        decode_row(e, l, 2 * cols, packed.data(), scales.data(), r, top.data());
        decode_row(e, l, 2 * cols, packed.data(), scales.data(), rows + r, low.data());
        for (uint64_t c = 0; c < cols; ++c) {
          Complex matrix[2];  // U, W
          for (unsigned p = 0; p < 2u * bits; ++p) {
            const auto scale = [&](unsigned part) {
              return load_float(FloatType::f16, scales.data(), scale_index(e, l, r, c / l.group_cols, 2 * p + part));
            };
            const Complex element = unit(codes[(p * rows + r) * cols + c]);
            matrix[bits == 1 ? 1 : p % 2] += Complex(scale(0) * element.real(), scale(1) * element.imag());
          }
          // The columns of A are the images of x = 1 and of x = i.
          const Complex one = matrix[0] + matrix[1], i = Complex(0, 1) * matrix[0] - Complex(0, 1) * matrix[1];
          REQUIRE(Complex(top[c], low[c]) == one);
          REQUIRE(Complex(top[cols + c], low[cols + c]) == i);
        }
        REQUIRE((top[2 * cols] == 99.f && low[2 * cols] == 99.f));
      }
    }
  }
}

TEST_CASE("phase: scales lie in the order of the codes") {
  const Encoding e = phase(2, 3, ScaleScope::group, 20);
  const Layout l = layout_of(e, 36, 80).value();
  uint64_t expected = 0;
  for (uint64_t tile = 0; tile < l.tiles; ++tile)
    for (unsigned stage = 0; stage < 3; ++stage)
      for (uint64_t g = 0; g < 2; ++g)
        for (unsigned p = 0; p < 4; ++p)
          for (uint64_t r = 0; r < 16; ++r) REQUIRE(scale_index(e, l, tile * 16 + r, g, 4 * stage + p) == expected++);
  CHECK(expected == l.scale_count);
  CHECK(tile_scale_bytes(e, l) * l.tiles == l.scale_bytes);
}

TEST_CASE("phase: scales of tiles are one for 64 rows and a group") {
  const Encoding e = phase(2, 3, ScaleScope::tile, 20);
  const Layout l = layout_of(e, 2 * 130, 80).value();
  uint64_t expected = 0;
  for (uint64_t first = 0; first < 130; first += 64, expected += 3 * 2 * 4)
    for (unsigned stage = 0; stage < 3; ++stage)
      for (uint64_t g = 0; g < 2; ++g)
        for (unsigned p = 0; p < 4; ++p)
          for (uint64_t r = first; r < std::min<uint64_t>(first + 64, 130); ++r)
            REQUIRE(scale_index(e, l, r, g, 4 * stage + p) == expected + (stage * 2 + g) * 4 + p);
  CHECK(expected == l.scale_count);
  CHECK(tile_scale_bytes(e, l) * 3 == l.scale_bytes);
}

}  // namespace tern
