#include "formats/foreign/sentencepiece.h"

#include <catch2/catch.hpp>
#include <cstring>
#include <functional>

#include "tests/import/fixtures.h"

using namespace tern;
using namespace tern::test;
using Catch::Matchers::Contains;

namespace {

std::string varint(uint64_t value) {
  std::string out;
  for (; value >= 0x80; value >>= 7) out += static_cast<char>(value | 0x80);
  return out + static_cast<char>(value);
}
std::string number(uint32_t field, uint64_t value) { return varint(field << 3) + varint(value); }
std::string text(uint32_t field, const std::string& bytes) {
  return varint(field << 3 | 2) + varint(bytes.size()) + bytes;
}
std::string real(uint32_t field, float value) {
  return varint(field << 3 | 5) + std::string(reinterpret_cast<const char*>(&value), 4);
}

struct Parts {
  std::vector<std::string> pieces;
  std::string trainer, normalizer, extra;
  std::string bytes() const {
    std::string out;
    for (const std::string& piece : pieces) out += text(1, piece);
    return out + text(2, trainer) + text(3, normalizer) + extra;
  }
};

std::string piece(const std::string& name, float score, int type) {
  return text(1, name) + real(2, score) + (type == 1 ? "" : number(3, type));
}

// <unk> <s> </s>, 256 bytes, "▁a", "b".
Parts good() {
  Parts parts;
  parts.pieces = {piece("<unk>", 0, 2), piece("<s>", 0, 3), piece("</s>", 0, 3)};
  for (unsigned byte = 0; byte < 256; ++byte) {
    char name[8];
    std::snprintf(name, sizeof name, "<0x%02X>", byte);
    parts.pieces.push_back(piece(name, 0, 6));
  }
  parts.pieces.push_back(
      piece("\xe2\x96\x81"
            "a",
            -1.5f, 1));
  parts.pieces.push_back(piece("b", -2, 1));
  parts.trainer = text(1, "some.txt") + number(3, 2) + number(4, 261) + number(35, 1) + number(43, ~uint64_t{0});
  parts.normalizer = text(1, "identity") + text(2, "") + number(3, 1) + number(4, 0);
  return parts;
}

std::string error_with(const std::function<void(Parts*)>& change) {
  Parts parts = good();
  change(&parts);
  const auto data = parse_sentencepiece(as_bytes(parts.bytes()), "t.model");
  return data.ok() ? "no error" : data.status().message();
}

}  // namespace

TEST_CASE("SentencePiece: pieces and rules", "[sentencepiece]") {
  const auto data = parse_sentencepiece(as_bytes(good().bytes()), "t.model");
  INFO(data.status().message());
  REQUIRE(data.ok());
  REQUIRE(data->pieces.size() == 261);
  CHECK(data->pieces[259].text ==
        "\xe2\x96\x81"
        "a");
  CHECK(data->pieces[259].score == -1.5f);
  CHECK(data->pieces[1].type == PieceType::control);
  CHECK(data->pieces[3].type == PieceType::byte);
  CHECK(data->unknown == 0);
  CHECK(data->bos == 1);
  CHECK(data->eos == 2);
  CHECK(data->pad == -1);
  CHECK(data->stop_ids == std::vector<int32_t>{2});
  CHECK(data->byte_fallback);
  CHECK(data->add_dummy_prefix);
  CHECK_FALSE(data->remove_extra_whitespaces);
  CHECK(data->escape_whitespaces);
}

TEST_CASE("SentencePiece: the schema's defaults", "[sentencepiece]") {
  Parts parts = good();
  parts.normalizer = "";
  const auto data = parse_sentencepiece(as_bytes(parts.bytes()), "t.model");
  REQUIRE(data.ok());
  CHECK(data->add_dummy_prefix);
  CHECK(data->remove_extra_whitespaces);
  CHECK(data->escape_whitespaces);
}

TEST_CASE("SentencePiece: what changes the cutting of text is refused by name", "[sentencepiece]") {
  CHECK_THAT(error_with([](Parts* p) { p->trainer = number(35, 1); }), Contains("unigram"));
  CHECK_THAT(error_with([](Parts* p) { p->trainer += number(3, 4); }), Contains("character"));
  CHECK_THAT(error_with([](Parts* p) { p->trainer += number(3, 9); }), Contains("model_type is 9"));
  CHECK_THAT(error_with([](Parts* p) { p->trainer += number(24, 1); }), Contains("treat_whitespace_as_suffix"));
  CHECK_THAT(error_with([](Parts* p) { p->trainer += number(200, 1); }), Contains("unknown field 200"));
  CHECK_THAT(error_with([](Parts* p) { p->normalizer += text(1, "nmt_nfkc"); }), Contains("'nmt_nfkc'"));
  CHECK_THAT(error_with([](Parts* p) { p->normalizer += text(2, "map"); }), Contains("character map"));
  CHECK_THAT(error_with([](Parts* p) { p->normalizer += number(9, 1); }), Contains("unknown field 9"));
  CHECK_THAT(error_with([](Parts* p) { p->extra = text(5, text(2, "map")); }), Contains("denormalizer_spec"));
  CHECK_THAT(error_with([](Parts* p) { p->extra = text(9, ""); }), Contains("unknown field 9"));
  CHECK_THAT(error_with([](Parts* p) { p->pieces[4] += number(8, 1); }), Contains("piece 4") && Contains("field 8"));
  CHECK_THAT(error_with([](Parts* p) { p->pieces[4] = piece("x", 0, 7); }), Contains("piece 4") && Contains("type 7"));
}

TEST_CASE("SentencePiece: broken vocabularies", "[sentencepiece]") {
  CHECK_THAT(error_with([](Parts* p) {
               p->pieces.pop_back();
               p->pieces.push_back(piece("", 0, 1));
             }),
             Contains("empty"));
  CHECK_THAT(error_with([](Parts* p) { p->pieces.push_back(piece("b", 0, 1)); }), Contains("both 'b'"));
  CHECK_THAT(error_with([](Parts* p) { p->pieces.push_back(piece("\xc0\x80", 0, 1)); }), Contains("UTF-8"));
  CHECK_THAT(error_with([](Parts* p) { p->pieces.push_back(piece("\xed\xa0\x80", 0, 1)); }), Contains("UTF-8"));
  CHECK_THAT(error_with([](Parts* p) { p->pieces.push_back(piece("c", INFINITY, 1)); }), Contains("not finite"));
  CHECK_THAT(error_with([](Parts* p) { p->pieces.push_back(piece("c", 0, 2)); }), Contains("type unknown"));
  CHECK_THAT(error_with([](Parts* p) { p->pieces.push_back(piece("<0x-1>", 0, 6)); }), Contains("<0xHH>"));
  CHECK_THAT(error_with([](Parts* p) { p->pieces.erase(p->pieces.begin() + 20); }),
             Contains("<0x11>") && Contains("missing"));
  CHECK_THAT(error_with([](Parts* p) { p->trainer += number(35, 0); }), Contains("byte_fallback is off"));
  CHECK_THAT(error_with([](Parts* p) { p->trainer += number(40, 1); }), Contains("unk id"));
  CHECK_THAT(error_with([](Parts* p) { p->trainer += number(41, 999); }), Contains("bos id 999"));
  CHECK_THAT(error_with([](Parts* p) { p->trainer += number(42, uint64_t{1} << 32); }), Contains("field 42"));
  CHECK_THAT(error_with([](Parts* p) { p->trainer += number(42, ~uint64_t{4}); }), Contains("field 42"));
}

TEST_CASE("SentencePiece: hostile bytes", "[sentencepiece]") {
  const std::string whole = good().bytes();
  for (size_t size = 0; size < whole.size(); ++size) {
    CHECK_FALSE(parse_sentencepiece(as_bytes(whole.substr(0, size)), "t").ok());
  }
  const auto fails = [](const std::string& bytes) { return !parse_sentencepiece(as_bytes(bytes), "t").ok(); };
  CHECK(fails(whole + std::string(10, '\xff')));                    // a varint without end
  CHECK(fails(whole + varint(1 << 3 | 2) + varint(~uint64_t{0})));  // a length of 2^64 - 1
  CHECK(fails(whole + varint(1 << 3 | 3)));                         // a group
  CHECK(fails(whole + number(1, 5)));                               // wrong wire type
  CHECK(fails(whole + varint(2)));                                  // field number 0
  CHECK(fails(whole + text(2, good().trainer)));                    // two trainer specs
  CHECK(fails("# not a model\n"));
}
