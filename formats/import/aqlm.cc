#include "formats/import/aqlm.h"

#include <fmt/format.h>

#include <cstring>

#include "formats/import/composition.h"

namespace tern {
namespace {

using Entry = HuggingFaceTensors::Entry;

// codes [rows][runs of columns][codebooks], two's complement of `width` bytes.
class AqlmMatrix final : public SourceMatrix {
 public:
  AqlmMatrix(ByteView codes, uint64_t width, std::unique_ptr<SourceMatrix> scales)
      : codes_(std::move(codes)), width_(width), scales_(std::move(scales)) {}

  Status read_indices(uint64_t begin, uint64_t count, std::span<uint32_t> out) const override {
    const uint64_t planes = form.encoding.planes, positions = cols / form.encoding.length;
    for (uint64_t i = 0; i < count * positions * planes; ++i) {
      const int64_t code = code_at(begin * positions * planes + i), most = int64_t{1} << form.encoding.bits;
      if (code < -most / 2 || code >= most) {
        return corrupt(fmt::format("{}: tensor '{}': a code of row {} is {}, beyond its codebook of {} entries",
                                   codes_.path(), source_name, begin + i / planes / positions, code, most));
      }
      out[i % planes * count * positions + i / planes] = static_cast<uint32_t>(code < 0 ? code + most : code);
    }
    codes_.release(begin * positions * planes * width_, count * positions * planes * width_);
    return {};
  }

  // One scale a row, for all codebooks.
  Status read_scales(uint64_t begin, uint64_t count, std::span<float> out) const override {
    const uint64_t planes = form.encoding.planes;
    std::vector<float> rows_scales(count);
    TERN_TRY(scales_->read_rows(begin, count, rows_scales));
    for (uint64_t i = 0; i < count * planes; ++i) out[i] = rows_scales[i / planes];
    return {};
  }

  Status read_rows(uint64_t, uint64_t, std::span<float>) const override {
    return internal_error(name + ": indices alone have no values");
  }

 private:
  int64_t code_at(uint64_t i) const {
    if (width_ == 1) return std::to_integer<int8_t>(codes_.data()[i]);
    int16_t code;
    std::memcpy(&code, codes_.data() + 2 * i, 2);
    return code;
  }
  ByteView codes_;
  uint64_t width_;
  std::unique_ptr<SourceMatrix> scales_;
};

}  // namespace

Status add_aqlm_layer(const HfAqlm& config, const std::string& name, const std::string& module, uint64_t rows,
                      uint64_t cols, HuggingFaceTensors& tensors, SourceModel& model) {
  if (cols % config.in_group != 0) {
    return corrupt(
        fmt::format("layer '{}': {} columns are no multiple of in_group_size {}", module, cols, config.in_group));
  }
  const uint64_t entries = uint64_t{1} << config.bits, positions = cols / config.in_group;
  const std::string source = module + ".codes", codebook = name + ".codebook";
  TERN_ASSIGN(const Entry* codes, tensors.require(source, {rows, positions, config.codebooks}));
  const ForeignType type = codes->tensor.type, expected = config.bits <= 8 ? ForeignType::i8 : ForeignType::i16;
  if (type != expected) {
    return unsupported(fmt::format("{}: tensor '{}' is {}, expected {} for {} bits", codes->file->path(), source,
                                   describe(codes->tensor), foreign_type_name(expected), config.bits));
  }
  TERN_ASSIGN(auto values,
              tensors.floats(codebook, module + ".codebooks", {config.codebooks, entries, 1, config.in_group},
                             config.codebooks * entries, config.in_group));
  TERN_ASSIGN(auto scales, tensors.floats(name + ".scales", module + ".scales", {rows, 1, 1, 1}, rows, 1));

  CompositionBuilder builder(model, name, rows, cols);
  const FloatType scale_type = scales->form.value_type;
  builder.add(std::make_unique<CodebookMatrix>(std::move(values), entries, config.bits, codebook));
  auto matrix = std::make_unique<AqlmMatrix>(tensors.view(*codes), foreign_type_bytes(type), std::move(scales));
  matrix->name = name, matrix->source_name = source;
  matrix->rows = rows, matrix->cols = cols;
  matrix->form.kind = SourceForm::Kind::fixed, matrix->form.codebook = codebook;
  Encoding& e = matrix->form.encoding;
  e.kind = EncodingKind::vector, e.axis = VectorAxis::input;
  e.length = static_cast<uint8_t>(config.in_group), e.bits = static_cast<uint8_t>(config.bits);
  e.planes = static_cast<uint8_t>(config.codebooks);
  e.scope = ScaleScope::row, e.scale_type = scale_type;
  builder.add_term(builder.add(std::move(matrix)), 0, cols);
  builder.finish();
  return {};
}

}  // namespace tern
