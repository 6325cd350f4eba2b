// Finding and changing fields of a .tern file in memory, and showing its bytes.
#include <algorithm>
#include <cstdio>
#include <cstring>
#include <span>

#include "formats/tern/hash.h"
#include "tests/tools/golden_files.h"

namespace tern::test {

uint64_t section_offset(const Bytes& file, const std::string& kind) {
  for (uint64_t at = 32, n = peek<uint32_t>(file, 12); n > 0; --n, at += 32) {
    if (std::memcmp(file.data() + at, kind.data(), 4) == 0) return peek<uint64_t>(file, at + 8);
  }
  return 0;
}

uint64_t section_bytes(const Bytes& file, const std::string& kind) {
  for (uint64_t at = 32, n = peek<uint32_t>(file, 12); n > 0; --n, at += 32) {
    if (std::memcmp(file.data() + at, kind.data(), 4) == 0) return peek<uint64_t>(file, at + 16);
  }
  return 0;
}

void reseal(Bytes& file) {
  if (file.size() < 32) return;
  const uint64_t sections = peek<uint32_t>(file, 12);
  if (sections > (file.size() - 32) / 32) return;
  for (uint64_t at = 32; at < 32 + sections * 32; at += 32) {
    const uint64_t offset = peek<uint64_t>(file, at + 8), bytes = peek<uint64_t>(file, at + 16);
    if (std::memcmp(file.data() + at, "DATA", 4) == 0) continue;
    if (offset > file.size() || bytes > file.size() - offset) continue;
    poke<uint64_t>(file, at + 24, hash64({file.data() + offset, bytes}));
  }
  Hash64 hash;
  hash.update({file.data(), 24});
  hash.update({file.data() + 32, sections * 32});
  poke<uint64_t>(file, 24, hash.digest());
}

uint64_t tensor_field(const Bytes& file, uint64_t offset) { return section_offset(file, "TENS") + 8 + offset; }

void reseal_parts(Bytes& file) {
  for (const uint64_t part : {uint64_t{40}, uint64_t{64}}) {
    const uint64_t at = tensor_field(file, part);
    const std::span<const std::byte> bytes{file.data() + peek<uint64_t>(file, at), peek<uint64_t>(file, at + 8)};
    if (bytes.empty()) continue;
    poke<uint64_t>(file, at + 16, hash64(bytes));
  }
  reseal(file);
}

std::string hex_dump(const Bytes& bytes) {
  std::string text;
  bool skipping = false;
  for (size_t line = 0; line < bytes.size(); line += 16) {
    const size_t count = std::min<size_t>(16, bytes.size() - line);
    bool zero = true;
    for (size_t i = 0; i < count; ++i) zero &= bytes[line + i] == std::byte{0};
    if (zero) {
      if (!skipping) text += "*\n";
      skipping = true;
      continue;
    }
    skipping = false;
    char field[32];
    std::snprintf(field, sizeof field, "%05zx ", line);
    text += field;
    std::string ascii;
    for (size_t i = 0; i < 16; ++i) {
      const int byte = i < count ? std::to_integer<int>(bytes[line + i]) : 0;
      std::snprintf(field, sizeof field, i % 8 ? " %02x" : "  %02x", byte);
      text += field;
      ascii += byte >= 0x20 && byte < 0x7f ? static_cast<char>(byte) : '.';
    }
    text += "  |" + ascii + "|\n";
  }
  return text;
}

}  // namespace tern::test
