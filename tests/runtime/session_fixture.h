// Sessions of tiny models, prompts for them, and the hashes of their logits.
#pragma once

#include <algorithm>
#include <catch2/catch.hpp>

#include "base/random.h"
#include "runtime/session/session.h"
#include "tests/runtime/tiny_model.h"

namespace tern::test {

inline constexpr uint32_t kPrompt = 75;  // more than two cache blocks, not a multiple of one

inline std::unique_ptr<Session> session(const std::shared_ptr<const Model>& model, const SessionOptions& options = {}) {
  auto made = Session::create(model, options);
  INFO(made.status().message());
  REQUIRE(made.ok());
  return std::move(made).value();
}

inline SessionOptions options(unsigned threads, uint32_t batch = 512, FloatType keys = FloatType::f16,
                              FloatType values = FloatType::f16) {
  SessionOptions o;
  o.threads = threads, o.batch = batch, o.key_type = keys, o.value_type = values;
  o.work_per_thread = 0;  // all threads, however small the model
  return o;
}

inline std::vector<int32_t> prompt(const Model& model, uint64_t seed, uint32_t length = kPrompt) {
  Random random(seed);
  std::vector<int32_t> tokens(length);
  for (int32_t& t : tokens) t = static_cast<int32_t>(random.below(model.config().vocab_size));
  return tokens;
}

inline void must(const Status& status) {
  INFO(status.message());
  REQUIRE(status.ok());
}

// Feeds tokens to a sequence in steps of `piece`, all logits asked for; returns a hash per position.
inline std::vector<uint64_t> feed(Session& s, SequenceId id, const std::vector<int32_t>& tokens, size_t piece) {
  std::vector<uint64_t> hashes;
  for (size_t at = 0; at < tokens.size(); at += piece) {
    std::vector<StepToken> step;
    for (size_t i = at; i < std::min(tokens.size(), at + piece); ++i) step.push_back({id, tokens[i], true});
    must(s.step(step));
    REQUIRE(s.logits_count() == step.size());
    for (size_t i = 0; i < step.size(); ++i) hashes.push_back(hash_logits(s.logits(i)));
  }
  return hashes;
}

inline std::vector<uint64_t> feed_fresh(Session& s, const std::vector<int32_t>& tokens, size_t piece) {
  const SequenceId id = s.add_sequence().value();
  const std::vector<uint64_t> hashes = feed(s, id, tokens, piece);
  CHECK(s.length(id) == tokens.size());
  must(s.remove(id));
  return hashes;
}

inline std::vector<uint64_t> whole(const std::shared_ptr<const Model>& model, const SessionOptions& o) {
  return feed_fresh(*session(model, o), prompt(*model, 1), kPrompt);
}

}  // namespace tern::test
