#include "formats/foreign/hf_family.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <vector>

namespace tern {
namespace {

using nlohmann::json;
using Window = HfFamily::Window;

// Defaults: configuration_*.py of transformers. BitnetForCausalLM is both 1bitLLM's class (its model_type is llama)
// and an old name of Microsoft's, with other defaults.
std::vector<HfFamily> make_families() {
  HfFamily llama{"LlamaForCausalLM", "llama", 10000, "silu", true, 0, Window::none};
  llama.attention_bias = llama.mlp_bias = true;
  HfFamily bitnet{"BitNetForCausalLM", "bitnet", 500000, "relu2", true, 0, Window::none};
  bitnet.sub_norms = bitnet.attention_bias = true;
  HfFamily old_bitnet{"BitnetForCausalLM", "llama", 0, "", true, 0, Window::none};
  old_bitnet.sub_norms = old_bitnet.attention_bias = true;
  const HfFamily mistral{"MistralForCausalLM", "mistral", 10000, "silu", false, 0, Window::always};
  HfFamily qwen2{"Qwen2ForCausalLM", "qwen2", 10000, "silu", false, 0, Window::flagged};
  qwen2.qkv_bias = true;
  HfFamily qwen3{"Qwen3ForCausalLM", "qwen3", 10000, "silu", false, 128, Window::flagged};
  qwen3.head_norms = qwen3.attention_bias = true;
  HfFamily qwen3_embedding = qwen3;
  qwen3_embedding.architecture = "Qwen3Model";
  qwen3_embedding.headless = true;
  HfFamily ifairy{"ComplexNetLM", "complexnet", 0, "complex_relu2", false, 0, Window::none};
  ifairy.complex = true;
  return {llama, bitnet, old_bitnet, mistral, qwen2, qwen3, qwen3_embedding, ifairy};
}

const std::vector<HfFamily>& families() {
  static const std::vector<HfFamily> list = make_families();
  return list;
}

std::vector<std::string> known_names(const char* HfFamily::*field) {
  std::vector<std::string> names;
  for (const HfFamily& f : families()) names.emplace_back(f.*field);
  return names;
}

bool accepts(const HfFamily& family, const json& type) {
  if (type.is_null() || type == family.model_type) return true;
  return family.sub_norms && (type == "bitnet" || type == "llama");
}

}  // namespace

Result<const HfFamily*> find_family(const json& document, const std::string& name) {
  const json list = document.value("architectures", json());
  const json type = document.value("model_type", json());
  if (list.is_null()) {
    for (const HfFamily& f : families()) {  // the first of a type is the one it usually means
      if (type == f.model_type) return &f;
    }
    return unsupported(fmt::format("{}: there is no 'architectures' and model_type is {}, expected one of {}", name,
                                   type.dump(), fmt::join(known_names(&HfFamily::model_type), ", ")));
  }
  if (!list.is_array() || list.size() != 1 || !list[0].is_string()) {
    return unsupported(fmt::format("{}: architectures is {}, expected a list of one name", name, list.dump()));
  }
  for (const HfFamily& f : families()) {
    if (list[0] != f.architecture) continue;
    if (accepts(f, type)) return &f;
    return corrupt(fmt::format("{}: model_type {} contradicts architecture '{}'", name, type.dump(), f.architecture));
  }
  return unsupported(fmt::format("{}: architecture '{}' is not supported, only {}", name, list[0].get<std::string>(),
                                 fmt::join(known_names(&HfFamily::architecture), ", ")));
}

}  // namespace tern
