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

#include "formats/encoding/dense.h"
#include "formats/encoding/int.h"
#include "formats/encoding/phase.h"
#include "formats/encoding/values.h"
#include "formats/tern/writer.h"

namespace tern::test {
namespace {

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
    std::vector<float> scales;
    for (uint64_t r = 0; r < rows; ++r) {
      for (uint64_t g = 0; g < layout.groups; ++g) {
        for (unsigned p = 0; p < scale_planes(t.encoding); ++p) scales.push_back(golden_scale(first + r, g, p));
      }
    }
    std::vector<std::byte> packed(tile_scale_bytes(t.encoding, layout));
    pack_tile_scales(t.encoding, layout, rows, scales.data(), packed.data());
    TERN_TRY(writer.append_scales(id, packed));
  }
  if (t.encoding.scope != ScaleScope::tensor) return {};
  std::vector<std::byte> scales(layout.scale_bytes);
  for (unsigned p = 0; p < layout.scale_count; ++p)
    store_float(t.encoding.scale_type, scales.data(), p, golden_scale(0, 0, p));
  return writer.append_scales(id, scales);
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
    TERN_TRY(array ? append_array(*writer, i, t, layout) : append_tiles(*writer, i, t, layout));
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
