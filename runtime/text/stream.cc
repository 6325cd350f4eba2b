// Text as it streams: whole UTF-8 sequences only, and up to the first stop string.
#include <algorithm>

#include "runtime/text/tokenizer.h"
#include "runtime/text/utf8.h"

namespace tern {

std::string Utf8Stream::push(std::string_view bytes) {
  pending_ += bytes;
  std::string shown;
  std::string_view rest = pending_;
  while (!rest.empty()) {
    const Utf8Step step = utf8_step(rest);
    if (step.kind == Utf8Step::Kind::unfinished) break;
    shown += step.kind == Utf8Step::Kind::valid ? rest.substr(0, step.bytes) : kReplacementCharacter;
    rest.remove_prefix(step.bytes);
  }
  pending_ = std::string(rest);
  return shown;
}

std::string Utf8Stream::finish() {
  const bool unfinished = !pending_.empty();
  pending_.clear();
  return unfinished ? std::string(kReplacementCharacter) : std::string();
}

StopStrings::StopStrings(std::vector<std::string> stops) : stops_(std::move(stops)) {
  std::erase_if(stops_, [](const std::string& stop) { return stop.empty(); });
  // Longest first: of two stops that end together, the one that starts earlier cuts the text.
  std::stable_sort(stops_.begin(), stops_.end(),
                   [](const std::string& a, const std::string& b) { return a.size() > b.size(); });
}

std::string StopStrings::push(std::string_view text) {
  if (stopped_) return {};
  // The stop that is complete first wins; that does not depend on how the text was cut into pushes.
  for (size_t end = pending_.size() + 1, last = pending_.size() + text.size(); end <= last; ++end) {
    pending_ += text[text.size() - (last - end) - 1];
    for (const std::string& stop : stops_) {
      if (!pending_.ends_with(stop)) continue;
      stopped_ = true;
      std::string shown = pending_.substr(0, end - stop.size());
      pending_.clear();
      return shown;
    }
  }
  size_t held = 0;
  for (const std::string& stop : stops_) {
    for (size_t n = std::min(stop.size() - 1, pending_.size()); n > held; --n) {
      if (pending_.ends_with(std::string_view(stop).substr(0, n))) held = n;
    }
  }
  std::string shown = pending_.substr(0, pending_.size() - held);
  pending_.erase(0, shown.size());
  return shown;
}

std::string StopStrings::finish() {
  std::string rest = std::move(pending_);
  pending_.clear();
  return rest;
}

}  // namespace tern
