#include "runtime/session/kv_cache.h"

#include <cstring>
#include <new>

namespace tern {
namespace {

constexpr std::align_val_t kAlignment{kBlockBytes};

uint64_t blocks_for(uint64_t positions) { return ceil_div(positions, kCacheBlock); }

}  // namespace

CacheBlock CachePool::make() const {
  auto* bytes = static_cast<std::byte*>(::operator new(layout_.block_bytes(), kAlignment));
  ++*alive_;
  return CacheBlock(bytes, [alive = alive_](std::byte* p) {
    ::operator delete(p, kAlignment);
    --*alive;
  });
}

CacheBlock CachePool::copy(const CacheBlock& source) const {
  CacheBlock block = make();
  std::memcpy(block.get(), source.get(), layout_.block_bytes());
  return block;
}

void SequenceCache::reserve(const CachePool& pool, uint32_t count) {
  const uint64_t next = length_ / kCacheBlock, needed = blocks_for(uint64_t{length_} + count);
  if (count != 0 && next < blocks_.size() && blocks_[next].use_count() > 1) blocks_[next] = pool.copy(blocks_[next]);
  blocks_.reserve(needed);
  while (blocks_.size() < needed) blocks_.push_back(pool.make());
}

void SequenceCache::truncate(uint32_t length) {
  length_ = length;
  blocks_.resize(blocks_for(length));
}

SequenceCache SequenceCache::fork(const CachePool& pool) const {
  SequenceCache copy;
  copy.blocks_.assign(blocks_.begin(), blocks_.begin() + static_cast<std::ptrdiff_t>(blocks_for(length_)));
  copy.length_ = length_;
  if (length_ % kCacheBlock != 0) copy.blocks_.back() = pool.copy(copy.blocks_.back());
  return copy;
}

}  // namespace tern
