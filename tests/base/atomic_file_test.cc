#include "base/atomic_file.h"

#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <optional>

#include "tests/base/scratch_directory.h"

using namespace tern;
using namespace tern::test;
using Catch::Matchers::Contains;
using Names = std::vector<std::string>;

namespace {

std::span<const std::byte> bytes(const std::string& text) { return std::as_bytes(std::span(text)); }

AtomicFile created(const std::string& path) {
  Result<AtomicFile> file = AtomicFile::create(path);
  if (!file.ok()) FAIL(file.status().message());
  return std::move(file).value();
}

void must(const Status& status) {
  if (!status.ok()) FAIL(status.message());
}

}  // namespace

TEST_CASE("a committed file holds what was appended, padded and overwritten") {
  ScratchDirectory scratch;
  AtomicFile file = created(scratch / "out");
  CHECK(scratch.names().size() == 1);
  CHECK_FALSE(std::filesystem::exists(scratch / "out"));
  must(file.append(bytes("head")));
  must(file.pad_to(8));
  must(file.append(bytes("tail")));
  must(file.write_at(1, bytes("XY")));
  must(file.append(bytes("!")));
  must(file.append({}));
  must(file.pad_to(13));
  CHECK(file.size() == 13);
  CHECK_FALSE(std::filesystem::exists(scratch / "out"));
  must(file.commit());
  CHECK(scratch.names() == Names{"out"});
  CHECK(read_file(scratch / "out") == std::string("hXYd\0\0\0\0tail!", 13));
}

TEST_CASE("padding writes zeros of any length") {
  ScratchDirectory scratch;
  AtomicFile file = created(scratch / "out");
  must(file.append(bytes("a")));
  must(file.pad_to(200001));
  must(file.commit());
  CHECK(read_file(scratch / "out") == "a" + std::string(200000, '\0'));
}

TEST_CASE("without commit nothing is left and an older file survives") {
  ScratchDirectory scratch;
  write_file(scratch / "out", "old");
  {
    AtomicFile file = created(scratch / "out");
    must(file.append(bytes("new and longer")));
    CHECK(read_file(scratch / "out") == "old");
  }
  CHECK(scratch.names() == Names{"out"});
  CHECK(read_file(scratch / "out") == "old");
  AtomicFile file = created(scratch / "out");
  must(file.append(bytes("new")));
  must(file.commit());
  CHECK(read_file(scratch / "out") == "new");
}

TEST_CASE("moving hands over the temporary") {
  ScratchDirectory scratch;
  AtomicFile first = created(scratch / "first");
  AtomicFile second = created(scratch / "second");
  must(first.append(bytes("1")));
  must(second.append(bytes("2")));
  second = std::move(first);  // drops what `second` had begun
  CHECK(scratch.names().size() == 1);
  AtomicFile third(std::move(second));
  must(third.commit());
  CHECK(scratch.names() == Names{"first"});
  CHECK(read_file(scratch / "first") == "1");
}

TEST_CASE("misuse is an error, not damage") {
  ScratchDirectory scratch;
  AtomicFile file = created(scratch / "out");
  must(file.append(bytes("12345")));
  CHECK_FALSE(file.write_at(4, bytes("ab")).ok());
  CHECK_FALSE(file.write_at(~0ull, bytes("ab")).ok());
  CHECK_FALSE(file.pad_to(4).ok());
  must(file.commit());
  CHECK_FALSE(file.append(bytes("6")).ok());
  CHECK_FALSE(file.write_at(0, bytes("6")).ok());
  CHECK_FALSE(file.commit().ok());
  CHECK(read_file(scratch / "out") == "12345");
}

TEST_CASE("places where no file can be are refused at once, by name") {
  ScratchDirectory scratch;
  const auto message = [](const std::string& path) { return AtomicFile::create(path).status().message(); };
  CHECK_THAT(message(scratch / "missing/out"), Contains("missing/out: No such file or directory"));
  CHECK_THAT(message(scratch.path()), Contains(scratch.path()) && Contains("not a regular file"));
  CHECK_THAT(message(scratch / "new/"), Contains("names a directory"));
  CHECK_THAT(message("/dev/null"), Contains("not a regular file"));
  CHECK_THAT(message(""), Contains("empty"));
  if (::geteuid() != 0) {  // root may write anywhere
    std::filesystem::permissions(scratch.path(),
                                 std::filesystem::perms::owner_read | std::filesystem::perms::owner_exec);
    CHECK_THAT(message(scratch / "out"), Contains(scratch / "out: Permission denied"));
  }
  CHECK(scratch.names().empty());
}

TEST_CASE("file names of the greatest length work") {
  ScratchDirectory scratch;
  const std::string name(255, 'n');
  AtomicFile file = created(scratch / name);
  must(file.commit());
  CHECK(scratch.names() == Names{name});
}

TEST_CASE("a disk that takes no more is one clear error, and nothing is left") {
  ScratchDirectory scratch;
  struct rlimit before;
  REQUIRE(::getrlimit(RLIMIT_FSIZE, &before) == 0);
  const auto handler = ::signal(SIGXFSZ, SIG_IGN);
  const struct rlimit small = {100'000, before.rlim_max};
  REQUIRE(::setrlimit(RLIMIT_FSIZE, &small) == 0);
  std::string append_error, pad_error;
  uint64_t size_after = 0;
  {
    AtomicFile file = created(scratch / "out");
    must(file.append(bytes(std::string(60'000, 'x'))));
    append_error = file.append(bytes(std::string(60'000, 'y'))).message();  // fits in part: a short write, then EFBIG
    size_after = file.size();
    pad_error = file.pad_to(300'000).message();
  }
  REQUIRE(::setrlimit(RLIMIT_FSIZE, &before) == 0);
  ::signal(SIGXFSZ, handler);
  CHECK(append_error == "cannot write " + (scratch / "out") + ": File too large");
  CHECK(size_after == 60'000);
  CHECK_THAT(pad_error, Contains("File too large"));
  CHECK(scratch.names().empty());
}

TEST_CASE("a commit that cannot rename leaves nothing behind") {
  ScratchDirectory scratch;
  AtomicFile file = created(scratch / "out");
  must(file.append(bytes("x")));
  std::filesystem::create_directory(scratch / "out");  // appeared since create()
  CHECK_THAT(file.commit().message(), Contains("cannot write") && Contains(scratch / "out"));
  CHECK(scratch.names() == Names{"out"});
}

TEST_CASE("more than 64 files at once are refused, and a closed one makes room") {
  ScratchDirectory scratch;
  std::vector<AtomicFile> files;
  std::string refusal;
  for (int i = 0; i < 65; ++i) {
    Result<AtomicFile> file = AtomicFile::create(scratch / std::to_string(i));
    if (file.ok()) {
      files.push_back(std::move(file).value());
    } else {
      refusal = file.status().message();
    }
  }
  CHECK(files.size() == 64);
  CHECK_THAT(refusal, Contains("64 output files"));
  files.pop_back();
  CHECK(AtomicFile::create(scratch / "again").ok());
}

TEST_CASE("remove_all_temporaries removes what is open and nothing else") {
  ScratchDirectory scratch;
  AtomicFile done = created(scratch / "done");
  must(done.commit());
  AtomicFile open = created(scratch / "open");
  must(open.append(bytes("x")));
  { AtomicFile dropped = created(scratch / "dropped"); }
  CHECK(scratch.names().size() == 2);
  AtomicFile::remove_all_temporaries();
  CHECK(scratch.names() == Names{"done"});
  CHECK_FALSE(open.commit().ok());
  CHECK(scratch.names() == Names{"done"});
}

TEST_CASE("a signal handler may remove the temporaries; a forked child leaves its parent's alone") {
  ScratchDirectory scratch;
  AtomicFile mine = created(scratch / "mine");
  const pid_t child = ::fork();
  REQUIRE(child >= 0);
  if (child == 0) {
    std::optional<Result<AtomicFile>> own(AtomicFile::create(scratch / "child"));
    ::signal(SIGTERM, [](int) {
      AtomicFile::remove_all_temporaries();
      ::_exit(42);
    });
    ::raise(SIGTERM);
    ::_exit(1);
  }
  int status = 0;
  REQUIRE(::waitpid(child, &status, 0) == child);
  CHECK(WIFEXITED(status));
  CHECK(WEXITSTATUS(status) == 42);
  CHECK(scratch.names().size() == 1);  // the parent's temporary
  must(mine.commit());
  CHECK(scratch.names() == Names{"mine"});
}
