#include "runtime/eval/choice.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <new>

#include "runtime/eval/statistics.h"

namespace tern {
namespace {

constexpr size_t kPredictedAtOnce = 128;  // tokens whose logits are held at once

size_t common_prefix(const std::vector<std::vector<int32_t>>& sequences) {
  size_t length = sequences[0].size();
  for (const auto& sequence : sequences) {
    const auto [a, b] = std::mismatch(sequences[0].begin(), sequences[0].begin() + static_cast<long>(length),
                                      sequence.begin(), sequence.end());
    length = static_cast<size_t>(a - sequences[0].begin());
  }
  return length;
}

// The sequences of one question while it is asked.
class Asked {
 public:
  Asked(Session& session, const EncodedChoices& choices)
      : session_(session), choices_(choices), likelihoods_(choices.sequences.size(), 0.0) {}

  ~Asked() {
    for (const SequenceId id : ids_) static_cast<void>(session_.remove(id));
  }

  Result<std::vector<double>> run() {
    const size_t shared = std::min(common_prefix(choices_.sequences), choices_.context - 1);
    TERN_TRY(open(shared));
    for (size_t i = 0; i < ids_.size(); ++i) {
      const auto& tokens = choices_.sequences[i];
      for (size_t at = shared; at + 1 < tokens.size(); ++at) {
        const bool predicts = at + 1 >= choices_.context;
        step_.push_back({ids_[i], tokens[at], predicts});
        if (predicts) targets_.push_back({i, tokens[at + 1]});
        if (targets_.size() == kPredictedAtOnce) TERN_TRY(flush());
      }
    }
    TERN_TRY(flush());
    return likelihoods_;
  }

 private:
  struct Target {
    size_t ending;
    int32_t token;
  };

  // A sequence for each ending, holding what they share.
  Status open(size_t shared) {
    ids_.reserve(choices_.sequences.size());
    TERN_ASSIGN(const SequenceId first, session_.add_sequence());
    ids_.push_back(first);
    for (size_t at = 0; at < shared; ++at) step_.push_back({first, choices_.sequences[0][at], false});
    TERN_TRY(flush());
    while (ids_.size() < choices_.sequences.size()) {
      TERN_ASSIGN(const SequenceId copy, session_.fork(first));
      ids_.push_back(copy);
    }
    return {};
  }

  Status flush() {
    if (step_.empty()) return {};
    TERN_TRY(session_.step(step_));
    for (size_t i = 0; i < targets_.size(); ++i) {
      const double nll = negative_log_likelihood(session_.logits(i), targets_[i].token);
      if (!std::isfinite(nll)) return corrupt("the logits are not finite");
      likelihoods_[targets_[i].ending] -= nll;
    }
    step_.clear();
    targets_.clear();
    return {};
  }

  Session& session_;
  const EncodedChoices& choices_;
  std::vector<double> likelihoods_;
  std::vector<SequenceId> ids_;
  std::vector<StepToken> step_;
  std::vector<Target> targets_;  // what the tokens of step_ with logits predict
};

size_t largest(const std::vector<double>& values) {
  return static_cast<size_t>(std::max_element(values.begin(), values.end()) - values.begin());
}

struct Score {
  Moments acc, acc_norm;
  void add(const std::vector<double>& likelihoods, const ChoiceItem& item) {
    std::vector<double> per_byte(likelihoods);
    for (size_t i = 0; i < per_byte.size(); ++i) per_byte[i] /= static_cast<double>(item.endings[i].size());
    acc.add(largest(likelihoods) == item.answer ? 1 : 0);
    acc_norm.add(largest(per_byte) == item.answer ? 1 : 0);
  }
};

Result<ChoiceResult> choose_all(Session& session, const Tokenizer& tokenizer, std::span<const ChoiceItem> items,
                                const ProgressCallback& progress) {
  ChoiceResult result;
  Score score;
  for (size_t i = 0; i < items.size(); ++i) {
    const std::string where = fmt::format("line {}", items[i].line);
    TERN_ASSIGN(const EncodedChoices choices, encode_choices(tokenizer, items[i]));
    if (positions_of(choices) > session.context()) {
      if (result.skipped++ == 0) result.first_skipped = items[i].line;
    } else {
      const auto likelihoods = ending_likelihoods(session, choices);
      if (!likelihoods.ok()) return likelihoods.status().within(where);
      score.add(*likelihoods, items[i]);
    }
    if (progress && !progress({"questions", i + 1, items.size()})) return aborted("stopped by the caller");
  }
  result.questions = score.acc.count;
  if (result.questions == 0) {
    return invalid_argument(
        fmt::format("none of {} questions fits into {} positions", items.size(), session.context()));
  }
  result.acc = score.acc.mean, result.acc_error = score.acc.standard_error();
  result.acc_norm = score.acc_norm.mean, result.acc_norm_error = score.acc_norm.standard_error();
  return result;
}

}  // namespace

Result<EncodedChoices> encode_choices(const Tokenizer& tokenizer, const ChoiceItem& item) {
  const size_t end = item.context.find_last_not_of(" \t\n\v\f\r") + 1;
  const std::string context = item.context.substr(0, end), between = item.context.substr(end) + " ";
  EncodedChoices choices;
  TERN_ASSIGN(const auto alone, tokenizer.encode(context, true));
  choices.context = alone.size();
  if (alone.empty()) return invalid_argument(fmt::format("line {}: the context has no token", item.line));
  for (const std::string& ending : item.endings) {
    TERN_ASSIGN(auto sequence, tokenizer.encode(context + between + ending, true));
    if (sequence.size() <= choices.context) {
      return invalid_argument(
          fmt::format("line {}: ending {} adds no token to its context", item.line, choices.sequences.size()));
    }
    choices.sequences.push_back(std::move(sequence));
  }
  return choices;
}

size_t positions_of(const EncodedChoices& choices) {
  size_t longest = 1;
  for (const auto& sequence : choices.sequences) longest = std::max(longest, sequence.size());
  return longest - 1;
}

Result<std::vector<double>> ending_likelihoods(Session& session, const EncodedChoices& choices) {
  try {
    return Asked(session, choices).run();
  } catch (const std::bad_alloc&) {
    return out_of_memory("not enough memory for a question");
  }
}

Result<ChoiceResult> choose(Session& session, const Tokenizer& tokenizer, std::span<const ChoiceItem> items,
                            const ProgressCallback& progress) {
  try {
    return choose_all(session, tokenizer, items, progress);
  } catch (const std::bad_alloc&) {
    return out_of_memory("not enough memory for the questions");
  }
}

}  // namespace tern
