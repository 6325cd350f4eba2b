#include "tests/capi/fixture.h"

#include "base/random.h"
#include "tests/text/vocabulary_fixture.h"

namespace tern::test {

TinyShape smallest() {
  TinyShape shape;
  shape.name = "smallest";
  shape.config.hidden_size = 8, shape.config.ffn_size = 8, shape.config.layers = 1, shape.config.vocab_size = 37;
  shape.config.heads = 1, shape.config.kv_heads = 1, shape.config.head_dim = 4, shape.config.context = 256;
  shape.linear = dense(FloatType::f32), shape.head = dense(FloatType::f32);
  return shape;
}

std::string write_model(const ScratchDirectory& directory, const std::string& name, const TinyShape& shape,
                        bool with_text) {
  ModelDescription description = describe_tiny(shape);
  if (with_text) {
    TinyShape larger = shape;
    const TokenizerData vocabulary = byte_vocabulary({"a", "b", "ab", "\xE2\x96\x81"});
    larger.config.vocab_size = static_cast<uint32_t>(vocabulary.pieces.size());
    description = describe_tiny(larger);
    description.tokenizer = vocabulary;
  }
  write_tiny(directory / name, description, shape.seed);
  return directory / name;
}

ModelHandle load(const std::string& path, const tern_load_options* options) {
  tern_model* model = nullptr;
  works([&](tern_error* e) { return tern_model_load(path.c_str(), options, &model, e); });
  REQUIRE(model != nullptr);
  return ModelHandle(model);
}

SessionHandle session(const ModelHandle& model, const tern_session_options* options) {
  tern_session* session = nullptr;
  works([&](tern_error* e) { return tern_session_create(model.get(), options, &session, e); });
  REQUIRE(session != nullptr);
  return SessionHandle(session);
}

uint32_t add(const SessionHandle& session) {
  uint32_t id = 0;
  works([&](tern_error* e) { return tern_sequence_add(session.get(), &id, e); });
  return id;
}

uint32_t length(const SessionHandle& session, uint32_t sequence) {
  uint32_t found = 0;
  works([&](tern_error* e) { return tern_sequence_length(session.get(), sequence, &found, e); });
  return found;
}

uint64_t feed(const SessionHandle& session, uint32_t sequence, const std::vector<int32_t>& tokens) {
  std::vector<tern_step_token> step;
  for (const int32_t token : tokens) step.push_back({sequence, token, 0});
  step.back().want_logits = 1;
  works([&](tern_error* e) { return tern_step(session.get(), step.data(), step.size(), nullptr, nullptr, e); });
  REQUIRE(tern_logits_count(session.get()) == 1);
  const float* logits = nullptr;
  size_t count = 0;
  works([&](tern_error* e) { return tern_logits(session.get(), 0, &logits, &count, e); });
  return tern_logits_hash(logits, count, 0);
}

std::vector<int32_t> some_tokens(size_t count, uint32_t vocab_size, uint64_t seed) {
  Random random(seed);
  std::vector<int32_t> tokens(count);
  for (int32_t& token : tokens) token = static_cast<int32_t>(random.below(vocab_size));
  return tokens;
}

}  // namespace tern::test
