// Byte-level BPE as the importers read it from published files, against the expectations beside them.
#include <algorithm>
#include <catch2/catch.hpp>
#include <span>

#include "formats/foreign/gpt2_bpe.h"
#include "formats/foreign/tiktoken.h"
#include "runtime/text/tokenizer.h"
#include "tests/shared_data.h"
#include "tests/text/expectations.h"

using namespace tern;
using namespace tern::test;

namespace {

const std::string kFolder = "data/tokenizers/";

std::unique_ptr<Tokenizer> created(const TokenizerData& data) {
  auto tokenizer = Tokenizer::create(data);
  INFO(tokenizer.status().message());
  REQUIRE(tokenizer.ok());
  return std::move(tokenizer).value();
}

std::unique_ptr<Tokenizer> llama3() {
  if (!have_shared(kFolder + "llama3-tokenizer.model")) return nullptr;
  const std::string bytes = contents(shared_path(kFolder + "llama3-tokenizer.model"));
  auto data = parse_tiktoken(std::as_bytes(std::span(bytes)), "llama3");
  REQUIRE(data.ok());
  REQUIRE(add_llama3_pattern(&*data, "llama3").ok());
  REQUIRE(add_llama3_special(&*data, "llama3").ok());
  return created(*data);
}

std::unique_ptr<Tokenizer> qwen2() {
  if (!have_shared(kFolder + "qwen2-vocab.json") || !have_shared(kFolder + "qwen2-merges.txt")) return nullptr;
  const std::string vocab = contents(shared_path(kFolder + "qwen2-vocab.json"));
  const std::string merges = contents(shared_path(kFolder + "qwen2-merges.txt"));
  auto data = parse_gpt2_bpe({vocab, "vocab.json"}, {merges, "merges.txt"});
  INFO(data.status().message());
  REQUIRE(data.ok());
  data->patterns = {{kQwen2Pattern, false}};
  data->nfc = true;
  return created(*data);
}

void check_texts(const Tokenizer& tokenizer) {
  for (const char* name : {"tinystories-valid-part1.txt", "tinyshakespeare.txt", "wikitext2-test.raw",
                           "gsm8k-test-part1.jsonl", "piqa-valid.jsonl"}) {
    if (!have_shared(std::string("data/text/") + name)) continue;
    const std::string text = contents(shared_path(std::string("data/text/") + name));
    INFO(name);
    CHECK((tokenizer.decode(tokenizer.encode(text, true).value()) == text));  // a failing == would print both
  }
}

}  // namespace

TEST_CASE("Llama 3's ranks give llama.cpp's expected ids, and the texts back") {
  const auto tokenizer = llama3();
  if (!tokenizer) return;
  check_expectations(*tokenizer, "llama-bpe");
  check_texts(*tokenizer);
  const std::string turn = "<|start_header_id|>user<|end_header_id|>\n\nHi<|eot_id|>";
  const auto ids = tokenizer->encode_special(turn, true).value();
  CHECK(ids == std::vector<int32_t>{128000, 128006, 882, 128007, 271, 13347, 128009});
  const auto plain = tokenizer->encode(turn, false).value();
  CHECK(*std::max_element(plain.begin(), plain.end()) < 128000);
  CHECK(tokenizer->is_stop(128009));
  CHECK(tokenizer->data().pieces.size() == 128256);
  CHECK(tokenizer->data().pieces[128002].text == "<|reserved_special_token_0|>");
  CHECK(tokenizer->data().pieces[128008].text == "<|reserved_special_token_4|>");
  CHECK(tokenizer->data().pieces[128255].text == "<|reserved_special_token_250|>");
}

TEST_CASE("Qwen2's vocabulary and merges give llama.cpp's expected ids, and the texts back") {
  const auto tokenizer = qwen2();
  if (!tokenizer) return;
  check_expectations(*tokenizer, "qwen2");
  check_texts(*tokenizer);
}
