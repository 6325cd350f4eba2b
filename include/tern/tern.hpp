// A thin C++20 wrapper of tern.h: owning handles, spans and strings, errors as values. Header-only; the contracts are
// those of tern.h. Anything not wrapped here is reached through get().
#pragma once
#include <tern/tern.h>

#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

namespace tern::api {

struct Error {
  tern_status status = TERN_OK;
  std::string message;
};

// A value or the error that kept it from being made. * and -> require ok(), error() its opposite.
template <class T>
class [[nodiscard]] Result {
 public:
  Result(T value) : state_(std::in_place_index<0>, std::move(value)) {}
  Result(Error error) : state_(std::in_place_index<1>, std::move(error)) {}
  bool ok() const { return state_.index() == 0; }
  explicit operator bool() const { return ok(); }
  T& operator*() { return std::get<0>(state_); }
  const T& operator*() const { return std::get<0>(state_); }
  T* operator->() { return &**this; }
  const T* operator->() const { return &**this; }
  const Error& error() const { return std::get<1>(state_); }

 private:
  std::variant<T, Error> state_;
};
using Done = Result<std::monostate>;  // of functions that have nothing to hand out

namespace detail {
struct Free {
  void operator()(tern_model* p) const { tern_model_free(p); }
  void operator()(tern_session* p) const { tern_session_free(p); }
  void operator()(tern_sampler* p) const { tern_sampler_free(p); }
};

// call(T*, tern_error*) fills one value.
template <class T, class Call>
Result<T> one(Call call) {
  T value = {};
  tern_error error;
  if (call(&value, &error) != TERN_OK) return Error{error.status, error.message};
  return value;
}

template <class Call>
Done none(Call call) {
  tern_error error;
  if (call(&error) != TERN_OK) return Error{error.status, error.message};
  return std::monostate();
}

// call(data, capacity, size, error) fills a buffer: of the guessed capacity first, then of the true one.
template <class Container, class Call>
Result<Container> many(size_t guess, size_t extra, Call call) {
  Container out(guess + extra, {});
  size_t size = 0;
  tern_error error;
  tern_status status = call(out.data(), out.size(), &size, &error);
  if (status == TERN_BUFFER_TOO_SMALL) {
    out.resize(size + extra);
    status = call(out.data(), out.size(), &size, &error);
  }
  if (status != TERN_OK) return Error{error.status, error.message};
  out.resize(size);
  return out;
}

template <class Wrapper, class Handle, class Call>
Result<Wrapper> handle(Call call) {
  auto made = one<Handle*>(call);
  if (!made) return made.error();
  return Wrapper(*made);
}
}  // namespace detail

class Model {
 public:
  explicit Model(tern_model* owned) : handle_(owned) {}
  static Result<Model> load(const std::string& path, tern_load_options options = {}) {
    options.struct_size = sizeof options;
    return detail::handle<Model, tern_model>(
        [&](tern_model** m, tern_error* e) { return tern_model_load(path.c_str(), &options, m, e); });
  }
  tern_model* get() const { return handle_.get(); }

  tern_model_info info() const {
    tern_model_info info = {};
    info.struct_size = sizeof info;
    tern_model_get_info(get(), &info, nullptr);  // cannot fail with these arguments
    return info;
  }
  Result<std::string> kernels() const {
    return detail::many<std::string>(128, 1, [&](auto... out) { return tern_model_kernels(get(), out...); });
  }
  Result<std::string> warnings() const {
    return detail::many<std::string>(0, 1, [&](auto... out) { return tern_model_warnings(get(), out...); });
  }
  Result<std::vector<int32_t>> tokenize(std::string_view text, bool add_bos = true) const {
    const auto call = [&](auto... out) { return tern_tokenize(get(), text.data(), text.size(), add_bos, out...); };
    return detail::many<std::vector<int32_t>>(text.size() + 2, 0, call);
  }
  Result<std::string> detokenize(std::span<const int32_t> tokens) const {
    const auto call = [&](auto... out) { return tern_detokenize(get(), tokens.data(), tokens.size(), out...); };
    return detail::many<std::string>(tokens.size() * 8, 1, call);
  }
  Result<std::string> piece(int32_t token, int32_t previous) const {
    return detail::many<std::string>(32, 1, [&](auto... out) { return tern_piece(get(), token, previous, out...); });
  }
  bool stops(int32_t token) const {
    int stops = 0;
    return tern_token_stops(get(), token, &stops, nullptr) == TERN_OK && stops != 0;
  }

 private:
  std::unique_ptr<tern_model, detail::Free> handle_;
};

class Session {
 public:
  explicit Session(tern_session* owned) : handle_(owned) {}
  static Result<Session> create(const Model& model, tern_session_options options = {}) {
    options.struct_size = sizeof options;
    return detail::handle<Session, tern_session>(
        [&](tern_session** s, tern_error* e) { return tern_session_create(model.get(), &options, s, e); });
  }
  tern_session* get() const { return handle_.get(); }

  Result<uint32_t> add() {
    return detail::one<uint32_t>([&](auto... out) { return tern_sequence_add(get(), out...); });
  }
  Result<uint32_t> fork(uint32_t source) {
    return detail::one<uint32_t>([&](auto... out) { return tern_sequence_fork(get(), source, out...); });
  }
  Done truncate(uint32_t sequence, uint32_t length) {
    return detail::none([&](tern_error* e) { return tern_sequence_truncate(get(), sequence, length, e); });
  }
  Done remove(uint32_t sequence) {
    return detail::none([&](tern_error* e) { return tern_sequence_remove(get(), sequence, e); });
  }
  Result<uint32_t> length(uint32_t sequence) const {
    return detail::one<uint32_t>([&](auto... out) { return tern_sequence_length(get(), sequence, out...); });
  }
  Result<std::vector<std::byte>> save(uint32_t sequence) const {
    using Bytes = std::vector<std::byte>;
    return detail::many<Bytes>(0, 0, [&](auto... out) { return tern_sequence_save(get(), sequence, out...); });
  }
  Result<uint32_t> restore(std::span<const std::byte> bytes) {
    const auto call = [&](auto... out) { return tern_sequence_restore(get(), bytes.data(), bytes.size(), out...); };
    return detail::one<uint32_t>(call);
  }
  Done step(std::span<const tern_step_token> tokens) {
    const auto call = [&](tern_error* e) {
      return tern_step(get(), tokens.data(), tokens.size(), nullptr, nullptr, e);
    };
    return detail::none(call);
  }
  size_t logits_count() const { return tern_logits_count(get()); }
  std::span<const float> logits(size_t index) const {  // empty: the last step made fewer
    const float* data = nullptr;
    size_t count = 0;
    tern_logits(get(), index, &data, &count, nullptr);
    return {data, count};
  }

 private:
  std::unique_ptr<tern_session, detail::Free> handle_;
};

class Sampler {
 public:
  explicit Sampler(tern_sampler* owned) : handle_(owned) {}
  static Result<Sampler> create(tern_sampler_options options = {}) {  // all zeros: greedy
    options.struct_size = sizeof options;
    return detail::handle<Sampler, tern_sampler>(
        [&](tern_sampler** s, tern_error* e) { return tern_sampler_create(&options, s, e); });
  }
  tern_sampler* get() const { return handle_.get(); }

  Result<int32_t> sample(std::span<const float> logits) {
    const auto call = [&](auto... out) { return tern_sampler_sample(get(), logits.data(), logits.size(), out...); };
    return detail::one<int32_t>(call);
  }
  Done accept(int32_t token) {
    return detail::none([&](tern_error* e) { return tern_sampler_accept(get(), token, e); });
  }

 private:
  std::unique_ptr<tern_sampler, detail::Free> handle_;
};

}  // namespace tern::api
