#include <catch2/catch.hpp>

#include "base/random.h"
#include "formats/tern/container.h"
#include "formats/tern/hash.h"
#include "formats/tern/reader.h"
#include "formats/tern/utf8.h"
#include "formats/tern/validate.h"
#include "formats/tern/writer.h"
#include "tests/base/scratch_directory.h"
#include "tests/format/aligned_bytes.h"
#include "tests/tools/golden_files.h"

namespace tern::test {
namespace {

void check_same(const ModelDescription& a, const ModelDescription& b) {
  CHECK(a.config == b.config);
  CHECK(a.metadata == b.metadata);
  REQUIRE(a.tensors.size() == b.tensors.size());
  for (size_t i = 0; i < a.tensors.size(); ++i) {
    CHECK(a.tensors[i].name == b.tensors[i].name);
    CHECK(a.tensors[i].source_name == b.tensors[i].source_name);
    CHECK(a.tensors[i].encoding == b.tensors[i].encoding);
    CHECK(a.tensors[i].rows == b.tensors[i].rows);
    CHECK(a.tensors[i].cols == b.tensors[i].cols);
  }
}

std::vector<std::byte> random_bytes(size_t size, uint64_t seed) {
  Random random(seed);
  std::vector<std::byte> bytes(size);
  for (std::byte& b : bytes) b = static_cast<std::byte>(random.below(256));
  return bytes;
}

}  // namespace

TEST_CASE("a whole model survives writing and reading") {
  const ScratchDirectory scratch;
  const ModelDescription d = whole_model();
  REQUIRE(validate_description(d).message() == "");
  REQUIRE(validate_model(d).message() == "");
  REQUIRE(write_golden(scratch / "m.tern", d).message() == "");
  const auto file = TernFile::open(scratch / "m.tern");
  REQUIRE(file.status().message() == "");
  check_same((*file)->description(), d);
  CHECK(validate_model((*file)->description()).message() == "");
  CHECK((*file)->verify_payload().message() == "");
  const TokenizerData& t = *(*file)->description().tokenizer;
  CHECK(t.pieces.size() == 8);
  CHECK(t.pieces[5].text == "\xc3\xa9");
  CHECK(t.pieces[5].score == -2.5f);
  CHECK(t.stop_ids == std::vector<int32_t>{2, 6});
}

TEST_CASE("parts may arrive in any order and in any pieces") {
  const ScratchDirectory scratch;
  ModelDescription d = golden_models()[10].description;  // trit2_group
  d.tensors.push_back(d.tensors[0]);
  d.tensors[1].name = "w2";
  const Layout layout = layout_of(d.tensors[0].encoding, d.tensors[0].rows, d.tensors[0].cols).value();
  const auto codes = random_bytes(layout.code_bytes, 1), scales = random_bytes(layout.scale_bytes, 2);

  auto plain = TernWriter::create(scratch / "a.tern", d).value();
  for (uint32_t i : {0, 1}) {
    REQUIRE(plain->append_codes(i, codes).ok());
    REQUIRE(plain->append_scales(i, scales).ok());
  }
  const uint64_t size = plain->file_bytes();
  REQUIRE(plain->finish().message() == "");

  auto mixed = TernWriter::create(scratch / "b.tern", d).value();
  REQUIRE(mixed->append_scales(1, scales).ok());
  for (size_t at = 0; at < codes.size(); at += 100) {
    const auto piece = std::span(codes).subspan(at, std::min<size_t>(100, codes.size() - at));
    REQUIRE(mixed->append_codes(1, piece).ok());
    REQUIRE(mixed->append_codes(0, piece).ok());
  }
  REQUIRE(mixed->append_scales(0, std::span(scales).first(7)).ok());
  REQUIRE(mixed->append_scales(0, std::span(scales).subspan(7)).ok());
  REQUIRE(mixed->finish().message() == "");
  CHECK(read_file(scratch / "a.tern") == read_file(scratch / "b.tern"));
  CHECK(read_file(scratch / "a.tern").size() == size);
  const auto file = TernFile::open(scratch / "a.tern").value();
  CHECK(file->description().tensors[1].codes.hash == hash64(codes));
}

TEST_CASE("an unfinished file leaves nothing behind") {
  const ScratchDirectory scratch;
  const ModelDescription d = golden_models()[0].description;
  const Layout layout = layout_of(d.tensors[0].encoding, 3, 5).value();
  {
    auto writer = TernWriter::create(scratch / "m.tern", d).value();
    const std::vector<std::byte> zeros(layout.code_bytes + 1);
    CHECK(writer->append_codes(0, zeros).message().find("codes would reach 65 bytes, expected 64") !=
          std::string::npos);
    CHECK(writer->append_codes(1, zeros).code() == Code::invalid_argument);
    REQUIRE(writer->append_codes(0, std::span(zeros).first(10)).ok());
    CHECK(writer->finish().message().find("tensor 'w': codes has 10 bytes, expected 64") != std::string::npos);
  }
  CHECK(scratch.names().empty());
}

TEST_CASE("a writer refuses what no reader would take") {
  const ScratchDirectory scratch;
  ModelDescription d = golden_models()[0].description;
  d.tensors[0].name = std::string("Q");
  const auto writer = TernWriter::create(scratch / "m.tern", d);
  CHECK(writer.status().code() == Code::invalid_argument);
  CHECK(scratch.names().empty());
}

TEST_CASE("verify_payload reports progress and can be stopped") {
  const Bytes bytes = golden_bytes(whole_model());
  const AlignedBytes copy(bytes);
  const auto file = TernFile::parse(copy.span(), "m").value();
  uint64_t last = 0, total = 0;
  CHECK(file->verify_payload([&](const Progress& p) { return last = p.done, total = p.total, true; }).ok());
  CHECK(last == total);
  CHECK(total > 0);
  CHECK(file->verify_payload([](const Progress&) { return false; }).code() == Code::aborted);
}

TEST_CASE("an ancillary section that this version does not know is skipped") {
  Bytes file = golden_file("tokenizer");
  for (uint64_t at = 32; at < 32 + 7 * 32; at += 32) {
    if (peek<uint32_t>(file, at) != 0x4154454d) continue;  // "META"
    for (size_t i = 0; i < 4; ++i) file[at + i] = static_cast<std::byte>("ZZZZ"[i]);
  }
  reseal(file);
  const AlignedBytes copy(file);
  const auto parsed = TernFile::parse(copy.span(), "m");
  REQUIRE(parsed.status().message() == "");
  CHECK((*parsed)->description().metadata.empty());
}

TEST_CASE("a later minor version is read as long as it uses nothing new") {
  Bytes file = golden_file("example");
  poke<uint16_t>(file, 10, 9);
  reseal(file);
  CHECK(load_status(file, "m").message() == "");
}

TEST_CASE("XXH3-64 agrees with its published values") {
  // xxHash's own test vectors: empty input, seed 0.
  CHECK(hash64({}) == 0x2d06800538d394c2ull);
  const auto bytes = random_bytes(100000, 5);
  Hash64 streamed;
  for (size_t at = 0; at < bytes.size(); at += 777) {
    streamed.update(std::span(bytes).subspan(at, std::min<size_t>(777, bytes.size() - at)));
  }
  CHECK(streamed.digest() == hash64(bytes));
}

TEST_CASE("UTF-8 is what RFC 3629 says") {
  for (const char* good : {"", "abc", "\xc2\x80", "\xdf\xbf", "\xe0\xa0\x80", "\xed\x9f\xbf", "\xee\x80\x80",
                           "\xf0\x90\x80\x80", "\xf4\x8f\xbf\xbf"}) {
    CHECK(is_valid_utf8(good));
  }
  for (const char* bad : {"\x80", "\xc0\x80", "\xc1\xbf", "\xe0\x9f\xbf", "\xed\xa0\x80", "\xf0\x8f\xbf\xbf",
                          "\xf4\x90\x80\x80", "\xf8\x88\x80\x80\x80", "\xc2", "a\xe2\x96", "\xff"}) {
    CHECK_FALSE(is_valid_utf8(bad));
  }
}

}  // namespace tern::test
