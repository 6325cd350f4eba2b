// Every rule of a stored vocabulary, broken once: an error that names it, never a crash in the library.
#include <catch2/catch.hpp>
#include <functional>
#include <limits>

#include "runtime/text/tokenizer.h"
#include "runtime/text/vocabulary.h"
#include "vocabulary_fixture.h"

using namespace tern;
using namespace tern::test;

namespace {

void check_refused(const std::function<void(TokenizerData&)>& damage, const std::string& expected) {
  TokenizerData data = byte_vocabulary({"a", "b", "ab"});
  REQUIRE(Tokenizer::create(data).ok());
  damage(data);
  const auto result = Tokenizer::create(data);
  REQUIRE(!result.ok());
  INFO(result.status().message());
  CHECK(result.status().message().find(expected) != std::string::npos);
  CHECK(result.status().message().find("sentencepiece refuses") == std::string::npos);  // found before the library ran
}

std::function<void(TokenizerData&)> text_of_b(std::string text) {
  return [text = std::move(text)](TokenizerData& data) { data.pieces[260].text = text; };
}

}  // namespace

TEST_CASE("Damaged pieces are refused by name") {
  check_refused([](auto& d) { d.pieces.clear(); }, "0 pieces");
  check_refused(text_of_b(""), "piece 260: its text is empty");
  check_refused(text_of_b("a"), "its text 'a' is that of piece 259");
  check_refused(text_of_b("<s>"), "is that of piece 1");
  check_refused(text_of_b("\xC3"), "not valid UTF-8");
  check_refused(text_of_b("\xED\xA0\x80"), "not valid UTF-8");
  check_refused(text_of_b(std::string("x\0y", 3)), "NUL");
  check_refused(text_of_b(std::string(kMaxPieceBytes + 1, 'x')), "4097 bytes");
  check_refused([](auto& d) { d.pieces[260].score = std::numeric_limits<float>::quiet_NaN(); }, "score");
  check_refused([](auto& d) { d.pieces[260].score = std::numeric_limits<float>::infinity(); }, "score");
  check_refused([](auto& d) { d.pieces[260].type = PieceType::control; }, "control piece 'b' is a single character");
  check_refused([](auto& d) { d.pieces[260] = {"\xC3\xA9", 0, PieceType::control}; }, "single character");
  check_refused([](auto& d) { d.pieces[260].type = static_cast<PieceType>(0); }, "type is 0");
  check_refused([](auto& d) { d.pieces[260].type = static_cast<PieceType>(7); }, "type is 7");
}

TEST_CASE("Byte pieces: all 256, and only with byte_fallback") {
  check_refused([](auto& d) { d.byte_fallback = false; }, "byte_fallback is off");
  check_refused([](auto& d) { d.pieces[3 + 0x41].type = PieceType::normal; }, "256 byte pieces, 255 found");
  check_refused([](auto& d) { d.pieces[3 + 0x41].text = "<0x-1>"; }, "'<0x-1>' is not a byte piece");
  check_refused([](auto& d) { d.pieces[3 + 0x4A].text = "<0x4a>"; }, "is not a byte piece");
  check_refused([](auto& d) { d.pieces[260].type = PieceType::byte; }, "'b' is not a byte piece");
  for (int byte = 0; byte < 256; ++byte) {
    CHECK(byte_of_piece(byte_vocabulary({}).pieces[static_cast<size_t>(3 + byte)].text) == byte);
  }
  CHECK(byte_of_piece("<0x100>") == -1);
  CHECK(byte_of_piece("") == -1);
}

TEST_CASE("Special ids are in range and agree with the pieces") {
  check_refused([](auto& d) { d.bos = 262; }, "bos is 262");
  check_refused([](auto& d) { d.eos = -2; }, "eos is -2");
  check_refused([](auto& d) { d.pad = 1 << 30; }, "pad is");
  check_refused([](auto& d) { d.stop_ids = {2, 262}; }, "stop id 262");
  check_refused([](auto& d) { d.stop_ids = {-1}; }, "stop id -1");
  check_refused([](auto& d) { d.unknown = -1; }, "unknown is -1, but the piece of that type is 0");
  check_refused([](auto& d) { d.pieces[0].type = PieceType::control; }, "no piece of type unknown");
  check_refused([](auto& d) { d.pieces[260].type = PieceType::unknown; }, "and so is piece 0");
  check_refused([](auto& d) { d.bos = -1; }, "add_bos is set");
  check_refused([](auto& d) { d.add_eos = true, d.eos = -1; }, "add_eos is set");
  check_refused([](auto& d) { d.kind = static_cast<TokenizerKind>(9); }, "kind 9");
}

TEST_CASE("User-defined pieces that nest deeper than the library's array are refused") {
  TokenizerData data = byte_vocabulary({});
  for (size_t n = 1; n <= kMaxNestedUserPieces; ++n) add_piece(data, std::string(n, 'x'), PieceType::user_defined);
  add_piece(data, "y", PieceType::user_defined);
  const auto deepest = Tokenizer::create(data);
  REQUIRE(deepest.ok());
  const auto ids = (*deepest)->encode(std::string(kMaxNestedUserPieces + 1, 'x'), false);
  REQUIRE(ids.ok());
  // Pieces: a space (three bytes: no piece), the 64 and the 1.
  CHECK(*ids == std::vector<int32_t>{3 + 0xE2, 3 + 0x96, 3 + 0x81, 259 + 63, 259});
  add_piece(data, std::string(kMaxNestedUserPieces + 1, 'x'), PieceType::user_defined);
  const auto refused = Tokenizer::create(data);
  REQUIRE(!refused.ok());
  CHECK(refused.status().code() == Code::unsupported);
}
