#include "base/mapped_file.h"

#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <cstring>

#include "tests/base/scratch_directory.h"

using namespace tern;
using namespace tern::test;
using Catch::Matchers::Contains;

namespace {

std::string text_of(const MappedFile& file) {
  return {reinterpret_cast<const char*>(file.bytes().data()), file.bytes().size()};
}

size_t page_size() { return static_cast<size_t>(::sysconf(_SC_PAGESIZE)); }

}  // namespace

TEST_CASE("a mapped file shows the bytes of the file") {
  ScratchDirectory scratch;
  const std::string text("one\0two", 7);
  write_file(scratch / "f", text);
  Result<MappedFile> file = MappedFile::open(scratch / "f");
  REQUIRE(file.ok());
  CHECK(text_of(*file) == text);
  CHECK(file->path() == scratch / "f");
  std::filesystem::remove(scratch / "f");
  CHECK(text_of(*file) == text);  // the mapping outlives the name
}

TEST_CASE("a copy has the bytes of the file, on a page of its own, and does not change with it") {
  ScratchDirectory scratch;
  std::string text(3 * page_size() + 5, 'a');
  text.back() = 'z';
  write_file(scratch / "f", text);
  Result<MappedFile> opened = MappedFile::open(scratch / "f", FileAccess::copy);
  REQUIRE(opened.ok());
  const MappedFile file = std::move(*opened);
  CHECK(text_of(file) == text);
  CHECK(reinterpret_cast<uintptr_t>(file.bytes().data()) % page_size() == 0);
  write_file(scratch / "f", "other");
  file.release(0, text.size());
  CHECK(text_of(file) == text);
  CHECK(MappedFile::open(scratch / "none", FileAccess::copy).status().code() == Code::not_found);
  write_file(scratch / "empty", "");
  CHECK(MappedFile::open(scratch / "empty", FileAccess::copy)->bytes().empty());
}

TEST_CASE("an empty file is an empty span") {
  ScratchDirectory scratch;
  write_file(scratch / "empty", "");
  Result<MappedFile> file = MappedFile::open(scratch / "empty");
  REQUIRE(file.ok());
  CHECK(file->bytes().empty());
  file->release(0, 100);
}

TEST_CASE("what is not a file is refused with its name and the reason") {
  ScratchDirectory scratch;
  const auto error = [](const std::string& path) { return MappedFile::open(path).status(); };
  CHECK(error(scratch / "none").code() == Code::not_found);
  CHECK_THAT(error(scratch / "none").message(), Contains(scratch / "none") && Contains("No such file"));
  CHECK_THAT(error(scratch.path()).message(), Contains(scratch.path() + " is a directory"));
  CHECK_THAT(error("/dev/null").message(), Contains("/dev/null is not a regular file"));
  REQUIRE(::mkfifo((scratch / "fifo").c_str(), 0600) == 0);
  CHECK_THAT(error(scratch / "fifo").message(), Contains("not a regular file"));  // and open() did not wait
  write_file(scratch / "secret", "x");
  std::filesystem::permissions(scratch / "secret", std::filesystem::perms::none);
  if (::geteuid() != 0) {
    CHECK(error(scratch / "secret").code() == Code::io_error);
    CHECK_THAT(error(scratch / "secret").message(), Contains("Permission denied"));
  }
}

TEST_CASE("moving hands the mapping over") {
  ScratchDirectory scratch;
  write_file(scratch / "a", "aaa");
  write_file(scratch / "b", "bb");
  MappedFile a = std::move(MappedFile::open(scratch / "a")).value();
  MappedFile b = std::move(MappedFile::open(scratch / "b")).value();
  const std::byte* data = a.bytes().data();
  MappedFile c(std::move(a));
  CHECK(c.bytes().data() == data);
  CHECK(a.bytes().empty());
  b = std::move(c);
  CHECK(text_of(b) == "aaa");
  CHECK(b.path() == scratch / "a");
}

TEST_CASE("release keeps the bytes readable, for every range") {
  ScratchDirectory scratch;
  std::string text(5 * page_size() + 123, '\0');
  for (size_t i = 0; i < text.size(); ++i) text[i] = static_cast<char>(i * 7 + i / 256);
  write_file(scratch / "f", text);
  MappedFile file = std::move(MappedFile::open(scratch / "f")).value();
  for (const size_t offset : {size_t{0}, size_t{1}, page_size(), 3 * page_size() + 5, text.size(), ~size_t{0}}) {
    for (const size_t size : {size_t{0}, size_t{1}, page_size(), 2 * page_size() + 9, text.size(), ~size_t{0}}) {
      CHECK(text_of(file) == text);
      file.release(offset, size);
    }
  }
  CHECK(text_of(file) == text);
}

TEST_CASE("release lowers the resident set by the whole pages inside the range") {
  ScratchDirectory scratch;
  const size_t pages = 2048;
  write_file(scratch / "f", std::string(pages * page_size(), 'x'));
  MappedFile file = std::move(MappedFile::open(scratch / "f")).value();
  const auto resident_pages = [] {
    std::ifstream statm("/proc/self/statm");
    size_t total = 0, resident = 0;
    statm >> total >> resident;
    return resident;
  };
  if (resident_pages() == 0) return;  // emulators may not report it
  size_t sum = 0;
  for (size_t i = 0; i < pages; ++i) sum += static_cast<size_t>(file.bytes()[i * page_size()]);
  CHECK(sum == pages * 'x');
  const size_t before = resident_pages();
  file.release(1, pages * page_size() - 1);  // the first page is not whole
  CHECK(before - resident_pages() >= pages - 64);
}
