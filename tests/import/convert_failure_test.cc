// Nothing is left behind when a conversion fails.
#include <catch2/catch.hpp>
#include <cstring>
#include <filesystem>

#include "tests/import/converted.h"

using namespace tern;
using namespace tern::test;
using Catch::Matchers::Contains;

TEST_CASE("convert: values beyond f16", "[convert]") {
  CheckpointSpec spec = small(Weights::dense);
  TemporaryFolder folder;
  REQUIRE(write_checkpoint(folder.path("hf"), spec).ok());
  auto tensors = decode_safetensors(read_file(folder.path("hf/model.safetensors")));
  const uint16_t large = 0x4780;  // bf16 65536
  std::memcpy(tensors.at("model.layers.1.mlp.up_proj.weight").data.data(), &large, 2);
  write_file(folder.path("hf/model.safetensors"), encode_safetensors(tensors));
  const auto source = import_checkpoint(folder.path("hf"), {});
  REQUIRE(source.ok());
  const auto result = convert(*source, with_weights(WeightChoice::f16), folder.path("m.tern"));
  CHECK_THAT(result.status().message(), Contains("blocks.1.ffn.up") && Contains("f16"));
  CHECK(folder.files() == std::vector<std::string>{"hf"});
  CHECK(convert(*source, with_weights(WeightChoice::f32), folder.path("m.tern")).ok());
}

TEST_CASE("convert: nothing is left when it fails", "[convert]") {
  TemporaryFolder folder;
  REQUIRE(write_checkpoint(folder.path("hf"), small(Weights::dense)).ok());
  const auto convert_it = [&](const ProgressCallback& progress) {
    auto source = import_checkpoint(folder.path("hf"), {});
    REQUIRE(source.ok());
    return convert(*source, {}, folder.path("m.tern"), progress).status();
  };
  int calls = 0;
  uint64_t last = 0;
  REQUIRE(convert_it([&](const Progress& p) {
            ++calls;
            CHECK(p.done >= last);
            last = p.done;
            if (p.total != 0) CHECK(p.done <= p.total);
            return true;
          }).ok());
  std::filesystem::remove(folder.path("m.tern"));

  SECTION("stopped at any moment") {
    for (int stop = 1; stop <= calls; stop += 3) {
      int call = 0;
      const Status status = convert_it([&](const Progress&) { return ++call < stop; });
      CHECK(status.code() == Code::aborted);
      CHECK(folder.files() == std::vector<std::string>{"hf"});
    }
  }
  SECTION("a NaN in the last tensor") {
    auto tensors = decode_safetensors(read_file(folder.path("hf/model.safetensors")));
    std::string& data = tensors.at("lm_head.weight").data;
    const uint16_t nan = 0x7fc1;
    std::memcpy(data.data() + data.size() - 2, &nan, 2);
    write_file(folder.path("hf/model.safetensors"), encode_safetensors(tensors));
    const Status status = convert_it({});
    CHECK_THAT(status.message(), Contains("lm_head.weight") && Contains("NaN") && Contains("row 36, column 71"));
    CHECK(folder.files() == std::vector<std::string>{"hf"});
  }
  SECTION("an earlier file of that name survives") {
    write_file(folder.path("m.tern"), "earlier");
    CHECK_FALSE(convert_it([](const Progress& p) { return p.done < 1000; }).ok());
    CHECK(read_file(folder.path("m.tern")) == "earlier");
    CHECK(folder.files() == std::vector<std::string>{"hf", "m.tern"});
  }
}
