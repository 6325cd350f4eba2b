// A run of bytes in a mapped checkpoint. Keeps the mapping alive.
#pragma once

#include <algorithm>
#include <cstdint>
#include <memory>
#include <span>

#include "base/mapped_file.h"

namespace tern {

struct ByteView {
  std::shared_ptr<const void> owner;
  const MappedFile* file = nullptr;
  uint64_t offset = 0, bytes = 0;  // validated against the file by its parser

  const std::byte* data() const { return file->bytes().data() + offset; }
  const std::string& path() const { return file->path(); }

  // Gives back the pages of [begin, begin + size). MappedFile keeps pages that are only partly covered; reaching
  // back over the border takes those of the run before along, so that streaming leaves none behind.
  void release(uint64_t begin, uint64_t size) const {
    constexpr uint64_t kOverlap = 64 * 1024;
    const uint64_t reach = std::min(offset + begin, kOverlap);
    file->release(offset + begin - reach, size + reach);
  }
};

}  // namespace tern
