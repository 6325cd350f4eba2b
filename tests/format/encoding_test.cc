#include "formats/encoding/encoding.h"

#include <catch2/catch.hpp>
#include <cmath>
#include <cstring>
#include <limits>
#include <vector>

#include "base/half.h"
#include "base/random.h"
#include "formats/encoding/dense.h"
#include "formats/encoding/int.h"
#include "formats/encoding/trit2.h"
#include "formats/encoding/values.h"
#include "tests/format/tile_shapes.h"

namespace tern {
namespace {

using enum FloatType;

Encoding trit(uint8_t planes, ScaleScope scope, uint32_t group = 0) {
  return {EncodingKind::trit, f32, 2, planes, scope, f16, group};
}
Encoding ints(uint8_t bits, ScaleScope scope, uint32_t group = 0) {
  return {EncodingKind::int_, f32, bits, 1, scope, f32, group};
}
Encoding dense(FloatType type) { return {EncodingKind::dense, type, 0, 1, ScaleScope::none, f32, 0}; }

const TileShape kShapes[] = {{16, 16, 0},  {1, 1, 0},  {3, 17, 0},    {16, 15, 0},  {5, 64, 16},
                             {16, 50, 20}, {7, 33, 1}, {2, 300, 300}, {9, 257, 128}};

}  // namespace

TEST_CASE("layout_of counts what docs/format.md says") {
  // 18 rows: 2 tiles; 50 columns in groups of 20: 3 groups of 2 blocks; 2 planes.
  const Layout l = layout_of(trit(2, ScaleScope::group, 20), 18, 50).value();
  CHECK(l.tiles == 2);
  CHECK(l.groups == 3);
  CHECK(l.group_blocks == 2);
  CHECK(l.padded_group_cols() == 32);
  CHECK(l.padded_cols() == 96);
  CHECK(l.tile_bytes == 3 * 2 * 2 * 64);
  CHECK(l.code_bytes == 2 * 3 * 2 * 2 * 64);
  CHECK(l.scale_count == 2 * 3 * 2 * 16);
  CHECK(l.scale_bytes == 2 * 2 * 3 * 2 * 16);
  CHECK(layout_of(trit(3, ScaleScope::tensor), 18, 50)->scale_count == 3);
  CHECK(layout_of(trit(3, ScaleScope::row), 18, 50)->scale_count == 2 * 3 * 16);
  CHECK(layout_of(ints(8, ScaleScope::row), 18, 50)->code_bytes == 2 * 13 * 64);
  CHECK(layout_of(ints(4, ScaleScope::row), 18, 50)->code_bytes == 2 * 7 * 64);
  // 50 columns in groups of 20: 3 groups of 2 units of 3 blocks.
  const Layout six = layout_of(ints(6, ScaleScope::group, 20), 18, 50).value();
  CHECK(six.code_bytes == 2 * 3 * 2 * 3 * 64);
  CHECK(six.padded_group_cols() == 32);
  CHECK(layout_of(dense(f32), 18, 5)->code_bytes == 2 * 5 * 64);
  CHECK(layout_of(dense(bf16), 18, 5)->code_bytes == 2 * 3 * 64);
  CHECK(layout_of({EncodingKind::plain, f16}, 3, 5)->code_bytes == 30);
  CHECK(layout_of({EncodingKind::index}, 1, 7)->code_bytes == 28);
  // 4096 x 4096, groups of 128, two planes with f16 scales: 4 + 2 * 16 / 128 bits.
  const Layout p = layout_of(trit(2, ScaleScope::group, 128), 4096, 4096).value();
  CHECK(bits_per_weight(p, 4096, 4096) == 4.25);
  CHECK(bits_per_weight(layout_of(ints(4, ScaleScope::group, 32), 4096, 4096).value(), 4096, 4096) == 5);
  CHECK(bits_per_weight(layout_of(ints(6, ScaleScope::group, 64), 4096, 4096).value(), 4096, 4096) == 6.5);
}

TEST_CASE("layout_of refuses what breaks a rule, naming the field") {
  const auto message = [](const Encoding& e, uint64_t rows, uint64_t cols) {
    return layout_of(e, rows, cols).status().message();
  };
  CHECK(message(trit(1, ScaleScope::group, 0), 4, 4) == "group is 0, expected 1 to the 4 columns");
  CHECK(message(trit(1, ScaleScope::group, 5), 4, 4) == "group is 5, expected 1 to the 4 columns");
  CHECK(message(trit(1, ScaleScope::row, 5), 4, 4) == "group is 5, expected 0 without group scales");
  CHECK(message(trit(0, ScaleScope::row), 4, 4) == "planes is 0, expected 1 to 8");
  CHECK(message(trit(9, ScaleScope::row), 4, 4) == "planes is 9, expected 1 to 8");
  CHECK(message(trit(1, ScaleScope::none), 4, 4).starts_with("scale scope is 0"));
  CHECK(message(ints(8, ScaleScope::row), 0, 4) == "rows is 0, expected 1 to 2^31");
  CHECK(message(ints(8, ScaleScope::row), 4, (1ull << 31) + 1).starts_with("cols is 2147483649"));
  for (const uint8_t bits : {2, 3, 5, 7})
    CHECK(layout_of(ints(bits, ScaleScope::row), 4, 4).status().code() == Code::unsupported);
  for (const uint8_t bits : {0, 1, 9})
    CHECK(layout_of(ints(bits, ScaleScope::row), 4, 4).status().code() == Code::invalid_argument);
  for (auto kind : {EncodingKind::sign, static_cast<EncodingKind>(99)}) {
    CHECK(layout_of({kind}, 4, 4).status().code() == Code::unsupported);
  }
  CHECK(message(dense(static_cast<FloatType>(0)), 4, 4).starts_with("value type is 0"));
  // 2^31 x 2^31 x 4 bytes is 2^64.
  CHECK(message(dense(f32), 1ull << 31, 1ull << 31).find("does not fit in 64 bits") != std::string::npos);
  CHECK(layout_of(dense(f16), 1ull << 31, 1ull << 31).ok());
  // Groups of one column take a whole block each: 16 times the codes.
  CHECK(!layout_of(trit(8, ScaleScope::group, 1), 1ull << 31, 1ull << 31).ok());
}

TEST_CASE("trit2 puts every code where the formula says and pads with zero trits") {
  for (const TileShape& s : kShapes) {
    for (unsigned planes : {1u, 2u, 3u}) {
      const Encoding e = trit(static_cast<uint8_t>(planes), s.group ? ScaleScope::group : ScaleScope::row, s.group);
      const Layout l = layout_of(e, s.rows, s.cols).value();
      const auto trits = random_codes(planes * s.rows * s.cols, -1, 1, s.cols);
      std::vector<std::byte> tile(l.tile_bytes + 64, kBeyondTile);
      pack_trit2_tile(l, planes, s.rows, s.cols, trits.data(), s.cols, s.rows * s.cols, tile.data());
      for (size_t i = l.tile_bytes; i < tile.size(); ++i) REQUIRE(tile[i] == kBeyondTile);

      // The inverse view: every code of every byte, to the column that the document gives it.
      const uint64_t group = s.group ? s.group : s.cols;
      for (uint64_t byte = 0; byte < l.tile_bytes; ++byte) {
        const uint64_t block = byte / 64, row = byte % 64 / 4, j = byte % 4;
        const uint64_t b = block % l.group_blocks, plane = block / l.group_blocks % planes,
                       g = block / l.group_blocks / planes;
        for (unsigned p = 0; p < 4; ++p) {
          const uint64_t in_group = 16 * b + 4 * p + j, col = g * group + in_group;
          const bool real = row < s.rows && in_group < group && col < s.cols;
          const int expected = real ? trits[(plane * s.rows + row) * s.cols + col] + 1 : 1;
          REQUIRE((std::to_integer<int>(tile[byte]) >> 2 * p & 3) == expected);
        }
      }
      std::vector<int8_t> back(trits.size());
      unpack_trit2_tile(l, planes, s.rows, s.cols, tile.data(), back.data(), s.cols, s.rows * s.cols);
      REQUIRE(back == trits);
    }
  }
}

namespace {

// What docs/format.md says stands at bits [shift, shift + width) of a byte: bits of the code of a column of the group.
struct Field {
  unsigned shift, width;
  uint64_t column;
  unsigned from;  // lowest bit of the code
};

std::vector<Field> fields_of(uint8_t bits, uint64_t block, uint64_t j) {
  if (bits == 8) return {{0, 8, 4 * block + j, 0}};
  if (bits == 4) return {{0, 4, 8 * block + j, 0}, {4, 4, 8 * block + 4 + j, 0}};
  const uint64_t unit = 16 * (block / 3);
  if (block % 3 < 2) return {{0, 4, unit + 8 * (block % 3) + j, 0}, {4, 4, unit + 8 * (block % 3) + 4 + j, 0}};
  return {{0, 2, unit + j, 4}, {2, 2, unit + 4 + j, 4}, {4, 2, unit + 8 + j, 4}, {6, 2, unit + 12 + j, 4}};
}

}  // namespace

TEST_CASE("int puts every bit of a code where the document says and pads with the code of zero") {
  for (const uint8_t bits : {4, 6, 8}) {
    for (const TileShape& s : kShapes) {
      const Encoding e = ints(bits, s.group ? ScaleScope::group : ScaleScope::tensor, s.group);
      const Layout l = layout_of(e, s.rows, s.cols).value();
      const int zero = 1 << (bits - 1);
      auto q = random_codes(s.rows * s.cols, -zero, zero - 1, s.cols);
      q.front() = static_cast<int8_t>(-zero), q.back() = static_cast<int8_t>(zero - 1);
      std::vector<std::byte> tile(l.tile_bytes + 64, kBeyondTile);
      pack_int_tile(bits, l, s.rows, s.cols, q.data(), s.cols, tile.data());
      for (size_t i = l.tile_bytes; i < tile.size(); ++i) REQUIRE(tile[i] == kBeyondTile);
      const uint64_t group = s.group ? s.group : s.cols;
      for (uint64_t byte = 0; byte < l.tile_bytes; ++byte) {
        const uint64_t block = byte / 64, row = byte % 64 / 4;
        for (const Field& f : fields_of(bits, block % l.group_blocks, byte % 4)) {
          const uint64_t col = block / l.group_blocks * group + f.column;
          const bool real = row < s.rows && f.column < group && col < s.cols;
          const int code = real ? q[row * s.cols + col] + zero : zero;
          const int mask = (1 << f.width) - 1;
          REQUIRE((std::to_integer<int>(tile[byte]) >> f.shift & mask) == (code >> f.from & mask));
        }
      }
      for (uint64_t c = 0; c < l.padded_group_cols(); ++c) {
        const int expected = c < std::min(group, s.cols) ? q[c] + zero : zero;
        REQUIRE(int_code(bits, tile.data(), 0, c) == static_cast<unsigned>(expected));
      }
      std::vector<int8_t> back(q.size());
      unpack_int_tile(bits, l, s.rows, s.cols, tile.data(), back.data(), s.cols);
      REQUIRE(back == q);
    }
  }
}

TEST_CASE("dense stores whole columns of 16 rows and pads with zero") {
  for (FloatType type : {f32, f16, bf16}) {
    for (const TileShape& s : kShapes) {
      const Layout l = layout_of(dense(type), s.rows, s.cols).value();
      std::vector<float> values(s.rows * s.cols);
      Random random(s.cols);
      for (float& v : values) v = bf16_to_f32(f32_to_bf16(f16_to_f32(f32_to_f16(random.normal()))));
      std::vector<std::byte> tile(l.tile_bytes + 64, kBeyondTile);
      pack_dense_tile(type, s.rows, s.cols, values.data(), s.cols, tile.data());
      for (size_t i = l.tile_bytes; i < tile.size(); ++i) REQUIRE(tile[i] == kBeyondTile);
      const size_t size = type == f32 ? 4 : 2;
      for (uint64_t i = 0; i < l.tile_bytes / size; ++i) {
        const uint64_t col = i / 16, row = i % 16;
        const float expected = row < s.rows && col < s.cols ? values[row * s.cols + col] : 0.f;
        // bf16 holds 8 bits of mantissa, f16 11: values that passed through both fit f16 but near its denormals.
        REQUIRE(load_float(type, tile.data(), i) == Approx(expected).epsilon(0).margin(1e-7));
      }
      std::vector<float> back(values.size());
      unpack_dense_tile(type, s.rows, s.cols, tile.data(), back.data(), s.cols);
      for (size_t i = 0; i < back.size(); ++i) REQUIRE(back[i] == Approx(values[i]).epsilon(0).margin(1e-7));
    }
  }
}

TEST_CASE("scales lie in the order of their scope") {
  const uint64_t rows = 20, cols = 50;
  const Encoding e = trit(2, ScaleScope::group, 20);
  const Layout l = layout_of(e, rows, cols).value();
  uint64_t expected = 0;
  for (uint64_t tile = 0; tile < l.tiles; ++tile) {
    for (uint64_t g = 0; g < 3; ++g) {
      for (unsigned p = 0; p < 2; ++p) {
        for (uint64_t r = 0; r < 16; ++r) REQUIRE(scale_index(e, l, tile * 16 + r, g, p) == expected++);
      }
    }
  }
  CHECK(expected == l.scale_count);
  CHECK(tile_scale_bytes(e, l) * l.tiles == l.scale_bytes);
  const Encoding by_row = trit(2, ScaleScope::row);
  CHECK(scale_index(by_row, layout_of(by_row, rows, cols).value(), 17, 2, 1) == (1 * 2 + 1) * 16 + 1);
  const Encoding by_tensor = trit(2, ScaleScope::tensor);
  CHECK(scale_index(by_tensor, layout_of(by_tensor, rows, cols).value(), 17, 2, 1) == 1);
  CHECK(tile_scale_bytes(by_tensor, layout_of(by_tensor, rows, cols).value()) == 0);

  std::vector<float> values(4 * 3 * 2);
  for (size_t i = 0; i < values.size(); ++i) values[i] = static_cast<float>(i + 1);
  std::vector<std::byte> packed(tile_scale_bytes(e, l) + 8, kBeyondTile);
  pack_tile_scales(e, l, 4, values.data(), packed.data());
  for (size_t i = tile_scale_bytes(e, l); i < packed.size(); ++i) CHECK(packed[i] == kBeyondTile);
  for (uint64_t r = 0; r < 16; ++r) {
    for (uint64_t g = 0; g < 3; ++g) {
      for (unsigned p = 0; p < 2; ++p) {
        const float want = r < 4 ? values[(r * 3 + g) * 2 + p] : 0.f;
        REQUIRE(load_float(f16, packed.data(), scale_index(e, l, r, g, p)) == want);
      }
    }
  }
}

TEST_CASE("decode_row gives the sum of scale times trit for every row") {
  for (const TileShape& s : kShapes) {
    const uint64_t rows = s.rows + 16, cols = s.cols;  // two tiles
    const Encoding e = trit(2, s.group ? ScaleScope::group : ScaleScope::row, s.group);
    const Layout l = layout_of(e, rows, cols).value();
    const auto trits = random_codes(2 * rows * cols, -1, 1, cols);
    std::vector<std::byte> codes(l.code_bytes), scales(l.scale_bytes);
    for (uint64_t t = 0; t < l.tiles; ++t) {
      const uint64_t n = std::min<uint64_t>(16, rows - t * 16);
      pack_trit2_tile(l, 2, n, cols, trits.data() + t * 16 * cols, cols, rows * cols, codes.data() + t * l.tile_bytes);
    }
    Random random(3);
    for (uint64_t i = 0; i < l.scale_count; ++i) store_float(f16, scales.data(), i, random.normal());
    std::vector<float> out(cols + 1, 99.f);
    for (uint64_t r = 0; r < rows; ++r) {
      decode_row(e, l, cols, codes.data(), scales.data(), r, out.data());
      for (uint64_t c = 0; c < cols; ++c) {
        const uint64_t g = s.group ? c / s.group : 0;
        const float a = load_float(f16, scales.data(), scale_index(e, l, r, g, 0)) * trits[r * cols + c];
        const float b = load_float(f16, scales.data(), scale_index(e, l, r, g, 1)) * trits[(rows + r) * cols + c];
        REQUIRE(out[c] == a + b);  // products with -1, 0, 1 are exact: one rounding either way
      }
      REQUIRE(out[cols] == 99.f);
    }
  }
}

TEST_CASE("decode_row gives scale times code for every row") {
  for (const uint8_t bits : {4, 6, 8}) {
    for (const TileShape& s : kShapes) {
      const uint64_t rows = s.rows + 16, cols = s.cols;  // two tiles
      const Encoding e = ints(bits, s.group ? ScaleScope::group : ScaleScope::row, s.group);
      const Layout l = layout_of(e, rows, cols).value();
      const int zero = 1 << (bits - 1);
      const auto q = random_codes(rows * cols, -zero, zero - 1, cols + 1);
      std::vector<std::byte> codes(l.code_bytes), scales(l.scale_bytes);
      for (uint64_t t = 0; t < l.tiles; ++t) {
        const uint64_t n = std::min<uint64_t>(16, rows - t * 16);
        pack_int_tile(bits, l, n, cols, q.data() + t * 16 * cols, cols, codes.data() + t * l.tile_bytes);
      }
      Random random(3);
      for (uint64_t i = 0; i < l.scale_count; ++i) store_float(f32, scales.data(), i, random.normal());
      std::vector<float> out(cols + 1, 99.f);
      for (uint64_t r = 0; r < rows; ++r) {
        decode_row(e, l, cols, codes.data(), scales.data(), r, out.data());
        for (uint64_t c = 0; c < cols; ++c) {
          const uint64_t g = s.group ? c / s.group : 0;
          REQUIRE(out[c] == load_float(f32, scales.data(), scale_index(e, l, r, g, 0)) * q[r * cols + c]);
        }
        REQUIRE(out[cols] == 99.f);
      }
    }
  }
}

TEST_CASE("describe names an encoding for people") {
  CHECK(describe(trit(2, ScaleScope::group, 128)) == "trit 2-bit, 2 planes, f16 scale per 128");
  CHECK(describe(trit(1, ScaleScope::tensor)) == "trit 2-bit, f16 scale per tensor");
  CHECK(describe(ints(6, ScaleScope::row)) == "int 6-bit, f32 scale per row");
  CHECK(describe(dense(bf16)) == "bf16");
  CHECK(describe({EncodingKind::plain, f32}) == "plain f32");
}

}  // namespace tern
