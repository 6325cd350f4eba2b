// JSON from a checkpoint: size and nesting limited, duplicate keys refused, exceptions turned into errors.
#pragma once

#include <cstddef>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

#include "base/status.h"

namespace tern {

inline constexpr size_t kMaxJsonDepth = 64;
inline constexpr size_t kMaxJsonFileBytes = size_t{64} << 20;

// Parses one JSON value; `name` stands for the file in messages. nlohmann's own parser and destructor
// do not recurse, yet the depth is limited before parsing, so later code may.
Result<nlohmann::json> parse_json(std::string_view text, const std::string& name);

// Reads and parses a whole file of at most kMaxJsonFileBytes.
Result<nlohmann::json> read_json_file(const std::string& path);

// Reads a whole small file. Fails if it is larger than `limit`.
Result<std::string> read_small_file(const std::string& path, size_t limit);

}  // namespace tern
