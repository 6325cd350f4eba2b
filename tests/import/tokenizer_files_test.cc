// Which of several tokenizer files is taken, and what tokenizer_config.json adds.
#include <catch2/catch.hpp>

#include "formats/import/tokenizer_files.h"
#include "tests/import/byte_bpe_fixture.h"
#include "tests/import/fixtures.h"
#include "tests/shared_data.h"

using namespace tern;
using namespace tern::test;
using nlohmann::json;

namespace {

Result<SourceModel> imported(const TemporaryFolder& folder, const std::string& named = "", uint32_t vocabulary = 300,
                             const std::vector<int32_t>& eos = {}) {
  SourceModel model;
  model.config.vocab_size = vocabulary;
  const Status status = import_tokenizer(folder.path(), named, eos, &model);
  if (!status.ok()) return status;
  return model;
}

std::string import_error(const TemporaryFolder& folder, const std::string& named = "", uint32_t vocabulary = 300) {
  return imported(folder, named, vocabulary).status().message();
}

void mentions(const std::string& message, const std::string& expected) {
  INFO("'" << message << "' should say '" << expected << "'");
  CHECK(message.find(expected) != std::string::npos);
}

void write_vocab_and_merges(const TemporaryFolder& folder) {
  write_file(folder.path("vocab.json"), small_vocab().dump());
  write_file(folder.path("merges.txt"), small_merges());
}

json qwen2_config() {
  json config = {{"tokenizer_class", "Qwen2Tokenizer"},
                 {"bos_token", nullptr},
                 {"eos_token", "<|im_end|>"},
                 {"pad_token", {{"content", "<|endoftext|>"}}},
                 {"add_bos_token", false}};
  config["added_tokens_decoder"] = {{"260", {{"content", "<|endoftext|>"}, {"special", true}, {"normalized", false}}},
                                    {"262", {{"content", "<|im_end|>"}, {"special", true}, {"normalized", false}}}};
  return config;
}

}  // namespace

TEST_CASE("tokenizer.json beside a checkpoint; ids of padding stay without a token", "[tokenizer_files]") {
  const TemporaryFolder folder;
  write_vocab_and_merges(folder);  // says less
  write_file(folder.path("tokenizer.json"), small_tokenizer_json().dump());
  const auto model = imported(folder, "", 300, {261});
  INFO(model.status().message());
  REQUIRE(model.ok());
  REQUIRE(model->tokenizer);
  CHECK(model->tokenizer->pieces.size() == 262);
  CHECK(model->tokenizer->add_bos);
  CHECK(model->tokenizer->stop_ids == std::vector<int32_t>{261});
  mentions(import_error(folder, "", 261), "262 pieces, the model has a vocabulary of 261");
  CHECK(imported(folder, "", 262).ok());
  mentions(imported(folder, "", 300, {299}).status().message(), "stop id");
}

TEST_CASE("tokenizer_config.json: added tokens, names, BOS", "[tokenizer_files]") {
  const TemporaryFolder folder;
  write_file(folder.path("tokenizer.json"), small_tokenizer_json().dump());
  const auto with = [&](const json& config) {
    write_file(folder.path("tokenizer_config.json"), config.dump());
    return imported(folder);
  };
  auto model = with({{"eos_token", "<t>"}, {"add_bos_token", false}});
  INFO(model.status().message());
  REQUIRE(model.ok());
  CHECK(!model->tokenizer->add_bos);
  CHECK(model->tokenizer->eos == 261);
  CHECK(model->tokenizer->stop_ids == std::vector<int32_t>{261});
  model = with({{"added_tokens_decoder", {{"263", {{"content", "<u>"}, {"special", false}, {"normalized", false}}}}}});
  REQUIRE(model.ok());
  CHECK(model->tokenizer->pieces[263].type == PieceType::user_defined);
  mentions(with({{"bos_token", "<none>"}}).status().message(), "bos_token is '<none>'");
  mentions(with({{"add_eos_token", true}}).status().message(), "no eos_token is known");
  mentions(with({{"add_bos_token", "yes"}}).status().message(), "expected true or false");
  mentions(with({{"added_tokens_decoder", {{"x", json::object()}}}}).status().message(), "'x' has no id");
}

TEST_CASE("vocab.json with merges.txt: the class says how texts are cut", "[tokenizer_files]") {
  const TemporaryFolder folder;
  write_vocab_and_merges(folder);
  mentions(import_error(folder), "no file says how texts are cut");
  write_file(folder.path("tokenizer_config.json"), qwen2_config().dump());
  const auto model = imported(folder);
  INFO(model.status().message());
  REQUIRE(model.ok());
  const TokenizerData& data = *model->tokenizer;
  CHECK(data.nfc);
  REQUIRE(data.patterns.size() == 1);
  CHECK(data.patterns[0].pattern.find("\\p{N}|") != std::string::npos);
  CHECK(data.pieces.size() == 263);
  CHECK(data.pieces[259].text.empty());
  CHECK(data.pieces[260].type == PieceType::control);
  CHECK(data.eos == 262);
  CHECK(data.pad == 260);
  CHECK(data.bos == -1);
  CHECK(!data.add_bos);
  CHECK(data.stop_ids == std::vector<int32_t>{262});
  CHECK(imported(folder, folder.path("vocab.json")).ok());
  CHECK(imported(folder, folder.path()).ok());
  const auto none = imported(folder, "none");
  REQUIRE(none.ok());
  CHECK(!none->tokenizer);
  json gpt2 = qwen2_config();
  gpt2["tokenizer_class"] = "GPT2TokenizerFast";
  write_file(folder.path("tokenizer_config.json"), gpt2.dump());
  CHECK(!imported(folder)->tokenizer->nfc);
}

TEST_CASE("files that are no tokenizer", "[tokenizer_files]") {
  const TemporaryFolder folder;
  const auto none = imported(folder);
  REQUIRE(none.ok());
  CHECK(!none->tokenizer);
  CHECK(none->metadata.back().second.find("no tokenizer file") != std::string::npos);
  mentions(import_error(folder, folder.path()), "no tokenizer file in it");
  write_file(folder.path("spiece.txt"), "x");
  mentions(import_error(folder, folder.path("spiece.txt")), "expected tokenizer.model");
  write_file(folder.path("tokenizer.model"), "IQ== 0\nIg== 1\n");
  mentions(import_error(folder), "no token for the byte");
  write_file(folder.path("tokenizer.model"), std::string("\x0a\x03xyz", 5));
  CHECK(!import_error(folder).empty());
}

TEST_CASE("shared: Llama 3's tokenizer.model and Qwen2's files as a checkpoint has them", "[shared]") {
  const std::string tokenizers = "data/tokenizers/";
  const TemporaryFolder folder;
  if (have_shared(tokenizers + "llama3-tokenizer.model")) {
    write_file(folder.path("tokenizer.model"), read_file(shared_path(tokenizers + "llama3-tokenizer.model")));
    const auto model = imported(folder, "", 128256, {128001, 128008});
    INFO(model.status().message());
    REQUIRE(model.ok());
    CHECK(model->tokenizer->pieces.size() == 128256);
    CHECK(model->tokenizer->add_bos);
    CHECK(model->tokenizer->bos == 128000);
    CHECK(model->tokenizer->stop_ids == std::vector<int32_t>{128001, 128009, 128008});
    std::filesystem::remove(folder.path("tokenizer.model"));
  }
  if (have_shared(tokenizers + "qwen2-vocab.json") && have_shared(tokenizers + "qwen2-merges.txt")) {
    write_file(folder.path("vocab.json"), read_file(shared_path(tokenizers + "qwen2-vocab.json")));
    write_file(folder.path("merges.txt"), read_file(shared_path(tokenizers + "qwen2-merges.txt")));
    const auto model = imported(folder, "", 151936);
    INFO(model.status().message());
    REQUIRE(model.ok());
    CHECK(model->tokenizer->pieces.size() == 151646);
    CHECK(model->tokenizer->stop_ids == std::vector<int32_t>{151643, 151645});
    CHECK(!model->tokenizer->add_bos);
  }
}
