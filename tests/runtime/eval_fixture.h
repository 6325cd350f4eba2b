// What the tests of runtime/eval share: a small model that computes in f32 and texts of random tokens.
#pragma once

#include <unistd.h>

#include <catch2/catch.hpp>
#include <filesystem>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/random.h"
#include "runtime/session/session.h"
#include "tests/runtime/tiny_model.h"

namespace tern {

inline std::shared_ptr<const Model> load_f32(const test::TinyFile& file) {
  LoadOptions load;
  load.activations = ActivationRounding::f32;
  return file.load(load);  // stays mapped when its file is removed
}

// The tiny shape of this index; equal vocabularies are 1 (50 tokens) with another seed.
inline std::shared_ptr<const Model> tiny_model(uint64_t seed = 0, size_t shape = 1) {
  test::TinyShape s = test::tiny_shapes()[shape];
  if (seed) s.seed = seed;
  return load_f32(test::TinyFile(s));
}

// A model whose file holds this tokenizer.
inline std::shared_ptr<const Model> tiny_text_model(const TokenizerData& tokenizer) {
  static int count = 0;
  test::TinyShape shape = test::tiny_shapes()[0];
  shape.config.vocab_size = static_cast<uint32_t>(tokenizer.pieces.size());
  ModelDescription description = test::describe_tiny(shape);
  description.tokenizer = tokenizer;
  const auto path = std::filesystem::temp_directory_path() /
                    ("tern-text-" + std::to_string(getpid()) + "-" + std::to_string(count++) + ".tern");
  test::write_tiny(path.string(), description, 1);
  const auto model = Model::load(path.string());
  std::filesystem::remove(path);  // it stays mapped
  INFO(model.status().message());
  REQUIRE(model.ok());
  return *model;
}

inline std::unique_ptr<Session> float_session(const std::shared_ptr<const Model>& model, unsigned threads = 2,
                                              uint32_t batch = 512, uint32_t context = 0) {
  SessionOptions o;
  o.key_type = o.value_type = FloatType::f32;
  o.threads = threads, o.batch = batch, o.context = context;
  o.work_per_thread = 0;
  auto made = Session::create(model, o);
  REQUIRE(made.ok());
  return std::move(made).value();
}

inline std::vector<int32_t> random_text(const Model& model, size_t n, uint64_t seed = 9) {
  Random random(seed);
  std::vector<int32_t> text(n);
  for (int32_t& t : text) t = static_cast<int32_t>(random.below(model.config().vocab_size));
  return text;
}

}  // namespace tern
