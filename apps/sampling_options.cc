#include "apps/sampling_options.h"

#include <fmt/format.h>

#include <cmath>
#include <cstdlib>
#include <random>

#include "runtime/text/vocabulary.h"

namespace tern::app {

void add_sampling_flags(CLI::App& verb, SamplingOptions& o) {
  const CLI::Validator finite(
      [](std::string& text) {
        return std::isfinite(std::strtod(text.c_str(), nullptr)) ? std::string() : "expected a finite number";
      },
      "");
  verb.add_option("-n,--predict,--n-predict", o.predict, "most tokens to make; -1: until the model stops")
      ->check(CLI::Range(int64_t{-1}, int64_t{1} << 40))
      ->capture_default_str();
  verb.add_option("-s,--seed", o.seed, "seed of the random numbers; -1: a random one, printed")->capture_default_str();
  verb.add_option("--temp", o.sampler.temperature, "temperature; 0 or less: greedy")
      ->check(finite)
      ->capture_default_str();
  verb.add_option("--top-k", o.sampler.top_k, "sample from the k best tokens; 0: all")->capture_default_str();
  verb.add_option("--top-p", o.sampler.top_p, "sample from the best tokens that hold this probability; 1: all")
      ->check(finite)
      ->capture_default_str();
  verb.add_option("--min-p", o.sampler.min_p, "drop tokens below this share of the best one's probability")
      ->check(finite)
      ->capture_default_str();
  verb.add_option("--repeat-penalty", o.sampler.repeat_penalty, "divide the logits of recent tokens; 1: off")
      ->check(finite & CLI::PositiveNumber)
      ->capture_default_str();
  verb.add_option("--repeat-last-n", o.sampler.repeat_last_n, "tokens that the penalty looks back on; -1: all")
      ->check(CLI::Range(-1, 1 << 30))
      ->capture_default_str();
  // One value each time, so that what follows is not swallowed.
  verb.add_option("-r,--reverse-prompt", o.stops, "end the text before this string; may be repeated")
      ->expected(1)
      ->take_all();
}

GenerationOptions generation_options(const SamplingOptions& options, const Model& model) {
  GenerationOptions result;
  result.predict = options.predict;
  result.sampler = options.sampler;
  result.sampler.seed = options.seed >= 0 ? static_cast<uint64_t>(options.seed) : std::random_device{}();
  if (result.sampler.temperature > 0) fmt::print(stderr, "seed {}\n", result.sampler.seed);
  const auto& tokenizer = model.file().description().tokenizer;
  if (!tokenizer) return result;
  result.stop_ids = tokenizer->stop_ids;
  result.usable = usable_tokens(*tokenizer);
  return result;
}

}  // namespace tern::app
