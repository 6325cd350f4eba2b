#include "base/scratch_file.h"

#include <algorithm>
#include <catch2/catch.hpp>

#include "tests/base/scratch_directory.h"

namespace tern {

TEST_CASE("scratch file: zeros that can be written, without a name") {
  const test::ScratchDirectory folder;
  auto made = ScratchFile::create(folder / "model.tern", 100'000);
  REQUIRE(made.ok());
  ScratchFile scratch = std::move(made).value();
  REQUIRE(scratch.bytes().size() == 100'000);
  CHECK(std::all_of(scratch.bytes().begin(), scratch.bytes().end(), [](std::byte b) { return b == std::byte{0}; }));
  scratch.bytes()[99'999] = std::byte{7};
  const ScratchFile moved = std::move(scratch);
  CHECK(moved.bytes()[99'999] == std::byte{7});
  CHECK(folder.names().empty());
}

TEST_CASE("scratch file: refusals name the folder") {
  const auto nowhere = ScratchFile::create("/nowhere/model.tern", 1);
  CHECK(nowhere.status().code() == Code::io_error);
  CHECK(nowhere.status().message().find("/nowhere") != std::string::npos);
  const test::ScratchDirectory folder;
  const auto vast = ScratchFile::create(folder / "model.tern", uint64_t{1} << 60);
  CHECK(vast.status().code() == Code::io_error);
  CHECK(folder.names().empty());
  CHECK(ScratchFile::create(folder / "model.tern", 0).value().bytes().empty());
}

}  // namespace tern
