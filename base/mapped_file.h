// A file mapped read-only. Moves; unmaps on destruction. Safe to share across threads.
#pragma once

#include <cstddef>
#include <span>
#include <string>

#include "base/status.h"

namespace tern {

class MappedFile {
 public:
  static Result<MappedFile> open(const std::string& path);

  MappedFile(MappedFile&& other) noexcept;
  MappedFile& operator=(MappedFile&& other) noexcept;
  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;
  ~MappedFile();

  std::span<const std::byte> bytes() const { return {data_, size_}; }
  const std::string& path() const { return path_; }

  // Tells the kernel that [offset, offset + size) was read and may leave memory, so that a
  // converter streaming a large checkpoint keeps a small resident set.
  void release(size_t offset, size_t size) const;

 private:
  MappedFile() = default;
  const std::byte* data_ = nullptr;
  size_t size_ = 0;
  std::string path_;
};

}  // namespace tern
