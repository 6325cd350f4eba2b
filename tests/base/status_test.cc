#include "base/status.h"

#include <catch2/catch.hpp>
#include <memory>
#include <set>
#include <string>

using namespace tern;

namespace {

Result<int> positive(int x) {
  if (x <= 0) return invalid_argument("x is " + std::to_string(x) + ", expected more than 0");
  return x;
}

Status twice(int x, int* out) {
  TERN_ASSIGN(const int value, positive(x));
  TERN_ASSIGN(const int again, positive(value));
  *out = value + again;
  return {};
}

Status chain(int x, int* out) {
  TERN_TRY(twice(x, out));
  *out += 1;
  return {};
}

}  // namespace

TEST_CASE("a status is ok, or a code with a sentence") {
  CHECK(Status().ok());
  CHECK(Status().within("here").ok());
  CHECK(Status().within("here").message().empty());
  const Status error = corrupt("version 9").within("model.tern");
  CHECK_FALSE(error.ok());
  CHECK(error.code() == Code::corrupt);
  CHECK(error.message() == "model.tern: version 9");
}

TEST_CASE("every code has its own name and maker") {
  std::set<std::string> names{code_name(Code::ok)};
  for (const Status& status : {invalid_argument("m"), corrupt("m"), unsupported("m"), not_found("m"), io_error("m"),
                               out_of_memory("m"), aborted("m"), internal_error("m")}) {
    CHECK_FALSE(status.ok());
    CHECK(status.message() == "m");
    CHECK(names.insert(code_name(status.code())).second);
  }
  CHECK(names.size() == 9);
  CHECK(std::string(code_name(static_cast<Code>(99))) == "unknown");
}

TEST_CASE("results and their macros pass values and errors on") {
  int out = 0;
  CHECK(chain(3, &out).ok());
  CHECK(out == 7);
  CHECK(chain(-1, &out).message() == "x is -1, expected more than 0");
  CHECK(out == 7);
  Result<std::unique_ptr<int>> owned(std::make_unique<int>(5));  // move-only values
  CHECK(**owned == 5);
  const std::unique_ptr<int> taken = std::move(owned).value();
  CHECK(*taken == 5);
  CHECK(owned.status().ok());
}
