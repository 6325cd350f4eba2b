#include "capi/outcome.h"

#include <fmt/format.h>

#include <algorithm>

namespace tern::capi {
namespace {

constexpr size_t kMostStructBytes = 4096;  // more is a struct_size that was never set

tern_status status_of(Code code) {
  switch (code) {
    case Code::ok:
      return TERN_OK;
    case Code::invalid_argument:
      return TERN_INVALID_ARGUMENT;
    case Code::corrupt:
      return TERN_CORRUPT;
    case Code::unsupported:
      return TERN_UNSUPPORTED;
    case Code::not_found:
      return TERN_NOT_FOUND;
    case Code::io_error:
      return TERN_IO_ERROR;
    case Code::out_of_memory:
      return TERN_OUT_OF_MEMORY;
    case Code::aborted:
      return TERN_ABORTED;
    case Code::internal:
      return TERN_INTERNAL;
  }
  return TERN_INTERNAL;
}

}  // namespace

Outcome::Outcome(const Status& status) : status_(status_of(status.code())), message_(status.message()) {}

tern_status report(tern_error* error, tern_status status, std::string_view message) noexcept {
  if (error == nullptr) return status;
  size_t size = std::min(message.size(), sizeof error->message - 1);
  while (size < message.size() && size > 0 && (message[size] & 0xC0) == 0x80) --size;
  error->status = status;
  if (size != 0) std::memcpy(error->message, message.data(), size);
  error->message[size] = '\0';
  return status;
}

Status not_null(const void* pointer, const char* name) {
  return pointer != nullptr ? Status() : invalid_argument(fmt::format("{} is NULL", name));
}

Status not_null(const void* pointer, size_t count, const char* name) {
  return count == 0 ? Status() : not_null(pointer, name);
}

Status check_struct_size(const char* name, size_t found, size_t least, size_t ours, const std::byte* bytes) {
  if (found < least || found > kMostStructBytes) {
    return invalid_argument(fmt::format("{}: struct_size is {}, expected {}: set it to sizeof", name, found, ours));
  }
  if (bytes == nullptr || found <= ours) return {};
  if (std::any_of(bytes + ours, bytes + found, [](std::byte b) { return b != std::byte{0}; })) {
    return unsupported(fmt::format("{}: it sets options that this version of the library does not know", name));
  }
  return {};
}

Outcome fill_text(std::string_view text, char* out, size_t capacity, size_t* size) {
  Outcome outcome = fill(std::span(text.data(), text.size()), out, capacity, size, 1);
  if (outcome.status() == TERN_OK) out[text.size()] = '\0';
  return outcome;
}

}  // namespace tern::capi
