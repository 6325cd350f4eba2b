// Where tests find data that is not part of the repository: the folder `shared` beside the checkout.
// A test that needs it asks first and is skipped, naming the file, when it is absent.
#pragma once

#include <catch2/catch.hpp>
#include <filesystem>
#include <string>

namespace tern::test {

inline std::string shared_path(const std::string& relative) { return std::string(TERN_SHARED_DIR) + "/" + relative; }

// True if present; otherwise leaves a message that names the missing file.
inline bool have_shared(const std::string& relative) {
  if (std::filesystem::exists(shared_path(relative))) return true;
  WARN("skipped: shared/" << relative << " is absent");
  return false;
}

}  // namespace tern::test
