// The frame of a .tern file: header, section table, where sections lie (docs/format.md, "Header").
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"

namespace tern {

// The first byte catches 7-bit transfers, CR LF and LF catch text mode, 0x1a stops a listing.
inline constexpr std::string_view kMagic{"\x89TRN\r\n\x1a\n", 8};
inline constexpr uint16_t kFormatMajor = 1, kFormatMinor = 0;
inline constexpr uint64_t kHeaderBytes = 32, kSectionEntryBytes = 32;
inline constexpr uint32_t kSectionCritical = 1;

inline constexpr std::string_view kSectionConfig = "CONF", kSectionTensors = "TENS", kSectionInputs = "INPT",
                                  kSectionLinears = "LINR", kSectionTokenizer = "TOKN", kSectionChat = "CHAT",
                                  kSectionMetadata = "META", kSectionShards = "SHRD", kSectionPayload = "DATA";

struct Section {
  std::string kind;  // 4 characters
  uint32_t flags = kSectionCritical;
  uint64_t offset = 0, bytes = 0, hash = 0;
};

struct Container {
  uint16_t minor = kFormatMinor;
  uint64_t file_bytes = 0;
  std::vector<Section> sections;
  const Section* find(std::string_view kind) const;
};

// Checks every rule of the frame except the hashes.
Result<Container> parse_container(std::span<const std::byte> file);
// Compares the hash of header and table and of every section but the payload.
Status check_section_hashes(std::span<const std::byte> file, const Container& container);

// Fills in offsets from bytes, in order; the payload last.
void place_sections(std::vector<Section>& sections);
// Header and table as they stand at the start of the file.
std::vector<std::byte> encode_header(const Container& container);

}  // namespace tern
