#include "formats/foreign/safetensors.h"

#include <catch2/catch.hpp>

#include "tests/import/fixtures.h"

using namespace tern;
using namespace tern::test;
using Catch::Matchers::Contains;

namespace {

Result<std::vector<ForeignTensor>> parse(const std::string& bytes) {
  return parse_safetensors(as_bytes(bytes), "file");
}

std::string error_of(const std::string& header, const std::string& data) {
  const auto result = parse(safetensors_bytes(header, data));
  return result.ok() ? "no error" : result.status().message();
}

const std::string kTwo =
    R"({"a":{"dtype":"F16","shape":[2,3],"data_offsets":[0,12]},"b":{"dtype":"I64","shape":[],"data_offsets":[12,20]}})";

}  // namespace

TEST_CASE("safetensors: tensors, types and offsets", "[safetensors]") {
  const auto tensors = parse(safetensors_bytes(kTwo + "   ", std::string(20, 'x')));
  REQUIRE(tensors.ok());
  REQUIRE(tensors->size() == 2);
  CHECK((*tensors)[0].name == "a");
  CHECK((*tensors)[0].type == ForeignType::f16);
  CHECK((*tensors)[0].shape == std::vector<uint64_t>{2, 3});
  CHECK((*tensors)[0].offset == 8 + kTwo.size() + 3);
  CHECK((*tensors)[1].bytes == 8);
  CHECK(describe((*tensors)[0]) == "F16 [2, 3]");
  CHECK(parse(safetensors_bytes("{}", "")).ok());
}

TEST_CASE("safetensors: every truncation is an error", "[safetensors]") {
  const std::string whole = safetensors_bytes(kTwo, std::string(20, 'x'));
  for (size_t size = 0; size < whole.size(); ++size) {
    INFO("bytes " << size);
    CHECK_FALSE(parse(whole.substr(0, size)).ok());
  }
  CHECK_FALSE(parse(whole + "x").ok());
}

TEST_CASE("safetensors: hostile headers", "[safetensors]") {
  const std::string one = R"({"a":{"dtype":"U8","shape":[4],"data_offsets":[0,4]}})";
  REQUIRE(error_of(one, "1234") == "no error");

  const auto with = [](const std::string& entry) { return "{\"a\":" + entry + "}"; };
  CHECK_THAT(error_of(with(R"({"dtype":"F4","shape":[4],"data_offsets":[0,4]})"), "1234"), Contains("'F4'"));
  CHECK_THAT(error_of(with(R"({"dtype":7,"shape":[4],"data_offsets":[0,4]})"), "1234"), Contains("'dtype'"));
  CHECK_THAT(error_of(with(R"({"shape":[4],"data_offsets":[0,4]})"), "1234"), Contains("'dtype'"));
  CHECK_THAT(error_of(with(R"({"dtype":"U8","data_offsets":[0,4]})"), "1234"), Contains("'shape'"));
  CHECK_THAT(error_of(with(R"({"dtype":"U8","shape":[4]})"), "1234"), Contains("data_offsets"));
  CHECK_THAT(error_of(with(R"({"dtype":"U8","shape":[4],"data_offsets":[0]})"), "1234"), Contains("data_offsets"));
  CHECK_THAT(error_of(with(R"({"dtype":"U8","shape":[-4],"data_offsets":[0,4]})"), "1234"), Contains("-4"));
  CHECK_THAT(error_of(with(R"({"dtype":"U8","shape":[4.0],"data_offsets":[0,4]})"), "1234"), Contains("4.0"));
  CHECK_THAT(error_of(with(R"({"dtype":"U8","shape":[5],"data_offsets":[0,4]})"), "1234"), Contains("takes 5 bytes"));
  CHECK_THAT(error_of(with(R"({"dtype":"U8","shape":[0],"data_offsets":[0,4]})"), "1234"), Contains("takes 0 bytes"));
  CHECK_THAT(error_of(with(R"({"dtype":"U8","shape":[5],"data_offsets":[0,5]})"), "1234"), Contains("leave"));
  CHECK_THAT(error_of(with(R"({"dtype":"U8","shape":[4],"data_offsets":[4,0]})"), "1234"), Contains("leave"));
  CHECK_THAT(error_of(with(R"({"dtype":"U8","shape":[4],"data_offsets":[0,4],"zip":1})"), "1234"), Contains("'zip'"));
  CHECK_THAT(error_of(with("[]"), "1234"), Contains("object"));
  // 2^63 * 2 and 2^62 * 4 (F32) wrap to small numbers without checked arithmetic.
  CHECK_THAT(error_of(with(R"({"dtype":"U8","shape":[9223372036854775808,2],"data_offsets":[0,0]})"), ""),
             Contains("more than 2^64"));
  CHECK_THAT(error_of(with(R"({"dtype":"F32","shape":[4611686018427387904],"data_offsets":[0,0]})"), ""),
             Contains("more than 2^64"));
  CHECK_THAT(error_of(with(R"({"dtype":"U8","shape":[4],"data_offsets":[18446744073709551612,18446744073709551616]})"),
                      "1234"),
             Contains("data_offsets"));

  CHECK_THAT(error_of("", ""), Contains("'{'"));
  CHECK_THAT(error_of(" {}", ""), Contains("'{'"));
  CHECK_THAT(error_of("{", ""), Contains("JSON"));
  CHECK_THAT(error_of(std::string("{\"\xff\":1}"), ""), Contains("JSON"));
  std::string deep = "{\"a\":";
  for (int i = 0; i < 200000; ++i) deep += '[';
  CHECK_THAT(error_of(deep, ""), Contains("nested"));
}

TEST_CASE("safetensors: gaps, overlaps, duplicates", "[safetensors]") {
  const auto two = [](const std::string& first, const std::string& second) {
    return R"({"a":{"dtype":"U8","shape":[4],"data_offsets":)" + first +
           R"(},"b":{"dtype":"U8","shape":[4],"data_offsets":)" + second + "}}";
  };
  REQUIRE(error_of(two("[0,4]", "[4,8]"), "12345678") == "no error");
  REQUIRE(error_of(two("[4,8]", "[0,4]"), "12345678") == "no error");
  CHECK_THAT(error_of(two("[0,4]", "[3,7]"), "1234567"), Contains("overlaps"));
  CHECK_THAT(error_of(two("[0,4]", "[0,4]"), "1234"), Contains("overlaps"));
  CHECK_THAT(error_of(two("[0,4]", "[5,9]"), "123456789"), Contains("gap"));
  CHECK_THAT(error_of(two("[1,5]", "[5,9]"), "123456789"), Contains("gap"));
  CHECK_THAT(error_of(two("[0,4]", "[4,8]"), "123456789"), Contains("follow the last tensor"));
  const std::string twice = R"({"a":{"dtype":"U8","shape":[4],"data_offsets":[0,4]},)"
                            R"("a":{"dtype":"U8","shape":[4],"data_offsets":[4,8]}})";
  CHECK_THAT(error_of(twice, "12345678"), Contains("twice"));
}

TEST_CASE("safetensors: header length", "[safetensors]") {
  for (uint64_t length : {uint64_t{100'000'001}, uint64_t{1} << 63, ~uint64_t{0}, ~uint64_t{7}}) {
    const std::string bytes = std::string(reinterpret_cast<const char*>(&length), 8) + "{}";
    CHECK_THAT(parse(bytes).status().message(), Contains("header length"));
  }
}

TEST_CASE("safetensors: shards", "[safetensors]") {
  TemporaryFolder folder;
  const auto shard = [](const std::string& name) { return encode_safetensors({{name, {"U8", {2}, "ab"}}}); };
  const auto open = [&](const std::string& weight_map) {
    write_file(folder.path("x.safetensors.index.json"), R"({"metadata":{},"weight_map":)" + weight_map + "}");
    return TensorSet::open_index(folder.path("x.safetensors.index.json"));
  };
  write_file(folder.path("1"), shard("a"));
  write_file(folder.path("2"), shard("b"));
  write_file(folder.path("3"), shard("a"));

  const auto good = open(R"({"a":"1","b":"2"})");
  REQUIRE(good.ok());
  REQUIRE((*good)->find("b"));
  CHECK(static_cast<char>((*good)->find("b")->bytes()[1]) == 'b');
  CHECK((*good)->find("c") == nullptr);

  CHECK_THAT(open(R"({"a":"1","b":"4"})").status().message(), Contains("'4'") && Contains("missing"));
  CHECK_THAT(open(R"({"a":"1","b":"1"})").status().message(), Contains("'b'") && Contains("missing"));
  CHECK_THAT(open(R"({"c":"1"})").status().message(), Contains("'a'") && Contains("not in the index"));
  CHECK_THAT(open(R"({"a":"1","a":"3"})").status().message(), Contains("twice"));
  CHECK_FALSE(open("{}").ok());
  CHECK_FALSE(open("[]").ok());
  for (const char* name : {"../1", "/etc/passwd", "sub/1", "..", ".", "", "a\\\\b"}) {
    CHECK_THAT(open(std::string(R"({"a":")") + name + "\"}").status().message(), Contains("not the name of a file"));
  }
  CHECK_THAT(open(R"({"a":7})").status().message(), Contains("not the name of a file"));

  // The same tensor in two shards: the index can name only one of them for it.
  write_file(folder.path("4"), encode_safetensors({{"a", {"U8", {1}, "x"}}, {"b", {"U8", {1}, "x"}}}));
  CHECK_THAT(open(R"({"a":"1","b":"4"})").status().message(), Contains("'a'"));
}
