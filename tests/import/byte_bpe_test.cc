// The readers of byte-level BPE: tiktoken ranks, vocab.json with merges.txt, tokenizer.json; each rule broken once.
#include <catch2/catch.hpp>
#include <functional>

#include "formats/foreign/added_tokens.h"
#include "formats/foreign/gpt2_bpe.h"
#include "formats/foreign/tiktoken.h"
#include "formats/foreign/tokenizer_json.h"
#include "formats/tern/byte_alphabet.h"
#include "tests/import/byte_bpe_fixture.h"
#include "tests/import/fixtures.h"

using namespace tern;
using namespace tern::test;
using nlohmann::json;

namespace {

std::string base64(const std::string& bytes) {
  const char* digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string text, bits;
  for (const char c : bytes) {
    for (int i = 7; i >= 0; --i) bits += static_cast<char>('0' + (static_cast<unsigned char>(c) >> i & 1));
  }
  while (bits.size() % 6 != 0) bits += '0';
  for (size_t i = 0; i < bits.size(); i += 6) text += digits[std::stoi(bits.substr(i, 6), nullptr, 2)];
  while (text.size() % 4 != 0) text += '=';
  return text;
}

std::string ranks_file(const std::string& more) {
  std::string file;
  for (int byte = 0; byte < 256; ++byte) {
    file += base64(std::string(1, static_cast<char>(byte))) + " " + std::to_string(byte) + "\n";
  }
  return file + more;
}

std::string tiktoken_error(const std::string& file) {
  return parse_tiktoken(as_bytes(file), "t.model").status().message();
}

std::string json_error(const std::function<void(json&)>& damage) {
  json file = small_tokenizer_json();
  damage(file);
  return parse_tokenizer_json(file.dump(), "t.json").status().message();
}

}  // namespace

TEST_CASE("byte alphabet: GPT-2's, both ways", "[byte_bpe]") {
  for (int byte = 0; byte < 256; ++byte) {
    const std::string bytes(1, static_cast<char>(byte));
    CHECK(to_byte_alphabet(bytes) == alphabet_of(bytes));
    CHECK(from_byte_alphabet(alphabet_of(bytes)) == bytes);
  }
  CHECK(to_byte_alphabet(" \n\x7f\xad") == "\xC4\xA0\xC4\x8A\xC4\xA1\xC5\x83");
  for (const char* outside : {" ", "\n", "\xC2\xAD", "\xC5\x84", "\xE2\x96\x81", "\xC3", "\xC3\x28", "\xC0\xA1"}) {
    CHECK(!from_byte_alphabet(outside));
  }
}

TEST_CASE("tiktoken: ranks become pieces", "[byte_bpe]") {
  const std::string file = ranks_file(base64("ab") + " 257\n" + base64("\xE2\x82") + " 256");
  REQUIRE(is_tiktoken(as_bytes(file)));
  const auto data = parse_tiktoken(as_bytes(file), "t.model");
  INFO(data.status().message());
  REQUIRE(data.ok());
  CHECK(data->pieces.size() == 258);
  CHECK(data->pieces[256].text == "\xE2\x82");
  CHECK(data->pieces[257].text == "ab");
  CHECK(data->rank_by_id);
  CHECK(data->whole_piece_first);
  CHECK(!data->add_bos);
  auto other = *data;
  says(add_llama3_pattern(&other, "t.model").message(), "258 tiktoken ranks");
}

TEST_CASE("tiktoken: damaged files are refused", "[byte_bpe]") {
  says(tiktoken_error(ranks_file("YWI= 256\nYWI= 257\n")), "pieces 256 and 257 are alike");
  says(tiktoken_error(ranks_file("YWI= 255\n")), "rank 255 stands twice");
  says(tiktoken_error(ranks_file("YWI= 257\n")), "rank 257");
  for (const char* line : {"YWI=256", "YWI= ", "YWI= -1", "YWI= 256 ", " 256", "= 256", "YWJ= 256", "YW=I 256",
                           "YWI 256", "Y*I= 256", "YWI= 99999999999", "====", "YWI= 256\r"}) {
    INFO(line);
    says(tiktoken_error(ranks_file(std::string(line) + "\n")), "line 257 is not");
  }
  says(tiktoken_error(ranks_file("\n")), "line 257 is not");
  says(tiktoken_error("YWI= 0\n"), "no token for the byte 0x00");
  says(tiktoken_error(""), "the count of pieces is 0");
  CHECK(!is_tiktoken(as_bytes(std::string("\x0a\x0e\x0a\x05<unk>\x15"))));
  CHECK(!is_tiktoken({}));
}

TEST_CASE("vocab.json and merges.txt", "[byte_bpe]") {
  const std::string vocab = small_vocab().dump(), merges = small_merges();
  const auto data = parse_gpt2_bpe({vocab, "vocab.json"}, {merges, "merges.txt"});
  INFO(data.status().message());
  REQUIRE(data.ok());
  CHECK(data->pieces[258].text == " a");
  CHECK(data->pieces[0xE2].text == "\xE2");
  CHECK(data->merges == std::vector<std::pair<uint32_t, uint32_t>>{{'a', 'b'}, {256, 'c'}, {' ', 'a'}});
  CHECK(!data->rank_by_id);

  const auto error = [&](const std::function<void(json&)>& damage, const std::string& lines) {
    json changed = small_vocab();
    damage(changed);
    const std::string text = changed.dump();
    return parse_gpt2_bpe({text, "vocab.json"}, {lines, "merges.txt"}).status().message();
  };
  const auto nothing = [](json&) {};
  says(error([](json& v) { v["ab"] = 257; }, merges), "stands twice");
  says(error([](json& v) { v["ab"] = -1; }, merges), "vocab.json: the id of 'ab' is -1");
  says(error([](json& v) { v["ab"] = "1"; }, merges), "the id of 'ab'");
  says(error([](json& v) { v["ab"] = 70000; }, merges), "an id is 70000");
  says(error([](json& v) { v.erase("a"); }, ""), "no token for the byte 0x61");
  says(error([](json& v) { v = json::array(); }, merges), "expected an object");
  says(error([](json& v) { v[""] = 259; }, merges), "a token is empty");
  says(error(nothing, "a b\na x\n"), "merges.txt: merge 1: 'ax' is not in the vocabulary");
  says(error(nothing, "a \xE2\x96\x81\n"), "is not in the vocabulary");
  says(error(nothing, "a b c\n"), "line 1: 'a b c' is not two tokens");
  says(error(nothing, "ab\n"), "not two tokens");
  says(error(nothing, "a b\n\na b\n"), "line 2");
  // A token outside the alphabet comes from no text.
  json more = small_vocab();
  more["\xE2\x96\x81x"] = 260;
  const std::string text = more.dump();
  const auto odd = parse_gpt2_bpe({text, "vocab.json"}, {merges, "merges.txt"});
  REQUIRE(odd.ok());
  CHECK(odd->pieces[260].type == PieceType::unused);
  CHECK(odd->pieces[259].text.empty());
}

TEST_CASE("tokenizer.json: byte-level BPE", "[byte_bpe]") {
  const auto data = parse_tokenizer_json(small_tokenizer_json().dump(), "t.json");
  INFO(data.status().message());
  REQUIRE(data.ok());
  CHECK(data->kind == TokenizerKind::byte_bpe);
  CHECK(data->pieces.size() == 262);
  CHECK(data->pieces[259].type == PieceType::control);
  CHECK(data->pieces[260].type == PieceType::unused);
  CHECK(data->pieces[261].type == PieceType::user_defined);
  CHECK(data->patterns == std::vector<SplitPattern>{{"\\p{L}+|\\s+(?!\\S)|\\s+", false}});
  CHECK(data->merges == std::vector<std::pair<uint32_t, uint32_t>>{{'a', 'b'}, {256, 'c'}});
  CHECK(data->nfc);
  CHECK(data->whole_piece_first);
  CHECK(data->add_bos);
  CHECK(data->bos == 259);
  CHECK(!data->add_eos);
}

TEST_CASE("tokenizer.json: other parts that are understood", "[byte_bpe]") {
  json file = small_tokenizer_json();
  const json bytes = {{"type", "ByteLevel"}, {"add_prefix_space", false}};
  file["normalizer"] = nullptr;
  file["post_processor"] = {{"type", "ByteLevel"}};
  file["pre_tokenizer"] = {
      {"type", "Sequence"},
      {"pretokenizers",
       json::array({{{"type", "Punctuation"}, {"behavior", "Contiguous"}},
                    bytes,
                    {{"type", "Digits"}, {"individual_digits", true}},
                    {{"type", "Split"}, {"pattern", {{"String", "a.b"}}}, {"behavior", "Isolated"}}})}};
  file["added_tokens"][0]["normalized"] = true;
  const auto data = parse_tokenizer_json(file.dump(), "t.json");
  INFO(data.status().message());
  REQUIRE(data.ok());
  CHECK(!data->nfc);
  CHECK(!data->add_bos);
  REQUIRE(data->patterns.size() == 4);
  CHECK(data->patterns[0] == SplitPattern{R"([\!-\/\:-\@\[-\`\{-\~\p{P}]+)", false});
  CHECK(data->patterns[1] == SplitPattern{kGpt2Pattern, false});
  CHECK(data->patterns[2] == SplitPattern{"\\p{N}", true});
  CHECK(data->patterns[3] == SplitPattern{"a\\.b", true});
}

TEST_CASE("tokenizer.json: what changes ids and is not understood is refused by name", "[byte_bpe]") {
  says(json_error([](json& f) { f["extra"] = 1; }), "the field 'extra' is not known");
  says(json_error([](json& f) { f["model"]["type"] = "Unigram"; }), "type is \"Unigram\"");
  says(json_error([](json& f) { f["model"]["dropout"] = 0.1; }), "dropout is set");
  says(json_error([](json& f) { f["model"]["end_of_word_suffix"] = "</w>"; }), "end_of_word_suffix is set");
  says(json_error([](json& f) { f["model"]["cache"] = 1; }), "'cache' is not known");
  says(json_error([](json& f) { f["model"].erase("vocab"); }), "model.vocab is missing");
  says(json_error([](json& f) { f["model"]["merges"][0] = "a b c"; }), "model.merges 0");
  says(json_error([](json& f) { f["model"]["merges"][0] = 5; }), "model.merges 0: expected two tokens");
  says(json_error([](json& f) { f["model"]["ignore_merges"] = "yes"; }), "ignore_merges is neither");
  says(json_error([](json& f) { f.erase("model"); }), "model is missing");
  says(json_error([](json& f) { f["normalizer"]["type"] = "NFKC"; }), "normalizer: the type 'NFKC'");
  says(json_error([](json& f) { f["normalizer"] = 3; }), "normalizer: expected an object with a type");
  says(json_error([](json& f) { f["decoder"]["type"] = "WordPiece"; }), "decoder is 'WordPiece'");
  says(json_error([](json& f) { f["pre_tokenizer"] = nullptr; }), "pre_tokenizer: expected an object");
  const auto split = [](json& f) -> json& { return f["pre_tokenizer"]["pretokenizers"][0]; };
  const auto bytes = [](json& f) -> json& { return f["pre_tokenizer"]["pretokenizers"][1]; };
  says(json_error([&](json& f) { split(f)["behavior"] = "Removed"; }), "behavior is 'Removed'");
  says(json_error([&](json& f) { split(f)["pattern"]["Regex"] = "a.b"; }), "pattern: byte 1: '.'");
  says(json_error([&](json& f) { split(f)["pattern"] = "a"; }), "pattern is not an object");
  says(json_error([&](json& f) { split(f)["type"] = "Whitespace"; }), "the type 'Whitespace'");
  says(json_error([&](json& f) { bytes(f)["add_prefix_space"] = true; }), "add_prefix_space is not supported");
  says(json_error([&](json& f) { bytes(f).erase("add_prefix_space"); }), "add_prefix_space is not supported");
  says(json_error([&](json& f) { f["pre_tokenizer"]["pretokenizers"].erase(1); }), "has no ByteLevel");
  says(json_error([&](json& f) { f["pre_tokenizer"]["pretokenizers"][2] = bytes(f); }), "stands twice");
  says(json_error([](json& f) { f["post_processor"]["type"] = "RobertaProcessing"; }), "'RobertaProcessing'");
  says(json_error([](json& f) { f["post_processor"]["single"][1] = f["post_processor"]["single"][0]; }), "[BOS] text");
  says(json_error([](json& f) { f["post_processor"]["special_tokens"] = json::object(); }), "has not one id");
  const auto added = [](json& f) -> json& { return f["added_tokens"][1]; };
  says(json_error([&](json& f) { added(f)["lstrip"] = true; }), "lstrip is not supported");
  says(json_error([&](json& f) { added(f)["id"] = 97; }), "another token of that id");
  says(json_error([&](json& f) { added(f)["content"] = ""; }), "0 bytes");
  says(json_error([&](json& f) { added(f)["content"] = "<s>"; }), "are alike");
  says(json_error([&](json& f) { added(f)["id"] = 9999999; }), "has no id");
  says(json_error([&](json& f) { added(f)["normalized"] = true; }), "looked for in normalized text");
  says(json_error([&](json& f) {
        f["normalizer"] = nullptr;
        added(f)["normalized"] = true;
        added(f)["content"] = "><s";
      }),
      "overlap");
}
