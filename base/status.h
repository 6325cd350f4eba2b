// Errors as values. A Status is ok or carries a code and one sentence that names
// what was found, what was expected and where (file, field). No exceptions, no printing.
#pragma once

#include <optional>
#include <string>
#include <utility>
#include <variant>

namespace tern {

enum class Code {
  ok = 0,
  invalid_argument,  // the caller asked for something that makes no sense
  corrupt,           // a file breaks a rule of its own format
  unsupported,       // well-formed, but this build or version lacks it
  not_found,
  io_error,
  out_of_memory,
  aborted,   // a callback asked to stop
  internal,  // a bug of ours
};

const char* code_name(Code code);

class [[nodiscard]] Status {
 public:
  Status() = default;
  Status(Code code, std::string message) : code_(code), message_(std::move(message)) {}

  bool ok() const { return code_ == Code::ok; }
  Code code() const { return code_; }
  const std::string& message() const { return message_; }

  // The same error with "where: " before the sentence.
  Status within(const std::string& where) const { return ok() ? *this : Status(code_, where + ": " + message_); }

 private:
  Code code_ = Code::ok;
  std::string message_;
};

inline Status invalid_argument(std::string m) { return {Code::invalid_argument, std::move(m)}; }
inline Status corrupt(std::string m) { return {Code::corrupt, std::move(m)}; }
inline Status unsupported(std::string m) { return {Code::unsupported, std::move(m)}; }
inline Status not_found(std::string m) { return {Code::not_found, std::move(m)}; }
inline Status io_error(std::string m) { return {Code::io_error, std::move(m)}; }
inline Status out_of_memory(std::string m) { return {Code::out_of_memory, std::move(m)}; }
inline Status aborted(std::string m) { return {Code::aborted, std::move(m)}; }
inline Status internal_error(std::string m) { return {Code::internal, std::move(m)}; }

// A value or the error that kept it from being made. REQUIRES ok() for value().
template <class T>
class [[nodiscard]] Result {
 public:
  Result(T value) : state_(std::in_place_index<0>, std::move(value)) {}
  Result(Status error) : state_(std::in_place_index<1>, std::move(error)) {}

  bool ok() const { return state_.index() == 0; }
  T& value() & { return std::get<0>(state_); }
  const T& value() const& { return std::get<0>(state_); }
  T&& value() && { return std::get<0>(std::move(state_)); }
  T* operator->() { return &value(); }
  const T* operator->() const { return &value(); }
  T& operator*() & { return value(); }
  const T& operator*() const& { return value(); }
  Status status() const { return ok() ? Status() : std::get<1>(state_); }

 private:
  std::variant<T, Status> state_;
};

}  // namespace tern

#define TERN_CONCAT_(a, b) a##b
#define TERN_CONCAT(a, b) TERN_CONCAT_(a, b)

// Returns the error of a Status expression to the caller.
#define TERN_TRY(...)                                                                         \
  do {                                                                                        \
    if (::tern::Status tern_status_ = (__VA_ARGS__); !tern_status_.ok()) return tern_status_; \
  } while (0)

// TERN_ASSIGN(auto x, make_x()): unwraps a Result or returns its error.
#define TERN_ASSIGN(declaration, ...) TERN_ASSIGN_(TERN_CONCAT(tern_result_, __LINE__), declaration, __VA_ARGS__)
#define TERN_ASSIGN_(result, declaration, ...) \
  auto result = (__VA_ARGS__);                 \
  if (!result.ok()) return result.status();    \
  declaration = std::move(result).value()
