#include <sentencepiece_processor.h>

#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

#include "base/random.h"
#include "runtime/text/piece_encoder.h"
#include "runtime/text/tokenizer.h"
#include "tests/shared_data.h"
#include "tests/text/expectations.h"
#include "vocabulary_fixture.h"

using namespace tern;
using namespace tern::test;
using namespace std::string_literals;

namespace {

std::unique_ptr<Tokenizer> make(const TokenizerData& data) {
  auto result = Tokenizer::create(data);
  INFO(result.status().message());
  REQUIRE(result.ok());
  return std::move(result).value();
}

std::vector<int32_t> encode(const Tokenizer& tokenizer, std::string_view text, bool add_bos = false) {
  auto ids = tokenizer.encode(text, add_bos);
  REQUIRE(ids.ok());
  return *ids;
}

// The vocabulary of a SentencePiece file as the library sees it, independent of our importer.
TokenizerData load_with_library(const std::string& path) {
  sentencepiece::SentencePieceProcessor processor;
  REQUIRE(processor.Load(path).ok());
  TokenizerData data;
  for (int id = 0; id < processor.GetPieceSize(); ++id) {
    PieceType type = PieceType::normal;
    if (processor.IsUnknown(id)) type = PieceType::unknown;
    if (processor.IsControl(id)) type = PieceType::control;
    if (processor.IsUnused(id)) type = PieceType::unused;
    if (processor.IsByte(id)) type = PieceType::byte;
    data.pieces.push_back({processor.IdToPiece(id), processor.GetScore(id), type});
  }
  data.bos = processor.bos_id(), data.eos = processor.eos_id(), data.unknown = processor.unk_id();
  data.pad = processor.pad_id(), data.stop_ids = {data.eos};
  return data;
}

const std::string kSpace = "\xE2\x96\x81";

TokenizerData little_english() {
  return byte_vocabulary({kSpace, "h", "e", "l", "o", "w", "r", "d", "he", "ll", "llo", "hello", kSpace + "hello",
                          kSpace + "w", "or", kSpace + "wor", "ld", kSpace + "world", kSpace + kSpace});
}

std::string with_spaces(std::string_view text) {
  std::string out;
  while (!text.empty()) {
    const bool symbol = text.starts_with(kSpace);
    out += symbol ? ' ' : text[0];
    text.remove_prefix(symbol ? kSpace.size() : 1);
  }
  return out;
}

}  // namespace

TEST_CASE("Merges follow the scores; BOS by the file's rule") {
  TokenizerData data = little_english();
  const auto tokenizer = make(data);
  // he+ll+o: "llo" exists, "hello" needs he+llo.
  CHECK(encode(*tokenizer, "hello world") == std::vector<int32_t>{kFirstPiece + 12, kFirstPiece + 17});
  CHECK(encode(*tokenizer, "hello world", true) == std::vector<int32_t>{1, kFirstPiece + 12, kFirstPiece + 17});
  CHECK(encode(*tokenizer, "").empty());
  CHECK(encode(*tokenizer, "", true) == std::vector<int32_t>{1});
  CHECK(encode(*tokenizer, "A") == std::vector<int32_t>{kFirstPiece, 3 + 'A'});
  data.add_bos = false;
  CHECK(encode(*make(data), "hello", true) == std::vector<int32_t>{kFirstPiece + 12});
  CHECK(tokenizer->is_stop(2));
  CHECK(!tokenizer->is_stop(1));
}

TEST_CASE("Control and byte pieces are not matched in text") {
  const auto tokenizer = make(little_english());
  for (const std::string text : {"<s>", "</s>", "<unk>", "<0x0A>"}) {
    for (const int32_t id : encode(*tokenizer, text)) CHECK(id > 2);
    CHECK(tokenizer->decode(encode(*tokenizer, text)) == text);
  }
}

TEST_CASE("Control pieces stand for their tokens only where that is asked for") {
  TokenizerData data = little_english();
  add_piece(data, "<s>w", PieceType::user_defined);
  const auto tokenizer = make(data);
  const auto special = [&](const std::string& text) { return tokenizer->encode_special(text, false).value(); };
  const int32_t hello = kFirstPiece + 12, w = kFirstPiece + 13;  // both with the dummy prefix
  CHECK(special("<s>hello</s>w") == std::vector<int32_t>{1, hello, 2, w});
  CHECK(tokenizer->encode_special("hello</s>", true).value() == std::vector<int32_t>{1, hello, 2});
  CHECK(special("<s>").size() == 1);
  CHECK(special("").empty());
  CHECK(special("<unk>") == encode(*tokenizer, "<unk>"));
  CHECK(special("<s>w</s>") == std::vector<int32_t>{kFirstPiece, kFirstPiece + 19, 2});  // the longer piece wins
  CHECK(special("hello world") == encode(*tokenizer, "hello world"));
}

TEST_CASE("A text that goes on gets neither BOS nor a dummy prefix") {
  const auto tokenizer = make(little_english());
  const auto inner = [&](std::string_view text) { return tokenizer->encode_inner(text).value(); };
  CHECK(inner(" hello world") == encode(*tokenizer, "hello world"));
  CHECK(tokenizer->decode(inner("hello")) == "hello");
  CHECK(inner("hello") != encode(*tokenizer, "hello"));
  CHECK(inner("").empty());
}

TEST_CASE("A piece's text: first space, control, bytes, unknown, outside") {
  const auto tokenizer = make(little_english());
  const int32_t hello = kFirstPiece + 12, two_spaces = kFirstPiece + 18;
  CHECK(tokenizer->piece(hello, -1) == "hello");
  CHECK(tokenizer->piece(hello, 1) == "hello");
  CHECK(tokenizer->piece(hello, hello) == " hello");
  CHECK(tokenizer->piece(hello, 2) == " hello");
  CHECK(tokenizer->piece(two_spaces, -1) == " ");
  CHECK(tokenizer->piece(1, -1) == "");
  CHECK(tokenizer->piece(3 + 0xE2, hello) == "\xE2");
  CHECK(tokenizer->piece(3, hello) == std::string(1, '\0'));
  CHECK(tokenizer->piece(0, hello) == " \xE2\x81\x87 ");
  CHECK(tokenizer->piece(-1, hello) == "");
  CHECK(tokenizer->piece(1 << 30, hello) == "");
  TokenizerData data = little_english();
  data.add_dummy_prefix = false;
  CHECK(make(data)->piece(hello, -1) == " hello");
}

TEST_CASE("Any bytes survive encode and decode") {
  const auto tokenizer = make(little_english());
  std::string every_byte;
  for (int byte = 0; byte < 256; ++byte) every_byte += static_cast<char>(byte);
  CHECK(tokenizer->decode(encode(*tokenizer, every_byte)) == every_byte);
  Random random(1);
  const std::string alphabet = "\0 hello world\xC3\xA9\xE2\x96\x81\xFF\xF0\n\t"s;
  for (int round = 0; round < 500; ++round) {
    std::string text;
    for (uint64_t n = random.below(20); n-- > 0;) text += alphabet[random.below(alphabet.size())];
    INFO(round);
    // The space symbol itself decodes to a space: sentencepiece has no other way to write one.
    CHECK(tokenizer->decode(encode(*tokenizer, text)) == with_spaces(text));
  }
}

TEST_CASE("Without byte_fallback what is not a piece is unknown") {
  const auto tokenizer = make(plain_vocabulary({kSpace, "a", kSpace + "a"}));
  CHECK(encode(*tokenizer, "a?!a") == std::vector<int32_t>{5, 0, 4});
  CHECK(encode(*tokenizer,
               "a\xFF\xFE"
               "a") == std::vector<int32_t>{5, 0, 4});
  CHECK(tokenizer->decode(std::vector<int32_t>{5, 0, 4}) == "a \xE2\x81\x87 a");
}

TEST_CASE("Unused pieces are split again, user-defined ones are never split") {
  TokenizerData data = byte_vocabulary({kSpace, "a", "b", "ab", "abab"});
  data.pieces[kFirstPiece + 4].type = PieceType::unused;
  add_piece(data, "bab", PieceType::user_defined);
  const auto tokenizer = make(data);
  CHECK(encode(*tokenizer, "abab") == std::vector<int32_t>{kFirstPiece, kFirstPiece + 1, kFirstPiece + 5});
  CHECK(encode(*tokenizer, "ab") == std::vector<int32_t>{kFirstPiece, kFirstPiece + 3});
}

// Our normalization and the proto's flags against the library's own normalizer.
TEST_CASE("Normalization equals sentencepiece's for all flags on valid text") {
  for (int flags = 0; flags < 8; ++flags) {
    TokenizerData data = little_english();
    add_piece(data, " ");
    data.add_dummy_prefix = flags & 1, data.remove_extra_whitespaces = flags & 2, data.escape_whitespaces = flags & 4;
    const auto tokenizer = make(data);
    sentencepiece::SentencePieceProcessor library;
    REQUIRE(library.LoadFromSerializedProto(serialize_sentencepiece_model(data)).ok());
    Random random(static_cast<uint64_t>(flags) + 1);
    const std::vector<std::string> words = {
        " ", " ", "hello", "world", "\n", "\xC3\xA9", kSpace, "w", std::string(1, '\0')};
    for (int round = 0; round < 300; ++round) {
      std::string text;
      for (uint64_t n = random.below(8); n-- > 0;) text += words[random.below(words.size())];
      std::vector<int> expected;
      REQUIRE(library.Encode(text, &expected).ok());
      INFO("flags " << flags << " text '" << text << "'");
      CHECK(encode(*tokenizer, text) == expected);
    }
  }
}

TEST_CASE("The Llama vocabulary gives llama.cpp's expected ids, and the texts back") {
  const std::string model = "data/tokenizers/llama2-tokenizer.model";
  if (!have_shared(model)) return;
  check_expectations(*make(load_with_library(shared_path(model))), "llama-spm");
}

TEST_CASE("Long texts come back byte for byte") {
  for (const std::string model : {"data/tokenizers/llama2-tokenizer.model", "data/models/stories260K/tok512.model"}) {
    if (!have_shared(model)) continue;
    const auto tokenizer = make(load_with_library(shared_path(model)));
    for (const std::string name :
         {"tinystories-valid-part1.txt", "tinyshakespeare.txt", "wikitext2-test.raw", "gsm8k-test-part1.jsonl"}) {
      if (!have_shared("data/text/" + name)) continue;
      const std::string text = contents(shared_path("data/text/" + name));
      INFO(model << " " << name);
      CHECK((tokenizer->decode(encode(*tokenizer, text, true)) == text));  // a failing == would print both
    }
  }
}

TEST_CASE("The ids of the sample run of stories260K") {
  const std::string model = "data/models/stories260K/tok512.model";
  if (!have_shared(model) || !have_shared("data/models/stories260K/sample.json")) return;
  const auto tokenizer = make(load_with_library(shared_path(model)));
  const auto sample = nlohmann::json::parse(contents(shared_path("data/models/stories260K/sample.json")));
  auto ids = sample["prompt_token_ids"].get<std::vector<int32_t>>();
  CHECK(encode(*tokenizer, sample["prompt"].get<std::string>(), true) == ids);
  for (const int32_t id : sample["generated_token_ids"]) ids.push_back(id);
  CHECK(tokenizer->decode(ids) == sample["text"].get<std::string>());
}
