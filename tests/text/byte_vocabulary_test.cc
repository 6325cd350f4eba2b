// Every rule of a stored byte-level vocabulary, broken once.
#include <catch2/catch.hpp>
#include <functional>

#include "byte_vocabulary_fixture.h"
#include "runtime/text/tokenizer.h"

using namespace tern;
using namespace tern::test;

namespace {

TokenizerData good_vocabulary() {
  TokenizerData data = byte_level_vocabulary();
  add_merge(data, "a", "b");                                   // 256
  add_merge(data, "ab", "c");                                  // 257
  data.pieces.push_back({"<s>", 0, PieceType::control});       // 258
  data.pieces.push_back({"<t>", 0, PieceType::user_defined});  // 259
  data.patterns = {{"\\p{L}+", false}};
  data.bos = 258, data.stop_ids = {258};
  return data;
}

void refused(const std::function<void(TokenizerData&)>& damage, const std::string& expected) {
  TokenizerData data = good_vocabulary();
  REQUIRE(Tokenizer::create(data).ok());
  damage(data);
  const auto result = Tokenizer::create(data);
  INFO(expected);
  REQUIRE(!result.ok());
  INFO(result.status().message());
  CHECK(result.status().message().find(expected) != std::string::npos);
}

}  // namespace

TEST_CASE("Damaged byte-level pieces are refused by name") {
  refused([](auto& d) { d.pieces[7].text = std::string("xyz"); }, "255 of the 256 bytes");
  refused([](auto& d) { d.pieces[7].type = PieceType::user_defined; }, "255 of the 256 bytes");
  refused([](auto& d) { d.pieces[257].text = std::string("a"); }, "piece 257: its text is that of piece 97");
  refused([](auto& d) { d.pieces[259].text = std::string("<s>"); }, "piece 259: its text is that of piece 258");
  refused([](auto& d) { d.pieces[257].text = std::string(""); }, "piece 257: the text is empty");
  refused([](auto& d) { d.pieces[258].text = std::string("\xFF<"); }, "not valid UTF-8");
  refused([](auto& d) { d.pieces[259].text = std::string(256, 'x'); }, "256 bytes, expected at most 255");
  refused([](auto& d) { d.pieces[257].score = 1; }, "the score is 1");
  refused([](auto& d) { d.pieces[257].type = PieceType::byte; }, "unknown or byte");
  refused([](auto& d) { d.pieces[257].type = PieceType::unknown; }, "unknown or byte");
  refused([](auto& d) { d.pieces[257].type = static_cast<PieceType>(7); }, "type 7");
}

TEST_CASE("Damaged merges, patterns and ids are refused by name") {
  refused([](auto& d) { d.merges[1] = {256, 260}; }, "merge 1 is of 256 and 260");
  refused([](auto& d) { d.merges[1] = {256, 258}; }, "merge 1 is of 256 and 258");
  refused([](auto& d) { d.merges[1] = {97, 97}; }, "merge 1 of pieces 97 and 97 does not give a piece");
  refused([](auto& d) { d.merges[1] = d.merges[0]; }, "merge 1 of pieces 97 and 98 stands twice");
  refused([](auto& d) { d.rank_by_id = true; }, "rank_by_id is set");
  refused([](auto& d) { d.patterns[0].pattern = "a.b"; }, "split pattern 0: byte 1");
  refused([](auto& d) { d.patterns[0].pattern = "a*"; }, "match an empty text");
  refused([](auto& d) { d.patterns.assign(17, {"a", false}); }, "the count of patterns is 17");
  refused([](auto& d) { d.patterns = {{"a", true}, {"b", false}}; }, "split pattern 1 sees the text after");
  refused([](auto& d) { d.unknown = 3; }, "unknown is 3");
  refused([](auto& d) { d.bos = 260; }, "bos is 260");
  refused([](auto& d) { d.bos = -1, d.add_bos = true; }, "add_bos is set");
  refused([](auto& d) { d.stop_ids = {260}; }, "a stop id is 260");
}
