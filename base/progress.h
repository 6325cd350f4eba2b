// How libraries report long work and learn that the user wants it stopped.
#pragma once

#include <cstdint>
#include <functional>
#include <string_view>

#include "base/status.h"

namespace tern {

struct Progress {
  std::string_view what;  // the item being worked on, valid during the call
  uint64_t done = 0;      // units of the caller's own choice (bytes, tokens)
  uint64_t total = 0;     // 0: unknown
};

// Called from the thread that does the work. Returning false asks it to stop: the
// operation then ends with Code::aborted and leaves no partial result behind.
using ProgressCallback = std::function<bool(const Progress&)>;

// What work without a count of its own asks between its passes; an error (Code::aborted) ends it.
using Interruption = std::function<Status()>;

}  // namespace tern
