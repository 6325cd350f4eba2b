// The encoding vector against a reading of docs/format.md of its own.
#include <catch2/catch.hpp>
#include <vector>

#include "base/random.h"
#include "formats/encoding/int.h"
#include "formats/encoding/values.h"
#include "formats/encoding/vector.h"

namespace tern {
namespace {

using enum FloatType;

Encoding vectors(VectorAxis axis, uint8_t length, uint8_t bits, uint8_t planes = 1, uint32_t group = 0) {
  return {EncodingKind::vector, f32, bits, planes, ScaleScope::none, f32, group, length, axis};
}

struct Packed {
  Encoding e;
  Layout layout;
  uint64_t rows, cols, lanes, positions;
  std::vector<uint16_t> indices;  // [plane][lane][position]
  std::vector<std::byte> codes;

  uint16_t index(uint64_t plane, uint64_t lane, uint64_t position) const {
    return lane < lanes ? indices[(plane * lanes + lane) * positions + position] : 0;
  }
};

Packed pack(const Encoding& e, uint64_t rows, uint64_t cols) {
  const bool output = e.axis == VectorAxis::output;
  const uint64_t lanes = output ? (rows + e.length - 1) / e.length : rows;
  Packed p{e, layout_of(e, rows, cols).value(), rows, cols, lanes, vector_positions(e, cols), {}, {}};
  Random random(e.bits);
  p.indices.resize(e.planes * lanes * p.positions);
  for (uint16_t& i : p.indices) i = static_cast<uint16_t>(random.below(uint64_t{1} << e.bits));
  p.codes.assign(p.layout.code_bytes, std::byte{0xa5});
  const uint64_t full = output ? 16 : 64;
  for (uint64_t t = 0; t < p.layout.tiles; ++t) {
    pack_vector_tile(e, p.layout, cols, t, std::min(full, lanes - t * full), p.indices.data() + t * full * p.positions,
                     p.positions, lanes * p.positions, p.codes.data() + t * p.layout.tile_bytes);
  }
  return p;
}

// Bit `bit` of the record of `height` lanes: of which lane it is which bit, by the document.
struct BitOf {
  uint64_t lane;
  unsigned bit;
};
BitOf bit_of_record(unsigned bits, uint64_t height, uint64_t bit) {
  unsigned low = 0;
  for (unsigned width = 16; width > 0; low += bits & width, width /= 2) {
    if ((bits & width) == 0) continue;
    const uint64_t size = height * width;
    if (bit >= size) {
      bit -= size;
      continue;
    }
    if (width >= 8) return {bit / width, low + static_cast<unsigned>(bit % width)};
    const uint64_t byte = bit / 8, part = bit % 8 / width;
    return {part * (size / 8) + byte, low + static_cast<unsigned>(bit % width)};
  }
  FAIL("beyond the record");
  return {};
}

}  // namespace

TEST_CASE("vector layouts count what docs/format.md says") {
  // 139 rows of vectors of 8: 18 lanes, padded to 24: tiles of 16 and 8; 9 positions of 5 bits a lane.
  const Layout l = layout_of(vectors(VectorAxis::output, 8, 5), 139, 9).value();
  CHECK(l.lanes == 24);
  CHECK(l.tiles == 2);
  CHECK(l.tile_rows == 128);
  CHECK(l.tile_bytes == 128);
  CHECK(l.code_bytes == 128 + 64);
  // 67 rows: 72 lanes; 14 columns are 4 positions; 64 and 8 bytes a record.
  const Layout i = layout_of(vectors(VectorAxis::input, 4, 8), 67, 14).value();
  CHECK(i.tile_rows == 64);
  CHECK(i.code_bytes == 4 * 64 + 64);
  CHECK(i.padded_cols() == 16);
  CHECK(bits_per_weight(layout_of(vectors(VectorAxis::input, 4, 8), 4096, 4096).value(), 4096, 4096) == 2);
  CHECK(bits_per_weight(layout_of(vectors(VectorAxis::output, 8, 12), 4096, 4096).value(), 4096, 4096) == 1.5);
  Encoding rows = vectors(VectorAxis::output, 8, 8, 2);
  rows.scope = ScaleScope::row;
  CHECK(layout_of(rows, 20, 9)->scale_count == 2 * 32);
  CHECK(codebook_entries(vectors(VectorAxis::input, 4, 8, 2, 8), 17) == 3 * 2 * 256);
}

TEST_CASE("vector indices stand where the document says, and come back") {
  for (const VectorAxis axis : {VectorAxis::output, VectorAxis::input}) {
    for (uint8_t bits = 1; bits <= 16; ++bits) {
      const Packed p = pack(vectors(axis, 6, bits, 2), axis == VectorAxis::output ? 151 : 85, 13);
      const uint64_t full = axis == VectorAxis::output ? 16 : 64, padded = (p.lanes + 7) / 8 * 8;
      for (uint64_t t = 0; t < p.layout.tiles; ++t) {
        const uint64_t height = std::min(full, padded - t * full), record = height * bits;
        const uint64_t end = t + 1 < p.layout.tiles ? (t + 1) * p.layout.tile_bytes : p.layout.code_bytes;
        for (uint64_t i = 0; i < (end - t * p.layout.tile_bytes) * 8; ++i) {
          const unsigned stored = std::to_integer<unsigned>(p.codes[t * p.layout.tile_bytes + i / 8]) >> i % 8 & 1;
          const uint64_t plane = i / record / p.positions;
          unsigned expected = 0;
          if (plane < 2) {
            const BitOf of = bit_of_record(bits, height, i % record);
            expected = p.index(plane, t * full + of.lane, i / record % p.positions) >> of.bit & 1;
          }
          REQUIRE(stored == expected);
        }
      }
      for (uint64_t lane = 0; lane < padded; ++lane) {
        for (uint64_t k = 0; k < 2 * p.positions; ++k) {
          const uint64_t plane = k / p.positions, position = k % p.positions;
          REQUIRE(vector_index(p.e, p.layout, p.cols, p.codes.data(), plane, lane, position) ==
                  p.index(plane, lane, position));
        }
      }
    }
  }
}

TEST_CASE("decode_row sums the planes' codebook values") {
  for (const unsigned form : {0, 1, 2}) {
    const bool output = form<2, integer = form> 0;
    Encoding e = vectors(output ? VectorAxis::output : VectorAxis::input, 6, 5, 2, 12);
    e.scope = ScaleScope::row;
    const Packed p = pack(e, 43, 29);
    const uint64_t entries = codebook_entries(e, p.cols);  // 3 groups, 2 planes, 32
    REQUIRE(entries == 3 * 2 * 32);
    const Encoding int8{EncodingKind::int_, f32, 8, 1, ScaleScope::tensor, f32, 0};
    const uint64_t width = codebook_cols(e, integer), rows_each = codebook_rows_each(e, integer);
    REQUIRE((width == (output && integer ? 4 : 6) && rows_each == (output && integer ? 2 : 1)));
    const Layout book_layout = layout_of(int8, entries * rows_each, width).value();
    std::vector<std::byte> book(integer ? book_layout.code_bytes : entries * 6 * 4), scales(p.layout.scale_bytes);
    std::vector<float> values(entries * 6);
    for (uint64_t i = 0; i < values.size(); ++i) values[i] = static_cast<float>(static_cast<int>(i * 37 % 255) - 127);
    for (uint64_t i = 0; i < values.size() && !integer; ++i) store_float(f32, book.data(), i, values[i]);
    std::vector<int8_t> q(entries * rows_each * width);
    for (uint64_t i = 0; i < values.size(); ++i) q[i / 6 * rows_each * width + i % 6] = static_cast<int8_t>(values[i]);
    for (uint64_t t = 0; t < book_layout.tiles && integer; ++t)
      pack_int_tile(8, book_layout, 16, width, q.data() + t * 16 * width, width,
                    book.data() + t * book_layout.tile_bytes);
    for (uint64_t i = 0; i < p.layout.scale_count; ++i) store_float(f32, scales.data(), i, 1 + i % 7);
    const CodebookView view{book.data(), f32, integer, integer ? 0.5f : 1.f};
    std::vector<float> row(p.cols);
    for (uint64_t r = 0; r < p.rows; ++r) {
      decode_row(e, p.layout, p.cols, p.codes.data(), scales.data(), r, row.data(), view);
      for (uint64_t c = 0; c < p.cols; ++c) {
        const uint64_t lane = output ? r / 6 : r, position = output ? c : c / 6, k = (output ? r : c) % 6;
        float sum = 0;
        for (uint64_t plane = 0; plane < 2; ++plane) {
          const uint64_t entry = (c / 12 * 2 + plane) * 32 + p.index(plane, lane, position);
          sum += static_cast<float>(1 + ((r / 16 * 2 + plane) * 16 + r % 16) % 7) * view.scale * values[entry * 6 + k];
        }
        REQUIRE(row[c] == sum);
      }
    }
  }
}

TEST_CASE("vector encodings that break a rule are refused, naming the field") {
  const auto message = [](const Encoding& e) { return layout_of(e, 16, 16).status().message(); };
  CHECK(message(vectors(VectorAxis::input, 4, 0)) == "bits is 0, expected 1 to 16 for vector");
  CHECK(message(vectors(VectorAxis::input, 4, 17)) == "bits is 17, expected 1 to 16 for vector");
  CHECK(message(vectors(VectorAxis::output, 1, 8)) == "vector length is 1, expected 2 to 32");
  CHECK(message(vectors(VectorAxis::output, 33, 8)) == "vector length is 33, expected 2 to 32");
  CHECK(message(vectors(VectorAxis::output, 8, 8, 0)) == "planes is 0, expected 1 to 8");
  CHECK(message(vectors(VectorAxis::output, 8, 8, 1, 17)) == "group is 17, expected 0 to the 16 columns");
  CHECK(message(vectors(VectorAxis::input, 8, 8, 1, 12)) == "group is 12, expected a multiple of the vector length 8");
  CHECK(message(vectors(VectorAxis::output, 8, 8, 1, 12)) == "");
  Encoding grouped = vectors(VectorAxis::input, 8, 8);
  grouped.scope = ScaleScope::group;
  CHECK(message(grouped) == "scale scope is 3, expected 0 (none), 1 (tensor) or 2 (row)");
  CHECK(describe(vectors(VectorAxis::output, 8, 12, 2, 64)) ==
        "vector of 8 rows, 12-bit index, 2 planes, a codebook per 64 columns");
}

}  // namespace tern
