// The objects inside a config.json that decide about results: the scaling of rotary positions, the quantization.
#pragma once

#include <optional>
#include <string>

#include "formats/foreign/hf_config.h"
#include "formats/foreign/hf_setters.h"

namespace tern {

// rope_scaling (old) or rope_parameters (new). Understood: default, linear, llama3; other types are refused by
// name. `theta`: set if the object holds one. Two objects in one file must say the same.
Status read_rope(const nlohmann::json& value, const std::string& where, std::optional<HfRopeScaling>* scaling,
                 std::optional<double>* theta);

// quantization_config: fills the member of its method.
Status read_quantization(const nlohmann::json& value, const std::string& where, HfConfig* out);

}  // namespace tern
