// Saved sequences: what comes back is what went in, and nothing else comes back at all.
#include <cstring>
#include <tuple>

#include "formats/tern/hash.h"
#include "tests/capi/fixture.h"

namespace tern::test {
namespace {

using Bytes = std::vector<std::byte>;
constexpr size_t kHeader = 64, kHeaderHash = 56, kPayloadHash = 48;

Bytes save(const SessionHandle& s, uint32_t id) {
  size_t size = 0;
  fails(TERN_BUFFER_TOO_SMALL, "needed",
        [&](tern_error* e) { return tern_sequence_save(s.get(), id, nullptr, 0, &size, e); });
  Bytes bytes(size);
  works([&](tern_error* e) { return tern_sequence_save(s.get(), id, bytes.data(), bytes.size(), &size, e); });
  CHECK(size == bytes.size());
  return bytes;
}

// The bytes end where an allocation ends, so that a sanitizer sees a read beyond them.
tern_status try_restore(const SessionHandle& s, const Bytes& bytes, tern_error* error, uint32_t* id) {
  const auto exact = std::make_unique<std::byte[]>(bytes.size());
  if (!bytes.empty()) std::memcpy(exact.get(), bytes.data(), bytes.size());
  return tern_sequence_restore(s.get(), exact.get(), bytes.size(), id, error);
}

void refused(const SessionHandle& s, const Bytes& bytes, tern_status expected, const char* part) {
  uint32_t id = 7;
  fails(expected, part, [&](tern_error* e) { return try_restore(s, bytes, e, &id); });
  CHECK(id == 0);
}

void rehash_header(Bytes& bytes) {
  const uint64_t hash = hash64({bytes.data(), kHeaderHash});
  std::memcpy(bytes.data() + kHeaderHash, &hash, sizeof hash);
}

void rehash(Bytes& bytes) {
  const uint64_t hash = hash64({bytes.data() + kHeader, bytes.size() - kHeader});
  std::memcpy(bytes.data() + kPayloadHash, &hash, sizeof hash);
  rehash_header(bytes);
}

uint64_t cache_bytes(const SessionHandle& s) {
  tern_session_info info = {};
  info.struct_size = sizeof info;
  works([&](tern_error* e) { return tern_session_get_info(s.get(), &info, e); });
  return info.cache_bytes;
}

struct Smallest {
  ScratchDirectory scratch;
  ModelHandle model = load(write_model(scratch, "m.tern", smallest(), false));
  SessionHandle session = test::session(model);
  uint32_t id = add(session);
  Smallest() { feed(session, id, {1, 2, 3}); }
};

}  // namespace

TEST_CASE("a restored sequence goes on with the same bits") {
  const ScratchDirectory scratch;
  for (const TinyShape& shape : tiny_shapes()) {
    INFO(shape.name);
    const std::string path = write_model(scratch, "m.tern", shape, false);
    tern_session_options one = {}, two = {};
    one.struct_size = two.struct_size = sizeof one;
    one.key_type = two.key_type = TERN_CACHE_F32;
    one.threads = 1, two.threads = 2, two.batch = 5, two.context = 100;
    const std::vector<int32_t> tokens = some_tokens(90, shape.config.vocab_size);
    for (const size_t held : {1, 31, 32, 33, 75}) {
      const std::vector<int32_t> head(tokens.begin(), tokens.begin() + held), tail(tokens.begin() + held, tokens.end());
      const SessionHandle before = session(load(path), &one), after = session(load(path), &two);
      const uint32_t id = add(before);
      feed(before, id, head);
      uint32_t restored = 0;
      const Bytes bytes = save(before, id);
      const uint64_t value_bytes = 4 + 2;  // f32 keys, f16 values
      CHECK(bytes.size() ==
            kHeader + held * shape.config.layers * shape.config.kv_heads * shape.config.head_dim * value_bytes);
      works([&](tern_error* e) { return try_restore(after, bytes, e, &restored); });
      CHECK(length(after, restored) == held);
      CHECK(save(after, restored) == bytes);
      CHECK(feed(after, restored, tail) == feed(before, id, tail));
    }
  }
}

TEST_CASE("an empty sequence can be saved") {
  const Smallest f;
  uint32_t id = 0;
  const Bytes bytes = save(f.session, add(f.session));
  CHECK(bytes.size() == kHeader);
  works([&](tern_error* e) { return try_restore(f.session, bytes, e, &id); });
  CHECK(length(f.session, id) == 0);
}

TEST_CASE("truncated and extended states are refused at every length") {
  const Smallest f;
  const Bytes whole = save(f.session, f.id);
  REQUIRE(whole.size() == kHeader + 3 * 4 * 4);
  for (size_t size = 0; size < whole.size(); ++size) {
    refused(f.session, {whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(size)}, TERN_CORRUPT,
            "sequence state");
  }
  Bytes longer = whole;
  for (int i = 0; i < 70; ++i) {
    longer.push_back(std::byte{0});
    refused(f.session, longer, TERN_CORRUPT, "bytes follow the header");
    Bytes rehashed = longer;
    rehash(rehashed);
    refused(f.session, rehashed, TERN_CORRUPT, "bytes follow the header");
  }
}

TEST_CASE("every flipped bit is noticed") {
  const Smallest f;
  const uint64_t before = cache_bytes(f.session);
  const Bytes whole = save(f.session, f.id);
  for (size_t at = 0; at < whole.size(); ++at) {
    for (int bit = 0; bit < 8; ++bit) {
      Bytes broken = whole;
      broken[at] ^= std::byte(1u << bit);
      INFO("byte " << at << " bit " << bit);
      const bool version = at >= 8 && at < 12;
      refused(f.session, broken, version ? TERN_UNSUPPORTED : TERN_CORRUPT, "sequence state");
    }
  }
  CHECK(cache_bytes(f.session) == before);
}

TEST_CASE("every header byte is checked on its own, not by its hash alone") {
  const Smallest f;
  const Bytes whole = save(f.session, f.id);
  for (size_t at = 0; at < kHeaderHash; ++at) {
    for (int value = 0; value < 256; ++value) {
      if (whole[at] == std::byte(value)) continue;
      Bytes broken = whole;
      broken[at] = std::byte(value);
      rehash_header(broken);
      uint32_t id = 7;
      tern_error error;
      INFO("byte " << at << " value " << value);
      REQUIRE(try_restore(f.session, broken, &error, &id) != TERN_OK);
      REQUIRE(error.status != TERN_INTERNAL);
      REQUIRE(error.message[0] != '\0');
    }
  }
}

TEST_CASE("every header field is refused at its ends and beside its value") {
  // Offset, bytes, part of the refusal.
  const std::tuple<size_t, size_t, const char*> fields[] = {
      {8, 4, "version"},         {12, 4, "positions"}, {16, 8, "another model"},  {24, 4, "number of layers"},
      {28, 4, "KV heads"},       {32, 4, "head"},      {36, 1, "key type"},       {37, 1, "value type"},
      {38, 2, "reserved bytes"}, {40, 8, "bytes of payload"}};
  const Smallest f;
  const Bytes whole = save(f.session, f.id);
  const uint64_t before = cache_bytes(f.session), zero = 0, one = 1;
  for (const auto& [at, size, says] : fields) {
    uint64_t right = 0;
    std::memcpy(&right, whole.data() + at, size);
    const uint64_t most = ~zero >> (64 - 8 * size);
    for (const uint64_t value : {zero, one, right - 1, right + 1, 2 * right, most / 2, most / 2 + 1, most - 1, most}) {
      if ((value & most) == right) continue;
      Bytes broken = whole;
      std::memcpy(broken.data() + at, &value, size);
      rehash(broken);
      INFO("field at " << at << ", value " << (value & most));
      uint32_t id = 7;
      tern_error error;
      CHECK(try_restore(f.session, broken, &error, &id) != TERN_OK);
      CHECK_THAT(std::string(error.message), Catch::Contains(says));
    }
  }
  CHECK(cache_bytes(f.session) == before);
}

TEST_CASE("a state whose payload fits another shape is refused") {
  const Smallest f;
  const Bytes whole = save(f.session, f.id);
  const auto changed = [&](size_t field, uint32_t value, uint64_t payload) {
    Bytes bytes = whole;
    bytes.resize(kHeader + payload);
    std::memcpy(bytes.data() + field, &value, sizeof value);
    std::memcpy(bytes.data() + 40, &payload, sizeof payload);
    rehash(bytes);
    return bytes;
  };
  const uint64_t payload = whole.size() - kHeader, position = payload / 3;
  refused(f.session, changed(24, 2, 2 * payload), TERN_INVALID_ARGUMENT, "number of layers");
  refused(f.session, changed(28, 2, 2 * payload), TERN_INVALID_ARGUMENT, "KV heads");
  refused(f.session, changed(32, 8, 2 * payload), TERN_INVALID_ARGUMENT, "size of a head");

  tern_session_options options = {};
  options.struct_size = sizeof options, options.context = 40;
  const SessionHandle small = session(f.model, &options);
  refused(small, changed(12, 41, 41 * position), TERN_INVALID_ARGUMENT, "41 positions");
  CHECK(cache_bytes(small) == 0);
  uint32_t id = 0;
  works([&](tern_error* e) { return try_restore(small, changed(12, 40, 40 * position), e, &id); });
  CHECK(length(small, id) == 40);
}

TEST_CASE("lengths that overflow are refused") {
  const Smallest f;
  for (const uint32_t length : {4u, 256u, 257u, 1u << 20, 0x10000000u, 0xffffffffu}) {
    Bytes bytes = save(f.session, f.id);
    std::memcpy(bytes.data() + 12, &length, sizeof length);
    for (const uint64_t payload : {uint64_t{48}, uint64_t{length} * 16, ~uint64_t{0}, ~uint64_t{0} - 63}) {
      std::memcpy(bytes.data() + 40, &payload, sizeof payload);
      rehash(bytes);
      uint32_t id = 0;
      CHECK(try_restore(f.session, bytes, nullptr, &id) != TERN_OK);
    }
  }
}

TEST_CASE("payload bytes of every pattern are safe") {
  const Smallest f;
  for (const int pattern : {0x00, 0x7f, 0x80, 0xff}) {
    Bytes bytes = save(f.session, f.id);
    std::fill(bytes.begin() + kHeader, bytes.end(), std::byte(pattern));
    rehash(bytes);
    uint32_t id = 0;
    works([&](tern_error* e) { return try_restore(f.session, bytes, e, &id); });
    feed(f.session, id, {4, 5});
  }
}

TEST_CASE("another model, other cache types and a shorter context are refused") {
  const ScratchDirectory scratch;
  TinyShape shape = tiny_shapes()[1];
  const std::string path = write_model(scratch, "m.tern", shape, false);
  const SessionHandle s = session(load(path));
  const uint32_t id = add(s);
  feed(s, id, some_tokens(40, 50));
  const Bytes bytes = save(s, id);

  shape.seed += 1;  // the same configuration with other weights
  refused(session(load(write_model(scratch, "other.tern", shape, false))), bytes, TERN_INVALID_ARGUMENT,
          "another model");
  tern_load_options load_options = {};
  load_options.struct_size = sizeof load_options, load_options.activations = TERN_ACTIVATIONS_F32;
  refused(session(load(path, &load_options)), bytes, TERN_INVALID_ARGUMENT, "activation rounding");
  tern_session_options options = {};
  options.struct_size = sizeof options, options.key_type = TERN_CACHE_F32;
  refused(session(load(path), &options), bytes, TERN_INVALID_ARGUMENT, "key type");
  options.key_type = TERN_CACHE_F16, options.value_type = TERN_CACHE_F32;
  refused(session(load(path), &options), bytes, TERN_INVALID_ARGUMENT, "value type");
  options.value_type = TERN_CACHE_F16, options.context = 39;
  refused(session(load(path), &options), bytes, TERN_INVALID_ARGUMENT, "40 positions");
}

TEST_CASE("states in files") {
  const Smallest f;
  const std::string path = f.scratch / "s.state";
  uint32_t id = 0;
  works([&](tern_error* e) { return tern_sequence_save_file(f.session.get(), f.id, path.c_str(), e); });
  works([&](tern_error* e) { return tern_sequence_restore_file(f.session.get(), path.c_str(), &id, e); });
  CHECK(save(f.session, id) == save(f.session, f.id));
  const std::string whole = read_file(path);
  for (size_t size = 0; size < whole.size(); size += 7) {
    write_file(path, whole.substr(0, size));
    tern_error error;
    CHECK(tern_sequence_restore_file(f.session.get(), path.c_str(), &id, &error) != TERN_OK);
    CHECK_THAT(std::string(error.message), Catch::Contains("s.state"));
  }
  const std::string absent = f.scratch / "absent/s.state";
  fails(TERN_NOT_FOUND, "absent",
        [&](tern_error* e) { return tern_sequence_restore_file(f.session.get(), absent.c_str(), &id, e); });
  tern_error error;
  CHECK(tern_sequence_save_file(f.session.get(), f.id, absent.c_str(), &error) != TERN_OK);
  CHECK_THAT(std::string(error.message), Catch::Contains("absent"));
}

TEST_CASE("state calls refuse NULL and wrong ids") {
  const Smallest f;
  Bytes bytes = save(f.session, f.id);
  size_t size = 0;
  uint32_t id = 0;
  const auto bad = [](const char* part, auto call) { fails(TERN_INVALID_ARGUMENT, part, call); };
  tern_session* const s = f.session.get();
  bad("size is NULL", [&](tern_error* e) { return tern_sequence_save(s, f.id, bytes.data(), 9, nullptr, e); });
  bad("session is NULL", [&](tern_error* e) { return tern_sequence_save(nullptr, f.id, bytes.data(), 9, &size, e); });
  bad("bytes is NULL", [&](tern_error* e) { return tern_sequence_save(s, f.id, nullptr, 9, &size, e); });
  bad("no sequence 99", [&](tern_error* e) { return tern_sequence_save(s, 99, bytes.data(), 9, &size, e); });
  bad("session is NULL", [&](tern_error* e) { return tern_sequence_restore(nullptr, bytes.data(), 9, &id, e); });
  bad("bytes is NULL", [&](tern_error* e) { return tern_sequence_restore(s, nullptr, 9, &id, e); });
  bad("sequence is NULL", [&](tern_error* e) { return tern_sequence_restore(s, bytes.data(), 9, nullptr, e); });
  fails(TERN_CORRUPT, "0 bytes", [&](tern_error* e) { return tern_sequence_restore(s, nullptr, 0, &id, e); });
  bad("session is NULL", [&](tern_error* e) { return tern_sequence_save_file(nullptr, f.id, "x", e); });
  bad("path is NULL", [&](tern_error* e) { return tern_sequence_save_file(s, f.id, nullptr, e); });
  bad("no sequence 99", [&](tern_error* e) { return tern_sequence_save_file(s, 99, "x", e); });
  bad("session is NULL", [&](tern_error* e) { return tern_sequence_restore_file(nullptr, "x", &id, e); });
  bad("path is NULL", [&](tern_error* e) { return tern_sequence_restore_file(s, nullptr, &id, e); });
  bad("sequence is NULL", [&](tern_error* e) { return tern_sequence_restore_file(s, "x", nullptr, e); });
}

}  // namespace tern::test
