#include "formats/tern/container.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/checked.h"
#include "formats/tern/hash.h"
#include "formats/tern/limits.h"
#include "formats/tern/wire.h"

namespace tern {
namespace {

constexpr uint64_t kHashedHeaderBytes = 24;  // what precedes the hash itself

bool is_known(std::string_view kind) {
  static constexpr std::string_view kKnown[] = {kSectionConfig,   kSectionTensors,   kSectionInputs,
                                                kSectionLinears,  kSectionTokenizer, kSectionChat,
                                                kSectionMetadata, kSectionShards,    kSectionPayload};
  return std::find(std::begin(kKnown), std::end(kKnown), kind) != std::end(kKnown);
}

Status check_magic(std::span<const std::byte> file) {
  const std::string_view head(reinterpret_cast<const char*>(file.data()), std::min<size_t>(file.size(), 8));
  if (head == kMagic) return {};
  if (head.size() >= 4 && head.substr(1, 3) == kMagic.substr(1, 3)) {
    return corrupt("the magic number is damaged, as by a transfer in text mode");
  }
  if (head.empty() || kMagic.starts_with(head)) {
    return corrupt(
        fmt::format("the file is truncated: found {} bytes, expected a header of {}", file.size(), kHeaderBytes));
  }
  return corrupt("this is not a .tern file: the magic number is missing");
}

uint64_t header_hash(std::span<const std::byte> file, uint64_t sections) {
  Hash64 hash;
  hash.update(file.first(kHashedHeaderBytes));
  hash.update(file.subspan(kHeaderBytes, sections * kSectionEntryBytes));
  return hash.digest();
}

Status check_zero(std::span<const std::byte> file, uint64_t begin, uint64_t end, std::string_view before) {
  for (uint64_t i = begin; i < end; ++i) {
    if (file[i] != std::byte{0})
      return corrupt(fmt::format("padding before section {} is not zero at offset {}", before, i));
  }
  return {};
}

uint64_t alignment_of(std::string_view kind) { return kind == kSectionPayload ? kPartAlignment : kSectionAlignment; }

Status check_kind(const Section& section) {
  const bool printable =
      std::all_of(section.kind.begin(), section.kind.end(), [](char c) { return c >= 'A' && c <= 'Z'; });
  if (!printable) return corrupt("a section kind is not four letters A to Z");
  if (section.flags & ~kSectionCritical) {
    return corrupt(
        fmt::format("section {}: flags is {:#x}, expected 0 (ancillary) or 1 (critical)", section.kind, section.flags));
  }
  if (section.kind == kSectionShards)
    return unsupported("section SHRD: sharded files are not supported by this version");
  if (!is_known(section.kind)) {
    if (section.flags == kSectionCritical) {
      return unsupported(fmt::format("section {}: this critical section is unknown to this version", section.kind));
    }
    return {};
  }
  const bool ancillary = section.kind == kSectionChat || section.kind == kSectionMetadata;
  const uint32_t expected = ancillary ? 0 : kSectionCritical;
  if (section.flags != expected) {
    return corrupt(fmt::format("section {}: flags is {}, expected {}", section.kind, section.flags, expected));
  }
  return {};
}

Status check_place(std::span<const std::byte> file, const Section& section, uint64_t& end) {
  const Checked expected = checked_align(end, alignment_of(section.kind));
  if (!expected || section.offset != *expected) {
    return corrupt(
        fmt::format("section {}: offset is {}, expected {}", section.kind, section.offset, expected.value_or(0)));
  }
  if (!in_range(section.offset, section.bytes, file.size())) {
    return corrupt(fmt::format("section {}: {} bytes at offset {} reach beyond the file of {} bytes", section.kind,
                               section.bytes, section.offset, file.size()));
  }
  TERN_TRY(check_zero(file, end, section.offset, section.kind));
  end = section.offset + section.bytes;
  return {};
}

Status check_sections(std::span<const std::byte> file, const Container& container) {
  uint64_t end = kHeaderBytes + container.sections.size() * kSectionEntryBytes;
  for (const Section& section : container.sections) {
    TERN_TRY(check_kind(section));
    if (container.find(section.kind) != &section && is_known(section.kind)) {
      return corrupt(fmt::format("section {} stands twice in the table", section.kind));
    }
    TERN_TRY(check_place(file, section, end));
  }
  for (std::string_view kind : {kSectionConfig, kSectionTensors, kSectionInputs, kSectionLinears, kSectionPayload}) {
    if (!container.find(kind)) return corrupt(fmt::format("section {} is missing", kind));
  }
  if (container.sections.back().kind != kSectionPayload) return corrupt("section DATA: expected last in the table");
  if (end != file.size()) {
    return corrupt(fmt::format("section DATA ends at offset {}, expected the end of the file at {}", end, file.size()));
  }
  return {};
}

}  // namespace

const Section* Container::find(std::string_view kind) const {
  for (const Section& section : sections) {
    if (section.kind == kind) return &section;
  }
  return nullptr;
}

Result<Container> parse_container(std::span<const std::byte> file) {
  TERN_TRY(check_magic(file));
  ByteReader reader(file);
  reader.get<uint64_t>();
  Container container;
  const auto major = reader.get<uint16_t>();
  container.minor = reader.get<uint16_t>();
  const auto count = reader.get<uint32_t>();
  container.file_bytes = reader.get<uint64_t>();
  reader.get<uint64_t>();
  if (reader.failed()) {
    return corrupt(
        fmt::format("the file is truncated: found {} bytes, expected a header of {}", file.size(), kHeaderBytes));
  }
  if (major != kFormatMajor) {
    return unsupported(
        fmt::format("format version {}.{}: this version reads {}.x", major, container.minor, kFormatMajor));
  }
  if (container.file_bytes > file.size()) {
    return corrupt(
        fmt::format("the file is truncated: the header says {} bytes, found {}", container.file_bytes, file.size()));
  }
  if (container.file_bytes < file.size()) {
    return corrupt(fmt::format("the file has bytes after its end: the header says {}, found {}", container.file_bytes,
                               file.size()));
  }
  if (count == 0 || count > kMaxSections) {
    return corrupt(fmt::format("header: section count is {}, expected 1 to {}", count, kMaxSections));
  }
  for (uint32_t i = 0; i < count; ++i) {
    Section section;
    section.kind = std::string(reader.text(4));
    section.flags = reader.get<uint32_t>();
    section.offset = reader.get<uint64_t>();
    section.bytes = reader.get<uint64_t>();
    section.hash = reader.get<uint64_t>();
    if (reader.failed()) return corrupt(fmt::format("the section table of {} entries reaches beyond the file", count));
    container.sections.push_back(std::move(section));
  }
  TERN_TRY(check_sections(file, container));
  return container;
}

Status check_section_hashes(std::span<const std::byte> file, const Container& container) {
  ByteReader reader(file.subspan(kHashedHeaderBytes));
  const auto stored = reader.get<uint64_t>();
  const uint64_t computed = header_hash(file, container.sections.size());
  if (stored != computed) {
    return corrupt(fmt::format("header and section table: XXH3-64 is {:016x}, expected {:016x}", computed, stored));
  }
  for (const Section& section : container.sections) {
    // The payload's parts carry their own hashes.
    const bool payload = section.kind == kSectionPayload;
    const uint64_t found = payload ? 0 : hash64(file.subspan(section.offset, section.bytes));
    if (found != section.hash) {
      return corrupt(
          fmt::format("section {}: XXH3-64 is {:016x}, expected {:016x}", section.kind, found, section.hash));
    }
  }
  return {};
}

void place_sections(std::vector<Section>& sections) {
  uint64_t end = kHeaderBytes + sections.size() * kSectionEntryBytes;
  for (Section& section : sections) {
    section.offset = align_up(end, alignment_of(section.kind));
    end = section.offset + section.bytes;
  }
}

std::vector<std::byte> encode_header(const Container& container) {
  ByteWriter writer;
  writer.text(kMagic);
  writer.put<uint16_t>(kFormatMajor);
  writer.put<uint16_t>(container.minor);
  writer.put<uint32_t>(static_cast<uint32_t>(container.sections.size()));
  writer.put<uint64_t>(container.file_bytes);
  writer.put<uint64_t>(0);
  for (const Section& section : container.sections) {
    writer.text(section.kind);
    writer.put<uint32_t>(section.flags);
    writer.put<uint64_t>(section.offset);
    writer.put<uint64_t>(section.bytes);
    writer.put<uint64_t>(section.hash);
  }
  std::vector<std::byte> bytes(writer.bytes().begin(), writer.bytes().end());
  const uint64_t hash = header_hash(bytes, container.sections.size());
  std::memcpy(bytes.data() + kHashedHeaderBytes, &hash, sizeof hash);
  return bytes;
}

}  // namespace tern
