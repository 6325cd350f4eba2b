// The paged cache of one sequence: blocks of 32 positions, shared between forks until one of them writes.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "base/status.h"
#include "runtime/model/cache_layout.h"

namespace tern {

// Makes the blocks of one session and counts those that live. Outlived by no block's use.
class CachePool {
 public:
  explicit CachePool(const CacheLayout& layout) : layout_(layout), alive_(std::make_shared<uint64_t>(0)) {}

  const CacheLayout& layout() const { return layout_; }
  uint64_t bytes() const { return *alive_ * layout_.block_bytes(); }
  CacheBlock make() const;                          // throws std::bad_alloc
  CacheBlock copy(const CacheBlock& source) const;  // throws std::bad_alloc

 private:
  CacheLayout layout_;
  std::shared_ptr<uint64_t> alive_;
};

class SequenceCache {
 public:
  uint32_t length() const { return length_; }
  const CacheBlock* blocks() const { return blocks_.data(); }

  // Makes positions [length(), length() + count) writable: adds blocks, and copies the block that the next
  // position falls in if another sequence shares it. Throws std::bad_alloc; the contents stay as they were.
  void reserve(const CachePool& pool, uint32_t count);
  // Counts `count` reserved positions as held.
  void extend(uint32_t count) { length_ += count; }
  // Keeps the first `length` positions and frees blocks that hold none. REQUIRES length <= length().
  void truncate(uint32_t length);
  // A sequence with the same positions: full blocks are shared, the last one is copied.
  SequenceCache fork(const CachePool& pool) const;

 private:
  std::vector<CacheBlock> blocks_;
  uint32_t length_ = 0;
};

}  // namespace tern
