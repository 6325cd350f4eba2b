// What the values of an entry of a codebook are in memory: floats, or bytes that stand for themselves minus 128 (the
// encoding int with 8 bits). Internal linkage, as in tile_avx2.h.
#pragma once

#include <cstdint>

#include "formats/encoding/encoding.h"

namespace tern {
namespace {

enum class EntryType : uint8_t { f32, f16, bf16, int8 };

constexpr uint64_t entry_value_bytes(EntryType type) {
  return type == EntryType::f32 ? 4 : type == EntryType::int8 ? 1 : 2;
}

constexpr EntryType entry_type(FloatType type) {
  return type == FloatType::f32 ? EntryType::f32 : type == FloatType::f16 ? EntryType::f16 : EntryType::bf16;
}

}  // namespace
}  // namespace tern
