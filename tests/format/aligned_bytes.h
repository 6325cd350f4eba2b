// A copy of bytes that starts at a 64-byte address, as TernFile::parse asks.
#pragma once

#include <cstddef>
#include <cstring>
#include <memory>
#include <span>

#include "formats/tern/reader.h"

namespace tern::test {

class AlignedBytes {
 public:
  explicit AlignedBytes(std::span<const std::byte> bytes)
      : size_(bytes.size()), data_(new (std::align_val_t{64}) std::byte[bytes.size() + 1]) {
    if (!bytes.empty()) std::memcpy(data_.get(), bytes.data(), bytes.size());
  }
  std::span<const std::byte> span() const { return {data_.get(), size_}; }

 private:
  struct Release {
    void operator()(std::byte* p) const { ::operator delete[](p, std::align_val_t{64}); }
  };
  size_t size_;
  std::unique_ptr<std::byte[], Release> data_;
};

// Parsing, then verification: the first error.
inline Status load_status(std::span<const std::byte> bytes, const std::string& name) {
  const AlignedBytes copy(bytes);
  const auto file = TernFile::parse(copy.span(), name);
  return file.ok() ? (*file)->verify_payload() : file.status();
}

}  // namespace tern::test
