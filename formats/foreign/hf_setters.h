// Reading the fields of a JSON object by name: each is handed to its setter, which checks the value.
#pragma once

#include <cstdint>
#include <functional>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>

#include "base/status.h"

namespace tern {

// `where`: file and field, for messages.
using Setter = std::function<Status(const nlohmann::json& value, const std::string& where)>;

Status wrong_value(const std::string& where, const nlohmann::json& value, const char* expected);

Setter count_into(uint32_t* out);                                   // 1 .. 2^31 - 1
Setter number_into(std::optional<double>* out, bool zero_allowed);  // finite, not negative, at most 1e18
Setter flag_into(bool* out);
Setter text_into(std::string* out);

}  // namespace tern
