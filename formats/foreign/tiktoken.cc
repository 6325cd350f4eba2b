#include "formats/foreign/tiktoken.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <optional>
#include <string_view>

#include "formats/foreign/vocabulary.h"
#include "formats/tern/limits.h"

namespace tern {
namespace {

constexpr size_t kMaxTokenBytes = 4096;

int base64_digit(char c) {
  if (c >= 'A' && c <= 'Z') return c - 'A';
  if (c >= 'a' && c <= 'z') return c - 'a' + 26;
  if (c >= '0' && c <= '9') return c - '0' + 52;
  return c == '+' ? 62 : c == '/' ? 63 : -1;
}

// RFC 4648 with padding; bits that the padding leaves over must be zero.
std::optional<std::string> decode_base64(std::string_view text) {
  if (text.size() % 4 != 0) return std::nullopt;
  std::string bytes;
  for (size_t i = 0; i < text.size(); i += 4) {
    const bool last = i + 4 == text.size();
    const int padding = !last ? 0 : text[i + 3] != '=' ? 0 : text[i + 2] != '=' ? 1 : 2;
    uint32_t value = 0;
    for (int k = 0; k < 4; ++k) {
      const int digit = k >= 4 - padding ? 0 : base64_digit(text[i + static_cast<size_t>(k)]);
      if (digit < 0) return std::nullopt;
      value = value << 6 | static_cast<uint32_t>(digit);
    }
    if (value & ((1u << 8 * padding) - 1)) return std::nullopt;
    for (int k = 0; k < 3 - padding; ++k) bytes += static_cast<char>(value >> (16 - 8 * k));
  }
  return bytes;
}

struct Line {
  std::string token;
  uint32_t rank = 0;
};

std::optional<Line> parse_line(std::string_view line) {
  const size_t space = line.find(' ');
  if (space == 0 || space == std::string_view::npos || space > kMaxTokenBytes * 2) return std::nullopt;
  auto token = decode_base64(line.substr(0, space));
  if (!token || token->empty() || token->size() > kMaxTokenBytes) return std::nullopt;
  Line result{std::move(*token), 0};
  const char* const end = line.data() + line.size();
  const auto [stop, error] = std::from_chars(line.data() + space + 1, end, result.rank);
  return error == std::errc() && stop == end ? std::optional(std::move(result)) : std::nullopt;
}

std::string_view chars_of(std::span<const std::byte> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

// Llama 3's 256 special tokens.
std::string llama3_special(int index) {
  switch (index) {
    case 0:
      return "<|begin_of_text|>";
    case 1:
      return "<|end_of_text|>";
    case 6:
      return "<|start_header_id|>";
    case 7:
      return "<|end_header_id|>";
    case 9:
      return "<|eot_id|>";
    default:
      return fmt::format("<|reserved_special_token_{}|>", index < 6 ? index - 2 : index == 8 ? 4 : index - 5);
  }
}

}  // namespace

const char* const kLlama3Pattern = R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3})"
                                   R"(| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";

bool is_tiktoken(std::span<const std::byte> bytes) {
  const std::string_view text = chars_of(bytes);
  return parse_line(text.substr(0, std::min(text.find('\n'), kMaxTokenBytes * 3))).has_value();
}

Result<TokenizerData> parse_tiktoken(std::span<const std::byte> bytes, const std::string& name) {
  std::string_view text = chars_of(bytes);
  std::vector<Line> lines;
  while (!text.empty()) {
    const size_t end = std::min(text.find('\n'), text.size());
    auto line = parse_line(text.substr(0, end));
    if (!line) return corrupt(fmt::format("{}: line {} is not 'base64 rank'", name, lines.size() + 1));
    if (lines.size() == kMaxPieces) return corrupt(fmt::format("{}: more than {} lines", name, kMaxPieces));
    lines.push_back(std::move(*line));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  TokenizerData data = byte_bpe_vocabulary();
  data.rank_by_id = data.whole_piece_first = true;
  data.pieces.resize(lines.size());
  for (Line& line : lines) {
    if (line.rank >= lines.size() || !data.pieces[line.rank].text.empty()) {
      return corrupt(
          fmt::format("{}: rank {} stands twice or leaves a gap among {} ranks", name, line.rank, lines.size()));
    }
    data.pieces[line.rank].text = std::move(line.token);
  }
  TERN_TRY(check_vocabulary(data, name));
  return data;
}

Status add_llama3_pattern(TokenizerData* data, const std::string& name) {
  if (data->pieces.size() != kLlama3Ranks) {
    return unsupported(fmt::format("{}: {} tiktoken ranks; only those of Llama 3, {}, come with a known pattern", name,
                                   data->pieces.size(), kLlama3Ranks));
  }
  data->patterns = {{kLlama3Pattern, false}};
  data->add_bos = true;
  return {};
}

Status add_llama3_special(TokenizerData* data, const std::string& name) {
  for (int i = 0; i < 256; ++i) data->pieces.push_back({llama3_special(i), 0, PieceType::control});
  data->bos = kLlama3Ranks, data->eos = kLlama3Ranks + 1;
  data->stop_ids = {kLlama3Ranks + 1, kLlama3Ranks + 9};
  return check_vocabulary(*data, name);
}

}  // namespace tern
