// TernFile::verify_payload: every byte of every part, in blocks, so that memory stays small.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "base/checked.h"
#include "formats/encoding/int.h"
#include "formats/encoding/phase.h"
#include "formats/encoding/trit2.h"
#include "formats/encoding/trit5.h"
#include "formats/encoding/values.h"
#include "formats/encoding/vector.h"
#include "formats/tern/hash.h"
#include "formats/tern/limits.h"
#include "formats/tern/reader.h"

namespace tern {
namespace {

constexpr uint64_t kStep = 1 << 20;  // bytes between two reports

class PayloadVerifier {
 public:
  PayloadVerifier(std::span<const std::byte> file, uint64_t total, const ProgressCallback& progress,
                  const std::optional<MappedFile>& map)
      : file_(file), total_(total), progress_(progress), map_(map) {}

  Status verify(const TensorRecord& t, std::span<const std::byte> codes, std::span<const std::byte> scales) {
    what_ = t.name;
    TERN_TRY(check_gap(t.codes.offset));
    TERN_TRY(check_hash(codes, t.codes, "codes"));
    TERN_ASSIGN(const Layout layout, layout_of(t.encoding, t.rows, t.cols));
    TERN_TRY(check_codes(t, layout, codes));
    release(t.codes);
    if (scales.empty()) return {};
    TERN_TRY(check_gap(t.scales.offset));
    TERN_TRY(check_hash(scales, t.scales, "scales"));
    TERN_TRY(check_scales(t, layout, scales));
    release(t.scales);
    return {};
  }

  Status finish() { return check_gap(file_.size()); }
  void start_at(uint64_t offset) { end_ = offset; }

 private:
  Status check_gap(uint64_t next) {
    for (uint64_t i = end_; i < next; ++i) {
      if (file_[i] != std::byte{0})
        return corrupt(fmt::format("padding before the part at offset {} is not zero at {}", next, i));
    }
    return {};
  }

  Status check_hash(std::span<const std::byte> bytes, const Part& part, const char* name) {
    Hash64 hash;
    for (uint64_t at = 0; at < bytes.size(); at += kStep) {
      const auto piece = bytes.subspan(at, std::min<uint64_t>(kStep, bytes.size() - at));
      hash.update(piece);
      done_ += piece.size();
      if (progress_ && !progress_({what_, done_, total_})) return aborted("verification was stopped");
    }
    end_ = part.offset + part.bytes;
    const uint64_t found = hash.digest();
    if (found == part.hash) return {};
    return corrupt(fmt::format("{}: XXH3-64 is {:016x}, expected {:016x}", name, found, part.hash));
  }

  void release(const Part& part) const {
    if (map_) map_->release(part.offset, part.bytes);
  }

  static Status check_finite(FloatType type, std::span<const std::byte> values, const char* what) {
    for (uint64_t i = 0, n = values.size() / float_bytes(type); i < n; ++i) {
      if (!std::isfinite(load_float(type, values.data(), i)))
        return corrupt(fmt::format("{} {} is not finite", what, i));
    }
    return {};
  }

  Status check_codes(const TensorRecord& t, const Layout& layout, std::span<const std::byte> codes) const {
    switch (t.encoding.kind) {
      case EncodingKind::plain:
        return check_finite(t.encoding.value_type, codes, "value");
      case EncodingKind::dense:
        return check_dense(t, layout, codes);
      case EncodingKind::int_:
        return check_padding(t, layout, codes, 1);
      case EncodingKind::trit:
        return check_trits(t, layout, codes);
      case EncodingKind::phase:
        return check_phase(t, layout, codes);
      case EncodingKind::vector:
        return check_indices(t, layout, codes);
      default:
        return {};
    }
  }

  static Status check_dense(const TensorRecord& t, const Layout& layout, std::span<const std::byte> codes) {
    TERN_TRY(check_finite(t.encoding.value_type, codes, "value"));
    const uint64_t columns = layout.padded_cols();
    for (uint64_t tile = 0; tile < layout.tiles; ++tile) {
      const uint64_t rows = std::min<uint64_t>(kTileRows, t.rows - tile * kTileRows);
      for (uint64_t col = 0; col < columns; ++col) {
        for (uint64_t row = col < t.cols ? rows : 0; row < kTileRows; ++row) {
          if (load_float(t.encoding.value_type, codes.data(), (tile * columns + col) * kTileRows + row) == 0) continue;
          return corrupt(fmt::format("padding at row {}, column {} is not zero", tile * kTileRows + row, col));
        }
      }
    }
    return {};
  }

  static Status check_trits(const TensorRecord& t, const Layout& layout, std::span<const std::byte> codes) {
    for (uint64_t i = 0; i < codes.size(); ++i) {
      const auto byte = std::to_integer<unsigned>(codes[i]);
      if (t.encoding.bits == kTrit5Bits) {
        if (trit5_valid(static_cast<uint8_t>(byte))) continue;
        return corrupt(fmt::format("byte {} is {}, which stands for no five trits", i, byte));
      }
      if (byte & (byte >> 1) & 0x55) return corrupt(fmt::format("byte {} holds the code 3, expected 0 to 2", i));
    }
    return check_padding(t, layout, codes, t.encoding.planes);
  }

  // Every index is legal. Tiles end with lanes of index 0, then zeros up to a block.
  static Status check_indices(const TensorRecord& t, const Layout& layout, std::span<const std::byte> codes) {
    const Encoding& e = t.encoding;
    const uint64_t full = vector_tile_lanes(e), positions = vector_positions(e, t.cols);
    const uint64_t lanes = e.axis == VectorAxis::output ? ceil_div(t.rows, e.length) : t.rows;
    for (uint64_t lane = lanes; lane < layout.lanes; ++lane) {
      for (uint64_t i = 0; i < e.planes * positions; ++i) {
        if (vector_index(e, layout, t.cols, codes.data(), i / positions, lane, i % positions) != 0)
          return corrupt(fmt::format("padding at vector row {}, plane {}, position {} is not zero", lane, i / positions,
                                     i % positions));
      }
    }
    for (uint64_t tile = 0; tile < layout.tiles; ++tile) {
      const uint64_t used = e.planes * positions * vector_record_bytes(e, vector_lanes(e, layout, tile));
      for (uint64_t i = used; i < vector_tile_bytes(e, layout, t.cols, tile); ++i) {
        if (codes[tile * layout.tile_bytes + i] != std::byte{0})
          return corrupt(
              fmt::format("padding after vector row {} is not zero", std::min(lanes, (tile + 1) * full) - 1));
      }
    }
    return {};
  }

  // phase: every pattern of bits is a code, those of padding are 0. Tiles of 16 rows have padding in their last unit
  // alone, if at all.
  static Status check_phase(const TensorRecord& t, const Layout& layout, std::span<const std::byte> codes) {
    const uint64_t units = layout.group_blocks / kPhaseUnitBlocks,
                   unit_bytes = kPhaseUnitBlocks * kBlockBytes * t.encoding.bits;
    for (uint64_t tile = 0; tile < layout.tiles; ++tile) {
      const uint64_t rows = std::min<uint64_t>(kTileRows, layout.tiled_rows - tile * kTileRows);
      const uint64_t from = rows < kTileRows ? 0 : layout.group_cols / kPhaseUnitCols;
      for (uint64_t run = 0; run < layout.tile_bytes / (units * unit_bytes); ++run) {
        for (uint64_t unit = from; unit < units; ++unit) {
          const uint64_t at = tile * layout.tile_bytes + (run * units + unit) * unit_bytes;
          const uint64_t cols = layout.group_cols - unit * kPhaseUnitCols;
          if (has_zero_padding(codes.subspan(at, unit_bytes), rows, cols)) continue;
          return corrupt(fmt::format("padding in the unit at byte {} of the codes is not zero", at));
        }
      }
    }
    return {};
  }

  // Of a phase unit with so many rows and columns, or more. Bit k of a byte is column 4k after that of bit 0.
  static bool has_zero_padding(std::span<const std::byte> unit, uint64_t rows, uint64_t cols) {
    for (uint64_t at = 0; at < unit.size(); ++at) {
      const uint64_t row = at % (2 * kPhaseWords) / 2, first = at / (unit.size() / 2) * 2 + at % 2;
      const uint64_t used = row < rows && first < cols ? (cols - first + 3) / 4 : 0;
      if (used < 8 && (unit[at] >> used) != std::byte{0}) return false;
    }
    return true;
  }

  // int and trit: visits the rows beyond the matrix whole, and of other rows the blocks that end a group.
  static Status check_padding(const TensorRecord& t, const Layout& layout, std::span<const std::byte> codes,
                              unsigned planes) {
    for (uint64_t row = 0; row < layout.tiles * kTileRows; ++row) {
      const std::byte* tile = codes.data() + row / kTileRows * layout.tile_bytes;
      for (uint64_t group = 0; group < layout.groups; ++group) {
        const uint64_t begin = group * layout.group_cols;
        const uint64_t used = row < t.rows ? std::min(layout.group_cols, t.cols - begin) : 0;
        for (unsigned plane = 0; plane < planes; ++plane) {
          const std::byte* blocks = tile + (group * planes + plane) * layout.group_blocks * kBlockBytes;
          for (uint64_t col = used; col < layout.padded_group_cols(); ++col) {
            if (!is_zero(t.encoding, layout, blocks, row % kTileRows, col)) {
              return corrupt(
                  fmt::format("padding at row {}, group {}, plane {}, column {} is not zero", row, group, plane, col));
            }
          }
        }
      }
    }
    return {};
  }

  // Of the blocks of one group and plane.
  static bool is_zero(const Encoding& e, const Layout& layout, const std::byte* blocks, uint64_t row, uint64_t col) {
    if (e.kind == EncodingKind::int_) {
      return int_code(e.bits, blocks, static_cast<unsigned>(row), col) == static_cast<unsigned>(int_zero(e.bits));
    }
    const std::byte* in_block = blocks + col / layout.unit_cols * kBlockBytes;
    const auto byte = std::to_integer<uint8_t>(in_block[row * 4 + col % 4]);
    const auto place = static_cast<unsigned>(col % layout.unit_cols / 4);
    return (e.bits == kTrit5Bits ? trit5_digit(byte, place) : byte >> 2 * place & 3) == 1;
  }

  static Status check_scales(const TensorRecord& t, const Layout& layout, std::span<const std::byte> scales) {
    TERN_TRY(check_finite(t.encoding.scale_type, scales, "scale"));
    if (t.encoding.scope == ScaleScope::tensor || t.encoding.scope == ScaleScope::tile) return {};
    const uint64_t runs = layout.tile_scales / kTileRows, rows = align_up(layout.tiled_rows, kTileRows);
    for (uint64_t row = layout.tiled_rows; row < rows; ++row) {
      for (uint64_t run = 0; run < runs; ++run) {
        const uint64_t i = (row / kTileRows * runs + run) * kTileRows + row % kTileRows;
        if (load_float(t.encoding.scale_type, scales.data(), i) != 0) {
          return corrupt(fmt::format("the scale of padding row {} is not zero", row));
        }
      }
    }
    return {};
  }

  std::span<const std::byte> file_;
  uint64_t total_, done_ = 0, end_ = 0;
  const ProgressCallback& progress_;
  const std::optional<MappedFile>& map_;
  std::string_view what_;
};

}  // namespace

// Opening has checked the hashes of all other sections.
Status TernFile::verify_payload(const ProgressCallback& progress) const {
  uint64_t total = 0;
  for (const TensorRecord& t : description_.tensors) total += t.codes.bytes + t.scales.bytes;
  PayloadVerifier verifier(bytes_, total, progress, map_);
  if (!description_.tensors.empty()) verifier.start_at(description_.tensors.front().codes.offset);
  for (uint32_t i = 0; i < description_.tensors.size(); ++i) {
    const TensorRecord& t = description_.tensors[i];
    TERN_TRY(verifier.verify(t, codes(i), scales(i)).within(path_ + ": tensor '" + t.name + "'"));
  }
  if (description_.tensors.empty()) return {};
  return verifier.finish().within(path_ + ": section DATA");
}

}  // namespace tern
