// Files that someone damaged, by accident or on purpose: each ends in one clear error, or loads.
#include <catch2/catch.hpp>
#include <cstring>
#include <set>

#include "base/random.h"
#include "formats/tern/reader.h"
#include "tests/format/aligned_bytes.h"
#include "tests/tools/golden_files.h"

namespace tern::test {
namespace {

// The sentence is about this file, says something, and the code is one of the two for bad files.
void check_error(const Status& status) {
  REQUIRE((status.code() == Code::corrupt || status.code() == Code::unsupported));
  REQUIRE(status.message().starts_with("f: "));
  REQUIRE(status.message().size() > 15);
}

// True if the file is refused.
bool refused(const Bytes& file) {
  const Status status = load_status(file, "f");
  if (status.ok()) return false;
  check_error(status);
  return true;
}

std::vector<uint64_t> boundaries(const Bytes& file) {
  std::vector<uint64_t> ends = {0, 8, 10, 12, 16, 24, 32};
  const uint64_t sections = peek<uint32_t>(file, 12);
  for (uint64_t at = 32; at < 32 + 32 * sections; at += 32) {
    ends.push_back(at + 32);
    ends.push_back(peek<uint64_t>(file, at + 8));
    ends.push_back(peek<uint64_t>(file, at + 8) + peek<uint64_t>(file, at + 16));
  }
  ends.push_back(file.size() - 64);
  return ends;
}

// Values that break careless readers.
std::vector<uint64_t> nasty_values(uint64_t original, size_t bytes) {
  const uint64_t max = bytes == 8 ? ~0ull : (1ull << 8 * bytes) - 1;
  std::set<uint64_t> values = {
      0, 1, 2, max, max - 1, max / 2, max / 2 + 1, (original + 1) & max, (original - 1) & max, original ^ 0x40};
  values.erase(original);
  return {values.begin(), values.end()};
}

}  // namespace

TEST_CASE("a file cut anywhere near a boundary is refused") {
  for (const char* name :
       {"example", "tokenizer", "byte_tokenizer", "chat_template", "compositions", "optional_parts"}) {
    const Bytes file = golden_file(name);
    for (uint64_t end : boundaries(file)) {
      for (int64_t delta : {-1, 0, 1}) {
        const int64_t size = static_cast<int64_t>(end) + delta;
        if (size < 0 || size >= static_cast<int64_t>(file.size())) continue;
        Bytes cut(file.begin(), file.begin() + size);
        INFO(name << " cut to " << size);
        REQUIRE(refused(cut));
        // The same with a header that agrees with the cut.
        if (cut.size() >= 32) poke<uint64_t>(cut, 16, cut.size());
        reseal(cut);
        REQUIRE(refused(cut));
      }
    }
    Bytes longer = file;
    longer.resize(file.size() + 1);
    CHECK(refused(longer));
  }
}

TEST_CASE("every byte of the description matters: a flipped bit is refused") {
  for (const char* name : {"example", "tokenizer"}) {
    const Bytes file = golden_file(name);
    const uint64_t payload = section_offset(file, "DATA");
    for (uint64_t i = 0; i < file.size(); ++i) {
      // Far into the gap before the payload every 97th byte will do.
      if (i > 1000 && i < payload && i % 97 != 0) continue;
      if (i > payload + 200 && i % 97 != 0) continue;
      Bytes changed = file;
      changed[i] ^= static_cast<std::byte>(1 << i % 8);
      INFO(name << " byte " << i);
      // A minor version and nothing else may differ, and there the header's hash objects.
      REQUIRE(refused(changed));
    }
  }
}

TEST_CASE("every field at 0, 1, max and off by one, resealed: an error or a harmless success, never a crash") {
  for (const char* name : {"example", "trit2_group", "tokenizer", "compositions", "chat_template"}) {
    const Bytes file = golden_file(name);
    std::vector<std::pair<uint64_t, uint64_t>> ranges = {{8, 32 + 32 * peek<uint32_t>(file, 12)}};
    for (const char* kind : {"CONF", "TENS", "INPT", "LINR", "TOKN", "CHAT", "META"}) {
      const uint64_t offset = section_offset(file, kind);
      if (offset != 0) ranges.emplace_back(offset, offset + section_bytes(file, kind));
    }
    uint64_t tried = 0, refusals = 0;
    for (const auto& [begin, end] : ranges) {
      for (size_t bytes : {1, 2, 4, 8}) {
        for (uint64_t at = begin; at + bytes <= end; at += bytes) {
          uint64_t original = 0;
          std::memcpy(&original, file.data() + at, bytes);
          for (uint64_t value : nasty_values(original, bytes)) {
            Bytes changed = file;
            std::memcpy(changed.data() + at, &value, bytes);
            reseal(changed);
            ++tried;
            refusals += refused(changed);
          }
        }
      }
    }
    INFO(name << ": " << refusals << " of " << tried);
    CHECK(tried > 1000);
    CHECK(refusals > tried / 2);
  }
}

TEST_CASE("random damage never crashes") {
  Random random(11);
  for (const char* name : {"compositions", "tokenizer", "int8_group"}) {
    const Bytes file = golden_file(name);
    const uint64_t used = std::min<uint64_t>(file.size(), 2600);
    for (int round = 0; round < 1500; ++round) {
      Bytes changed = file;
      for (uint64_t n = 1 + random.below(6); n > 0; --n)
        changed[random.below(used)] = static_cast<std::byte>(random.next());
      if (random.below(8) == 0) changed.resize(random.below(changed.size()));
      if (random.below(4) != 0) reseal(changed);
      refused(changed);
    }
  }
}

TEST_CASE("counts that promise more than the file holds allocate nothing for it") {
  for (const char* kind : {"TENS", "INPT", "LINR", "META"}) {
    Bytes file = golden_file("tokenizer");
    poke<uint32_t>(file, section_offset(file, kind), 0xfffff);
    reseal(file);
    const Status status = load_status(file, "f");
    INFO(status.message());
    CHECK((status.message().find("more than") != std::string::npos ||
           status.message().find("at most") != std::string::npos));
  }
  Bytes pieces = golden_file("tokenizer");
  poke<uint32_t>(pieces, section_offset(pieces, "TOKN") + 4, 0x3fffff);
  reseal(pieces);
  CHECK(load_status(pieces, "f").message().find("the count of pieces is 4194303") != std::string::npos);
  // The byte-level tokenizer ends with counts, patterns of 4 + 44 and 4 + 10 bytes, and two merges.
  const uint64_t counts = 8 + 48 + 14 + 16;
  for (const uint64_t field : {counts, counts - 4}) {
    Bytes file = golden_file("byte_tokenizer");
    const uint64_t at = section_offset(file, "TOKN") + section_bytes(file, "TOKN") - field;
    REQUIRE(peek<uint32_t>(file, at) == 2);
    for (const uint32_t count : {3u, 16u, 0xfffffu}) {
      poke<uint32_t>(file, at, count);
      reseal(file);
      INFO(load_status(file, "f").message());
      CHECK(!load_status(file, "f").ok());
    }
  }
}

}  // namespace tern::test
