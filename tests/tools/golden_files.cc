// The payload of the golden files, and their bytes.
#include "tests/tools/golden_files.h"

#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>

#include "base/checked.h"
#include "formats/encoding/dense.h"
#include "formats/encoding/int.h"
#include "formats/encoding/phase.h"
#include "formats/encoding/values.h"
#include "formats/encoding/vector.h"
#include "formats/tern/writer.h"

namespace tern::test {
namespace {

// Scales that stand together, from those of row `first` of the tiles on.
Status append_tile_scales(TernWriter& writer, uint32_t id, const TensorRecord& t, const Layout& layout,
                          uint64_t first) {
  if (first % scale_rows(t.encoding) != 0) return {};
  const uint64_t rows = std::min<uint64_t>(kTileRows, layout.tiled_rows - first);
  const uint64_t groups = has_group_scales(t.encoding) ? layout.groups : 1;
  std::vector<float> scales;
  for (uint64_t r = 0; r < rows; ++r) {
    for (uint64_t g = 0; g < groups; ++g) {
      for (unsigned p = 0; p < scale_planes(t.encoding); ++p) scales.push_back(golden_scale(first + r, g, p));
    }
  }
  std::vector<std::byte> packed(tile_scale_bytes(t.encoding, layout));
  pack_tile_scales(t.encoding, layout, rows, scales.data(), packed.data());
  return writer.append_scales(id, packed);
}

Status append_tensor_scales(TernWriter& writer, uint32_t id, const TensorRecord& t, const Layout& layout) {
  if (t.encoding.scope != ScaleScope::tensor) return {};
  std::vector<std::byte> scales(layout.scale_bytes);
  for (unsigned p = 0; p < layout.scale_count; ++p)
    store_float(t.encoding.scale_type, scales.data(), p, golden_scale(0, 0, p));
  return writer.append_scales(id, scales);
}

Status append_vectors(TernWriter& writer, uint32_t id, const TensorRecord& t, const Layout& layout) {
  const Encoding& e = t.encoding;
  const uint64_t positions = vector_positions(e, t.cols), full = vector_tile_lanes(e);
  const uint64_t lanes = e.axis == VectorAxis::output ? ceil_div(t.rows, e.length) : t.rows;
  for (uint64_t tile = 0; tile < layout.tiles; ++tile) {
    const uint64_t count = std::min(full, lanes - tile * full);
    std::vector<uint16_t> indices(e.planes * count * positions);
    for (uint64_t i = 0; i < indices.size(); ++i) {
      const uint64_t plane = i / positions / count, lane = tile * full + i / positions % count;
      indices[i] = golden_vector(t, lane, i % positions, static_cast<unsigned>(plane));
    }
    std::vector<std::byte> bytes(vector_tile_bytes(e, layout, t.cols, tile));
    pack_vector_tile(e, layout, t.cols, tile, count, indices.data(), positions, count * positions, bytes.data());
    TERN_TRY(writer.append_codes(id, bytes));
  }
  for (uint64_t row = 0; row < t.rows && e.scope == ScaleScope::row; row += kTileRows)
    TERN_TRY(append_tile_scales(writer, id, t, layout, row));
  return append_tensor_scales(writer, id, t, layout);
}

// The codes of `rows` rows of the tiles from `first` on: [plane][row][column], phase in complex rows and columns.
std::vector<int8_t> tile_codes(const TensorRecord& t, uint64_t planes, uint64_t first, uint64_t rows, uint64_t cols) {
  std::vector<int8_t> codes;
  for (unsigned p = 0; p < planes; ++p) {
    for (uint64_t r = 0; r < rows; ++r) {
      for (uint64_t c = 0; c < cols; ++c) codes.push_back(static_cast<int8_t>(golden_code(t, first + r, c, p)));
    }
  }
  return codes;
}

void pack_tile(const TensorRecord& t, const Layout& layout, uint64_t first, uint64_t rows, std::byte* tile) {
  const Encoding& e = t.encoding;
  if (e.kind == EncodingKind::dense) {
    std::vector<float> values(rows * t.cols);
    for (uint64_t i = 0; i < values.size(); ++i) values[i] = golden_value(t, first + i / t.cols, i % t.cols);
    return pack_dense_tile(e.value_type, rows, t.cols, values.data(), t.cols, tile);
  }
  const uint64_t cols = t.cols / layout.halves;
  const uint64_t planes = e.kind == EncodingKind::phase ? e.planes * e.bits : e.planes;
  const std::vector<int8_t> codes = tile_codes(t, planes, first, rows, cols);
  if (e.kind == EncodingKind::phase) {
    const auto* units = reinterpret_cast<const uint8_t*>(codes.data());
    pack_phase_tile(e, layout, rows, units, cols, rows * cols, tile);
  } else if (e.kind == EncodingKind::int_) {
    pack_int_tile(e.bits, layout, rows, cols, codes.data(), cols, tile);
  } else {
    pack_trit_tile(e, layout, rows, cols, codes.data(), cols, rows * cols, tile);
  }
}

// Payload of one tensor, tile by tile for tiled encodings.
Status append_tiles(TernWriter& writer, uint32_t id, const TensorRecord& t, const Layout& layout) {
  std::vector<std::byte> tile(layout.tile_bytes);
  for (uint64_t first = 0; first < layout.tiled_rows; first += kTileRows) {
    const uint64_t rows = std::min<uint64_t>(kTileRows, layout.tiled_rows - first);
    pack_tile(t, layout, first, rows, tile.data());
    TERN_TRY(writer.append_codes(id, tile));
    TERN_TRY(append_tile_scales(writer, id, t, layout, first));
  }
  return append_tensor_scales(writer, id, t, layout);
}

// Row starts ascend to the number of values; everything else is the identity, shifted.
uint32_t golden_index(const TensorRecord& t, uint64_t i) {
  return static_cast<uint32_t>(t.name.ends_with("starts") ? i / 2 : (i + 1) % t.cols);
}

Status append_array(TernWriter& writer, uint32_t id, const TensorRecord& t, const Layout& layout) {
  std::vector<std::byte> bytes(layout.code_bytes);
  for (uint64_t i = 0; i < t.rows * t.cols; ++i) {
    if (t.encoding.kind == EncodingKind::index) {
      const uint32_t value = golden_index(t, i);
      std::memcpy(bytes.data() + i * 4, &value, 4);
    } else {
      store_float(t.encoding.value_type, bytes.data(), i, golden_value(t, i / t.cols, i % t.cols));
    }
  }
  return writer.append_codes(id, bytes);
}

}  // namespace

int golden_code(const TensorRecord& t, uint64_t row, uint64_t col, unsigned plane) {
  const uint64_t mixed = (row * 7 + col * 5 + plane * 3 + row * col) % 257;
  if (t.encoding.kind == EncodingKind::trit) return static_cast<int>(mixed % 3) - 1;
  if (t.encoding.kind == EncodingKind::phase) return static_cast<int>(mixed % 4);
  if (t.encoding.kind != EncodingKind::int_) return 0;
  return static_cast<int>(mixed % (1u << t.encoding.bits)) - int_zero(t.encoding.bits);
}

uint16_t golden_vector(const TensorRecord& t, uint64_t lane, uint64_t position, unsigned plane) {
  const uint64_t mixed = lane * 7919 + position * 104729 + plane * 31 + lane * position;
  return static_cast<uint16_t>(mixed % 65521 & ((1u << t.encoding.bits) - 1));
}

float golden_value(const TensorRecord& t, uint64_t row, uint64_t col) {
  if (t.name.find("hadamard") != std::string::npos || t.name.find("signs") != std::string::npos) {
    return (row * col + row + col) % 2 ? -1.f : 1.f;
  }
  return static_cast<float>((row * 13 + col * 29 + 3) % 61) / 8 - 3.5f;  // exact in bf16
}

float golden_scale(uint64_t row, uint64_t group, unsigned plane) {
  return static_cast<float>(1 + (row + 2 * group + 5 * plane) % 7) / 16;
}

Status write_golden(const std::string& path, const ModelDescription& description) {
  TERN_ASSIGN(auto writer, TernWriter::create(path, description));
  for (uint32_t i = 0; i < description.tensors.size(); ++i) {
    const TensorRecord& t = description.tensors[i];
    TERN_ASSIGN(const Layout layout, layout_of(t.encoding, t.rows, t.cols));
    const bool array = t.encoding.kind == EncodingKind::plain || t.encoding.kind == EncodingKind::index;
    const auto append = array ? append_array : t.encoding.kind == EncodingKind::vector ? append_vectors : append_tiles;
    TERN_TRY(append(*writer, i, t, layout));
  }
  return writer->finish();
}

Bytes read_bytes(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  const std::string text((std::istreambuf_iterator<char>(in)), std::istreambuf_iterator<char>());
  Bytes bytes(text.size());
  std::memcpy(bytes.data(), text.data(), text.size());
  return bytes;
}

Bytes golden_bytes(const ModelDescription& description) {
  const auto path = std::filesystem::temp_directory_path() / ("tern_golden_" + std::to_string(::getpid()) + ".tern");
  const Status status = write_golden(path.string(), description);
  if (!status.ok()) std::fprintf(stderr, "%s\n", status.message().c_str());
  Bytes bytes = read_bytes(path.string());
  std::filesystem::remove(path);
  return bytes;
}

const Bytes& golden_file(const std::string& name) {
  static const std::map<std::string, Bytes> files = [] {
    std::map<std::string, Bytes> made;
    for (const GoldenModel& model : golden_models()) made[model.name] = golden_bytes(model.description);
    return made;
  }();
  return files.at(name);
}

}  // namespace tern::test
