#include "formats/tern/reader.h"

#include <fmt/format.h>

#include <algorithm>
#include <numeric>

#include "base/checked.h"
#include "formats/encoding/values.h"
#include "formats/tern/container.h"
#include "formats/tern/limits.h"
#include "formats/tern/sections.h"
#include "formats/tern/validate.h"

namespace tern {

// Frame, then sections, then what they say together, then where the parts lie, then hashes: the
// most telling error comes first.
class TernParser {
 public:
  TernParser(TernFile& file, std::span<const std::byte> bytes) : file_(file), bytes_(bytes) {}

  Status run() {
    TERN_ASSIGN(container_, parse_container(bytes_));
    ModelDescription& d = file_.description_;
    TERN_TRY(read(kSectionConfig, read_config, d.config));
    TERN_TRY(read(kSectionTensors, read_tensors, d.tensors));
    TERN_TRY(read(kSectionInputs, read_inputs, d.inputs));
    TERN_TRY(read(kSectionLinears, read_linears, d.linears));
    if (container_.find(kSectionTokenizer)) TERN_TRY(read(kSectionTokenizer, read_tokenizer, d.tokenizer.emplace()));
    if (container_.find(kSectionChat)) TERN_TRY(read(kSectionChat, read_chat, d.chat.emplace()));
    if (container_.find(kSectionMetadata)) TERN_TRY(read(kSectionMetadata, read_metadata, d.metadata));
    TERN_TRY(validate_description(d));
    TERN_TRY(check_parts());
    TERN_TRY(check_section_hashes(bytes_, container_));
    index_names();
    return {};
  }

 private:
  template <class T>
  Status read(std::string_view kind, Result<T> (*parse)(std::span<const std::byte>), T& out) {
    const Section& section = *container_.find(kind);
    auto result = parse(bytes_.subspan(section.offset, section.bytes));
    if (!result.ok()) return result.status().within("section " + section.kind);
    out = std::move(result).value();
    return {};
  }

  // Parts follow one another in the order of the directory: each place is known before it is read.
  Status check_parts() {
    const Section& payload = *container_.find(kSectionPayload);
    Checked end = payload.offset;
    for (const TensorRecord& t : file_.description_.tensors) {
      TERN_ASSIGN(const Layout layout, layout_of(t.encoding, t.rows, t.cols));
      TERN_TRY(check_part(t.codes, layout.code_bytes, end).within(where(t, "codes")));
      TERN_TRY(check_part(t.scales, layout.scale_bytes, end).within(where(t, "scales")));
    }
    const Checked expected = checked_align(end, kFileAlignment);
    if (expected == payload.offset + payload.bytes) return {};
    return corrupt(fmt::format("section DATA: ends at offset {}, expected {} after the last part",
                               payload.offset + payload.bytes, expected.value_or(0)));
  }

  static std::string where(const TensorRecord& t, const char* part) {
    return fmt::format("section TENS: tensor '{}': {}", t.name, part);
  }

  Status check_part(const Part& part, uint64_t bytes, Checked& end) const {
    if (part.bytes != bytes) return corrupt(fmt::format("bytes is {}, expected {}", part.bytes, bytes));
    if (bytes == 0) return part == Part{} ? Status() : corrupt("offset and hash of an empty part are not zero");
    const Checked expected = checked_align(end, kPartAlignment);
    if (!expected || part.offset != *expected) {
      return corrupt(fmt::format("offset is {}, expected {}", part.offset, expected.value_or(0)));
    }
    if (!in_range(part.offset, part.bytes, bytes_.size())) {
      return corrupt(fmt::format("{} bytes at offset {} reach beyond the file of {} bytes", part.bytes, part.offset,
                                 bytes_.size()));
    }
    end = part.offset + part.bytes;
    return {};
  }

  void index_names() {
    const auto& tensors = file_.description_.tensors;
    file_.by_name_.resize(tensors.size());
    std::iota(file_.by_name_.begin(), file_.by_name_.end(), 0u);
    std::sort(file_.by_name_.begin(), file_.by_name_.end(),
              [&](uint32_t a, uint32_t b) { return tensors[a].name < tensors[b].name; });
  }

  TernFile& file_;
  std::span<const std::byte> bytes_;
  Container container_;
};

Result<std::shared_ptr<const TernFile>> TernFile::open(const std::string& path, FileAccess access) {
  TERN_ASSIGN(MappedFile map, MappedFile::open(path, access));
  std::shared_ptr<TernFile> file(new TernFile);
  file->map_.emplace(std::move(map));
  file->bytes_ = file->map_->bytes();
  file->path_ = path;
  TERN_TRY(TernParser(*file, file->bytes_).run().within(path));
  return std::shared_ptr<const TernFile>(std::move(file));
}

Result<std::shared_ptr<const TernFile>> TernFile::parse(std::span<const std::byte> bytes, const std::string& name) {
  std::shared_ptr<TernFile> file(new TernFile);
  file->bytes_ = bytes;
  file->path_ = name;
  TERN_TRY(TernParser(*file, bytes).run().within(name));
  return std::shared_ptr<const TernFile>(std::move(file));
}

std::span<const std::byte> TernFile::codes(uint32_t tensor) const {
  const Part& part = description_.tensors[tensor].codes;
  return bytes_.subspan(part.offset, part.bytes);
}

std::span<const std::byte> TernFile::scales(uint32_t tensor) const {
  const Part& part = description_.tensors[tensor].scales;
  return bytes_.subspan(part.offset, part.bytes);
}

CodebookView TernFile::codebook(uint32_t tensor) const {
  const uint32_t at = description_.tensors[tensor].codebook;
  if (at == kNoTensor) return {};
  const Encoding& e = description_.tensors[at].encoding;
  CodebookView view{codes(at).data(), e.value_type, e.kind == EncodingKind::int_, 1};
  if (view.integer) view.scale = load_float(e.scale_type, scales(at).data(), 0);
  return view;
}

uint32_t TernFile::find_tensor(std::string_view name) const {
  const auto found = std::lower_bound(by_name_.begin(), by_name_.end(), name, [&](uint32_t tensor, std::string_view n) {
    return description_.tensors[tensor].name < n;
  });
  return found != by_name_.end() && description_.tensors[*found].name == name ? *found : kNoTensor;
}

}  // namespace tern
