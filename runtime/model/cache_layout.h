// One cache block: the keys and values of 32 consecutive positions of one sequence, for every layer and KV head.
//   [layer][KV head] { keys [32][head_dim] padded to 64 bytes, values [32][head_dim] padded to 64 bytes }
// Blocks are anchored: block b of a sequence holds positions 32 b .. 32 b + 31.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>

#include "base/checked.h"
#include "formats/encoding/encoding.h"
#include "kernels/attention/attention.h"

namespace tern {

using CacheBlock = std::shared_ptr<std::byte>;  // 64-byte aligned; shared by forks of a sequence

struct CacheLayout {
  uint64_t layers = 0, kv_heads = 0, head_dim = 0;
  FloatType key_type = FloatType::f16, value_type = FloatType::f16;  // f16 or f32

  uint64_t key_bytes() const { return align_up(kCacheBlock * head_dim * float_bytes(key_type), kBlockBytes); }
  uint64_t value_bytes() const { return align_up(kCacheBlock * head_dim * float_bytes(value_type), kBlockBytes); }
  uint64_t block_bytes() const { return layers * kv_heads * (key_bytes() + value_bytes()); }
  uint64_t keys_at(uint64_t layer, uint64_t head) const {
    return (layer * kv_heads + head) * (key_bytes() + value_bytes());
  }
  uint64_t values_at(uint64_t layer, uint64_t head) const { return keys_at(layer, head) + key_bytes(); }
};

}  // namespace tern
