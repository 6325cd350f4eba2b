// A sequence's cached keys and values as bytes, to be kept outside the session and read back by any session of
// the same model with the same cache types, on any machine. Little-endian:
//
//   offset  bytes
//    0       8    magic "TERNSEQ\0"
//    8       4    version: 1
//   12       4    positions held (length)
//   16       8    fingerprint of the model (model_fingerprint)
//   24       4    layers
//   28       4    KV heads
//   32       4    values per head (head_dim)
//   36       1    key type: 1 f32, 2 f16
//   37       1    value type: the same
//   38       2    zero
//   40       8    bytes of the payload
//   48       8    XXH3-64 of the payload
//   56       8    XXH3-64 of bytes 0 to 55
//   64            payload: for each layer, for each KV head: keys [length][head_dim], values [length][head_dim]
//
// Reading believes nothing: every header field must be what this session would have written for that length, the
// size must be exact, and both hashes must match before anything is allocated. Payload bytes of every pattern are
// safe (they may give odd logits): the hashes find accidents, they are no proof of who wrote the bytes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "base/status.h"
#include "runtime/model/model.h"
#include "runtime/session/kv_cache.h"

namespace tern {

// XXH3-64 of what makes keys and values: configuration, tensors with their hashes, linear layers, whether
// activations are rounded, and how many stages run if not all.
uint64_t model_fingerprint(const Model& model);

struct SequenceStateKind {
  CacheLayout layout;
  uint64_t fingerprint = 0;
  uint32_t context = 0;  // most positions that reading accepts
};

uint64_t sequence_state_bytes(const CacheLayout& layout, uint32_t length);

// REQUIRES out.size() == sequence_state_bytes(kind.layout, cache.length()).
void write_sequence_state(const SequenceStateKind& kind, const SequenceCache& cache, std::span<std::byte> out);

// Fails with corrupt (broken bytes), unsupported (another version) or invalid_argument (another model, other cache
// types, longer than the context). Throws std::bad_alloc. `pool` has kind.layout.
Result<SequenceCache> read_sequence_state(const SequenceStateKind& kind, const CachePool& pool,
                                          std::span<const std::byte> bytes);

}  // namespace tern
