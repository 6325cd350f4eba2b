// Hugging Face safetensors: u64 header length, JSON header, tensor bytes; and checkpoints cut into several such
// files by model.safetensors.index.json. Every offset is checked here, so views handed out need no further check.
// Format: https://github.com/huggingface/safetensors (README, "Format").
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/mapped_file.h"
#include "base/status.h"

namespace tern {

inline constexpr uint64_t kMaxSafetensorsHeader = 100'000'000;  // the format's own limit

enum class ForeignType { boolean, u8, i8, u16, i16, u32, i32, u64, i64, f16, bf16, f32, f64 };

const char* foreign_type_name(ForeignType type);  // "BF16"
uint64_t foreign_type_bytes(ForeignType type);

struct ForeignTensor {
  std::string name;
  ForeignType type = ForeignType::f32;
  std::vector<uint64_t> shape;
  uint64_t offset = 0, bytes = 0;  // within the whole file
};

std::string describe(const ForeignTensor& tensor);  // "BF16 [640, 2560]"

// The tensors of one file's bytes, in file order. Refused: header over the limit or past the end, unknown
// dtype, a size that is not shape x dtype, gaps, overlaps, bytes left over, duplicate names.
Result<std::vector<ForeignTensor>> parse_safetensors(std::span<const std::byte> bytes, const std::string& name);

// A checkpoint of one or more mapped safetensors files. Immutable after opening.
class TensorSet {
 public:
  struct Entry {
    ForeignTensor tensor;
    const MappedFile* file = nullptr;
    std::span<const std::byte> bytes() const { return file->bytes().subspan(tensor.offset, tensor.bytes); }
    // Gives back the pages of part of this tensor (see MappedFile::release).
    void release(uint64_t offset, uint64_t size) const { file->release(tensor.offset + offset, size); }
  };

  static Result<std::shared_ptr<const TensorSet>> open_file(const std::string& path);
  // weight_map must name files in the index's own directory, and agree with what they hold.
  static Result<std::shared_ptr<const TensorSet>> open_index(const std::string& index_path);

  const Entry* find(const std::string& name) const;  // null if absent
  const std::map<std::string, Entry>& entries() const { return entries_; }

 private:
  Status add_file(const std::string& path, std::vector<std::string>* names);
  std::vector<std::unique_ptr<MappedFile>> files_;
  std::map<std::string, Entry> entries_;
};

}  // namespace tern
