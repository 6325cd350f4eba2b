// Multiple choice by likelihood, as EleutherAI's lm-evaluation-harness scores it: the model never writes an answer; the
// ending that it finds most likely after the context is its choice. acc takes the largest log-likelihood of an ending's
// tokens, acc_norm the largest one divided by the ending's bytes in UTF-8 (the harness divides by its characters: the
// same for ASCII); the first wins among equals.
//
// Where an ending's tokens begin: context + " " + ending is encoded as one text, BOS first if the model's tokenizer
// puts one, and the tokens after as many as the context alone takes are the ending's. Space at the end of the context
// counts as the ending's. (The harness leaves BOS out unless told otherwise.)
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "runtime/eval/choice_file.h"
#include "runtime/session/session.h"
#include "runtime/text/tokenizer.h"

namespace tern {

struct EncodedChoices {
  size_t context = 0;                           // tokens of the context: 1 or more
  std::vector<std::vector<int32_t>> sequences;  // for each ending, context and ending; longer than `context`
};

Result<EncodedChoices> encode_choices(const Tokenizer& tokenizer, const ChoiceItem& item);

// Positions that the longest sequence takes: its last token is only predicted.
size_t positions_of(const EncodedChoices& choices);

// Log-likelihood of each ending, nats. What all sequences begin with, as far as the context goes, is computed once and
// forked. Sequences are removed again; logits of at most 128 tokens are held at once.
Result<std::vector<double>> ending_likelihoods(Session& session, const EncodedChoices& choices);

struct ChoiceResult {
  uint64_t questions = 0;                   // answered
  uint64_t skipped = 0, first_skipped = 0;  // with an ending that does not fit into the context; the first one's line
  double acc = 0, acc_error = 0, acc_norm = 0, acc_norm_error = 0;  // shares, 0 to 1, and their standard errors
};

// An error if no question fits. progress: in questions.
Result<ChoiceResult> choose(Session& session, const Tokenizer& tokenizer, std::span<const ChoiceItem> items,
                            const ProgressCallback& progress = {});

}  // namespace tern
