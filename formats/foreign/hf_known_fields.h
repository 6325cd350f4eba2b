// The fields of a config.json that need no handling of their own.
#pragma once

#include <map>
#include <nlohmann/json.hpp>
#include <set>
#include <string>

namespace tern {

// Fields that never change the logits of a decoder in inference.
const std::set<std::string>& harmless_fields();

// Fields that are understood only at one value: the value that means "not used".
const std::map<std::string, nlohmann::json>& neutral_values();

}  // namespace tern
