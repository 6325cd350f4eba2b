// From logits to the next token, reproducibly: own random numbers, own exp, a fixed order of
// operations (promise 1 reaches sampled text). Order: logit biases, penalties, top-k, top-p, min-p, temperature
// (llama.cpp's default order of these).
#pragma once

#include <cstdint>
#include <span>
#include <utility>
#include <vector>

#include "base/random.h"

namespace tern {

struct SamplerOptions {
  float temperature = 0.8f;                           // <= 0: greedy (ties: the lowest id)
  int32_t top_k = 40;                                 // <= 0: all
  float top_p = 0.95f;                                // >= 1: off
  float min_p = 0.05f;                                // <= 0: off
  float repeat_penalty = 1.f;                         // divides the logits of recent tokens; 1: off
  float presence_penalty = 0.f;                       // subtracted from the logits of recent tokens
  float frequency_penalty = 0.f;                      // the same, times how often the token occurred
  int32_t repeat_last_n = 64;                         // tokens that the penalties look back on; -1: all
  std::vector<std::pair<int32_t, float>> logit_bias;  // token, what is added to its logit; -infinity bans it
  uint64_t seed = 0;
};

class Sampler {
 public:
  explicit Sampler(const SamplerOptions& options);
  // From now on only ids of [0, usable.size()) whose entry is true are chosen (vocabulary.h, usable_tokens).
  void restrict_to(std::vector<bool> usable);
  // The next token. Logits that are not finite are never chosen; -1 if none is left. Greedy draws no random number.
  int32_t sample(std::span<const float> logits);
  void accept(int32_t token);  // tells the penalties what was appended (prompt tokens too)

 private:
  float penalized(float logit, size_t occurrences) const;
  void add_biases();
  void penalize();
  void keep_top_k();
  void keep_top_p();
  void keep_min_p();
  int32_t draw();

  SamplerOptions options_;
  std::vector<bool> usable_;  // empty: all
  Random random_;
  std::vector<int32_t> history_;
  std::vector<std::pair<float, int32_t>> candidates_;  // logit, token
  std::vector<int32_t> recent_;
};

}  // namespace tern
