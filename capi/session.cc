#include <fmt/format.h>

#include "capi/handles.h"
#include "capi/outcome.h"

namespace tern::capi {
namespace {

Result<FloatType> cache_type(const char* name, int32_t type) {
  if (type == TERN_CACHE_F16) return FloatType::f16;
  if (type == TERN_CACHE_F32) return FloatType::f32;
  return invalid_argument(fmt::format("options: {} is {}, expected one of TERN_CACHE_*", name, type));
}

Result<std::unique_ptr<Session>> make_session(const tern_model& model, const tern_session_options* given) {
  tern_session_options own;
  TERN_TRY(read_options("options", given, own));
  if (own.reserved != 0) return invalid_argument("options: reserved is not 0");
  SessionOptions options;
  options.context = own.context, options.threads = own.threads;
  if (own.batch != 0) options.batch = own.batch;
  TERN_ASSIGN(options.key_type, cache_type("key_type", own.key_type));
  TERN_ASSIGN(options.value_type, cache_type("value_type", own.value_type));
  return Session::create(model.model, options);
}

}  // namespace
}  // namespace tern::capi

using tern::capi::guarded;
using tern::capi::not_null;
using tern::capi::Outcome;

tern_status tern_session_create(const tern_model* model, const tern_session_options* options, tern_session** session,
                                tern_error* error) {
  return guarded(error, [&]() -> Outcome {
    TERN_TRY(not_null(session, "session"));
    *session = nullptr;
    TERN_TRY(not_null(model, "model"));
    auto handle = std::make_unique<tern_session>();
    TERN_ASSIGN(handle->session, tern::capi::make_session(*model, options));
    *session = handle.release();
    return {};
  });
}

void tern_session_free(tern_session* session) { delete session; }

tern_status tern_session_get_info(const tern_session* session, tern_session_info* info, tern_error* error) {
  return guarded(error, [&]() -> Outcome {
    TERN_TRY(not_null(session, "session"));
    tern_session_info own = {};
    own.context = session->session->context();
    own.threads = session->session->threads();
    own.cache_bytes = session->session->cache_bytes();
    return tern::capi::write_info("info", own, info);
  });
}

tern_status tern_step(tern_session* session, const tern_step_token* tokens, size_t count, tern_progress progress,
                      void* progress_user, tern_error* error) {
  return guarded(error, [&]() -> Outcome {
    TERN_TRY(not_null(session, "session"));
    TERN_TRY(not_null(tokens, count, "tokens"));
    std::vector<tern::StepToken> step(count);
    for (size_t i = 0; i < count; ++i) step[i] = {tokens[i].sequence, tokens[i].token, tokens[i].want_logits != 0};
    return session->session->step(step, tern::capi::progress_of(progress, progress_user));
  });
}

size_t tern_logits_count(const tern_session* session) {
  return session != nullptr ? session->session->logits_count() : 0;
}

tern_status tern_logits(const tern_session* session, size_t index, const float** logits, size_t* count,
                        tern_error* error) {
  return guarded(error, [&]() -> Outcome {
    TERN_TRY(not_null(logits, "logits"));
    TERN_TRY(not_null(count, "count"));
    *logits = nullptr, *count = 0;
    TERN_TRY(not_null(session, "session"));
    const auto found = session->session->logits(index);
    if (found.empty()) {
      return tern::invalid_argument(
          fmt::format("logits {} were asked for, the last step made {}", index, session->session->logits_count()));
    }
    *logits = found.data(), *count = found.size();
    return {};
  });
}

uint64_t tern_logits_hash(const float* logits, size_t count, uint64_t seed) {
  return tern::hash_logits({logits, logits != nullptr ? count : 0}, seed);
}
