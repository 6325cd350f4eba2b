#include "formats/encoding/encoding.h"

#include "base/checked.h"
#include "formats/encoding/dense.h"
#include "formats/encoding/int.h"
#include "formats/encoding/phase.h"
#include "formats/encoding/trit2.h"
#include "formats/encoding/trit5.h"

namespace tern {
namespace {

const char* float_name(FloatType type) {
  switch (type) {
    case FloatType::f32:
      return "f32";
    case FloatType::f16:
      return "f16";
    case FloatType::bf16:
      return "bf16";
  }
  return "";
}

std::string quoted(uint64_t value) { return std::to_string(value); }

Status check_shape(uint64_t rows, uint64_t cols) {
  if (rows == 0 || rows > kMaxRows) return invalid_argument("rows is " + quoted(rows) + ", expected 1 to 2^31");
  if (cols == 0 || cols > kMaxMatrixCols) return invalid_argument("cols is " + quoted(cols) + ", expected 1 to 2^31");
  return {};
}

// dense, plain and index: one unscaled array of values.
Status check_unscaled(const Encoding& e) {
  if (e.kind != EncodingKind::index && !*float_name(e.value_type)) {
    return invalid_argument("value type is " + quoted(uint8_t(e.value_type)) +
                            ", expected 1 (f32), 2 (f16) or 3 (bf16)");
  }
  if (e.bits != 0) return invalid_argument("bits is " + quoted(e.bits) + ", expected 0 for an array of values");
  if (e.planes != 1) return invalid_argument("planes is " + quoted(e.planes) + ", expected 1");
  if (e.scope != ScaleScope::none)
    return invalid_argument("scale scope is " + quoted(uint8_t(e.scope)) + ", expected 0 (none)");
  if (e.group != 0) return invalid_argument("group is " + quoted(e.group) + ", expected 0 without group scales");
  return {};
}

Status check_scales(const Encoding& e, uint64_t cols) {
  if (e.scope < ScaleScope::tensor || e.scope > ScaleScope::group) {
    return invalid_argument("scale scope is " + quoted(uint8_t(e.scope)) +
                            ", expected 1 (tensor), 2 (row) or 3 (group)");
  }
  if (!*float_name(e.scale_type)) {
    return invalid_argument("scale type is " + quoted(uint8_t(e.scale_type)) +
                            ", expected 1 (f32), 2 (f16) or 3 (bf16)");
  }
  if (e.scope != ScaleScope::group && e.group != 0) {
    return invalid_argument("group is " + quoted(e.group) + ", expected 0 without group scales");
  }
  if (e.scope == ScaleScope::group && (e.group == 0 || e.group > cols)) {
    return invalid_argument("group is " + quoted(e.group) + ", expected 1 to the " + quoted(cols) + " columns");
  }
  return {};
}

Status check_codes(const Encoding& e, uint64_t cols) {
  if (e.kind == EncodingKind::int_ && int_unit(e.bits).cols == 0) {
    if (e.bits >= 2 && e.bits <= 8) {
      return unsupported("int codes of " + quoted(e.bits) + " bits are reserved; this version reads 4, 6 and 8");
    }
    return invalid_argument("bits is " + quoted(e.bits) + ", expected 2 to 8 for int");
  }
  if (e.kind == EncodingKind::trit && e.bits != kTrit2Bits && e.bits != kTrit5Bits) {
    return unsupported("trit bits is " + quoted(e.bits) + ", expected 1 (five in a byte) or 2");
  }
  const uint8_t most = e.kind == EncodingKind::trit ? kMaxPlanes : 1;
  if (e.planes == 0 || e.planes > most) {
    return invalid_argument("planes is " + quoted(e.planes) + ", expected 1 to " + quoted(most));
  }
  return check_scales(e, cols);
}

Status check_phase(const Encoding& e, uint64_t rows, uint64_t cols) {
  if (e.bits != 1 && e.bits != 2) {
    return invalid_argument("bits is " + quoted(e.bits) + ", expected 1 (W alone) or 2 (U and W) for phase");
  }
  if (e.planes == 0 || e.planes > kMaxPhaseStages) {
    return invalid_argument("planes is " + quoted(e.planes) + ", expected 1 to " + quoted(kMaxPhaseStages) +
                            " stages of phase");
  }
  if (rows % 2 != 0 || cols % 2 != 0) {
    return invalid_argument("a phase matrix is " + quoted(rows) + " x " + quoted(cols) + ", expected even numbers");
  }
  TERN_TRY(check_scales(e, cols / 2));
  if (e.scope == ScaleScope::group && cols / 2 % e.group != 0) {
    return invalid_argument("group is " + quoted(e.group) + ", expected a divisor of " + quoted(cols / 2) +
                            ", half the columns");
  }
  return {};
}

Status check_encoding(const Encoding& e, uint64_t rows, uint64_t cols) {
  switch (e.kind) {
    case EncodingKind::plain:
    case EncodingKind::dense:
    case EncodingKind::index:
      return check_unscaled(e);
    case EncodingKind::int_:
    case EncodingKind::trit:
      return check_codes(e, cols);
    case EncodingKind::sign:
      return unsupported("the encoding sign (4) is reserved; this version has no layout for it");
    case EncodingKind::phase:
      return check_phase(e, rows, cols);
    case EncodingKind::vector:
      return unsupported("the encoding vector (6) is reserved; this version has no layout for it");
  }
  return unsupported("encoding kind " + quoted(uint16_t(e.kind)) + " is unknown");
}

uint64_t unit_cols_of(const Encoding& e) {
  switch (e.kind) {
    case EncodingKind::dense:
      return dense_block_cols(e.value_type);
    case EncodingKind::int_:
      return int_unit(e.bits).cols;
    case EncodingKind::phase:
      return kPhaseUnitCols;
    default:
      return e.bits == kTrit5Bits ? kTrit5BlockCols : kTrit2BlockCols;
  }
}

uint64_t unit_blocks_of(const Encoding& e) {
  if (e.kind == EncodingKind::phase) return kPhaseUnitBlocks;
  return e.kind == EncodingKind::int_ ? int_unit(e.bits).blocks : 1;
}

Checked count_scales(const Encoding& e, const Layout& layout) {
  switch (e.scope) {
    case ScaleScope::none:
      return 0;
    case ScaleScope::tensor:
      return scale_planes(e);
    case ScaleScope::row:
      return checked_mul(layout.tiles, uint64_t{kTileRows} * scale_planes(e));
    case ScaleScope::group:
      return checked_mul(checked_mul(layout.tiles, layout.groups), uint64_t{kTileRows} * scale_planes(e));
  }
  return {};
}

}  // namespace

Result<Layout> layout_of(const Encoding& encoding, uint64_t rows, uint64_t cols) {
  TERN_TRY(check_shape(rows, cols));
  TERN_TRY(check_encoding(encoding, rows, cols));
  const Status too_large =
      invalid_argument("a matrix of " + quoted(rows) + " x " + quoted(cols) + " does not fit in 64 bits");

  Layout layout;
  const bool phase = encoding.kind == EncodingKind::phase;
  layout.halves = phase ? 2 : 1;
  layout.groups = 1;
  layout.group_cols = cols / layout.halves;
  if (encoding.kind == EncodingKind::plain || encoding.kind == EncodingKind::index) {
    const uint64_t size = encoding.kind == EncodingKind::index ? 4 : float_bytes(encoding.value_type);
    const Checked bytes = checked_mul(checked_mul(rows, cols), size);
    if (!bytes) return too_large;
    layout.code_bytes = *bytes;
    return layout;
  }
  if (encoding.scope == ScaleScope::group) {
    layout.groups = ceil_div(layout.group_cols, encoding.group);
    layout.group_cols = encoding.group;
  }
  layout.tiled_rows = rows / layout.halves;
  layout.tiles = ceil_div(layout.tiled_rows, kTileRows);
  layout.unit_cols = unit_cols_of(encoding);
  layout.unit_blocks = unit_blocks_of(encoding);
  layout.group_blocks = ceil_div(layout.group_cols, layout.unit_cols) * layout.unit_blocks;
  const uint64_t planes = phase ? encoding.planes * encoding.bits : encoding.planes;
  const Checked tile_blocks = checked_mul(checked_mul(layout.groups, layout.group_blocks), planes);
  const Checked tile_bytes = checked_mul(tile_blocks, kBlockBytes);
  const Checked code_bytes = checked_mul(tile_bytes, layout.tiles);
  const Checked scale_count = count_scales(encoding, layout);
  const Checked scale_bytes = checked_mul(scale_count, float_bytes(encoding.scale_type));
  if (!code_bytes || !scale_bytes || !checked_add(code_bytes, scale_bytes)) return too_large;
  layout.tile_bytes = *tile_bytes;
  layout.code_bytes = *code_bytes;
  layout.scale_count = *scale_count;
  layout.tile_scales = encoding.scope == ScaleScope::tensor ? 0 : *scale_count / layout.tiles;
  layout.scale_bytes = *scale_bytes;
  return layout;
}

double bits_per_weight(const Layout& layout, uint64_t rows, uint64_t cols) {
  const double bytes = static_cast<double>(layout.code_bytes) + static_cast<double>(layout.scale_bytes);
  return 8 * bytes / (static_cast<double>(rows) * static_cast<double>(cols));
}

std::string describe(const Encoding& e) {
  std::string text;
  switch (e.kind) {
    case EncodingKind::plain:
      return std::string("plain ") + float_name(e.value_type);
    case EncodingKind::dense:
      return float_name(e.value_type);
    case EncodingKind::index:
      return "index u32";
    case EncodingKind::int_:
      text = "int";
      break;
    case EncodingKind::trit:
      text = "trit";
      break;
    case EncodingKind::sign:
      return "sign";
    case EncodingKind::phase:
      text = e.bits == 2 ? "phase U and W" : "phase W";
      break;
    case EncodingKind::vector:
      return "vector";
  }
  const bool five = e.kind == EncodingKind::trit && e.bits == kTrit5Bits, phase = e.kind == EncodingKind::phase;
  if (!phase) text.append(" ").append(five ? "1.6" : std::to_string(e.bits)).append("-bit");
  if (e.planes > 1) text.append(", ").append(std::to_string(e.planes)).append(phase ? " stages" : " planes");
  text.append(", ").append(float_name(e.scale_type)).append(" scale per ");
  if (e.scope == ScaleScope::group) return text.append(std::to_string(e.group));
  return text.append(e.scope == ScaleScope::row ? "row" : "tensor");
}

}  // namespace tern
