#include "runtime/eval/windows.h"

#include <fmt/format.h>

#include <algorithm>
#include <new>
#include <vector>

namespace tern {
namespace {

constexpr size_t kLogitsAtOnce = 128;  // tokens whose logits are held at once
constexpr size_t kReadAtOnce = 512;    // tokens read between two questions whether to stop

// One pass over the text; the options are complete and checked.
class Reader {
 public:
  Reader(std::span<Session* const> sessions, std::span<const int32_t> text, const WindowOptions& options,
         const char* what, const std::function<Status(const ScoredToken&)>& visit, const ProgressCallback& progress)
      : sessions_(sessions), text_(text), options_(options), what_(what), visit_(visit), progress_(progress) {}

  // Adds a sequence to each session; close() removes those that were added.
  Status open() {
    for (Session* session : sessions_) {
      TERN_ASSIGN(const SequenceId sequence, session->add_sequence());
      sequences_.push_back(sequence);
    }
    return {};
  }

  Status close() {
    Status status;
    for (size_t i = 0; i < sequences_.size(); ++i) {
      const Status removed = sessions_[i]->remove(sequences_[i]);
      if (status.ok()) status = removed;
    }
    return status;
  }

  Result<uint64_t> run() {
    const size_t leading = options_.bos >= 0 ? 1 : 0, most = options_.context - leading;
    uint64_t windows = 0;
    for (size_t at = 0; at < text_.size(); at += options_.stride) {
      window_.assign(leading, options_.bos);
      const auto part = text_.subspan(at, std::min(most, text_.size() - at));
      window_.insert(window_.end(), part.begin(), part.end());
      if (window_.size() < 2) break;
      // What the window before ended with is scored already.
      const size_t first = at == 0 ? 1 : std::max<size_t>(1, options_.context - options_.stride);
      TERN_TRY(read_window(at - leading, first));
      ++windows;
      if (at + part.size() == text_.size()) break;
    }
    return windows;
  }

 private:
  // Scores window_[first..]; `begin`: place in the text of window_[0] (-1, wrapped, for a BOS at its start).
  Status read_window(size_t begin, size_t first) {
    for (size_t i = 0; i < sessions_.size(); ++i) TERN_TRY(sessions_[i]->truncate(sequences_[i], 0));
    const size_t end = window_.size() - 1;  // the last token predicts nothing
    for (size_t at = 0; at < end;) {
      const bool scored = at + 1 >= first;
      const size_t count = scored ? std::min(kLogitsAtOnce, end - at) : std::min(kReadAtOnce, first - 1 - at);
      TERN_TRY(step(at, count, scored));
      for (size_t i = 0; scored && i < count; ++i) TERN_TRY(visit(i, window_[at + i + 1], begin + at + i + 1));
      at += count;
      done_ = std::max<uint64_t>(done_, begin + at + 1);
      if (progress_ && !progress_({what_, done_, text_.size()})) return aborted("stopped by the caller");
    }
    return {};
  }

  Status step(size_t at, size_t count, bool scored) {
    for (size_t i = 0; i < sessions_.size(); ++i) {
      step_.clear();
      for (size_t k = 0; k < count; ++k) step_.push_back({sequences_[i], window_[at + k], scored});
      TERN_TRY(sessions_[i]->step(step_));
    }
    return {};
  }

  Status visit(size_t index, int32_t target, uint64_t at) {
    logits_.clear();
    for (Session* session : sessions_) logits_.push_back(session->logits(index));
    return visit_({logits_, target, at});
  }

  std::span<Session* const> sessions_;
  std::span<const int32_t> text_;
  const WindowOptions& options_;
  const char* what_;
  const std::function<Status(const ScoredToken&)>& visit_;
  const ProgressCallback& progress_;
  std::vector<SequenceId> sequences_;
  std::vector<int32_t> window_;
  std::vector<StepToken> step_;
  std::vector<std::span<const float>> logits_;
  uint64_t done_ = 0;
};

Result<WindowOptions> complete(std::span<Session* const> sessions, WindowOptions o) {
  uint32_t most = sessions[0]->context();
  for (const Session* session : sessions) most = std::min(most, session->context());
  if (o.context == 0) o.context = most;
  if (o.context < 2 || o.context > most) {
    return invalid_argument(fmt::format("windows of {} positions, expected 2 to {}", o.context, most));
  }
  const uint32_t widest = o.context - (o.bos >= 0 ? 1 : 0);
  if (o.stride == 0) o.stride = widest;
  if (o.stride > widest) {
    return invalid_argument(fmt::format("stride: {}, expected 1 to the {} tokens that a window of {} positions holds",
                                        o.stride, widest, o.context));
  }
  return o;
}

Status check_tokens(std::span<Session* const> sessions, std::span<const int32_t> text, int32_t bos) {
  const uint32_t vocab = sessions[0]->model().config().vocab_size;
  for (const Session* session : sessions) {
    const uint32_t other = session->model().config().vocab_size;
    if (other != vocab) return invalid_argument(fmt::format("vocabularies of {} and {} tokens", vocab, other));
  }
  if (bos >= 0 && static_cast<uint32_t>(bos) >= vocab) {
    return invalid_argument(fmt::format("BOS {} is outside the vocabulary of {}", bos, vocab));
  }
  for (int32_t token : text) {
    if (token < 0 || static_cast<uint32_t>(token) >= vocab) {
      return invalid_argument(fmt::format("token {} is outside the vocabulary of {}", token, vocab));
    }
  }
  if (text.size() < (bos >= 0 ? 1u : 2u)) return invalid_argument("the text is too short to score a token");
  return {};
}

}  // namespace

int32_t leading_bos(const Model& model) {
  const auto& tokenizer = model.file().description().tokenizer;
  return tokenizer && tokenizer->add_bos ? tokenizer->bos : -1;
}

Result<uint64_t> run_windows(std::span<Session* const> sessions, std::span<const int32_t> text,
                             const WindowOptions& options, const char* what,
                             const std::function<Status(const ScoredToken&)>& visit, const ProgressCallback& progress) {
  TERN_ASSIGN(const WindowOptions checked, complete(sessions, options));
  TERN_TRY(check_tokens(sessions, text, checked.bos));
  Reader reader(sessions, text, checked, what, visit, progress);
  const Result<uint64_t> windows = [&]() -> Result<uint64_t> {
    try {
      TERN_TRY(reader.open());
      return reader.run();
    } catch (const std::bad_alloc&) {
      return out_of_memory("not enough memory for a window of the text");
    }
  }();
  const Status closed = reader.close();
  if (!windows.ok()) return windows.status();
  TERN_TRY(closed);
  return windows;
}

}  // namespace tern
