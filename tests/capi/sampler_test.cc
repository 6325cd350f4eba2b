// The sampler behind the API.
#include "runtime/text/sampler.h"

#include <climits>
#include <cmath>
#include <cstddef>
#include <limits>

#include "tests/capi/fixture.h"

namespace tern::test {
namespace {

constexpr float kNan = std::numeric_limits<float>::quiet_NaN(), kInfinity = std::numeric_limits<float>::infinity();

tern_sampler_options sampler_options() {
  tern_sampler_options options = {};
  options.struct_size = sizeof options;
  return options;
}

SamplerHandle sampler(const tern_sampler_options* options) {
  tern_sampler* made = nullptr;
  works([&](tern_error* e) { return tern_sampler_create(options, &made, e); });
  return SamplerHandle(made);
}

int32_t sample(const SamplerHandle& s, const std::vector<float>& logits) {
  int32_t token = -1;
  works([&](tern_error* e) { return tern_sampler_sample(s.get(), logits.data(), logits.size(), &token, e); });
  return token;
}

}  // namespace

TEST_CASE("all zeros sample greedily") {
  const std::vector<float> logits = {1, kNan, 3, 3, kInfinity, -1};
  const tern_sampler_options zeros = sampler_options();
  CHECK(sample(sampler(nullptr), logits) == 2);
  CHECK(sample(sampler(&zeros), logits) == 2);
}

TEST_CASE("every option reaches the runtime's sampler") {
  tern_sampler_options options = sampler_options();
  options.temperature = 0.9f, options.top_k = 20, options.top_p = 0.9f, options.min_p = 0.02f;
  options.repeat_penalty = 1.3f, options.repeat_last_n = 5, options.seed = 42;
  options.presence_penalty = 0.4f, options.frequency_penalty = -0.2f;
  const SamplerHandle s = sampler(&options);
  SamplerOptions same;
  same.temperature = 0.9f, same.top_k = 20, same.top_p = 0.9f, same.min_p = 0.02f;
  same.repeat_penalty = 1.3f, same.repeat_last_n = 5, same.seed = 42;
  same.presence_penalty = 0.4f, same.frequency_penalty = -0.2f;
  Sampler direct(same);
  std::vector<float> logits(50);
  for (size_t i = 0; i < logits.size(); ++i) logits[i] = static_cast<float>((i * 37) % 50) * 0.2f;
  for (int i = 0; i < 200; ++i) {
    const int32_t token = sample(s, logits);
    REQUIRE(token == direct.sample(logits));
    works([&](tern_error* e) { return tern_sampler_accept(s.get(), token, e); });
    direct.accept(token);
  }
}

TEST_CASE("an older caller's struct ends before the presence penalty") {
  tern_sampler_options options = sampler_options();
  options.struct_size = offsetof(tern_sampler_options, presence_penalty);
  options.presence_penalty = kNan;  // not read
  CHECK(sample(sampler(&options), {1, 3, 2}) == 1);
}

TEST_CASE("zeros turn top_p, min_p, top_k and the penalty off") {
  tern_sampler_options options = sampler_options();
  options.temperature = 1, options.seed = 3;
  const SamplerHandle s = sampler(&options);
  const std::vector<float> logits(8, 0.5f);
  std::vector<int> counts(8);
  for (int i = 0; i < 400; ++i) ++counts[static_cast<size_t>(sample(s, logits))];
  for (const int count : counts) CHECK(count > 0);
}

TEST_CASE("options out of range are refused") {
  const auto refused = [](const char* part, auto change) {
    tern_sampler_options options = sampler_options();
    change(options);
    tern_sampler* made = reinterpret_cast<tern_sampler*>(1);
    fails(TERN_INVALID_ARGUMENT, part, [&](tern_error* e) { return tern_sampler_create(&options, &made, e); });
    CHECK(made == nullptr);
  };
  for (const float bad : {kNan, -0.1f, 1.5f, kInfinity}) {
    refused("top_p", [&](auto& o) { o.top_p = bad; });
    refused("min_p", [&](auto& o) { o.min_p = bad; });
  }
  for (const float bad : {kNan, -0.1f, kInfinity}) {
    refused("temperature", [&](auto& o) { o.temperature = bad; });
    refused("repeat_penalty", [&](auto& o) { o.repeat_penalty = bad; });
  }
  for (const float bad : {kNan, kInfinity}) {
    refused("presence_penalty", [&](auto& o) { o.presence_penalty = bad; });
    refused("frequency_penalty", [&](auto& o) { o.frequency_penalty = bad; });
  }
  refused("top_k", [](auto& o) { o.top_k = -1; });
  refused("repeat_last_n", [](auto& o) { o.repeat_last_n = -2; });
  refused("struct_size", [](auto& o) { o.struct_size = 8; });
}

TEST_CASE("sampler calls refuse NULL and logits that say nothing") {
  const SamplerHandle s = sampler(nullptr);
  const float logits[2] = {kNan, -kInfinity};
  int32_t token = 7;
  const auto refused = [](const char* part, auto call) { fails(TERN_INVALID_ARGUMENT, part, call); };
  refused("finite", [&](tern_error* e) { return tern_sampler_sample(s.get(), logits, 2, &token, e); });
  CHECK(token == 0);
  refused("0 logits", [&](tern_error* e) { return tern_sampler_sample(s.get(), logits, 0, &token, e); });
  refused("logits, expected", [&](tern_error* e) { return tern_sampler_sample(s.get(), logits, SIZE_MAX, &token, e); });
  refused("sampler is NULL", [&](tern_error* e) { return tern_sampler_sample(nullptr, logits, 2, &token, e); });
  refused("logits is NULL", [&](tern_error* e) { return tern_sampler_sample(s.get(), nullptr, 2, &token, e); });
  refused("token is NULL", [&](tern_error* e) { return tern_sampler_sample(s.get(), logits, 2, nullptr, e); });
  refused("sampler is NULL", [&](tern_error* e) { return tern_sampler_accept(nullptr, 1, e); });
  refused("token -1", [&](tern_error* e) { return tern_sampler_accept(s.get(), -1, e); });
  refused("sampler is NULL", [&](tern_error* e) { return tern_sampler_create(nullptr, nullptr, e); });
}

}  // namespace tern::test
