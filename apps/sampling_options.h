// Flags of the verbs that make text: how tokens are chosen, and when a text ends.
#pragma once

#include <CLI/CLI.hpp>
#include <cstdint>
#include <string>
#include <vector>

#include "apps/generation.h"
#include "runtime/model/model.h"

namespace tern::app {

struct SamplingOptions {
  int64_t predict = 128, seed = -1;
  SamplerOptions sampler;
  std::vector<std::string> stops;
};

// -n -s --temp --top-k --top-p --min-p, the penalties and --repeat-last-n, --logit-bias, -r. The defaults are those of
// `options`.
void add_sampling_flags(CLI::App& verb, SamplingOptions& options);

// What these flags mean for a model: its stop tokens, a seed drawn where none is given (and printed where one is used),
// tokens that its vocabulary has.
GenerationOptions generation_options(const SamplingOptions& options, const Model& model);

}  // namespace tern::app
