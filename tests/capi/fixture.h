// A small model with a tokenizer, and calls of the API that must succeed or must fail.
#pragma once

#include <catch2/catch.hpp>
#include <cstddef>
#include <memory>
#include <string>
#include <vector>

#include "tern/tern.h"
#include "tests/base/scratch_directory.h"
#include "tests/runtime/tiny_model.h"

namespace tern::test {

// Requires a call to succeed; the sentence of its error is shown otherwise.
template <class Call>
void works(Call call) {
  tern_error error;
  const tern_status status = call(&error);
  INFO(error.message);
  REQUIRE(status == TERN_OK);
  REQUIRE(error.status == TERN_OK);
  REQUIRE(error.message[0] == '\0');
}

struct FreeHandle {
  void operator()(tern_model* p) const { tern_model_free(p); }
  void operator()(tern_session* p) const { tern_session_free(p); }
  void operator()(tern_sampler* p) const { tern_sampler_free(p); }
};
using ModelHandle = std::unique_ptr<tern_model, FreeHandle>;
using SessionHandle = std::unique_ptr<tern_session, FreeHandle>;
using SamplerHandle = std::unique_ptr<tern_sampler, FreeHandle>;

// The shape of the smallest model: one layer, one head of four values; with_text adds a byte vocabulary.
TinyShape smallest();
// Writes a model file and returns its path.
std::string write_model(const ScratchDirectory& directory, const std::string& name, const TinyShape& shape,
                        bool with_text);

ModelHandle load(const std::string& path, const tern_load_options* options = nullptr);
SessionHandle session(const ModelHandle& model, const tern_session_options* options = nullptr);
uint32_t add(const SessionHandle& session);
uint32_t length(const SessionHandle& session, uint32_t sequence);

// Appends tokens and returns the hash of the logits after the last.
uint64_t feed(const SessionHandle& session, uint32_t sequence, const std::vector<int32_t>& tokens);
std::vector<int32_t> some_tokens(size_t count, uint32_t vocab_size, uint64_t seed = 1);

// Checks that a call failed as `expected`, with a sentence that has `part` in it.
template <class Call>
void fails(tern_status expected, const std::string& part, Call call) {
  tern_error error;
  const tern_status status = call(&error);
  INFO(error.message);
  CHECK(status == expected);
  CHECK(error.status == expected);
  CHECK_THAT(std::string(error.message), Catch::Contains(part));
  CHECK(call(nullptr) == expected);  // nobody listens
}

}  // namespace tern::test
