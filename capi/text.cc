#include <fmt/format.h>

#include "capi/handles.h"
#include "capi/outcome.h"

tern::Result<const tern::Tokenizer*> tern_model::tokenizer() const {
  const auto& stored = model->file().description().tokenizer;
  if (!stored) return tern::not_found(fmt::format("{}: the file holds no tokenizer", model->file().path()));
  std::call_once(once_, [&] { tokenizer_.emplace(tern::Tokenizer::create(*stored)); });
  if (!tokenizer_->ok()) return tokenizer_->status();
  return (*tokenizer_)->get();
}

using tern::Tokenizer;
using tern::capi::guarded;
using tern::capi::not_null;
using tern::capi::Outcome;

namespace {

// The tokenizer, once the arguments that all text functions share are checked.
tern::Result<const Tokenizer*> text_call(const tern_model* model, const void* out, size_t capacity, size_t* size) {
  TERN_TRY(not_null(size, "the size"));
  *size = 0;
  TERN_TRY(not_null(model, "model"));
  TERN_TRY(not_null(out, capacity, "the buffer"));
  return model->tokenizer();
}

}  // namespace

tern_status tern_tokenize(const tern_model* model, const char* text, size_t text_size, int add_bos, int32_t* tokens,
                          size_t capacity, size_t* count, tern_error* error) {
  return guarded(error, [&]() -> Outcome {
    TERN_ASSIGN(const Tokenizer* tokenizer, text_call(model, tokens, capacity, count));
    TERN_TRY(not_null(text, text_size, "text"));
    const std::string_view view = text_size != 0 ? std::string_view(text, text_size) : std::string_view();
    TERN_ASSIGN(const std::vector<int32_t> ids, tokenizer->encode(view, add_bos != 0));
    return tern::capi::fill(std::span(ids), tokens, capacity, count);
  });
}

tern_status tern_detokenize(const tern_model* model, const int32_t* tokens, size_t count, char* text, size_t capacity,
                            size_t* size, tern_error* error) {
  return guarded(error, [&]() -> Outcome {
    TERN_ASSIGN(const Tokenizer* tokenizer, text_call(model, text, capacity, size));
    TERN_TRY(not_null(tokens, count, "tokens"));
    return tern::capi::fill_text(tokenizer->decode({tokens, count}), text, capacity, size);
  });
}

tern_status tern_piece(const tern_model* model, int32_t token, int32_t previous, char* text, size_t capacity,
                       size_t* size, tern_error* error) {
  return guarded(error, [&]() -> Outcome {
    TERN_ASSIGN(const Tokenizer* tokenizer, text_call(model, text, capacity, size));
    return tern::capi::fill_text(tokenizer->piece(token, previous), text, capacity, size);
  });
}

tern_status tern_token_stops(const tern_model* model, int32_t token, int* stops, tern_error* error) {
  return guarded(error, [&]() -> Outcome {
    TERN_TRY(not_null(stops, "stops"));
    *stops = 0;
    TERN_TRY(not_null(model, "model"));
    TERN_ASSIGN(const Tokenizer* tokenizer, model->tokenizer());
    *stops = tokenizer->is_stop(token) ? 1 : 0;
    return {};
  });
}
