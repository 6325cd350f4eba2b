// Which files a SRC argument stands for.
#pragma once

#include <string>

#include "base/status.h"

namespace tern {

struct CheckpointFiles {
  enum class Kind { huggingface_file, huggingface_index, llama2c } kind = Kind::llama2c;
  std::string weights;    // the .safetensors, its index, or the .bin
  std::string config;     // Hugging Face: config.json, or X_config.json beside X.safetensors
  std::string directory;  // where tokenizer files are looked for
};

// SRC: a directory (config.json with model.safetensors or model.safetensors.index.json), a .safetensors file, an
// index.json, or a llama2.c .bin file.
Result<CheckpointFiles> find_checkpoint(const std::string& path);

bool file_exists(const std::string& path);

}  // namespace tern
