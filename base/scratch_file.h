// Memory that may be larger than the machine's: mapped from a file without a name, which is gone with the object. The
// room on the disk is set aside when it is made, so that writing cannot fail later. Moves; one owner.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

#include "base/status.h"

namespace tern {

class ScratchFile {
 public:
  // In the folder of `path`, whose own name is not touched. The bytes are zero.
  static Result<ScratchFile> create(const std::string& path, uint64_t bytes);

  ScratchFile(ScratchFile&& other) noexcept;
  ScratchFile& operator=(ScratchFile&& other) noexcept;
  ScratchFile(const ScratchFile&) = delete;
  ScratchFile& operator=(const ScratchFile&) = delete;
  ~ScratchFile();

  std::span<std::byte> bytes() const { return {data_, size_}; }

 private:
  ScratchFile() = default;
  std::byte* data_ = nullptr;
  size_t size_ = 0;
};

}  // namespace tern
