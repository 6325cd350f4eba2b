// tokenizer.json that was made from a SentencePiece model: restored if it holds exactly that, else refused.
#include <catch2/catch.hpp>
#include <functional>

#include "formats/foreign/sentencepiece.h"
#include "formats/foreign/tokenizer_json.h"
#include "tests/import/fixtures.h"
#include "tests/shared_data.h"

using namespace tern;
using namespace tern::test;
using nlohmann::json;

namespace {

const std::string kSpace = "\xE2\x96\x81";

// <unk> <s> </s>, 256 bytes, then space, a, b, " a", "ab", " ab" in this order.
json converted() {
  json vocab = {{"<unk>", 0}, {"<s>", 1}, {"</s>", 2}};
  for (int byte = 0; byte < 256; ++byte) {
    char name[8];
    std::snprintf(name, sizeof name, "<0x%02X>", byte);
    vocab[name] = 3 + byte;
  }
  int id = 259;
  for (const std::string& piece :
       {kSpace, std::string("a"), std::string("b"), kSpace + "a", std::string("ab"), kSpace + "ab"})
    vocab[piece] = id++;
  json file;
  file["model"] = {{"type", "BPE"},         {"unk_token", "<unk>"}, {"fuse_unk", true},
                   {"byte_fallback", true}, {"vocab", vocab},       {"ignore_merges", false}};
  file["model"]["merges"] =
      json::array({kSpace + " a", "a b", json::array({kSpace, "ab"}), json::array({kSpace + "a", "b"})});
  const json replace = {{"type", "Replace"}, {"pattern", {{"String", " "}}}, {"content", kSpace}};
  file["normalizer"] = {{"type", "Sequence"},
                        {"normalizers", json::array({{{"type", "Prepend"}, {"prepend", kSpace}}, replace})}};
  file["pre_tokenizer"] = nullptr;
  file["decoder"] = {
      {"type", "Sequence"},
      {"decoders",
       json::array({{{"type", "Replace"}}, {{"type", "ByteFallback"}}, {{"type", "Fuse"}}, {{"type", "Strip"}}})}};
  file["added_tokens"] = json::array();
  for (const auto& [token, place] : {std::pair{"<unk>", 0}, {"<s>", 1}, {"</s>", 2}})
    file["added_tokens"].push_back({{"id", place}, {"content", token}, {"special", true}});
  return file;
}

std::string error_of(const std::function<void(json&)>& damage) {
  json file = converted();
  damage(file);
  return parse_tokenizer_json(file.dump(), "t.json").status().message();
}

}  // namespace

TEST_CASE("tokenizer.json from SentencePiece: pieces, types, scores by the order of merges", "[sentencepiece]") {
  const auto data = parse_tokenizer_json(converted().dump(), "t.json");
  INFO(data.status().message());
  REQUIRE(data.ok());
  CHECK(data->kind == TokenizerKind::sentencepiece_bpe);
  CHECK(data->unknown == 0);
  CHECK(data->pieces[1].type == PieceType::control);
  CHECK(data->pieces[3].type == PieceType::byte);
  CHECK(data->pieces[262].score == -1);
  CHECK(data->pieces[263].score == -2);
  CHECK(data->pieces[264].score == -3);
  CHECK(data->add_dummy_prefix);
  CHECK(data->escape_whitespaces);
  CHECK(data->byte_fallback);
  CHECK(!data->add_bos);
  json file = converted();
  file["normalizer"] = nullptr;
  file["pre_tokenizer"] = {
      {"type", "Metaspace"}, {"replacement", kSpace}, {"prepend_scheme", "never"}, {"split", false}};
  const auto bare = parse_tokenizer_json(file.dump(), "t.json");
  INFO(bare.status().message());
  REQUIRE(bare.ok());
  CHECK(!bare->add_dummy_prefix);
}

TEST_CASE("tokenizer.json from SentencePiece: what scores cannot say is refused", "[sentencepiece]") {
  const auto merges = [](json& f) -> json& { return f["model"]["merges"]; };
  says(error_of([&](json& f) { merges(f).erase(3); }), "1 merges give '" + kSpace + "ab', which SentencePiece would");
  says(error_of([&](json& f) { std::swap(merges(f)[1], merges(f)[2]); }), "not from SentencePiece");
  says(error_of([&](json& f) { merges(f)[0] = "< s>"; }), "merge 0 is not of and to normal pieces");
  says(error_of([](json& f) { f["model"]["vocab"]["<s>"] = 5; }), "stands twice");
  says(error_of([](json& f) { f["model"]["vocab"]["x"] = 900; }), "leaves a gap");
  says(error_of([](json& f) { f["model"]["unk_token"] = nullptr; }), "unk id -1");
  says(error_of([](json& f) { f["normalizer"] = nullptr; }), "nothing replaces spaces");
  says(error_of([](json& f) { f["normalizer"]["normalizers"][0]["prepend"] = "x"; }), "'Prepend' is not supported");
  says(error_of([](json& f) { f["normalizer"] = {{"type", "NFKC"}}; }), "'NFKC' is not supported");
  says(error_of([](json& f) { f["decoder"] = {{"type", "ByteLevel"}}; }), "decoder: expected a Sequence");
  says(error_of([](json& f) { f["pre_tokenizer"] = {{"type", "Metaspace"}, {"replacement", kSpace}}; }), "Metaspace");
  says(error_of([](json& f) { f["model"]["ignore_merges"] = true; }), "ignore_merges");
  says(error_of([](json& f) { f["added_tokens"].push_back({{"id", 265}, {"content", "<t>"}}); }), "it is not special");
}

TEST_CASE("shared: a converted Llama 2 vocabulary keeps the order of its scores", "[shared]") {
  const std::string path = "data/tokenizers/llama2-tokenizer.model";
  if (!have_shared(path)) return;
  const std::string bytes = read_file(shared_path(path));
  const auto model = parse_sentencepiece(as_bytes(bytes), path);
  REQUIRE(model.ok());
  // The converter's own work: for each piece by its score every pair of pieces that gives it.
  std::map<std::string, int> ids;
  std::vector<const Piece*> order;
  json file = converted();
  file["model"]["vocab"] = json::object();
  for (size_t id = 0; id < model->pieces.size(); ++id) {
    ids[model->pieces[id].text] = static_cast<int>(id);
    file["model"]["vocab"][model->pieces[id].text] = id;
    if (model->pieces[id].type == PieceType::normal) order.push_back(&model->pieces[id]);
  }
  std::stable_sort(order.begin(), order.end(), [](auto* a, auto* b) { return a->score > b->score; });
  json merges = json::array();
  for (const Piece* piece : order) {
    for (size_t i = 1; i < piece->text.size(); ++i) {
      const std::string left = piece->text.substr(0, i), right = piece->text.substr(i);
      if (ids.count(left) && ids.count(right)) merges.push_back(json::array({left, right}));
    }
  }
  file["model"]["merges"] = merges;
  const auto data = parse_tokenizer_json(file.dump(), "t.json");
  INFO(data.status().message());
  REQUIRE(data.ok());
  REQUIRE(data->pieces.size() == model->pieces.size());
  const Piece* last = nullptr;  // in both lists a piece made earlier has the higher score
  for (const Piece* piece : order) {
    const Piece& restored = data->pieces[static_cast<size_t>(ids[piece->text])];
    CHECK(restored.type == piece->type);
    if (restored.score == 0) continue;  // a single character
    if (last) CHECK(restored.score < last->score);
    last = &restored;
  }
}
