// A file in memory, read-only: mapped, or copied. Moves; unmaps on destruction. Safe to share across threads.
#pragma once

#include <cstddef>
#include <span>
#include <string>

#include "base/status.h"

namespace tern {

// copy: the process reads the file once into memory of its own, in huge pages where the kernel grants them. Processes do
// not share it; where page tables limit how fast memory is read, reading it is faster.
enum class FileAccess { map, copy };

class MappedFile {
 public:
  static Result<MappedFile> open(const std::string& path, FileAccess access = FileAccess::map);

  MappedFile(MappedFile&& other) noexcept;
  MappedFile& operator=(MappedFile&& other) noexcept;
  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;
  ~MappedFile();

  std::span<const std::byte> bytes() const { return {data_, size_}; }
  const std::string& path() const { return path_; }

  // Tells the kernel that [offset, offset + size) was read and may leave memory, so that a
  // converter streaming a large checkpoint keeps a small resident set. Nothing happens to a copy.
  void release(size_t offset, size_t size) const;

 private:
  MappedFile() = default;
  Status map(int fd, size_t size);
  Status copy(int fd, size_t size);
  const std::byte* data_ = nullptr;
  size_t size_ = 0;
  void* memory_ = nullptr;  // what is unmapped in the end
  size_t memory_size_ = 0;
  FileAccess access_ = FileAccess::map;
  std::string path_;
};

}  // namespace tern
