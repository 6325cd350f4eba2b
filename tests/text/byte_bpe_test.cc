// Byte-level BPE over small vocabularies, against a slow encoder that looks for the best pair again after each merge.
#include <algorithm>
#include <catch2/catch.hpp>
#include <map>

#include "base/random.h"
#include "byte_vocabulary_fixture.h"
#include "runtime/text/tokenizer.h"

using namespace tern;
using namespace tern::test;

namespace {

std::unique_ptr<Tokenizer> tokenizer_of(const TokenizerData& data) {
  auto result = Tokenizer::create(data);
  INFO(result.status().message());
  REQUIRE(result.ok());
  return std::move(result).value();
}

std::vector<int32_t> ids_of(const Tokenizer& tokenizer, std::string_view text) {
  const auto ids = tokenizer.encode(text, false);
  INFO(ids.status().message());
  REQUIRE(ids.ok());
  return *ids;
}

// The oracle: strings, no patterns, no normalization.
std::vector<int32_t> slow_encode(const TokenizerData& data, const std::string& text) {
  std::map<std::string, int32_t> ids;
  for (size_t id = 0; id < data.pieces.size(); ++id) {
    if (data.pieces[id].type == PieceType::normal) ids[data.pieces[id].text] = static_cast<int32_t>(id);
  }
  std::map<std::pair<std::string, std::string>, size_t> ranks;
  for (size_t i = 0; i < data.merges.size(); ++i) {
    ranks[{data.pieces[data.merges[i].first].text, data.pieces[data.merges[i].second].text}] = i;
  }
  const auto rank_of = [&](const std::string& a, const std::string& b) -> int64_t {
    if (data.rank_by_id) return ids.count(a + b) ? ids[a + b] : -1;
    const auto found = ranks.find({a, b});
    return found == ranks.end() ? -1 : static_cast<int64_t>(found->second);
  };
  if (data.whole_piece_first && ids.count(text)) return {ids[text]};
  std::vector<std::string> symbols;
  for (const char c : text) symbols.emplace_back(1, c);
  while (true) {
    int64_t best = -1;
    size_t at = 0;
    for (size_t i = 0; i + 1 < symbols.size(); ++i) {
      const int64_t rank = rank_of(symbols[i], symbols[i + 1]);
      if (rank >= 0 && (best < 0 || rank < best)) best = rank, at = i;
    }
    if (best < 0) break;
    symbols[at] += symbols[at + 1];
    symbols.erase(symbols.begin() + static_cast<std::ptrdiff_t>(at) + 1);
  }
  std::vector<int32_t> result;
  for (const std::string& symbol : symbols) result.push_back(ids[symbol]);
  return result;
}

// Pieces that are pairs of earlier ones over few letters, so that merges compete.
TokenizerData random_vocabulary(Random& random, bool rank_by_id) {
  TokenizerData data = byte_level_vocabulary();
  std::vector<std::string> parts = {"a", "b", "c", "\xC3", "\xA9"};
  for (int i = 0; i < 40; ++i) {
    const std::string left = parts[random.below(parts.size())], right = parts[random.below(parts.size())];
    if (left.size() + right.size() > 12) continue;
    if (piece_id(data, left + right) < 0) {
      data.pieces.push_back({left + right, 0, PieceType::normal});
      parts.push_back(left + right);
    }
    if (rank_by_id) continue;
    const std::pair<uint32_t, uint32_t> merge(piece_id(data, left), piece_id(data, right));
    if (std::find(data.merges.begin(), data.merges.end(), merge) == data.merges.end()) data.merges.push_back(merge);
  }
  data.rank_by_id = rank_by_id;
  return data;
}

}  // namespace

TEST_CASE("Merges by rank and by id equal the slow encoder's") {
  Random random(1);
  for (int round = 0; round < 200; ++round) {
    TokenizerData data = random_vocabulary(random, round % 2 == 0);
    data.whole_piece_first = round % 3 == 0;
    const auto tokenizer = tokenizer_of(data);
    for (int k = 0; k < 20; ++k) {
      std::string text;  // valid UTF-8: an invalid byte would stand alone
      for (uint64_t n = random.below(40); n-- > 0;) {
        const std::string letters[] = {"a", "a", "b", "c", "\xC3\xA9", "\xC3\xA9", "z"};
        text += letters[random.below(7)];
      }
      INFO("round " << round << " '" << text << "'");
      CHECK(ids_of(*tokenizer, text) == slow_encode(data, text));
    }
  }
}

TEST_CASE("Any bytes survive byte-level encode and decode") {
  Random random(2);
  TokenizerData data = random_vocabulary(random, false);
  data.patterns = {{"\\p{L}+|\\s+|[^\\p{L}\\s]", false}};
  const auto tokenizer = tokenizer_of(data);
  std::string every_byte;
  for (int byte = 0; byte < 256; ++byte) every_byte += static_cast<char>(byte);
  CHECK(tokenizer->decode(ids_of(*tokenizer, every_byte)) == every_byte);
  for (int round = 0; round < 500; ++round) {
    std::string text;
    for (uint64_t n = random.below(60); n-- > 0;) {
      text += static_cast<char>(random.below(3) == 0 ? random.below(256) : 0x61 + random.below(3));
    }
    INFO(round);
    CHECK(tokenizer->decode(ids_of(*tokenizer, text)) == text);
  }
}

TEST_CASE("An invalid byte stands alone, also next to what it could merge with") {
  TokenizerData data = byte_level_vocabulary();
  add_merge(data, "\xC3", "\xA9");
  add_merge(data, "a", "\xC3");
  const auto tokenizer = tokenizer_of(data);
  CHECK(ids_of(*tokenizer, "\xC3\xA9") == std::vector<int32_t>{256});
  CHECK(ids_of(*tokenizer, "a\xC3") == std::vector<int32_t>{'a', 0xC3});
  CHECK(ids_of(*tokenizer, "\xC3\xC3\xA9") == std::vector<int32_t>{0xC3, 256});
}

TEST_CASE("User-defined pieces come first, the longest of them; control pieces only when asked") {
  TokenizerData data = byte_level_vocabulary();
  add_merge(data, "h", "i");
  data.pieces.push_back({"<x>", 0, PieceType::user_defined});     // 257
  data.pieces.push_back({"<x><x>", 0, PieceType::user_defined});  // 258
  data.pieces.push_back({"<s>", 0, PieceType::control});          // 259
  data.pieces.push_back({"<s><x>", 0, PieceType::control});       // 260
  data.pieces.push_back({"", 0, PieceType::unused});              // 261
  data.pieces.push_back({"hi<x>hi", 0, PieceType::unused});       // 262
  data.bos = 259, data.add_bos = true;
  const auto tokenizer = tokenizer_of(data);
  CHECK(ids_of(*tokenizer, "hi<x>hi") == std::vector<int32_t>{256, 257, 256});
  CHECK(ids_of(*tokenizer, "<x><x><x>") == std::vector<int32_t>{258, 257});
  CHECK(ids_of(*tokenizer, "<s>") == std::vector<int32_t>{'<', 's', '>'});
  CHECK(tokenizer->encode("hi", true).value() == std::vector<int32_t>{259, 256});
  CHECK(tokenizer->encode_special("<s>hi<x>", false).value() == std::vector<int32_t>{259, 256, 257});
  CHECK(tokenizer->encode_special("<s><x>", true).value() == std::vector<int32_t>{259, 260});
  CHECK(tokenizer->encode_special("<x><s>", false).value() == std::vector<int32_t>{257, 259});
  CHECK(tokenizer->encode_special("", false).value().empty());
  data.pieces.push_back({"h", 0, PieceType::user_defined});  // 263: comes before the normal piece of its text
  CHECK(ids_of(*tokenizer_of(data), "hi") == std::vector<int32_t>{263, 'i'});
  CHECK(tokenizer->piece(259, -1) == "");
  CHECK(tokenizer->piece(261, -1) == "");
  CHECK(tokenizer->piece(262, -1) == "hi<x>hi");
  CHECK(tokenizer->piece(263, -1) == "");
  CHECK(tokenizer->piece(-1, -1) == "");
  CHECK(tokenizer->piece(0xC3, -1) == "\xC3");
}

TEST_CASE("Texts are normalized to NFC when the file says so") {
  TokenizerData data = byte_level_vocabulary();
  const std::string apart = "e\xCC\x81", together = "\xC3\xA9";
  CHECK(ids_of(*tokenizer_of(data), apart) == std::vector<int32_t>{'e', 0xCC, 0x81});
  data.nfc = true;
  const auto tokenizer = tokenizer_of(data);
  CHECK(ids_of(*tokenizer, apart) == std::vector<int32_t>{0xC3, 0xA9});
  CHECK(tokenizer->decode(ids_of(*tokenizer, "\xFF" + apart + std::string(1, '\0'))) ==
        "\xFF" + together + std::string(1, '\0'));
  std::string marks = "e";
  for (int i = 0; i < 2000; ++i) marks += "\xCC\x81";
  const auto refused = tokenizer->encode(marks, false);
  REQUIRE(!refused.ok());
  CHECK(refused.status().message().find("combining marks") != std::string::npos);
}

TEST_CASE("A long run is no harder than a text") {
  TokenizerData data = byte_level_vocabulary();
  for (size_t n = 1; n <= 64; n *= 2) add_merge(data, std::string(n, 'a'), std::string(n, 'a'));
  data.patterns = {{"\\p{L}+|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+|[^\\s\\p{L}]", false}};
  for (const bool by_id : {false, true}) {
    TokenizerData variant = data;
    variant.rank_by_id = by_id;
    if (by_id) variant.merges.clear();
    const auto tokenizer = tokenizer_of(variant);
    const std::string run(1u << 20, 'a'), spaces(1u << 20, ' ');
    CHECK(ids_of(*tokenizer, run).size() == run.size() / 128);
    CHECK((tokenizer->decode(ids_of(*tokenizer, spaces + "x" + run)) == spaces + "x" + run));
  }
  const auto whole = tokenizer_of(byte_level_vocabulary());  // no pattern: all of the text is one piece
  const auto refused = whole->encode(std::string((16u << 20) + 1, 'a'), false);
  REQUIRE(!refused.ok());
  CHECK(refused.status().message().find("one piece") != std::string::npos);
}
