#include "apps/sampling_options.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdlib>
#include <limits>
#include <random>

#include "runtime/text/vocabulary.h"

namespace tern::app {
namespace {

std::pair<int32_t, float> parse_logit_bias(const std::string& word) {
  const size_t sign = std::min(word.find_first_of("+-"), word.size());
  int32_t token = -1;
  const auto [end, error] = std::from_chars(word.data(), word.data() + sign, token);
  char* last = nullptr;
  const float bias = std::strtof(word.c_str() + sign, &last);
  const bool number = sign + 1 < word.size() && last == word.c_str() + word.size() &&
                      bias < std::numeric_limits<float>::infinity();  // no NaN
  if (error == std::errc() && end == word.data() + sign && token >= 0 && number) return {token, bias};
  throw CLI::ValidationError("--logit-bias", "'" + word + "': expected ID+NUMBER, ID-NUMBER or ID-inf");
}

}  // namespace

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
  verb.add_option("--presence-penalty", o.sampler.presence_penalty, "subtract from the logits of recent tokens")
      ->check(finite)
      ->capture_default_str();
  verb.add_option("--frequency-penalty", o.sampler.frequency_penalty,
                  "subtract from the logits of recent tokens, each time they occurred")
      ->check(finite)
      ->capture_default_str();
  verb.add_option("--repeat-last-n", o.sampler.repeat_last_n, "tokens that the penalties look back on; -1: all")
      ->check(CLI::Range(-1, 1 << 30))
      ->capture_default_str();
  verb.add_option_function<std::vector<std::string>>(
          "-l,--logit-bias",
          [&o](const std::vector<std::string>& words) {
            for (const std::string& word : words) o.sampler.logit_bias.push_back(parse_logit_bias(word));
          },
          "ID+NUMBER or ID-NUMBER: add to a token's logit, -inf to ban it; may be repeated")
      ->expected(1)
      ->take_all();
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
