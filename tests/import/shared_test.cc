// Real checkpoints that are not part of the repository.
#include <catch2/catch.hpp>
#include <cmath>
#include <cstring>

#include "formats/foreign/llama2c.h"
#include "formats/foreign/safetensors.h"
#include "formats/foreign/sentencepiece.h"
#include "formats/import/bitnet.h"
#include "formats/import/convert.h"
#include "formats/import/source_model.h"
#include "formats/import/ternary_matrix.h"
#include "formats/tern/reader.h"
#include "tests/import/fixtures.h"
#include "tests/shared_data.h"

using namespace tern;
using namespace tern::test;

namespace {

SourceModel import_shared(const std::string& relative) {
  auto model = import_checkpoint(shared_path(relative), {});
  INFO(relative << ": " << model.status().message());
  REQUIRE(model.ok());
  return std::move(model).value();
}

// Rows of a q or k projection, from interleaved pairs (2i, 2i + 1) to halves (i, i + d/2) within every head.
std::vector<float> to_halves(const std::vector<float>& rows, uint64_t cols, uint64_t head) {
  std::vector<float> out(rows.size());
  const uint64_t count = rows.size() / cols;
  for (uint64_t r = 0; r < count; ++r) {
    const uint64_t base = r / head * head, i = r % head;
    const uint64_t source = base + (i < head / 2 ? 2 * i : 2 * (i - head / 2) + 1);
    std::memcpy(&out[r * cols], &rows[source * cols], cols * sizeof(float));
  }
  return out;
}

// Largest difference between the same model in two forms; q and k rows brought to one order.
double largest_difference(const SourceModel& bin, const SourceModel& hf) {
  REQUIRE(bin.matrices.size() == hf.matrices.size());
  double largest = 0;
  for (const auto& m : bin.matrices) {
    const SourceMatrix* other = hf.find(m->name);
    REQUIRE(other);
    auto a = all_rows(*m);
    const auto b = all_rows(*other);
    if (m->name.ends_with("attn.q") || m->name.ends_with("attn.k")) a = to_halves(a, m->cols, bin.config.head_dim);
    for (size_t i = 0; i < a.size(); ++i) largest = std::max(largest, std::fabs(double{a[i]} - b[i]));
  }
  return largest;
}

}  // namespace

TEST_CASE("shared: llama2.c files agree with their Hugging Face form", "[shared]") {
  if (have_shared("data/models/stories260K")) {
    const auto hf = import_shared("data/models/stories260K/hf");
    CHECK(largest_difference(import_shared("data/models/stories260K/stories260K.bin"), hf) == 0);
    // Quantized by others: within half a step of the largest group scale.
    CHECK(largest_difference(import_shared("data/models/stories260K/stories260K-q80-gs8.bin"), hf) < 0.02);
  }
  if (have_shared("data/models/stories3M")) {
    CHECK(largest_difference(import_shared("data/models/stories3M/stories3M-q80.bin"),
                             import_shared("data/models/stories3M/hf")) == 0);
  }
}

TEST_CASE("shared: BitNet layers packed by the publisher", "[shared]") {
  for (const auto& [folder, storage] : {std::pair{"hf-autobitlinear-multiply", LinearStorage::packed_multiply},
                                        std::pair{"hf-bitlinear-divide", LinearStorage::packed_divide}}) {
    const std::string base = std::string("data/conventions/bitnet/") + folder;
    if (!have_shared(base)) continue;
    const std::string path = shared_path(base + "/model.safetensors");
    const auto expected = decode_safetensors(read_file(shared_path(base + "/expected.safetensors")));
    const auto packed = decode_safetensors(read_file(path));
    const auto set = TensorSet::open_file(path);
    REQUIRE(set.ok());
    for (const auto& [name, entry] : (*set)->entries()) {
      if (entry.tensor.type != ForeignType::u8) continue;
      const auto scale = packed_scale(storage, as_floats(packed.at(name + "_scale"))[0], name);
      REQUIRE(scale.ok());
      const uint64_t rows = 4 * entry.tensor.shape[0], cols = entry.tensor.shape[1];
      const PackedBitnetMatrix matrix({*set, entry.file, entry.tensor.offset, entry.tensor.bytes}, *scale, rows, cols);
      CHECK(matrix.check().ok());
      CHECK(all_rows(matrix) == as_floats(expected.at(name)));
      std::vector<int8_t> codes(rows * cols);
      REQUIRE(matrix.read_codes(0, rows, codes).ok());
      const std::string module = name.substr(0, name.size() - 7);
      const auto trits = as_floats(expected.at(module + ".trits"));
      CHECK(std::equal(codes.begin(), codes.end(), trits.begin(), trits.end()));
    }
  }
}

TEST_CASE("shared: bitnet3M from its own file", "[shared]") {
  if (!have_shared("data/models/bitnet3M")) return;
  const auto hf = import_shared("data/models/bitnet3M/hf");
  CHECK(hf.config.norm_eps == 0);
  CHECK(hf.config.final_norm_eps == 1e-5f);
  CHECK(hf.config.activation == Activation::silu);
  CHECK(hf.linear_input == TrainedInput::int8_per_token);

  // The layout that shared/data/README.md describes: 256-byte header, final norm, embedding, then per kind and layer
  // a scale and two-bit codes (0, 1, 3 = -1). The Hugging Face weights are trit * scale / columns.
  const std::string bin = read_file(shared_path("data/models/bitnet3M/bitnet3M.bin"));
  const uint64_t dim = 256, hidden = 256, kv = 128, layers = 8, vocab = 512;
  size_t at = 256 + 4 * dim + 4 * vocab * dim;
  const std::tuple<const char*, uint64_t, uint64_t> kinds[] = {
      {"attn.q", dim, dim},      {"attn.k", kv, dim},       {"attn.v", kv, dim},    {"attn.o", dim, dim},
      {"ffn.gate", hidden, dim}, {"ffn.down", dim, hidden}, {"ffn.up", hidden, dim}};
  for (const auto& [kind, rows, cols] : kinds) {
    for (uint64_t layer = 0; layer < layers; ++layer) {
      float scale;
      std::memcpy(&scale, bin.data() + at, 4);
      std::vector<float> trits(rows * cols);
      for (size_t i = 0; i < trits.size(); ++i) {
        const unsigned code = static_cast<unsigned char>(bin[at + 4 + i / 4]) >> (2 * (i % 4)) & 3;
        trits[i] = code == 3 ? -1.f : static_cast<float>(code);
      }
      at += 4 + rows * cols / 4;
      const std::string name = "blocks." + std::to_string(layer) + "." + kind;
      if (name.ends_with(".q") || name.ends_with(".k")) trits = to_halves(trits, cols, 32);
      const SourceMatrix* m = hf.find(name);
      REQUIRE(m);
      REQUIRE(m->form.kind == SourceForm::Kind::trit);
      std::vector<int8_t> codes(rows * cols);
      std::vector<float> stored(1);
      REQUIRE(m->read_codes(0, rows, codes).ok());
      REQUIRE(m->read_scales(0, rows, stored).ok());
      CHECK(std::equal(codes.begin(), codes.end(), trits.begin(), trits.end()));
      CHECK(stored[0] == Approx(scale / static_cast<float>(cols)).epsilon(1e-6));
    }
  }
  CHECK(at == bin.size());
}

TEST_CASE("shared: ternary models convert with every ternary weight exact", "[shared]") {
  for (const char* name : {"models/stories5M-ternary", "data/models/bitnet3M/hf", "data/hf/tiny_bitnet.safetensors"}) {
    if (!have_shared(name)) continue;
    const auto source = import_shared(name);
    const TemporaryFolder folder;
    const auto report = convert(source, {}, folder.path("m.tern"));
    REQUIRE(report.ok());
    for (const TensorReport& line : report->tensors) {
      INFO(name << " " << line.name << " " << line.encoding);
      if (line.name.starts_with("blocks.")) CHECK(line.exact);
    }
    const auto file = TernFile::open(folder.path("m.tern"));
    REQUIRE(file.ok());
    CHECK((*file)->verify_payload().ok());
  }
}

TEST_CASE("shared: the two forms of one tokenizer agree", "[shared]") {
  const std::tuple<const char*, const char*, uint32_t> pairs[] = {
      {"data/models/stories260K/tok512.model", "data/models/stories260K/tok512.bin", 512},
      {"data/tokenizers/llama2-tokenizer.model", "data/tokenizers/llama2-tokenizer.bin", 32000}};
  for (const auto& [model, bin, count] : pairs) {
    if (!have_shared(model) || !have_shared(bin)) continue;
    const std::string model_bytes = read_file(shared_path(model)), bin_bytes = read_file(shared_path(bin));
    const auto a = parse_sentencepiece(as_bytes(model_bytes), model);
    const auto b = parse_llama2c_tokenizer(as_bytes(bin_bytes), count, bin);
    INFO(a.status().message() << b.status().message());
    REQUIRE(a.ok());
    REQUIRE(b.ok());
    REQUIRE(a->pieces.size() == count);
    for (size_t id = 0; id < count; ++id) {
      INFO(id << " " << a->pieces[id].text);
      CHECK(a->pieces[id].text == b->pieces[id].text);
      CHECK(a->pieces[id].type == b->pieces[id].type);
      CHECK(a->pieces[id].score == b->pieces[id].score);
    }
    CHECK(a->add_dummy_prefix);
  }
  if (have_shared("data/tokenizers/llama3-tokenizer.model")) {  // tiktoken ranks under a SentencePiece name
    const std::string bytes = read_file(shared_path("data/tokenizers/llama3-tokenizer.model"));
    CHECK_FALSE(parse_sentencepiece(as_bytes(bytes), "llama3").ok());
  }
}

TEST_CASE("shared: tokenizers found beside checkpoints", "[shared]") {
  if (have_shared("models/stories5M")) {
    const auto model = import_shared("models/stories5M");
    REQUIRE(model.tokenizer);
    CHECK(model.tokenizer->pieces.size() == 2048);
    CHECK(model.tokenizer->add_bos);
    CHECK_FALSE(model.tokenizer->add_eos);
    CHECK(model.tokenizer->stop_ids == std::vector<int32_t>{2});
  }
  if (have_shared("data/models/stories260K")) {
    const std::string bin = shared_path("data/models/stories260K/stories260K.bin");
    CHECK_FALSE(import_checkpoint(bin, {})->tokenizer);
    const auto model = import_checkpoint(bin, {shared_path("data/models/stories260K/tok512.bin")});
    REQUIRE(model.ok());
    REQUIRE(model->tokenizer);
    CHECK(model->tokenizer->stop_ids == std::vector<int32_t>{2, 1});
    CHECK_FALSE(import_checkpoint(bin, {shared_path("data/models/stories3M/tok4096.bin")}).ok());
  }
}
