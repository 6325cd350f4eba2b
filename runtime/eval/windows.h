// The strict protocol by which a text is read in windows. A window has `context` positions, the first of them BOS if
// there is one; the next window begins `stride` tokens of the text later. Every token is scored once, in the first
// window that holds it and gives it a predecessor: so each token of a later window has at least context - stride
// positions before it. Without overlap (stride 0, the default) windows follow each other; then, without BOS, the first
// token of each window is only read. (llama.cpp scores the second half of each window only, which gives lower numbers.)
#pragma once

#include <cstdint>
#include <functional>
#include <span>

#include "runtime/session/session.h"

namespace tern {

struct WindowOptions {
  uint32_t context = 0;  // positions of a window, BOS included; 0: the smallest context of the sessions
  int32_t bos = -1;      // token that begins each window; -1: none
  uint32_t stride = 0;   // 1 to what a window holds of the text; 0: that many, no overlap
};

// The BOS that a model's own tokenizer puts before a text; -1 if it puts none.
int32_t leading_bos(const Model& model);

// The logits from which each session predicts `target`, the token `at` of the text; valid during the call.
struct ScoredToken {
  std::span<const std::span<const float>> logits;
  int32_t target = 0;
  uint64_t at = 0;
};

// Runs every window through the sessions, side by side, a part of a window at a time: logits of at most 128 tokens are
// held by each. Returns the number of windows. The sessions' models have equal vocabulary sizes. Each uses a sequence
// of its own, removed again. progress: `what`, in tokens of the text.
Result<uint64_t> run_windows(std::span<Session* const> sessions, std::span<const int32_t> text,
                             const WindowOptions& options, const char* what,
                             const std::function<Status(const ScoredToken&)>& visit,
                             const ProgressCallback& progress = {});

}  // namespace tern
