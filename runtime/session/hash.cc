#include <xxhash.h>

#include "runtime/session/session.h"

namespace tern {

uint64_t hash_logits(std::span<const float> logits, uint64_t seed) {
  return XXH3_64bits_withSeed(logits.data(), logits.size_bytes(), seed);
}

}  // namespace tern
