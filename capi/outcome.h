// What every entry point shares: outcomes, the guard that lets nothing escape, and the rules for the caller's
// structs and buffers.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <new>
#include <span>
#include <string>
#include <string_view>

#include "base/status.h"
#include "tern/tern.h"

namespace tern::capi {

// A status of the API with its sentence.
class Outcome {
 public:
  Outcome() = default;
  Outcome(tern_status status, std::string message) : status_(status), message_(std::move(message)) {}
  Outcome(const Status& status);
  tern_status status() const { return status_; }
  const std::string& message() const { return message_; }

 private:
  tern_status status_ = TERN_OK;
  std::string message_;
};

// Fills the caller's error (NULL: nobody listens) and returns the status. Cuts a long sentence at a character.
tern_status report(tern_error* error, tern_status status, std::string_view message) noexcept;

// Runs the body of an entry point; whatever it throws becomes a status.
template <class Body>
tern_status guarded(tern_error* error, Body body) noexcept {
  try {
    const Outcome outcome = body();
    return report(error, outcome.status(), outcome.message());
  } catch (const std::bad_alloc&) {
    return report(error, TERN_OUT_OF_MEMORY, "not enough memory");
  } catch (const std::exception& e) {
    return report(error, TERN_INTERNAL, e.what());
  } catch (...) {
    return report(error, TERN_INTERNAL, "an exception of unknown type");
  }
}

// Fails if an argument that must point somewhere is NULL.
Status not_null(const void* pointer, const char* name);
// The same for an array: NULL is allowed if it has no elements.
Status not_null(const void* pointer, size_t count, const char* name);

// least: the size of the first version, which older callers set.
Status check_struct_size(const char* name, size_t found, size_t least, size_t ours, const std::byte* bytes);

// The caller's options, or all zeros; members that an older caller's struct lacks are zero. least: its first version.
template <class Options>
Status read_options(const char* name, const Options* given, Options& out, size_t least = sizeof(Options)) {
  out = {};
  if (given == nullptr) return {};
  const auto* bytes = reinterpret_cast<const std::byte*>(given);
  TERN_TRY(check_struct_size(name, given->struct_size, least, sizeof(Options), bytes));
  std::memcpy(&out, given, std::min(given->struct_size, sizeof(Options)));
  return {};
}

// Hands an info struct out; what a newer caller's has more is set to zero.
template <class Info>
Status write_info(const char* name, Info info, Info* out) {
  TERN_TRY(not_null(out, name));
  const size_t size = out->struct_size;
  TERN_TRY(check_struct_size(name, size, sizeof(Info), sizeof(Info), nullptr));
  std::memset(static_cast<void*>(out), 0, size);
  std::memcpy(out, &info, sizeof(Info));
  out->struct_size = size;
  return {};
}

// Copies values to a caller's buffer under the rule of tern.h. `extra`: room it must have beyond them.
template <class T>
Outcome fill(std::span<const T> values, T* out, size_t capacity, size_t* count, size_t extra = 0) {
  *count = values.size();
  if (capacity < values.size() + extra) {
    return {TERN_BUFFER_TOO_SMALL,
            "the buffer holds " + std::to_string(capacity) + ", needed are " + std::to_string(values.size() + extra)};
  }
  if (!values.empty()) std::memcpy(out, values.data(), values.size_bytes());
  return {};
}

Outcome fill_text(std::string_view text, char* out, size_t capacity, size_t* size);

}  // namespace tern::capi
