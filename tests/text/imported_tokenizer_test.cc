// Tokenizers as our importers read them, from the two file formats, through to ids and back.
#include <algorithm>
#include <catch2/catch.hpp>
#include <fstream>
#include <nlohmann/json.hpp>
#include <span>
#include <sstream>

#include "formats/foreign/llama2c.h"
#include "formats/foreign/sentencepiece.h"
#include "runtime/text/tokenizer.h"
#include "tests/shared_data.h"

using namespace tern;
using namespace tern::test;

namespace {

std::string read(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream out;
  out << file.rdbuf();
  return out.str();
}

nlohmann::json read_json(const std::string& path) { return nlohmann::json::parse(read(path)); }

std::unique_ptr<Tokenizer> make(const Result<TokenizerData>& data) {
  INFO(data.status().message());
  REQUIRE(data.ok());
  auto tokenizer = Tokenizer::create(*data);
  INFO(tokenizer.status().message());
  REQUIRE(tokenizer.ok());
  return std::move(tokenizer).value();
}

std::unique_ptr<Tokenizer> from_sentencepiece(const std::string& path) {
  const std::string bytes = read(path);
  return make(parse_sentencepiece(std::as_bytes(std::span(bytes)), path));
}

std::unique_ptr<Tokenizer> from_llama2c(const std::string& path, uint32_t vocabulary) {
  const std::string bytes = read(path);
  return make(parse_llama2c_tokenizer(std::as_bytes(std::span(bytes)), vocabulary, path));
}

std::vector<int32_t> encode(const Tokenizer& tokenizer, const std::string& text) {
  const auto ids = tokenizer.encode(text, true);
  REQUIRE(ids.ok());
  return *ids;
}

void check_sample(const Tokenizer& tokenizer, const std::string& path) {
  const auto sample = read_json(path);
  auto ids = sample["prompt_token_ids"].get<std::vector<int32_t>>();
  CHECK(encode(tokenizer, sample["prompt"]) == ids);
  for (const int32_t id : sample["generated_token_ids"]) ids.push_back(id);
  CHECK(tokenizer.decode(ids) == sample["text"].get<std::string>());
}

}  // namespace

TEST_CASE("The bundled tokenizer gives the ids of the reference run") {
  const std::string demo = TERN_SOURCE_DIR "/demo/";
  const auto tokenizer = from_sentencepiece(demo + "tokenizer.model");
  const auto reference = read_json(demo + "reference.json");
  for (const auto& c : reference["cases"]) {
    auto ids = c["prompt_ids"].get<std::vector<int32_t>>();
    CHECK(encode(*tokenizer, c["prompt"]) == ids);
    for (const int32_t id : c["greedy_ids"]) ids.push_back(id);
    const std::string text = tokenizer->decode(ids), expected = c["text"];
    CHECK((text == expected || text == c["prompt"].get<std::string>() + expected));
  }
  const std::string story = read(demo + "validation.txt");
  CHECK(tokenizer->decode(encode(*tokenizer, story)) == story);
}

TEST_CASE("Sample ids of the llama2.c models") {
  const std::string tok512 = "data/models/stories260K/tok512.model", tok4096 = "data/models/stories3M/tok4096.bin";
  if (have_shared(tok512)) {
    const auto tokenizer = from_sentencepiece(shared_path(tok512));
    check_sample(*tokenizer, shared_path("data/models/stories260K/sample.json"));
    check_sample(*tokenizer, shared_path("data/models/bitnet3M/sample.json"));
  }
  if (have_shared(tok4096)) {
    check_sample(*from_llama2c(shared_path(tok4096), 4096), shared_path("data/models/stories3M/sample.json"));
  }
}

TEST_CASE("One vocabulary in both formats gives the same ids") {
  const std::string folder = "data/models/stories260K/";
  if (!have_shared(folder + "tok512.bin") || !have_shared("data/text/tinystories-valid-part1.txt")) return;
  const std::string bytes = read(shared_path(folder + "tok512.model"));
  auto data = parse_sentencepiece(std::as_bytes(std::span(bytes)), "tok512.model");
  REQUIRE(data.ok());
  CHECK(data->remove_extra_whitespaces);  // as trained; run.c keeps them, and tokenizer.bin has no such flag
  data->remove_extra_whitespaces = false;
  const auto model = make(data);
  const auto bin = from_llama2c(shared_path(folder + "tok512.bin"), 512);
  const std::string text = read(shared_path("data/text/tinystories-valid-part1.txt")) + "caf\xC3\xA9 \xFF\n";
  const auto expected = encode(*model, text), found = encode(*bin, text);
  const auto at = std::mismatch(expected.begin(), expected.end(), found.begin(), found.end()).first;
  INFO("first difference at token " << at - expected.begin() << " of " << expected.size());
  CHECK((at == expected.end() && found.size() == expected.size()));  // a failing == would print every id
}
