#include <fmt/format.h>

#include <climits>
#include <cmath>
#include <cstddef>

#include "capi/handles.h"
#include "capi/outcome.h"

namespace tern::capi {
namespace {

Status check_share(const char* name, float value) {
  if (value >= 0 && value <= 1) return {};
  return invalid_argument(fmt::format("options: {} is {}, expected 0 to 1", name, value));
}

Status check(const tern_sampler_options& o) {
  TERN_TRY(check_share("top_p", o.top_p));
  TERN_TRY(check_share("min_p", o.min_p));
  if (!std::isfinite(o.repeat_penalty) || o.repeat_penalty < 0) {
    return invalid_argument(fmt::format("options: repeat_penalty is {}, expected 0 or more", o.repeat_penalty));
  }
  if (!std::isfinite(o.temperature) || o.temperature < 0) {
    return invalid_argument(fmt::format("options: temperature is {}, expected 0 or more", o.temperature));
  }
  if (!std::isfinite(o.presence_penalty)) {
    return invalid_argument(fmt::format("options: presence_penalty is {}, expected a number", o.presence_penalty));
  }
  if (!std::isfinite(o.frequency_penalty)) {
    return invalid_argument(fmt::format("options: frequency_penalty is {}, expected a number", o.frequency_penalty));
  }
  if (o.top_k < 0) return invalid_argument(fmt::format("options: top_k is {}, expected 0 or more", o.top_k));
  if (o.repeat_last_n < -1) {
    return invalid_argument(fmt::format("options: repeat_last_n is {}, expected -1 or more", o.repeat_last_n));
  }
  return {};
}

Result<SamplerOptions> sampler_options(const tern_sampler_options* given) {
  tern_sampler_options own;
  TERN_TRY(read_options("options", given, own, offsetof(tern_sampler_options, presence_penalty)));
  TERN_TRY(check(own));
  SamplerOptions options;
  options.temperature = own.temperature;
  options.top_k = own.top_k;
  options.top_p = own.top_p == 0 ? 1 : own.top_p;
  options.min_p = own.min_p;
  options.repeat_penalty = own.repeat_penalty == 0 ? 1 : own.repeat_penalty;
  options.presence_penalty = own.presence_penalty;
  options.frequency_penalty = own.frequency_penalty;
  options.repeat_last_n = own.repeat_last_n;
  options.seed = own.seed;
  return options;
}

}  // namespace
}  // namespace tern::capi

using tern::capi::guarded;
using tern::capi::not_null;
using tern::capi::Outcome;

tern_status tern_sampler_create(const tern_sampler_options* options, tern_sampler** sampler, tern_error* error) {
  return guarded(error, [&]() -> Outcome {
    TERN_TRY(not_null(sampler, "sampler"));
    *sampler = nullptr;
    TERN_ASSIGN(const tern::SamplerOptions own, tern::capi::sampler_options(options));
    *sampler = new tern_sampler{tern::Sampler(own)};
    return {};
  });
}

void tern_sampler_free(tern_sampler* sampler) { delete sampler; }

tern_status tern_sampler_sample(tern_sampler* sampler, const float* logits, size_t count, int32_t* token,
                                tern_error* error) {
  return guarded(error, [&]() -> Outcome {
    TERN_TRY(not_null(token, "token"));
    *token = 0;
    TERN_TRY(not_null(sampler, "sampler"));
    TERN_TRY(not_null(logits, "logits"));
    if (count == 0 || count > INT32_MAX) {
      return tern::invalid_argument(fmt::format("{} logits, expected 1 to {}", count, INT32_MAX));
    }
    const int32_t picked = sampler->sampler.sample({logits, count});
    if (picked < 0) return tern::invalid_argument(fmt::format("none of the {} logits is finite", count));
    *token = picked;
    return {};
  });
}

tern_status tern_sampler_accept(tern_sampler* sampler, int32_t token, tern_error* error) {
  return guarded(error, [&]() -> Outcome {
    TERN_TRY(not_null(sampler, "sampler"));
    if (token < 0) return tern::invalid_argument(fmt::format("token {}, expected 0 or more", token));
    sampler->sampler.accept(token);
    return {};
  });
}
