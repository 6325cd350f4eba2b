#include "formats/encoding/vector.h"

#include <cstring>

#include "base/checked.h"
#include "base/math.h"
#include "formats/encoding/int.h"
#include "formats/encoding/values.h"

namespace tern {
namespace {

constexpr unsigned kFields[] = {16, 8, 4, 2, 1};

// Calls body(byte offset in the record, bits of the byte or pair of bytes to shift by, width, bits of the index below)
// for each field that holds a part of lane `lane`'s index.
template <class Body>
void for_each_field(unsigned bits, uint64_t lanes, uint64_t lane, Body body) {
  uint64_t offset = 0;
  unsigned low = 0;
  for (const unsigned width : kFields) {
    if ((bits & width) == 0) continue;
    const uint64_t stride = lanes * width / 8;
    if (width >= 8) body(offset + lane * width / 8, 0u, width, low);
    if (width < 8) body(offset + lane % stride, static_cast<unsigned>(width * (lane / stride)), width, low);
    offset += stride;
    low += width;
  }
}

void put_index(unsigned bits, uint64_t lanes, uint64_t lane, unsigned index, std::byte* record) {
  for_each_field(bits, lanes, lane, [&](uint64_t byte, unsigned shift, unsigned width, unsigned low) {
    const unsigned part = index >> low & ((1u << width) - 1);
    record[byte] |= static_cast<std::byte>(part << shift);
    if (width == 16) record[byte + 1] = static_cast<std::byte>(part >> 8);
  });
}

unsigned get_index(unsigned bits, uint64_t lanes, uint64_t lane, const std::byte* record) {
  unsigned index = 0;
  for_each_field(bits, lanes, lane, [&](uint64_t byte, unsigned shift, unsigned width, unsigned low) {
    unsigned part = std::to_integer<unsigned>(record[byte]) >> shift;
    if (width == 16) part |= std::to_integer<unsigned>(record[byte + 1]) << 8;
    index |= (part & ((1u << width) - 1)) << low;
  });
  return index;
}

}  // namespace

uint64_t vector_tile_bytes(const Encoding& e, const Layout& layout, uint64_t cols, uint64_t tile) {
  const uint64_t records = e.planes * vector_positions(e, cols);
  return align_up(records * vector_record_bytes(e, vector_lanes(e, layout, tile)), uint64_t{kBlockBytes});
}

void pack_vector_tile(const Encoding& e, const Layout& layout, uint64_t cols, uint64_t tile, uint64_t lanes,
                      const uint16_t* indices, uint64_t lane_stride, uint64_t plane_stride, std::byte* to) {
  std::memset(to, 0, vector_tile_bytes(e, layout, cols, tile));
  const uint64_t padded = vector_lanes(e, layout, tile), positions = vector_positions(e, cols);
  for (unsigned p = 0; p < e.planes; ++p) {
    for (uint64_t i = 0; i < positions; ++i, to += vector_record_bytes(e, padded)) {
      for (uint64_t l = 0; l < lanes; ++l)
        put_index(e.bits, padded, l, indices[p * plane_stride + l * lane_stride + i], to);
    }
  }
}

uint16_t vector_index(const Encoding& e, const Layout& layout, uint64_t cols, const std::byte* codes, uint64_t plane,
                      uint64_t lane, uint64_t position) {
  const uint64_t tile = lane / vector_tile_lanes(e);
  const std::byte* record = codes + vector_record(e, layout, cols, tile, plane, position);
  const uint64_t in_tile = lane % vector_tile_lanes(e);
  return static_cast<uint16_t>(get_index(e.bits, vector_lanes(e, layout, tile), in_tile, record));
}

float codebook_value(const Encoding& e, const CodebookView& book, uint64_t entry, uint32_t i) {
  if (!book.integer) return load_float(book.type, book.values, entry * e.length + i);
  return static_cast<float>(std::to_integer<int>(book.values[codebook_byte(e, entry, i)]) - int_zero(8));
}

uint64_t codebook_entries(const Encoding& e, uint64_t cols) {
  const uint64_t groups = e.group == 0 ? 1 : ceil_div(cols, uint64_t{e.group});
  return groups * e.planes << e.bits;
}

uint32_t codebook_cols(const Encoding& e, bool integer) {
  return integer && e.axis == VectorAxis::output ? 4 : e.length;
}

uint32_t codebook_rows_each(const Encoding& e, bool integer) {
  return integer && e.axis == VectorAxis::output ? (e.length + 3u) / 4 : 1;
}

void decode_vector_row(const Encoding& e, const Layout& layout, uint64_t cols, const std::byte* codes,
                       const std::byte* scales, const CodebookView& book, uint64_t row, float* out) {
  const bool output = e.axis == VectorAxis::output;
  const uint64_t lane = output ? row / e.length : row;
  std::memset(out, 0, cols * sizeof(float));
  for (unsigned p = 0; p < e.planes; ++p) {
    const bool scaled = e.scope != ScaleScope::none;
    const float own = scaled ? load_float(e.scale_type, scales, scale_index(e, layout, row, 0, p)) : 1.f;
    const float scale = own * book.scale;
    for (uint64_t c = 0; c < cols; ++c) {
      const uint64_t position = output ? c : c / e.length;
      const auto i = static_cast<uint32_t>(output ? row % e.length : c % e.length);
      const uint64_t entry = vector_book(e, position, p) + vector_index(e, layout, cols, codes, p, lane, position);
      out[c] = fma32(scale, codebook_value(e, book, entry, i), out[c]);
    }
  }
}

}  // namespace tern
