#include "formats/foreign/hf_setters.h"

#include <fmt/format.h>

#include <cmath>

namespace tern {

using nlohmann::json;

Status wrong_value(const std::string& where, const json& value, const char* expected) {
  return corrupt(fmt::format("{} is {}, expected {}", where, value.dump(), expected));
}

Setter count_into(uint32_t* out) {
  return [out](const json& value, const std::string& where) -> Status {
    if (!value.is_number_unsigned() || value.get<uint64_t>() == 0 || value.get<uint64_t>() > 0x7fffffff) {
      return wrong_value(where, value, "a positive 31-bit count");
    }
    *out = value.get<uint32_t>();
    return {};
  };
}

Setter number_into(std::optional<double>* out, bool zero_allowed) {
  return [=](const json& value, const std::string& where) -> Status {
    const double number = value.is_number() ? value.get<double>() : -1;
    if (!std::isfinite(number) || number < 0 || number > 1e18 || (number == 0 && !zero_allowed)) {
      return wrong_value(where, value, zero_allowed ? "a number that is not negative" : "a positive number");
    }
    *out = number;
    return {};
  };
}

Setter flag_into(bool* out) {
  return [out](const json& value, const std::string& where) -> Status {
    if (!value.is_boolean()) return wrong_value(where, value, "true or false");
    *out = value.get<bool>();
    return {};
  };
}

Setter text_into(std::string* out) {
  return [out](const json& value, const std::string& where) -> Status {
    if (!value.is_string()) return wrong_value(where, value, "a string");
    *out = value.get<std::string>();
    return {};
  };
}

}  // namespace tern
