#include <string_view>

#include "tests/tools/golden_files.h"

namespace tern::test {
namespace {

// A golden file with one change, resealed so that only the rule in question is broken.
template <class Change>
Bytes changed(const char* name, Change change) {
  Bytes file = golden_file(name);
  change(file);
  reseal(file);
  return file;
}

// Entry of META in the section table of the tokenizer file: it follows the tokenizer.
uint64_t metadata_entry(const Bytes& file) {
  uint64_t at = 32;
  while (peek<uint32_t>(file, at) != 0x4154454d) at += 32;  // "META"
  return at;
}

void rename_metadata(Bytes& file, std::string_view kind) {
  const uint64_t at = metadata_entry(file);
  for (size_t i = 0; i < 4; ++i) file[at + i] = static_cast<std::byte>(kind[i]);
  poke<uint32_t>(file, at + 4, 1);
}

uint64_t config_field(const Bytes& file, unsigned id) { return section_offset(file, "CONF") + 8 + (id - 1) * 12; }
uint64_t term_field(const Bytes& file, uint64_t offset) { return section_offset(file, "LINR") + 8 + 32 + offset; }
uint64_t payload(const Bytes& file) { return section_offset(file, "DATA"); }
uint64_t scales(const Bytes& file) { return peek<uint64_t>(file, tensor_field(file, 64)); }

void add_frames(std::vector<BrokenFile>& files) {
  Bytes text_mode = golden_file("example");
  text_mode.erase(text_mode.begin() + 4);  // CR LF becomes LF
  files.push_back({"bad_text_mode", text_mode});
  Bytes truncated = golden_file("example");
  truncated.resize(truncated.size() - 64);
  files.push_back({"bad_truncated", truncated});
  files.push_back({"bad_version", changed("example", [](Bytes& f) { poke<uint16_t>(f, 8, 2); })});
  files.push_back({"bad_critical", changed("tokenizer", [](Bytes& f) { rename_metadata(f, "XTRA"); })});
  files.push_back({"bad_shards", changed("tokenizer", [](Bytes& f) { rename_metadata(f, "SHRD"); })});
  Bytes hash = golden_file("example");
  hash[config_field(hash, 12) + 8] ^= std::byte{1};  // rope_base
  files.push_back({"bad_section_hash", hash});
}

void add_descriptions(std::vector<BrokenFile>& files) {
  files.push_back(
      {"bad_config_field", changed("example", [](Bytes& f) { poke<uint16_t>(f, config_field(f, 14), 15); })});
  files.push_back({"bad_optional_zero",
                   changed("optional_parts", [](Bytes& f) { poke<uint32_t>(f, config_field(f, 15) + 8, 0); })});
  files.push_back({"bad_rope_factor", changed("optional_parts", [](Bytes& f) {
                     poke<uint32_t>(f, config_field(f, 17) + 8, 0x3f000000);
                   })});
  files.push_back({"bad_complex_activation",
                   changed("complex_numbers", [](Bytes& f) { poke<uint32_t>(f, config_field(f, 14) + 8, 1); })});
  files.push_back({"bad_kv_heads", changed("example", [](Bytes& f) { poke<uint32_t>(f, config_field(f, 7) + 8, 3); })});
  files.push_back({"bad_name", changed("example", [](Bytes& f) { poke<char>(f, tensor_field(f, 112), 'W'); })});
  files.push_back({"bad_encoding", changed("example", [](Bytes& f) { poke<uint16_t>(f, tensor_field(f, 4), 4); })});
  files.push_back(
      {"bad_phase_odd", changed("phase_row", [](Bytes& f) { poke<uint64_t>(f, tensor_field(f, 16), 33); })});
  files.push_back(
      {"bad_phase_group", changed("phase_group", [](Bytes& f) { poke<uint32_t>(f, tensor_field(f, 12), 16); })});
  files.push_back(
      {"bad_phase_stages", changed("phase_row", [](Bytes& f) { poke<uint8_t>(f, tensor_field(f, 8), 5); })});
  files.push_back({"bad_scope", changed("trit2_group", [](Bytes& f) { poke<uint8_t>(f, tensor_field(f, 9), 4); })});
  files.push_back({"bad_term_kind", changed("example", [](Bytes& f) { poke<uint16_t>(f, term_field(f, 0), 4); })});
  files.push_back({"bad_int5", changed("int8_row", [](Bytes& f) { poke<uint8_t>(f, tensor_field(f, 7), 5); })});
  files.push_back({"bad_group", changed("trit2_group", [](Bytes& f) { poke<uint32_t>(f, tensor_field(f, 12), 0); })});
  files.push_back({"bad_trit_bits", changed("trit5_row", [](Bytes& f) { poke<uint8_t>(f, tensor_field(f, 7), 3); })});
  // Fields of the first of two records: the matrix, then its codebook.
  files.push_back(
      {"bad_vector_length", changed("vector_output", [](Bytes& f) { poke<uint8_t>(f, tensor_field(f, 11), 1); })});
  files.push_back(
      {"bad_vector_bits", changed("vector_output", [](Bytes& f) { poke<uint8_t>(f, tensor_field(f, 7), 17); })});
  files.push_back({"bad_vector_group",
                   changed("vector_input_planes", [](Bytes& f) { poke<uint32_t>(f, tensor_field(f, 12), 12); })});
  files.push_back(
      {"bad_codebook", changed("vector_output", [](Bytes& f) { poke<uint32_t>(f, tensor_field(f, 36), 2); })});
  files.push_back(
      {"bad_codebook_kind", changed("vector_output", [](Bytes& f) { poke<uint32_t>(f, tensor_field(f, 36), 0); })});
  // One more bit asks for twice the entries.
  files.push_back(
      {"bad_codebook_rows", changed("vector_output", [](Bytes& f) { poke<uint8_t>(f, tensor_field(f, 7), 6); })});
  // Vectors of 9 in as many lanes as of 6, but an entry takes another row of the codebook.
  files.push_back({"bad_codebook_fours",
                   changed("vector_output_int8", [](Bytes& f) { poke<uint8_t>(f, tensor_field(f, 11), 9); })});
  files.push_back({"bad_no_codebook", changed("example", [](Bytes& f) { poke<uint32_t>(f, tensor_field(f, 36), 0); })});
  files.push_back({"bad_rows", changed("example", [](Bytes& f) { poke<uint64_t>(f, tensor_field(f, 16), 17); })});
  files.push_back({"bad_part_bytes", changed("example", [](Bytes& f) { poke<uint64_t>(f, tensor_field(f, 48), 65); })});
  files.push_back(
      {"bad_part_offset", changed("example", [](Bytes& f) { poke<uint64_t>(f, tensor_field(f, 40), 4160); })});
  files.push_back({"bad_term_rows", changed("example", [](Bytes& f) { poke<uint64_t>(f, term_field(f, 32), 4); })});
  files.push_back({"bad_tap", changed("example", [](Bytes& f) { poke<uint8_t>(f, term_field(f, 2), 2); })});
  files.push_back(
      {"bad_bos", changed("tokenizer", [](Bytes& f) { poke<uint32_t>(f, section_offset(f, "TOKN") + 12, 8); })});
  files.push_back({"bad_utf8", changed("tokenizer", [](Bytes& f) {
                     const uint64_t end = section_offset(f, "TOKN") + section_bytes(f, "TOKN");
                     poke<uint8_t>(f, end - 1, 0xff);
                   })});
}

void add_tokenizers(std::vector<BrokenFile>& files) {
  // After the pieces: counts, two patterns, two merges of 8 bytes at the end.
  const auto end = [](const Bytes& f) { return section_offset(f, "TOKN") + section_bytes(f, "TOKN"); };
  files.push_back({"bad_merge", changed("byte_tokenizer", [&](Bytes& f) { poke<uint32_t>(f, end(f) - 4, 5); })});
  files.push_back({"bad_pattern", changed("byte_tokenizer", [&](Bytes& f) { poke<char>(f, end(f) - 17, '.'); })});
  files.push_back({"bad_tokenizer_flag", changed("byte_tokenizer", [](Bytes& f) {
                     poke<uint16_t>(f, section_offset(f, "TOKN") + 2, 64 | 4);
                   })});
  files.push_back({"bad_tokenizer_kind",
                   changed("byte_tokenizer", [](Bytes& f) { poke<uint16_t>(f, section_offset(f, "TOKN"), 3); })});
}

void add_chat_templates(std::vector<BrokenFile>& files) {
  files.push_back({"bad_chat_template",
                   changed("chat_template", [](Bytes& f) { poke<uint16_t>(f, section_offset(f, "CHAT"), 0); })});
  files.push_back({"bad_chat_reserved",
                   changed("chat_template", [](Bytes& f) { poke<uint32_t>(f, section_offset(f, "CHAT") + 4, 1); })});
}

// These parse; verify_payload must find them.
void add_payloads(std::vector<BrokenFile>& files) {
  Bytes flipped = golden_file("example");
  flipped[payload(flipped)] ^= std::byte{1};
  files.push_back({"bad_payload_hash", flipped});
  const auto repacked = [&](const char* name, const char* from, auto change) {
    Bytes file = golden_file(from);
    change(file);
    reseal_parts(file);
    files.push_back({name, file});
  };
  repacked("bad_trit_code", "example", [](Bytes& f) { poke<uint8_t>(f, payload(f) + 1, 0x57); });
  repacked("bad_trit_padding", "example", [](Bytes& f) { poke<uint8_t>(f, payload(f) + 12, 0x54); });
  repacked("bad_trit5_code", "trit5_row", [](Bytes& f) { poke<uint8_t>(f, payload(f) + 1, 1); });
  repacked("bad_trit5_padding", "trit5_row", [](Bytes& f) { poke<uint8_t>(f, payload(f) + 2 * 64 + 3, 0); });
  repacked("bad_int8_padding", "int8_tensor", [](Bytes& f) { poke<uint8_t>(f, payload(f) + 129, 0x81); });
  // Column 21 of row 0: high nibble of byte 1 in the third block. Row 17: second tile, the pairs of its last unit.
  repacked("bad_int4_padding", "int4_row", [](Bytes& f) { poke<uint8_t>(f, payload(f) + 129, 0x78); });
  repacked("bad_int6_padding", "int6_tensor", [](Bytes& f) { poke<uint8_t>(f, payload(f) + 17 * 64 + 4, 0xaf); });
  // Row 16 of 17 complex ones is the first of the second tile; column 33 of 33 would be byte 1 of its second unit.
  repacked("bad_phase_padding", "phase_row", [](Bytes& f) { poke<uint8_t>(f, payload(f) + 256 + 129, 1); });
  repacked("bad_phase_row", "phase_row", [](Bytes& f) { poke<uint8_t>(f, payload(f) + 256 + 34, 1); });
  // 139 rows are 18 vectors: the second tile has 8 lanes, six of them padding, and 45 bytes of records.
  repacked("bad_vector_padding", "vector_output", [](Bytes& f) { poke<uint8_t>(f, payload(f) + 128 + 2, 1); });
  repacked("bad_vector_end", "vector_output", [](Bytes& f) { poke<uint8_t>(f, payload(f) + 128 + 45, 1); });
  repacked("bad_dense_padding", "dense_f16", [](Bytes& f) { poke<uint16_t>(f, payload(f) + 5 * 32, 0x3c00); });
  repacked("bad_scale", "example", [](Bytes& f) { poke<uint16_t>(f, scales(f) + 2, 0x7c00); });
  repacked("bad_scale_padding", "example", [](Bytes& f) { poke<uint16_t>(f, scales(f) + 6, 0x3c00); });
  Bytes gap = golden_file("example");
  poke<uint8_t>(gap, payload(gap) + 100, 1);
  files.push_back({"bad_gap", gap});
}

}  // namespace

std::vector<BrokenFile> broken_files() {
  std::vector<BrokenFile> files;
  add_frames(files);
  add_descriptions(files);
  add_tokenizers(files);
  add_chat_templates(files);
  add_payloads(files);
  return files;
}

}  // namespace tern::test
