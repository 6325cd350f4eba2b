#include "formats/foreign/llama2c.h"

#include <catch2/catch.hpp>
#include <cmath>
#include <cstring>

#include "formats/import/source_model.h"
#include "tests/import/fixtures.h"

using namespace tern;
using namespace tern::test;
using Catch::Matchers::Contains;

namespace {

template <class T>
void put(std::string* out, T value) {
  out->append(reinterpret_cast<const char*>(&value), sizeof value);
}

// dim 8, hidden 12, 2 layers, 2 heads, 1 kv head, vocab 10, context 6; values count up.
struct Builder {
  std::string bytes;
  float next = 0.25f;
  void floats(int count) {
    for (int i = 0; i < count; ++i) put(&bytes, next += 0.25f);
  }
  void int8s(int count, int group) {
    for (int i = 0; i < count; ++i) put<int8_t>(&bytes, static_cast<int8_t>(i * 7 % 255 - 127));
    for (int i = 0; i < count / group; ++i) put(&bytes, 0.5f + static_cast<float>(i));
  }
};

std::string version0(bool tied) {
  Builder b;
  for (int v : {8, 12, 2, 2, 1, tied ? 10 : -10, 6}) put<int32_t>(&b.bytes, v);
  b.floats(10 * 8);                   // embedding
  b.floats(2 * 8);                    // attention norms
  b.floats(2 * (64 + 32 + 32 + 64));  // wq wk wv wo, all layers of each
  b.floats(2 * 8);                    // ffn norms
  b.floats(2 * 3 * 96);               // w1 w2 w3
  b.floats(8);                        // final norm
  b.floats(2 * 6 * 2);                // RoPE tables
  if (!tied) b.floats(10 * 8);        // head
  return b.bytes;
}

std::string version2(int group) {
  Builder b;
  for (int v : {0x616b3432, 2, 8, 12, 2, 2, 1, 10, 6}) put<int32_t>(&b.bytes, v);
  put<uint8_t>(&b.bytes, 1);
  put<int32_t>(&b.bytes, group);
  b.bytes.resize(256);
  b.floats(2 * 8 + 2 * 8 + 8);
  b.int8s(80, group);
  for (int size : {64, 32, 32, 64, 96, 96, 96}) {
    for (int layer = 0; layer < 2; ++layer) b.int8s(size, group);
  }
  return b.bytes;
}

std::string with_int(std::string bytes, size_t offset, int32_t value) {
  std::memcpy(bytes.data() + offset, &value, 4);
  return bytes;
}

std::string error_of(const std::string& bytes) {
  const auto file = parse_llama2c(as_bytes(bytes), "m.bin");
  return file.ok() ? "no error" : file.status().message();
}

Result<SourceModel> import_bytes(const TemporaryFolder& folder, const std::string& bytes) {
  write_file(folder.path("m.bin"), bytes);
  return import_checkpoint(folder.path("m.bin"), {});
}

std::vector<float> rows_of(const SourceModel& model, const char* name, uint64_t begin, uint64_t count) {
  const SourceMatrix* m = model.find(name);
  REQUIRE(m);
  std::vector<float> values(count * m->cols);
  REQUIRE(m->read_rows(begin, count, values).ok());
  return values;
}

std::string tokenizer_bytes(int pieces) {
  std::string bytes;
  put<uint32_t>(&bytes, 7);
  for (int id = 0; id < pieces; ++id) {
    char byte_name[8];
    std::snprintf(byte_name, sizeof byte_name, "<0x%02X>", static_cast<unsigned>(id - 3) & 255);
    const std::string text = id == 0    ? "<unk>"
                             : id == 1  ? "\n<s>\n"
                             : id == 2  ? "\n</s>\n"
                             : id < 259 ? byte_name
                                        : " w" + std::to_string(id);
    put<float>(&bytes, static_cast<float>(-id));
    put<int32_t>(&bytes, static_cast<int32_t>(text.size()));
    bytes += text;
  }
  return bytes;
}

}  // namespace

TEST_CASE("llama2.c v0: order of the tensors", "[llama2c]") {
  const TemporaryFolder folder;
  for (bool tied : {true, false}) {
    const auto model = import_bytes(folder, version0(tied));
    REQUIRE(model.ok());
    CHECK(model->tied_head == tied);
    CHECK(model->config.rope_pairing == RopePairing::interleaved);
    CHECK(model->config.head_dim == 4);
    CHECK(model->config.norm_eps == 1e-5f);
    CHECK(model->linear_input == TrainedInput::f32);
    // The n-th float of the file (0-based) is 0.5 + n / 4.
    const auto value = [](int n) { return 0.5f + 0.25f * static_cast<float>(n); };
    CHECK(rows_of(*model, "embed.tokens", 3, 1)[0] == value(3 * 8));
    CHECK(rows_of(*model, "blocks.1.attn.norm", 0, 1)[7] == value(80 + 15));
    CHECK(rows_of(*model, "blocks.1.attn.q", 2, 1)[1] == value(96 + 64 + 17));
    CHECK(rows_of(*model, "blocks.0.attn.v", 0, 1)[0] == value(96 + 128 + 64));
    CHECK(rows_of(*model, "blocks.0.ffn.gate", 0, 1)[0] == value(96 + 384 + 16));
    CHECK(rows_of(*model, "blocks.0.ffn.down", 1, 1)[0] == value(96 + 400 + 192 + 12));
    CHECK(rows_of(*model, "blocks.1.ffn.up", 11, 1)[7] == value(96 + 400 + 576 - 1));
    CHECK(rows_of(*model, "output.norm", 0, 1)[0] == value(96 + 400 + 576));
    if (!tied) CHECK(rows_of(*model, "head", 9, 1)[7] == value(96 + 400 + 576 + 8 + 24 + 79));
  }
}

TEST_CASE("llama2.c v2: groups that straddle rows", "[llama2c]") {
  const TemporaryFolder folder;
  const auto model = import_bytes(folder, version2(8));
  REQUIRE(model.ok());
  // w2 is 8 x 12: groups of 8 over the whole matrix straddle rows, groups of gcd(12, 8) = 4 do not.
  const SourceMatrix* down = model->find("blocks.0.ffn.down");
  CHECK(down->form.kind == SourceForm::Kind::int8);
  CHECK(down->form.group == 4);
  CHECK(model->find("blocks.0.attn.q")->form.group == 8);
  std::vector<int8_t> codes(96);
  std::vector<float> scales(24), values(96);
  REQUIRE(down->read_codes(0, 8, codes).ok());
  REQUIRE(down->read_scales(0, 8, scales).ok());
  REQUIRE(down->read_rows(0, 8, values).ok());
  for (int i = 0; i < 96; ++i) {
    const int code = i * 7 % 255 - 127;
    const float scale = 0.5f + static_cast<float>(i / 8);
    CHECK(codes[i] == code);
    CHECK(scales[i / 4] == scale);
    CHECK(values[i] == scale * static_cast<float>(code));
  }
  std::vector<float> one(3);
  REQUIRE(down->read_scales(1, 1, one).ok());
  CHECK(one == std::vector<float>{1.5f, 2.5f, 2.5f});

  const auto narrow = import_bytes(folder, version2(2));
  REQUIRE(narrow.ok());
  CHECK(narrow->find("blocks.0.ffn.down")->form.kind == SourceForm::Kind::dense);
  CHECK(rows_of(*narrow, "blocks.0.ffn.down", 0, 1)[2] == 1.5f * (14 - 127));
}

TEST_CASE("llama2.c: sizes must match exactly", "[llama2c]") {
  for (const std::string& whole : {version0(true), version0(false), version2(8)}) {
    REQUIRE(error_of(whole) == "no error");
    for (size_t size = 0; size < whole.size(); size += size < 300 ? 1 : 37)
      CHECK(error_of(whole.substr(0, size)) != "no error");
    CHECK(error_of(whole.substr(0, whole.size() - 1)) != "no error");
    CHECK(error_of(whole + "x") != "no error");
  }
}

TEST_CASE("llama2.c: header fields", "[llama2c]") {
  const std::string v0 = version0(true), v2 = version2(8);
  for (size_t field = 0; field < 7; ++field) {
    for (int32_t value : {0, -1, 1, 3, 0x7fffffff, INT32_MIN}) {
      INFO("field " << field << " = " << value);
      if (field == 4 && value == 1) continue;  // as it was
      CHECK(error_of(with_int(v0, 4 * field, value)) != "no error");
      if (field == 6 && value > 0) continue;  // nothing in a version 2 file depends on the context
      CHECK(error_of(with_int(v2, 8 + 4 * field, value)) != "no error");
    }
  }
  CHECK_THAT(error_of(with_int(v2, 4, 1)), Contains("version 1"));
  CHECK_THAT(error_of(with_int(v2, 4, 3)), Contains("version 3"));
  CHECK_THAT(error_of(with_int(v2, 37, 0)), Contains("group size"));
  CHECK_THAT(error_of(with_int(v2, 37, 7)), Contains("groups of 7"));
  CHECK_THAT(error_of(with_int(v2, 250, 1)), Contains("header byte"));
  std::string shared = v2;
  shared[36] = 2;
  CHECK_THAT(error_of(shared), Contains("classifier"));
  CHECK_THAT(error_of("PK\x03\x04" + std::string(100, 'x')), Contains("PyTorch"));
}

TEST_CASE("llama2.c: values that are not finite", "[llama2c]") {
  const TemporaryFolder folder;
  std::string v0 = version0(true);
  const float nan = NAN;
  std::memcpy(v0.data() + 28 + 4 * (96 + 64 + 17), &nan, 4);
  const auto model = import_bytes(folder, v0);
  REQUIRE(model.ok());
  std::vector<float> out(64);
  const Status status = model->find("blocks.1.attn.q")->read_rows(0, 8, out);
  CHECK_THAT(status.message(), Contains("'wq[1]'") && Contains("NaN") && Contains("row 2, column 1"));
}

TEST_CASE("llama2.c tokenizer", "[llama2c]") {
  const std::string bytes = tokenizer_bytes(262);
  const auto data = parse_llama2c_tokenizer(as_bytes(bytes), 262, "t.bin");
  INFO(data.status().message());
  REQUIRE(data.ok());
  CHECK(data->pieces[1].text == "<s>");
  CHECK(data->pieces[13].text == "<0x0A>");
  CHECK(data->pieces[13].type == PieceType::byte);
  CHECK(data->pieces[260].text == "\xe2\x96\x81w260");
  CHECK(data->pieces[260].score == -260);
  CHECK(data->bos == 1);
  CHECK(data->eos == 2);

  const auto error = [](const std::string& b, uint32_t vocab) {
    const auto r = parse_llama2c_tokenizer(as_bytes(b), vocab, "t.bin");
    return r.ok() ? "no error" : r.status().message();
  };
  for (size_t size = 0; size < bytes.size(); size += size < 64 ? 1 : 5)
    CHECK(error(bytes.substr(0, size), 262) != "no error");
  CHECK_THAT(error(bytes, 263), Contains("262 pieces"));
  CHECK_THAT(error(bytes, 261), Contains("bytes follow"));
  CHECK_THAT(error(with_int(bytes, 8, 6), 262), Contains("length") || Contains("t.bin"));
  CHECK_THAT(error(with_int(bytes, 8, 0), 262), Contains("length 0"));
  CHECK_THAT(error(with_int(bytes, 8, -1), 262), Contains("length -1"));
  CHECK_THAT(error(with_int(bytes, 4, 0x7fc00000), 262), Contains("not finite"));
  std::string bad = bytes;
  bad[bad.find("<0x41>") + 3] = 'G';
  CHECK_THAT(error(bad, 262), Contains("<0xHH>"));
  bad = bytes;
  bad[bad.find("w260")] = '\xff';
  CHECK_THAT(error(bad, 262), Contains("UTF-8"));
}
