// The loop of `tern run` and `tern chat`: prompt in, tokens out one by one, with what it took.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <vector>

#include "base/status.h"
#include "runtime/session/session.h"
#include "runtime/text/sampler.h"

namespace tern::app {

struct GenerationOptions {
  int64_t predict = 128;  // most tokens; -1: until a stop token, a stop string or the end of the context
  std::vector<int32_t> stop_ids;
  std::vector<bool> usable;     // the only ids that are chosen (runtime/text/vocabulary.h); empty: all
  std::vector<int32_t> before;  // tokens that the sequence holds already, for the repetition penalty
  SamplerOptions sampler;
  uint32_t batch = 512;      // tokens per step of the prompt
  bool hash_logits = false;  // of every position, prompt included
};

enum class GenerationEnd { predicted, stop_token, stop_string, context_full, interrupted };

struct Generation {
  GenerationEnd end = GenerationEnd::predicted;
  uint64_t prompt_tokens = 0, decoded_tokens = 0;  // tokens that went through the model
  double prefill_seconds = 0, decode_seconds = 0;
  std::optional<uint64_t> logits_hash;
};

// Appends the prompt and what the model makes of it to the sequence. The last token made is appended only if another
// one follows. on_token shows a token; it returns false when a stop string is complete. Ctrl-C ends the text, not in an
// error.
Result<Generation> generate(Session& session, SequenceId sequence, std::span<const int32_t> prompt,
                            const GenerationOptions& options, const std::function<bool(int32_t)>& on_token);

}  // namespace tern::app
