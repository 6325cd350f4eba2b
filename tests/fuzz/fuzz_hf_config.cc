// Any bytes as a config.json: an error that says something, or a configuration whose fields fit together.
#include <cstdint>
#include <cstdlib>

#include "formats/foreign/hf_config.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const auto config = tern::parse_hf_config({reinterpret_cast<const char*>(data), size}, "fuzz");
  if (!config.ok()) {
    if (config.status().message().size() < 8) std::abort();
    return 0;
  }
  if (config->kv_heads == 0 || config->heads % config->kv_heads != 0 || config->head_dim % 2 != 0) std::abort();
  return 0;
}
