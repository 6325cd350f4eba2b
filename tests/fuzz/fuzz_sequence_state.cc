// Any bytes as a saved sequence: an error that says something and frees all memory, or a sequence that is written
// back as the same bytes. The bytes are tried as they are, with both hashes made right (else hashes shield all that
// lies behind them), and with the payload cut or stretched to the length that the header tells.
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <span>
#include <vector>

#include "formats/tern/hash.h"
#include "tests/fuzz/sequence_states.h"

namespace {

using StateBytes = std::vector<std::byte>;
using tern::test::kStateHeaderBytes;

void require(bool condition, const char* what) {
  if (condition) return;
  std::fprintf(stderr, "fuzz_sequence_state: %s\n", what);
  std::abort();
}

void put(StateBytes& bytes, size_t at, uint64_t value) { std::memcpy(bytes.data() + at, &value, sizeof value); }

void seal(StateBytes& bytes) {
  if (bytes.size() < kStateHeaderBytes) return;
  put(bytes, 48, tern::hash64(std::span(bytes).subspan(kStateHeaderBytes)));
  put(bytes, 56, tern::hash64(std::span(bytes).first(56)));
}

// The payload that a sequence of this length has: as much of it as there is, then zeros.
void fit(const tern::SequenceStateKind& kind, StateBytes& bytes) {
  if (bytes.size() < kStateHeaderBytes) return;
  uint32_t length;
  std::memcpy(&length, bytes.data() + 12, sizeof length);
  if (length > 2 * kind.context) return;
  bytes.resize(tern::sequence_state_bytes(kind.layout, length));
  put(bytes, 40, bytes.size() - kStateHeaderBytes);
}

void use(const tern::SequenceStateKind& kind, tern::CachePool& pool, tern::SequenceCache cache,
         const StateBytes& bytes) {
  require(cache.length() <= kind.context, "a sequence longer than the context");
  StateBytes again(tern::sequence_state_bytes(kind.layout, cache.length()));
  tern::write_sequence_state(kind, cache, again);
  require(again == bytes, "a sequence that is not written as it was read");
  tern::SequenceCache fork = cache.fork(pool);
  fork.reserve(pool, 1);
  fork.extend(1);
  fork.truncate(fork.length() / 2);
  tern::write_sequence_state(kind, cache, again);
  require(again == bytes, "a sequence that its fork changed");
}

void read(const tern::SequenceStateKind& kind, const StateBytes& bytes) {
  tern::CachePool pool(kind.layout);
  auto cache = tern::read_sequence_state(kind, pool, bytes);
  if (cache.ok()) {
    use(kind, pool, std::move(cache).value(), bytes);
  } else {
    require(cache.status().message().starts_with("sequence state: "), "an error that does not say where");
  }
  cache = tern::corrupt("");
  require(pool.bytes() == 0, "blocks that outlive the sequence");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const auto* begin = reinterpret_cast<const std::byte*>(data);
  for (const tern::SequenceStateKind& kind : tern::test::state_kinds()) {
    StateBytes bytes(begin, begin + size);
    read(kind, bytes);
    seal(bytes);
    read(kind, bytes);
    fit(kind, bytes);
    seal(bytes);
    read(kind, bytes);
  }
  return 0;
}
