#include "runtime/session/sequence_state.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstring>

#include "base/checked.h"
#include "formats/tern/hash.h"
#include "formats/tern/sections.h"
#include "formats/tern/wire.h"
#include "runtime/model/parts.h"

namespace tern {
namespace {

constexpr std::array<char, 8> kMagic = {'T', 'E', 'R', 'N', 'S', 'E', 'Q', '\0'};
constexpr uint32_t kVersion = 1;
constexpr uint64_t kHeaderBytes = 64, kHashedHeaderBytes = 56;

// Visits the runs of payload bytes in order: f(block, offset in the block, bytes).
template <class F>
void for_each_run(const CacheLayout& layout, uint32_t length, F f) {
  const auto visit = [&](uint64_t at, uint64_t position_bytes) {
    for (uint32_t done = 0; done < length; done += kCacheBlock) {
      f(done / kCacheBlock, at, std::min<uint64_t>(kCacheBlock, length - done) * position_bytes);
    }
  };
  for (uint64_t layer = 0; layer < layout.layers; ++layer) {
    for (uint64_t head = 0; head < layout.kv_heads; ++head) {
      visit(layout.keys_at(layer, head), layout.head_dim * float_bytes(layout.key_type));
      visit(layout.values_at(layer, head), layout.head_dim * float_bytes(layout.value_type));
    }
  }
}

Checked payload_bytes(const CacheLayout& layout, uint32_t length) {
  const uint64_t pair_bytes = float_bytes(layout.key_type) + float_bytes(layout.value_type);
  return checked_mul(checked_mul(checked_mul(layout.layers, layout.kv_heads), checked_mul(layout.head_dim, pair_bytes)),
                     length);
}

// The header without its own hash.
ByteWriter header_of(const SequenceStateKind& kind, uint32_t length, uint64_t payload, uint64_t payload_hash) {
  ByteWriter w;
  w.put(kMagic);
  w.put(kVersion);
  w.put(length);
  w.put(kind.fingerprint);
  w.put(static_cast<uint32_t>(kind.layout.layers));
  w.put(static_cast<uint32_t>(kind.layout.kv_heads));
  w.put(static_cast<uint32_t>(kind.layout.head_dim));
  w.put(kind.layout.key_type);
  w.put(kind.layout.value_type);
  w.put(uint16_t{0});
  w.put(payload);
  w.put(payload_hash);
  return w;
}

Status expect(const char* field, uint64_t found, uint64_t expected) {
  if (found == expected) return {};
  return invalid_argument(fmt::format("sequence state: {} is {}, this session has {}", field, found, expected));
}

// The rules for the header; `length` is the state's.
Status check_header(const SequenceStateKind& kind, std::span<const std::byte> bytes, uint32_t& length) {
  if (bytes.size() < kHeaderBytes) {
    return corrupt(fmt::format("sequence state: {} bytes, the header alone has {}", bytes.size(), kHeaderBytes));
  }
  ByteReader in(bytes.first(kHeaderBytes));
  if (in.get<std::array<char, 8>>() != kMagic) return corrupt("sequence state: it does not start with TERNSEQ");
  if (const auto version = in.get<uint32_t>(); version != kVersion) {
    return unsupported(fmt::format("sequence state: version {}, this build reads version {}", version, kVersion));
  }
  uint64_t stored_hash;
  std::memcpy(&stored_hash, bytes.data() + kHashedHeaderBytes, sizeof stored_hash);
  if (stored_hash != hash64(bytes.first(kHashedHeaderBytes))) {
    return corrupt("sequence state: the header's hash does not match");
  }
  length = in.get<uint32_t>();
  if (in.get<uint64_t>() != kind.fingerprint) {
    return invalid_argument("sequence state: it was saved with another model, or with other activation rounding");
  }
  TERN_TRY(expect("the number of layers", in.get<uint32_t>(), kind.layout.layers));
  TERN_TRY(expect("the number of KV heads", in.get<uint32_t>(), kind.layout.kv_heads));
  TERN_TRY(expect("the size of a head", in.get<uint32_t>(), kind.layout.head_dim));
  TERN_TRY(expect("the key type (1 f32, 2 f16)", in.get<uint8_t>(), static_cast<uint64_t>(kind.layout.key_type)));
  TERN_TRY(expect("the value type (1 f32, 2 f16)", in.get<uint8_t>(), static_cast<uint64_t>(kind.layout.value_type)));
  if (in.get<uint16_t>() != 0) return corrupt("sequence state: reserved bytes are not zero");
  if (length > kind.context) {
    return invalid_argument(
        fmt::format("sequence state: {} positions, the session's context holds {}", length, kind.context));
  }
  const Checked expected = payload_bytes(kind.layout, length);
  const auto payload = in.get<uint64_t>();
  if (!expected || payload != *expected) {
    return corrupt(fmt::format("sequence state: {} bytes of payload do not belong to {} positions", payload, length));
  }
  return {};
}

}  // namespace

uint64_t model_fingerprint(const Model& model) {
  ByteWriter w;
  const ModelDescription& d = model.file().description();
  write_config(w, d.config);
  write_tensors(w, d.tensors);
  write_inputs(w, d.inputs);
  write_linears(w, d.linears);
  for (const Block& b : model.parts().blocks) {
    for (const InputPlan* plan : {&b.attn_in, &b.attn_out, &b.ffn_in, &b.ffn_mid}) w.put(uint8_t{plan->rounded()});
    for (const InputPlan& plan : b.attn_own) w.put(uint8_t{plan.rounded()});
    for (const InputPlan& plan : b.ffn_own) w.put(uint8_t{plan.rounded()});
  }
  const unsigned stages = model.parts().stages;
  if (stages != 0) w.put(uint32_t{stages});
  return hash64(w.bytes());
}

uint64_t sequence_state_bytes(const CacheLayout& layout, uint32_t length) {
  return kHeaderBytes + payload_bytes(layout, length).value_or(0);
}

void write_sequence_state(const SequenceStateKind& kind, const SequenceCache& cache, std::span<std::byte> out) {
  const std::span<std::byte> payload = out.subspan(kHeaderBytes);
  std::byte* to = payload.data();
  for_each_run(kind.layout, cache.length(), [&](uint32_t block, uint64_t at, uint64_t bytes) {
    std::memcpy(to, cache.blocks()[block].get() + at, bytes);
    to += bytes;
  });
  const ByteWriter header = header_of(kind, cache.length(), payload.size(), hash64(payload));
  std::memcpy(out.data(), header.bytes().data(), kHashedHeaderBytes);
  const uint64_t header_hash = hash64(header.bytes());
  std::memcpy(out.data() + kHashedHeaderBytes, &header_hash, sizeof header_hash);
}

Result<SequenceCache> read_sequence_state(const SequenceStateKind& kind, const CachePool& pool,
                                          std::span<const std::byte> bytes) {
  uint32_t length = 0;
  TERN_TRY(check_header(kind, bytes, length));
  const std::span<const std::byte> payload = bytes.subspan(kHeaderBytes);
  if (const uint64_t expected = *payload_bytes(kind.layout, length); payload.size() != expected) {
    return corrupt(fmt::format("sequence state: {} bytes follow the header, expected {}", payload.size(), expected));
  }
  uint64_t stored_hash;
  std::memcpy(&stored_hash, bytes.data() + 48, sizeof stored_hash);
  if (stored_hash != hash64(payload)) return corrupt("sequence state: the payload's hash does not match");

  SequenceCache cache;
  cache.reserve(pool, length);
  const std::byte* from = payload.data();
  for_each_run(kind.layout, length, [&](uint32_t block, uint64_t at, uint64_t size) {
    std::memcpy(cache.blocks()[block].get() + at, from, size);
    from += size;
  });
  cache.extend(length);
  return cache;
}

}  // namespace tern
