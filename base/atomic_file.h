// Writes a file under a temporary name beside the final one; commit() flushes it to disk
// (fsync) and renames. Without commit, destruction removes the temporary: a reader never
// sees half a file under the final name. One writer, one thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

#include "base/status.h"

namespace tern {

class AtomicFile {
 public:
  static Result<AtomicFile> create(const std::string& final_path);

  AtomicFile(AtomicFile&& other) noexcept;
  AtomicFile& operator=(AtomicFile&& other) noexcept;
  AtomicFile(const AtomicFile&) = delete;
  AtomicFile& operator=(const AtomicFile&) = delete;
  ~AtomicFile();

  Status append(std::span<const std::byte> bytes);
  // Overwrites bytes that were appended before; anything past size() is an error.
  Status write_at(uint64_t offset, std::span<const std::byte> bytes);
  Status pad_to(uint64_t offset);  // appends zeros up to offset >= size()
  uint64_t size() const { return size_; }
  Status commit();

  // Async-signal-safe: removes every temporary of this process. For signal handlers.
  static void remove_all_temporaries() noexcept;

 private:
  AtomicFile() = default;
  void discard() noexcept;
  int fd_ = -1;
  int slot_ = -1;  // in the table of live temporaries
  uint64_t size_ = 0;
  std::string temporary_, final_;
};

}  // namespace tern
