#include "apps/generation.h"

#include <fmt/format.h>

#include <algorithm>

#include "apps/interrupt.h"
#include "apps/terminal.h"

namespace tern::app {
namespace {

class Loop {
 public:
  Loop(Session& session, SequenceId sequence, const GenerationOptions& options)
      : session_(session), sequence_(sequence), options_(options), sampler_(options.sampler) {
    sampler_.restrict_to(options.usable);
    for (const int32_t token : options.before) sampler_.accept(token);
    if (options.hash_logits) result_.logits_hash = 0;
  }

  Status prefill(std::span<const int32_t> prompt) {
    ProgressBar bar("prompt");
    const Timer timer;
    for (const int32_t token : prompt) sampler_.accept(token);
    while (!prompt.empty()) {
      const auto now = prompt.first(std::min<size_t>(prompt.size(), options_.batch));
      prompt = prompt.subspan(now.size());
      TERN_TRY(step(now, prompt.empty(), bar.callback()));
      result_.prompt_tokens += now.size();
    }
    result_.prefill_seconds = timer.seconds();
    return {};
  }

  Status decode(const std::function<bool(int32_t)>& on_token) {
    const Timer timer;
    for (int64_t n = 0; options_.predict < 0 || n < options_.predict; ++n) {
      const int32_t token = sampler_.sample(session_.logits(session_.logits_count() - 1));
      if (token < 0) return internal_error("no logit of the model is finite: try --check-tensors");
      if (std::find(options_.stop_ids.begin(), options_.stop_ids.end(), token) != options_.stop_ids.end()) {
        return finish(GenerationEnd::stop_token, timer);
      }
      sampler_.accept(token);
      if (!on_token(token)) return finish(GenerationEnd::stop_string, timer);
      if (n + 1 == options_.predict) break;
      if (session_.length(sequence_) >= session_.context()) return finish(GenerationEnd::context_full, timer);
      TERN_TRY(step({&token, 1}, true, [](const Progress&) { return !interrupted(); }));
      ++result_.decoded_tokens;
      result_.decode_seconds = timer.seconds();
      if (interrupted()) return finish(GenerationEnd::interrupted, timer);
    }
    return finish(GenerationEnd::predicted, timer);
  }

  Generation& result() { return result_; }

 private:
  Status step(std::span<const int32_t> tokens, bool want_last, const ProgressCallback& progress) {
    step_.clear();
    for (const int32_t token : tokens) step_.push_back({sequence_, token, options_.hash_logits});
    step_.back().want_logits |= want_last;
    TERN_TRY(session_.step(step_, progress));
    if (result_.logits_hash) {
      for (uint64_t i = 0; i < session_.logits_count(); ++i) {
        result_.logits_hash = hash_logits(session_.logits(i), *result_.logits_hash);
      }
    }
    return {};
  }

  Status finish(GenerationEnd end, const Timer& timer) {
    result_.end = end;
    if (result_.decoded_tokens) result_.decode_seconds = timer.seconds();
    return {};
  }

  Session& session_;
  SequenceId sequence_;
  const GenerationOptions& options_;
  Sampler sampler_;
  std::vector<StepToken> step_;
  Generation result_;
};

}  // namespace

Result<Generation> generate(Session& session, SequenceId sequence, std::span<const int32_t> prompt,
                            const GenerationOptions& options, const std::function<bool(int32_t)>& on_token) {
  if (prompt.empty()) {
    return invalid_argument("the prompt is empty and the model has no token to begin a text with: give -p or -f");
  }
  if (prompt.size() > session.context() - session.length(sequence)) {
    return invalid_argument(fmt::format("the prompt has {} tokens, the context holds {}: shorten it or raise -c",
                                        prompt.size(), session.context()));
  }
  Loop loop(session, sequence, options);
  Status status = loop.prefill(prompt);
  if (status.ok()) status = loop.decode(on_token);
  if (status.code() == Code::aborted && interrupted()) {
    loop.result().end = GenerationEnd::interrupted;
    status = {};
  }
  if (!status.ok()) return status;
  return loop.result();
}

}  // namespace tern::app
