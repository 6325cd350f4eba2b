// Opens a .tern file: maps it, validates header, sections, directory, sizes, offsets and
// compositions once with checked arithmetic, and hands out views into the map. Payload bytes are
// not read (that is verify_payload's work), so opening costs the same for any model size.
// Errors name file, section or tensor, field, expected and found. Immutable, shareable across threads.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/mapped_file.h"
#include "base/progress.h"
#include "base/status.h"
#include "formats/encoding/vector.h"
#include "formats/tern/description.h"

namespace tern {

class TernFile {
 public:
  static Result<std::shared_ptr<const TernFile>> open(const std::string& path, FileAccess access = FileAccess::map);
  // The same on bytes in memory (tests, fuzzing); `name` stands for the file in messages.
  // REQUIRES: bytes outlive the TernFile and start at a 64-byte aligned address.
  static Result<std::shared_ptr<const TernFile>> parse(std::span<const std::byte> bytes, const std::string& name);

  const ModelDescription& description() const { return description_; }
  const std::string& path() const { return path_; }
  uint64_t file_bytes() const { return bytes_.size(); }

  std::span<const std::byte> codes(uint32_t tensor) const;   // 64-byte aligned
  std::span<const std::byte> scales(uint32_t tensor) const;  // 64-byte aligned, may be empty
  CodebookView codebook(uint32_t tensor) const;              // of a vector tensor; others: none
  uint32_t find_tensor(std::string_view name) const;         // kNoTensor if absent

  // Reads everything: XXH3 of every section and part, trit codes in 0..2, finite scales and
  // values, padding as specified. The first violation is the error.
  Status verify_payload(const ProgressCallback& progress = {}) const;

 private:
  friend class TernParser;
  TernFile() = default;
  std::optional<MappedFile> map_;
  std::span<const std::byte> bytes_;
  std::string path_;
  ModelDescription description_;
  std::vector<uint32_t> by_name_;  // tensors in order of their names
};

}  // namespace tern
