// Sessions, sequences and steps.
#include "runtime/session/session.h"

#include <stdexcept>

#include "tests/capi/fixture.h"

namespace tern::test {
namespace {

constexpr uint32_t kNoSequence = 999;

struct Fixture {
  ScratchDirectory scratch;
  std::string path = write_model(scratch, "m.tern", tiny_shapes()[1], false);
  ModelHandle model = load(path);
  std::vector<int32_t> tokens = some_tokens(40, 50);
};

tern_session_options session_options() {
  tern_session_options options = {};
  options.struct_size = sizeof options;
  return options;
}

tern_session_info info_of(const SessionHandle& s) {
  tern_session_info info = {};
  info.struct_size = sizeof info;
  works([&](tern_error* e) { return tern_session_get_info(s.get(), &info, e); });
  return info;
}

// Logits of the runtime itself, without the API.
uint64_t expected_hash(const std::string& path, const std::vector<int32_t>& tokens) {
  const auto model = Model::load(path);
  const auto direct = Session::create(model.value());
  const SequenceId id = (*direct)->add_sequence().value();
  std::vector<StepToken> step;
  for (const int32_t token : tokens) step.push_back({id, token, false});
  step.back().want_logits = true;
  REQUIRE((*direct)->step(step).ok());
  return hash_logits((*direct)->logits(0));
}

}  // namespace

TEST_CASE("steps give the runtime's logits, also when forked, truncated and interleaved") {
  const Fixture f;
  const SessionHandle s = session(f.model);
  const uint64_t expected = expected_hash(f.path, f.tokens);
  const std::vector<int32_t> head(f.tokens.begin(), f.tokens.begin() + 35), tail(f.tokens.begin() + 35, f.tokens.end());

  const uint32_t a = add(s);
  CHECK(feed(s, a, f.tokens) == expected);
  CHECK(length(s, a) == 40);
  works([&](tern_error* e) { return tern_sequence_truncate(s.get(), a, 35, e); });
  CHECK(length(s, a) == 35);
  uint32_t b = 0;
  works([&](tern_error* e) { return tern_sequence_fork(s.get(), a, &b, e); });
  CHECK(b != a);
  CHECK(length(s, b) == 35);
  std::vector<tern_step_token> both;
  for (size_t i = 0; i < tail.size(); ++i) {
    const int want = i + 1 == tail.size();
    both.push_back({a, tail[i], want});
    both.push_back({b, tail[i], want});
  }
  works([&](tern_error* e) { return tern_step(s.get(), both.data(), both.size(), nullptr, nullptr, e); });
  REQUIRE(tern_logits_count(s.get()) == 2);
  for (size_t i = 0; i < 2; ++i) {
    const float* logits = nullptr;
    size_t count = 0;
    works([&](tern_error* e) { return tern_logits(s.get(), i, &logits, &count, e); });
    CHECK(count == 50);
    CHECK(tern_logits_hash(logits, count, 0) == expected);
  }
  works([&](tern_error* e) { return tern_sequence_remove(s.get(), a, e); });
  CHECK(length(s, b) == 40);
}

TEST_CASE("session options and info") {
  const Fixture f;
  tern_session_options options = session_options();
  options.context = 20, options.threads = 2, options.batch = 7;
  options.key_type = TERN_CACHE_F32, options.value_type = TERN_CACHE_F16;
  const SessionHandle s = session(f.model, &options);
  CHECK(info_of(s).context == 20);
  CHECK(info_of(s).threads == 2);
  CHECK(info_of(s).cache_bytes == 0);
  feed(s, add(s), {1, 2, 3});
  CHECK(info_of(s).cache_bytes > 0);
  CHECK(info_of(session(f.model)).context == 256);

  tern_session* none = reinterpret_cast<tern_session*>(1);
  const auto refused = [&](const char* part) {
    fails(TERN_INVALID_ARGUMENT, part,
          [&](tern_error* e) { return tern_session_create(f.model.get(), &options, &none, e); });
    CHECK(none == nullptr);
  };
  options = session_options(), options.key_type = 2;
  refused("key_type is 2");
  options = session_options(), options.value_type = -1;
  refused("value_type");
  options = session_options(), options.context = 1u << 31;
  refused("context");
  options = session_options(), options.threads = 1u << 31;
  refused("threads");
  options = session_options(), options.reserved = 1;
  refused("reserved");
  options = session_options(), options.struct_size -= 1;
  refused("struct_size");
  fails(TERN_INVALID_ARGUMENT, "model is NULL",
        [&](tern_error* e) { return tern_session_create(nullptr, nullptr, &none, e); });
  fails(TERN_INVALID_ARGUMENT, "session is NULL",
        [&](tern_error* e) { return tern_session_create(f.model.get(), nullptr, nullptr, e); });
}

TEST_CASE("a session outlives the handle of its model") {
  Fixture f;
  const SessionHandle s = session(f.model);
  f.model.reset();
  CHECK(feed(s, add(s), f.tokens) == expected_hash(f.path, f.tokens));
}

TEST_CASE("a step that fails changes nothing") {
  const Fixture f;
  const SessionHandle s = session(f.model);
  const uint32_t id = add(s);
  feed(s, id, {1, 2, 3});
  const auto step = [&](std::vector<tern_step_token> tokens, tern_progress progress) {
    return [&s, tokens, progress](tern_error* e) {
      return tern_step(s.get(), tokens.data(), tokens.size(), progress, nullptr, e);
    };
  };
  fails(TERN_INVALID_ARGUMENT, "no sequence 999", step({{id, 1, 0}, {kNoSequence, 1, 0}}, nullptr));
  fails(TERN_INVALID_ARGUMENT, "token 50", step({{id, 50, 1}}, nullptr));
  fails(TERN_INVALID_ARGUMENT, "token -1", step({{id, -1, 1}}, nullptr));
  fails(TERN_INVALID_ARGUMENT, "context", step(std::vector<tern_step_token>(254, {id, 1, 0}), nullptr));
  const tern_progress stop = [](void*, const char*, uint64_t, uint64_t) { return 7; };
  const tern_progress thrower = [](void*, const char*, uint64_t, uint64_t) -> int { throw std::runtime_error(""); };
  fails(TERN_ABORTED, "stopped", step({{id, 1, 1}}, stop));
  fails(TERN_ABORTED, "stopped", step({{id, 1, 1}}, thrower));
  CHECK(length(s, id) == 3);
  CHECK(tern_logits_count(s.get()) == 0);
  fails(TERN_INVALID_ARGUMENT, "tokens is NULL",
        [&](tern_error* e) { return tern_step(s.get(), nullptr, 1, nullptr, nullptr, e); });
  const tern_step_token one = {id, 1, 1};
  fails(TERN_INVALID_ARGUMENT, "session is NULL",
        [&](tern_error* e) { return tern_step(nullptr, &one, 1, nullptr, nullptr, e); });
  works([&](tern_error* e) { return tern_step(s.get(), nullptr, 0, nullptr, nullptr, e); });

  uint64_t seen[2] = {};
  works([&](tern_error* e) {
    return tern_step(
        s.get(), &one, 1,
        [](void* user, const char*, uint64_t done, uint64_t total) {
          static_cast<uint64_t*>(user)[0] = done, static_cast<uint64_t*>(user)[1] = total;
          return 0;
        },
        seen, e);
  });
  CHECK(seen[0] == 1);
  CHECK(seen[1] == 1);
  CHECK(feed(s, id, {2}) == expected_hash(f.path, {1, 2, 3, 1, 2}));
}

TEST_CASE("wrong ids, indices and NULL") {
  const Fixture f;
  const SessionHandle s = session(f.model);
  const uint32_t id = add(s);
  uint32_t out = 7;
  const auto refused = [](const char* part, auto call) { fails(TERN_INVALID_ARGUMENT, part, call); };
  const auto unknown = [](auto call) { fails(TERN_INVALID_ARGUMENT, "no sequence 999", call); };
  unknown([&](tern_error* e) { return tern_sequence_fork(s.get(), kNoSequence, &out, e); });
  unknown([&](tern_error* e) { return tern_sequence_truncate(s.get(), kNoSequence, 0, e); });
  unknown([&](tern_error* e) { return tern_sequence_remove(s.get(), kNoSequence, e); });
  unknown([&](tern_error* e) { return tern_sequence_length(s.get(), kNoSequence, &out, e); });
  CHECK(out == 0);
  refused("cannot keep 1", [&](tern_error* e) { return tern_sequence_truncate(s.get(), id, 1, e); });
  refused("session is NULL", [&](tern_error* e) { return tern_sequence_add(nullptr, &out, e); });
  refused("sequence is NULL", [&](tern_error* e) { return tern_sequence_add(s.get(), nullptr, e); });
  refused("session is NULL", [&](tern_error* e) { return tern_sequence_fork(nullptr, id, &out, e); });
  refused("sequence is NULL", [&](tern_error* e) { return tern_sequence_fork(s.get(), id, nullptr, e); });
  refused("session is NULL", [&](tern_error* e) { return tern_sequence_truncate(nullptr, id, 0, e); });
  refused("session is NULL", [&](tern_error* e) { return tern_sequence_remove(nullptr, id, e); });
  refused("session is NULL", [&](tern_error* e) { return tern_sequence_length(nullptr, id, &out, e); });
  refused("length is NULL", [&](tern_error* e) { return tern_sequence_length(s.get(), id, nullptr, e); });
  tern_session_info info = {};
  info.struct_size = sizeof info;
  refused("session is NULL", [&](tern_error* e) { return tern_session_get_info(nullptr, &info, e); });
  refused("info is NULL", [&](tern_error* e) { return tern_session_get_info(s.get(), nullptr, e); });

  const float* logits = nullptr;
  size_t count = 0;
  CHECK(tern_logits_count(nullptr) == 0);
  refused("session is NULL", [&](tern_error* e) { return tern_logits(nullptr, 0, &logits, &count, e); });
  refused("the last step made 0", [&](tern_error* e) { return tern_logits(s.get(), 0, &logits, &count, e); });
  feed(s, id, {1});
  refused("the last step made 1", [&](tern_error* e) { return tern_logits(s.get(), 1, &logits, &count, e); });
  refused("the last step made 1", [&](tern_error* e) { return tern_logits(s.get(), SIZE_MAX, &logits, &count, e); });
  CHECK(logits == nullptr);
  refused("logits is NULL", [&](tern_error* e) { return tern_logits(s.get(), 0, nullptr, &count, e); });
  refused("count is NULL", [&](tern_error* e) { return tern_logits(s.get(), 0, &logits, nullptr, e); });
  CHECK(tern_logits_hash(nullptr, 5, 3) == tern_logits_hash(nullptr, 0, 3));
  CHECK(tern_logits_hash(nullptr, 0, 3) != tern_logits_hash(nullptr, 0, 4));
  tern_session_free(nullptr);
  tern_model_free(nullptr);
  tern_sampler_free(nullptr);
}

}  // namespace tern::test
