// Flags of the verbs that run a model, and the model and session they ask for.
#pragma once

#include <CLI/CLI.hpp>
#include <memory>
#include <string>

#include "base/status.h"
#include "runtime/model/model.h"
#include "runtime/session/session.h"

namespace tern::app {

struct ModelOptions {
  std::string path;
  std::string isa = "native", family, activations = "file", dense = "canonical", key_type = "f16", value_type = "f16";
  uint32_t context = 0, batch = 512;
  unsigned threads = 0, stages = 0;
  bool check_tensors = false, no_mmap = false;
};

// -m -c -t -ub -ctk -ctv --act --dense --stages --isa --family --check-tensors and -ngl (ignored).
void add_model_flags(CLI::App& verb, ModelOptions& options);
// Those whose values bench reads as lists are named apart.
void add_arithmetic_flags(CLI::App& verb, ModelOptions& options);

// Prints the model's warnings.
Result<std::shared_ptr<const Model>> load_model(const ModelOptions& options);
Result<std::unique_ptr<Session>> make_session(std::shared_ptr<const Model> model, const ModelOptions& options,
                                              Profile* profile = nullptr);

inline constexpr const char* kFamilies[] = {"reference", "dot", "multiplication_free"};
const char* family_name(KernelFamily family);
std::string join(const std::vector<std::string>& words);  // "a, b"

}  // namespace tern::app
