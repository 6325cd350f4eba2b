#include "formats/import/huggingface_tensors.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>

#include "base/half.h"
#include "formats/import/dense_matrix.h"

namespace tern {
namespace {

std::optional<FloatType> float_type(ForeignType type) {
  if (type == ForeignType::f32) return FloatType::f32;
  if (type == ForeignType::f16) return FloatType::f16;
  if (type == ForeignType::bf16) return FloatType::bf16;
  return {};
}

bool equal_bytes(const ByteView& a, const ByteView& b) {
  constexpr uint64_t kChunk = uint64_t{1} << 22;
  for (uint64_t at = 0; at < a.bytes; at += kChunk) {
    const uint64_t size = std::min(kChunk, a.bytes - at);
    if (std::memcmp(a.data() + at, b.data() + at, size) != 0) return false;
    a.release(at, size);
    b.release(at, size);
  }
  return true;
}

}  // namespace

Result<const HuggingFaceTensors::Entry*> HuggingFaceTensors::require(const std::string& name,
                                                                     const std::vector<uint64_t>& shape) {
  const Entry* entry = find(name);
  if (!entry) return not_found(fmt::format("{}: the checkpoint lacks the tensor '{}'", config_name_, name));
  if (entry->tensor.shape != shape) {
    ForeignTensor expected = entry->tensor;
    expected.shape = shape;
    return corrupt(fmt::format("{}: tensor '{}' is {}, {} asks for {}", entry->file->path(), name,
                               describe(entry->tensor), config_name_, describe(expected)));
  }
  used_.insert(name);
  return entry;
}

Result<std::unique_ptr<SourceMatrix>> HuggingFaceTensors::dense(const std::string& name, const std::string& source,
                                                                uint64_t rows, uint64_t cols) {
  return floats(name, source, rows == 1 ? std::vector{cols} : std::vector{rows, cols}, rows, cols);
}

Result<std::unique_ptr<SourceMatrix>> HuggingFaceTensors::floats(const std::string& name, const std::string& source,
                                                                 const std::vector<uint64_t>& shape, uint64_t rows,
                                                                 uint64_t cols) {
  TERN_ASSIGN(const Entry* entry, require(source, shape));
  const auto type = float_type(entry->tensor.type);
  if (!type) {
    return unsupported(fmt::format("{}: tensor '{}' is {}, expected F32, F16 or BF16", entry->file->path(), source,
                                   describe(entry->tensor)));
  }
  auto matrix = std::make_unique<DenseMatrix>(view(*entry), *type, rows, cols);
  matrix->name = name;
  matrix->source_name = source;
  return std::unique_ptr<SourceMatrix>(std::move(matrix));
}

Result<float> HuggingFaceTensors::scalar(const std::string& name) {
  const Entry* entry = find(name);
  const std::vector<uint64_t> none = {};
  TERN_ASSIGN(entry, require(name, entry && entry->tensor.shape.empty() ? none : std::vector<uint64_t>{1}));
  const auto type = float_type(entry->tensor.type);
  if (!type) {
    return unsupported(fmt::format("{}: tensor '{}' is {}, expected F32, F16 or BF16", entry->file->path(), name,
                                   describe(entry->tensor)));
  }
  if (*type == FloatType::f32) {
    float value;
    std::memcpy(&value, entry->bytes().data(), 4);
    return value;
  }
  uint16_t half;
  std::memcpy(&half, entry->bytes().data(), 2);
  return *type == FloatType::f16 ? f16_to_f32(half) : bf16_to_f32(half);
}

Status HuggingFaceTensors::expect_copy(const std::string& copy, const std::string& original) {
  const Entry &a = *find(copy), &b = *find(original);
  if (a.tensor.type != b.tensor.type || a.tensor.shape != b.tensor.shape || !equal_bytes(view(a), view(b))) {
    return corrupt(fmt::format("{}: the checkpoint holds a '{}' that differs from '{}'", config_name_, copy, original));
  }
  used_.insert(copy);
  return {};
}

Status HuggingFaceTensors::check_all_used(const std::string& architecture) const {
  for (const auto& [name, entry] : tensors_->entries()) {
    const bool harmless = name.ends_with("rotary_emb.inv_freq");  // a table that old versions stored
    if (harmless || used_.contains(name)) continue;
    return unsupported(fmt::format("{}: tensor '{}' {} is not part of a {} model as {} describes it",
                                   entry.file->path(), name, describe(entry.tensor), architecture, config_name_));
  }
  return {};
}

}  // namespace tern
