#include "formats/tern/hash.h"

#define XXH_INLINE_ALL  // no library to link: boards build this too
#include <xxhash.h>

namespace tern {

struct Hash64::State {
  XXH3_state_t xxh;
};

uint64_t hash64(std::span<const std::byte> bytes) { return XXH3_64bits(bytes.data(), bytes.size()); }

Hash64::Hash64() : state_(std::make_unique<State>()) { XXH3_64bits_reset(&state_->xxh); }
Hash64::~Hash64() = default;
Hash64::Hash64(Hash64&&) noexcept = default;
Hash64& Hash64::operator=(Hash64&&) noexcept = default;

void Hash64::update(std::span<const std::byte> bytes) { XXH3_64bits_update(&state_->xxh, bytes.data(), bytes.size()); }
uint64_t Hash64::digest() const { return XXH3_64bits_digest(&state_->xxh); }

}  // namespace tern
