#include "formats/encoding/encoding.h"

#include "base/checked.h"
#include "formats/encoding/dense.h"
#include "formats/encoding/int.h"
#include "formats/encoding/phase.h"
#include "formats/encoding/trit2.h"
#include "formats/encoding/trit5.h"
#include "formats/encoding/vector.h"

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

Status unknown_scale_type(const Encoding& e) {
  return invalid_argument("scale type is " + quoted(uint8_t(e.scale_type)) + ", expected 1 (f32), 2 (f16) or 3 (bf16)");
}

Status check_scales(const Encoding& e, uint64_t cols) {
  const bool phase = e.kind == EncodingKind::phase;
  if (e.scope < ScaleScope::tensor || e.scope > (phase ? ScaleScope::tile : ScaleScope::group)) {
    return invalid_argument("scale scope is " + quoted(uint8_t(e.scope)) + ", expected 1 (tensor), 2 (row)" +
                            (phase ? ", 3 (group) or 4 (tile)" : " or 3 (group)"));
  }
  if (!*float_name(e.scale_type)) return unknown_scale_type(e);
  if (!has_group_scales(e) && e.group != 0) {
    return invalid_argument("group is " + quoted(e.group) + ", expected 0 without group scales");
  }
  if (has_group_scales(e) && (e.group == 0 || e.group > cols)) {
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
  if (has_group_scales(e) && cols / 2 % e.group != 0) {
    return invalid_argument("group is " + quoted(e.group) + ", expected a divisor of " + quoted(cols / 2) +
                            ", half the columns");
  }
  return {};
}

Status check_vector(const Encoding& e, uint64_t cols) {
  if (e.bits == 0 || e.bits > kMaxIndexBits) {
    return invalid_argument("bits is " + quoted(e.bits) + ", expected 1 to 16 for vector");
  }
  if (e.length < kMinVectorLength || e.length > kMaxVectorLength) {
    return invalid_argument("vector length is " + quoted(e.length) + ", expected 2 to 32");
  }
  if (e.planes == 0 || e.planes > kMaxPlanes) {
    return invalid_argument("planes is " + quoted(e.planes) + ", expected 1 to " + quoted(kMaxPlanes));
  }
  if (e.scope > ScaleScope::row) {
    return invalid_argument("scale scope is " + quoted(uint8_t(e.scope)) +
                            ", expected 0 (none), 1 (tensor) or 2 (row)");
  }
  if (e.scope != ScaleScope::none && !*float_name(e.scale_type)) return unknown_scale_type(e);
  if (e.group > cols) {
    return invalid_argument("group is " + quoted(e.group) + ", expected 0 to the " + quoted(cols) + " columns");
  }
  if (e.axis == VectorAxis::input && e.group % e.length != 0) {
    return invalid_argument("group is " + quoted(e.group) + ", expected a multiple of the vector length " +
                            quoted(e.length));
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
      return check_vector(e, cols);
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
    case EncodingKind::vector:
      return e.axis == VectorAxis::output ? 1 : e.length;
    default:
      return e.bits == kTrit5Bits ? kTrit5BlockCols : kTrit2BlockCols;
  }
}

uint64_t unit_blocks_of(const Encoding& e) {
  if (e.kind == EncodingKind::phase) return kPhaseUnitBlocks;
  return e.kind == EncodingKind::int_ ? int_unit(e.bits).blocks : 1;
}

// Below 2^43 with 2^31 columns.
uint64_t count_tile_scales(const Encoding& e, const Layout& layout) {
  if (e.scope == ScaleScope::tile) return layout.groups * scale_planes(e);
  if (e.scope != ScaleScope::row && e.scope != ScaleScope::group) return 0;
  return (e.scope == ScaleScope::group ? layout.groups : 1) * scale_planes(e) * kTileRows;
}

// Bytes of the codes; sets what a vector encoding has instead of blocks.
Checked place_vectors(const Encoding& e, uint64_t rows, uint64_t cols, Layout& layout) {
  const bool output = e.axis == VectorAxis::output;
  const uint64_t lanes = vector_tile_lanes(e);
  layout.lanes = align_up(output ? ceil_div(rows, e.length) : rows, kLaneStep);
  layout.tiles = ceil_div(layout.lanes, lanes);
  layout.tile_rows = output ? lanes * e.length : lanes;
  const Checked full = checked_mul(vector_positions(e, cols) * e.planes, vector_record_bytes(e, lanes));
  const Checked tile_bytes = checked_align(full, kBlockBytes);
  if (!tile_bytes) return {};
  layout.tile_bytes = *tile_bytes;
  return checked_add(checked_mul(layout.tiles - 1, tile_bytes), vector_tile_bytes(e, layout, cols, layout.tiles - 1));
}

Checked place_blocks(const Encoding& e, Layout& layout) {
  layout.tiles = ceil_div(layout.tiled_rows, kTileRows);
  const uint64_t planes = e.kind == EncodingKind::phase ? e.planes * e.bits : e.planes;
  const Checked tile_blocks = checked_mul(checked_mul(layout.groups, layout.group_blocks), planes);
  const Checked tile_bytes = checked_mul(tile_blocks, kBlockBytes);
  layout.tile_bytes = tile_bytes.value_or(0);
  return checked_mul(tile_bytes, layout.tiles);
}

}  // namespace

Result<Layout> layout_of(const Encoding& encoding, uint64_t rows, uint64_t cols) {
  TERN_TRY(check_shape(rows, cols));
  TERN_TRY(check_encoding(encoding, rows, cols));
  const Status too_large =
      invalid_argument("a matrix of " + quoted(rows) + " x " + quoted(cols) + " does not fit in 64 bits");

  Layout layout;
  layout.halves = encoding.kind == EncodingKind::phase ? 2 : 1;
  layout.groups = 1;
  layout.group_cols = cols / layout.halves;
  if (encoding.kind == EncodingKind::plain || encoding.kind == EncodingKind::index) {
    const uint64_t size = encoding.kind == EncodingKind::index ? 4 : float_bytes(encoding.value_type);
    const Checked bytes = checked_mul(checked_mul(rows, cols), size);
    if (!bytes) return too_large;
    layout.code_bytes = *bytes;
    return layout;
  }
  if (encoding.group != 0) {
    layout.groups = ceil_div(layout.group_cols, encoding.group);
    layout.group_cols = encoding.group;
  }
  layout.tiled_rows = rows / layout.halves;
  layout.unit_cols = unit_cols_of(encoding);
  layout.unit_blocks = unit_blocks_of(encoding);
  layout.group_blocks = ceil_div(layout.group_cols, layout.unit_cols) * layout.unit_blocks;
  const bool vector = encoding.kind == EncodingKind::vector;
  const Checked code_bytes = vector ? place_vectors(encoding, rows, cols, layout) : place_blocks(encoding, layout);
  layout.tile_scales = count_tile_scales(encoding, layout);
  const bool whole = encoding.scope == ScaleScope::tensor;
  const Checked scale_count = whole
                                  ? scale_planes(encoding)
                                  : checked_mul(ceil_div(layout.tiled_rows, scale_rows(encoding)), layout.tile_scales);
  const Checked scale_bytes = checked_mul(scale_count, float_bytes(encoding.scale_type));
  if (!code_bytes || !scale_bytes || !checked_add(code_bytes, scale_bytes)) return too_large;
  layout.code_bytes = *code_bytes;
  layout.scale_count = *scale_count;
  layout.scale_bytes = *scale_bytes;
  return layout;
}

double bits_per_weight(const Layout& layout, uint64_t rows, uint64_t cols) {
  const double bytes = static_cast<double>(layout.code_bytes) + static_cast<double>(layout.scale_bytes);
  return 8 * bytes / (static_cast<double>(rows) * static_cast<double>(cols));
}

namespace {

std::string describe_vector(const Encoding& e) {
  std::string text = "vector of " + quoted(e.length) + (e.axis == VectorAxis::output ? " rows, " : " columns, ");
  text += quoted(e.bits) + "-bit index";
  if (e.planes > 1) text += ", " + quoted(e.planes) + " planes";
  if (e.group != 0) text += ", a codebook per " + quoted(e.group) + " columns";
  if (e.scope == ScaleScope::none) return text;
  return text + ", " + float_name(e.scale_type) + " scale per " + (e.scope == ScaleScope::row ? "row" : "tensor");
}

}  // namespace

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
      return describe_vector(e);
  }
  const bool five = e.kind == EncodingKind::trit && e.bits == kTrit5Bits, phase = e.kind == EncodingKind::phase;
  if (!phase) text.append(" ").append(five ? "1.6" : std::to_string(e.bits)).append("-bit");
  if (e.planes > 1) text.append(", ").append(std::to_string(e.planes)).append(phase ? " stages" : " planes");
  text.append(", ").append(float_name(e.scale_type)).append(" scale per ");
  if (e.scope == ScaleScope::group) return text.append(std::to_string(e.group));
  if (e.scope == ScaleScope::tile) return text.append(std::to_string(kScaleTileRows) + "x" + std::to_string(e.group));
  return text.append(e.scope == ScaleScope::row ? "row" : "tensor");
}

}  // namespace tern
