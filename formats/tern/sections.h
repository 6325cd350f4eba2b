// Each section of the file, both ways: bytes to description and back. Reading checks that counts
// and strings stay inside the section and that reserved bytes are zero; what the fields may say is
// validate.h's business, so enum values are handed over as stored.
#pragma once

#include <span>
#include <string>
#include <utility>
#include <vector>

#include "base/status.h"
#include "formats/tern/description.h"
#include "formats/tern/wire.h"

namespace tern {

using Metadata = std::vector<std::pair<std::string, std::string>>;

Result<ModelConfig> read_config(std::span<const std::byte> bytes);
Result<std::vector<TensorRecord>> read_tensors(std::span<const std::byte> bytes);
Result<std::vector<InputRecord>> read_inputs(std::span<const std::byte> bytes);
Result<std::vector<LinearRecord>> read_linears(std::span<const std::byte> bytes);
Result<TokenizerData> read_tokenizer(std::span<const std::byte> bytes);
Result<ChatTemplate> read_chat(std::span<const std::byte> bytes);
Result<Metadata> read_metadata(std::span<const std::byte> bytes);

void write_config(ByteWriter& writer, const ModelConfig& config);
void write_tensors(ByteWriter& writer, const std::vector<TensorRecord>& tensors);
void write_inputs(ByteWriter& writer, const std::vector<InputRecord>& inputs);
void write_linears(ByteWriter& writer, const std::vector<LinearRecord>& linears);
void write_tokenizer(ByteWriter& writer, const TokenizerData& tokenizer);
void write_chat(ByteWriter& writer, ChatTemplate chat);
void write_metadata(ByteWriter& writer, const Metadata& metadata);

// A section that starts with a count of records: u32 count, u32 zero. Refuses counts beyond `most`
// or beyond what the section could hold, so that no allocation exceeds the file.
Result<uint32_t> read_count(ByteReader& reader, const char* what, uint64_t most, uint64_t least_record_bytes);
void write_count(ByteWriter& writer, uint64_t count);
// The rules for the end of a record and of a section.
Status check_record(ByteReader& reader, const char* what, uint64_t index, bool reserved_is_zero);
Status check_end(const ByteReader& reader);

}  // namespace tern
