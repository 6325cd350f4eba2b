// Five trits in a byte: the numbers, where every digit lies, and what is refused.
#include "formats/encoding/trit5.h"

#include <catch2/catch.hpp>
#include <set>
#include <vector>

#include "formats/encoding/values.h"
#include "tests/format/tile_shapes.h"

namespace tern {
namespace {

Encoding five(uint8_t planes, ScaleScope scope, uint32_t group = 0) {
  return {EncodingKind::trit, FloatType::f32, kTrit5Bits, planes, scope, FloatType::f16, group};
}

const TileShape kFiveShapes[] = {{16, 20, 0},  {1, 1, 0},  {3, 21, 0},    {16, 19, 0},  {5, 80, 20},
                                 {16, 50, 24}, {7, 33, 1}, {2, 340, 340}, {9, 257, 128}};

}  // namespace

TEST_CASE("a byte stands for five base-3 digits, most significant first") {
  std::set<uint8_t> bytes;
  for (unsigned v = 0; v < kTrit5Numbers; ++v) {
    const uint8_t byte = trit5_byte(v);
    CHECK(byte == (v * 256 + 242) / 243);
    CHECK(trit5_valid(byte));
    bytes.insert(byte);
    unsigned power = 81;
    for (unsigned k = 0; k < kTrit5Digits; ++k, power /= 3) REQUIRE(trit5_digit(byte, k) == v / power % 3);
  }
  CHECK(bytes.size() == kTrit5Numbers);
  for (unsigned byte = 0; byte < 256; ++byte) {
    CHECK(trit5_valid(static_cast<uint8_t>(byte)) == (bytes.count(static_cast<uint8_t>(byte)) == 1));
    for (unsigned k = 0; k < kTrit5Digits; ++k) CHECK(trit5_digit(static_cast<uint8_t>(byte), k) < 3);
  }
}

TEST_CASE("trit5 puts every digit where the formula says and pads with zero trits") {
  for (const TileShape& s : kFiveShapes) {
    for (unsigned planes : {1u, 2u, 3u}) {
      const Encoding e = five(static_cast<uint8_t>(planes), s.group ? ScaleScope::group : ScaleScope::row, s.group);
      const Layout l = layout_of(e, s.rows, s.cols).value();
      const auto trits = random_codes(planes * s.rows * s.cols, -1, 1, s.cols);
      std::vector<std::byte> tile(l.tile_bytes + 64, kBeyondTile);
      pack_trit_tile(e, l, s.rows, s.cols, trits.data(), s.cols, s.rows * s.cols, tile.data());
      for (size_t i = l.tile_bytes; i < tile.size(); ++i) REQUIRE(tile[i] == kBeyondTile);

      const uint64_t group = s.group ? s.group : s.cols;
      for (uint64_t at = 0; at < l.tile_bytes; ++at) {
        const uint64_t block = at / 64, row = at % 64 / 4, j = at % 4;
        const uint64_t b = block % l.group_blocks, plane = block / l.group_blocks % planes,
                       g = block / l.group_blocks / planes;
        const auto byte = std::to_integer<uint8_t>(tile[at]);
        REQUIRE(trit5_valid(byte));
        for (unsigned k = 0; k < kTrit5Digits; ++k) {
          const uint64_t in_group = 20 * b + 4 * k + j, col = g * group + in_group;
          const bool real = row < s.rows && in_group < group && col < s.cols;
          const int expected = real ? trits[(plane * s.rows + row) * s.cols + col] + 1 : 1;
          REQUIRE(static_cast<int>(trit5_digit(byte, k)) == expected);
        }
      }
      for (unsigned p = 0; p < planes; ++p) {
        for (unsigned r = 0; r < s.rows; ++r) {
          std::vector<int8_t> row(s.cols);
          unpack_trit_row(e, l, s.cols, tile.data(), r, p, row.data());
          const auto from = trits.begin() + static_cast<ptrdiff_t>((p * s.rows + r) * s.cols);
          REQUIRE(std::equal(row.begin(), row.end(), from));
        }
      }
    }
  }
}

TEST_CASE("decode_row gives the same values at 1.6 and at 2 bits") {
  for (const TileShape& s : kFiveShapes) {
    const uint64_t cols = s.cols + 700;  // longer than what is unpacked at a time
    Encoding e = five(2, s.group ? ScaleScope::group : ScaleScope::row, s.group);
    const auto trits = random_codes(2 * s.rows * cols, -1, 1, 7);
    std::vector<std::vector<float>> rows[2];
    for (const uint8_t bits : {1, 2}) {
      e.bits = bits;
      const Layout l = layout_of(e, s.rows, cols).value();
      std::vector<std::byte> codes(l.code_bytes), scales(l.scale_bytes);
      pack_trit_tile(e, l, s.rows, cols, trits.data(), cols, s.rows * cols, codes.data());
      for (uint64_t i = 0; i < l.scale_count; ++i)
        store_float(e.scale_type, scales.data(), i, static_cast<float>(1 + i % 7));
      for (uint64_t r = 0; r < s.rows; ++r) {
        rows[bits - 1].emplace_back(cols);
        decode_row(e, l, cols, codes.data(), scales.data(), r, rows[bits - 1].back().data());
      }
    }
    CHECK(rows[0] == rows[1]);
  }
}

TEST_CASE("trit5 layouts: sizes, true bits per weight, names, refusals") {
  const Layout l = layout_of(five(2, ScaleScope::group, 24), 18, 50).value();
  CHECK(l.unit_cols == 20);
  CHECK(l.group_blocks == 2);  // 24 columns of 20
  CHECK(l.groups == 3);
  CHECK(l.padded_cols() == 3 * 40);
  CHECK(l.code_bytes == 2 * 3 * 2 * 2 * 64);
  const auto bits = [](const Encoding& e, uint64_t rows, uint64_t cols) {
    return bits_per_weight(layout_of(e, rows, cols).value(), rows, cols);
  };
  CHECK(bits(five(1, ScaleScope::tensor), 2560, 2560) == Approx(1.6).epsilon(1e-5));
  CHECK(bits(five(1, ScaleScope::group, 128), 4096, 4096) == Approx(1.75 + 16. / 128));  // 7 blocks for 128 columns
  CHECK(bits(five(2, ScaleScope::group, 160), 3200, 3200) == Approx(2 * (1.6 + 16. / 160)));
  CHECK(describe(five(2, ScaleScope::group, 128)) == "trit 1.6-bit, 2 planes, f16 scale per 128");
  Encoding three = five(1, ScaleScope::row);
  three.bits = 3;
  CHECK(layout_of(three, 4, 4).status().message() == "trit bits is 3, expected 1 (five in a byte) or 2");
}

}  // namespace tern
