// Byte-level BPE as publishers write it, small: 256 bytes, "ab", "abc", " a" and merges for them, as tokenizer.json and
// as vocab.json with merges.txt.
#pragma once

#include <nlohmann/json.hpp>
#include <string>

namespace tern::test {

// GPT-2's alphabet, by its definition in the release: bytes that print stand for themselves, the others follow.
inline std::string alphabet_of(const std::string& bytes) {
  std::string text;
  for (const char c : bytes) {
    int point = static_cast<unsigned char>(c), extra = 0x100;
    const auto prints = [](int b) { return (b >= '!' && b <= '~') || (b >= 0xA1 && b <= 0xAC) || b >= 0xAE; };
    for (int b = 0; b < point; ++b) extra += !prints(b);
    if (!prints(point)) point = extra;
    if (point < 0x80) {
      text += static_cast<char>(point);
    } else {
      text += static_cast<char>(0xC0 + point / 64);
      text += static_cast<char>(0x80 + point % 64);
    }
  }
  return text;
}

// 0..255 the bytes in their order, 256 "ab", 257 "abc", 258 " a".
inline nlohmann::json small_vocab() {
  nlohmann::json vocab;
  for (int byte = 0; byte < 256; ++byte) vocab[alphabet_of(std::string(1, static_cast<char>(byte)))] = byte;
  vocab["ab"] = 256, vocab["abc"] = 257, vocab[alphabet_of(" a")] = 258;
  return vocab;
}

inline std::string small_merges() { return "#version: 0.2\na b\nab c\n" + alphabet_of(" ") + " a\n"; }

inline nlohmann::json small_tokenizer_json() {
  using nlohmann::json;
  json file = {{"version", "1.0"}, {"truncation", nullptr}, {"padding", nullptr}, {"normalizer", {{"type", "NFC"}}}};
  file["added_tokens"] = json::array({{{"id", 259}, {"content", "<s>"}, {"special", true}, {"normalized", false}},
                                      {{"id", 261}, {"content", "<t>"}, {"special", false}, {"normalized", false}}});
  const json split = {{"type", "Split"},
                      {"pattern", {{"Regex", "\\p{L}+|\\s+(?!\\S)|\\s+"}}},
                      {"behavior", "Isolated"},
                      {"invert", false}};
  const json bytes = {{"type", "ByteLevel"}, {"add_prefix_space", false}, {"trim_offsets", true}, {"use_regex", false}};
  file["pre_tokenizer"] = {{"type", "Sequence"}, {"pretokenizers", json::array({split, bytes})}};
  file["decoder"] = {{"type", "ByteLevel"}};
  file["post_processor"] = {
      {"type", "TemplateProcessing"},
      {"single", json::array({{{"SpecialToken", {{"id", "<s>"}, {"type_id", 0}}}},
                              {{"Sequence", {{"id", "A"}, {"type_id", 0}}}}})},
      {"pair", json::array()},
      {"special_tokens", {{"<s>", {{"id", "<s>"}, {"ids", json::array({259})}, {"tokens", json::array({"<s>"})}}}}}};
  file["model"] = {{"type", "BPE"},          {"dropout", nullptr},
                   {"unk_token", nullptr},   {"fuse_unk", false},
                   {"byte_fallback", false}, {"ignore_merges", true},
                   {"vocab", small_vocab()}, {"merges", json::array({"a b", json::array({"ab", "c"})})}};
  return file;
}

}  // namespace tern::test
