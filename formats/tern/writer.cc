#include "formats/tern/writer.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "base/atomic_file.h"
#include "base/checked.h"
#include "formats/tern/container.h"
#include "formats/tern/hash.h"
#include "formats/tern/limits.h"
#include "formats/tern/sections.h"
#include "formats/tern/validate.h"

namespace tern {
namespace {

struct EncodedSection {
  std::string_view kind;
  uint32_t flags;
  ByteWriter bytes;
};

// Every section but the payload. Its sizes do not depend on offsets and hashes.
std::vector<EncodedSection> encode_sections(const ModelDescription& d) {
  std::vector<EncodedSection> sections;
  const auto add = [&](std::string_view kind, uint32_t flags) -> ByteWriter& {
    return sections.emplace_back(EncodedSection{kind, flags, {}}).bytes;
  };
  write_config(add(kSectionConfig, kSectionCritical), d.config);
  write_tensors(add(kSectionTensors, kSectionCritical), d.tensors);
  write_inputs(add(kSectionInputs, kSectionCritical), d.inputs);
  write_linears(add(kSectionLinears, kSectionCritical), d.linears);
  if (d.tokenizer) write_tokenizer(add(kSectionTokenizer, kSectionCritical), *d.tokenizer);
  if (d.chat) write_chat(add(kSectionChat, 0), *d.chat);
  if (!d.metadata.empty()) write_metadata(add(kSectionMetadata, 0), d.metadata);
  return sections;
}

Container frame_of(const std::vector<EncodedSection>& encoded) {
  Container container;
  for (const EncodedSection& section : encoded) {
    container.sections.push_back(
        {std::string(section.kind), section.flags, 0, section.bytes.size(), hash64(section.bytes.bytes())});
  }
  container.sections.push_back({std::string(kSectionPayload), kSectionCritical, 0, 0, 0});
  place_sections(container.sections);
  return container;
}

// Gives every part its place after `offset`; the end of the last one, or nothing on overflow.
Checked place_parts(std::vector<TensorRecord>& tensors, uint64_t offset) {
  Checked end = offset;
  for (TensorRecord& t : tensors) {
    const auto layout = layout_of(t.encoding, t.rows, t.cols);
    if (!layout.ok()) return {};
    t.codes = {checked_align(end, kPartAlignment).value_or(0), layout->code_bytes, 0};
    end = checked_add(checked_align(end, kPartAlignment), layout->code_bytes);
    t.scales = {};
    if (layout->scale_bytes == 0) continue;
    t.scales = {checked_align(end, kPartAlignment).value_or(0), layout->scale_bytes, 0};
    end = checked_add(checked_align(end, kPartAlignment), layout->scale_bytes);
  }
  return end;
}

// A description that no reader would take is the caller's mistake.
Status as_argument(Status status) {
  return status.code() == Code::corrupt ? invalid_argument(status.message()) : status;
}

}  // namespace

struct TernWriter::State {
  // How much of a part is written, and its hash so far.
  struct PartProgress {
    uint64_t written = 0;
    std::optional<Hash64> hash;
  };
  std::string path;
  AtomicFile file;
  ModelDescription description;
  Container container;
  std::vector<std::array<PartProgress, 2>> parts;

  Status write(uint64_t offset, std::span<const std::byte> bytes);
  Status append(uint32_t tensor, size_t which, std::span<const std::byte> bytes);
  Status check_complete();
  Status write_front();
};

// Parts may grow side by side (codes and scales of one tensor): what lies before is filled with zeros
// and written over when it comes.
Status TernWriter::State::write(uint64_t offset, std::span<const std::byte> bytes) {
  if (offset > file.size()) TERN_TRY(file.pad_to(offset));
  const uint64_t inside = std::min<uint64_t>(bytes.size(), file.size() - offset);
  if (inside > 0) TERN_TRY(file.write_at(offset, bytes.first(inside)));
  return inside < bytes.size() ? file.append(bytes.subspan(inside)) : Status();
}

Status TernWriter::State::append(uint32_t tensor, size_t which, std::span<const std::byte> bytes) {
  if (tensor >= parts.size()) {
    return invalid_argument(
        fmt::format("{}: tensor {} does not exist, expected one below {}", path, tensor, parts.size()));
  }
  TensorRecord& t = description.tensors[tensor];
  Part& part = which == 0 ? t.codes : t.scales;
  PartProgress& progress = parts[tensor][which];
  if (bytes.size() > part.bytes - progress.written) {
    return invalid_argument(fmt::format("{}: tensor '{}': {} would reach {} bytes, expected {}", path, t.name,
                                        which == 0 ? "codes" : "scales", progress.written + bytes.size(), part.bytes));
  }
  if (bytes.empty()) return {};
  TERN_TRY(write(part.offset + progress.written, bytes));
  if (!progress.hash) progress.hash.emplace();
  progress.hash->update(bytes);
  progress.written += bytes.size();
  if (progress.written == part.bytes) {
    part.hash = progress.hash->digest();
    progress.hash.reset();
  }
  return {};
}

Status TernWriter::State::check_complete() {
  for (uint32_t i = 0; i < parts.size(); ++i) {
    const TensorRecord& t = description.tensors[i];
    for (size_t which : {0, 1}) {
      const uint64_t expected = which == 0 ? t.codes.bytes : t.scales.bytes;
      if (parts[i][which].written == expected) continue;
      return invalid_argument(fmt::format("{}: tensor '{}': {} has {} bytes, expected {}", path, t.name,
                                          which == 0 ? "codes" : "scales", parts[i][which].written, expected));
    }
  }
  return {};
}

// Header, table and sections, now that all hashes are known.
Status TernWriter::State::write_front() {
  const std::vector<EncodedSection> encoded = encode_sections(description);
  for (size_t i = 0; i < encoded.size(); ++i) {
    Section& section = container.sections[i];
    section.hash = hash64(encoded[i].bytes.bytes());
    TERN_TRY(file.write_at(section.offset, encoded[i].bytes.bytes()));
  }
  return file.write_at(0, encode_header(container));
}

TernWriter::TernWriter(std::unique_ptr<State> state) : state_(std::move(state)) {}
TernWriter::~TernWriter() = default;

Result<std::unique_ptr<TernWriter>> TernWriter::create(const std::string& path, ModelDescription description) {
  TERN_TRY(as_argument(validate_description(description)).within(path));
  Container container = frame_of(encode_sections(description));
  Section& payload = container.sections.back();
  const Checked end = place_parts(description.tensors, payload.offset);
  const Checked file_bytes = checked_align(end, kFileAlignment);
  if (!file_bytes) return invalid_argument(path + ": the tensors together do not fit in 64 bits");
  payload.bytes = *file_bytes - payload.offset;
  container.file_bytes = *file_bytes;

  TERN_ASSIGN(AtomicFile file, AtomicFile::create(path));
  std::vector<std::array<State::PartProgress, 2>> parts(description.tensors.size());
  std::unique_ptr<State> state(
      new State{path, std::move(file), std::move(description), std::move(container), std::move(parts)});
  return std::unique_ptr<TernWriter>(new TernWriter(std::move(state)));
}

Status TernWriter::append_codes(uint32_t tensor, std::span<const std::byte> bytes) {
  return state_->append(tensor, 0, bytes);
}

Status TernWriter::append_scales(uint32_t tensor, std::span<const std::byte> bytes) {
  return state_->append(tensor, 1, bytes);
}

Status TernWriter::finish() {
  TERN_TRY(state_->check_complete());
  TERN_TRY(state_->file.pad_to(state_->container.file_bytes));
  TERN_TRY(state_->write_front());
  return state_->file.commit();
}

uint64_t TernWriter::file_bytes() const { return state_->container.file_bytes; }

}  // namespace tern
