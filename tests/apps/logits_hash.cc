// logits_hash {MODEL IDS ISA SPLITS}...: each four words are a job, which runs the comma-separated token ids through
// a .tern file on one ISA, once per split: THREADS:FEED[,THREADS:FEED]... FEED is
//   N      tokens a step, `whole` for all of them
//   join   a second sequence takes its tokens one a step, and the first comes whole in the midst of it
//   mix    steps of two sequences, seven tokens of each, taken in turn
// Prints a line per job, ISA, hash over the logits of all positions and kernels; fails if two splits or two sequences
// differ. A static program that needs nothing but the files.
#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"
#include "runtime/model/model.h"
#include "runtime/session/session.h"

namespace tern {
namespace {

// For every step, which sequence the next token belongs to.
using Steps = std::vector<std::vector<size_t>>;

Steps pieces(size_t count, size_t piece) {
  Steps steps;
  for (size_t at = 0; at < count; at += piece) steps.emplace_back(std::min(piece, count - at), 0);
  return steps;
}

Steps join(size_t count) {
  Steps steps(count, {1});
  std::vector<size_t>& both = steps[count / 2];
  both.insert(both.begin(), count / 3, 0);
  both.insert(both.end(), count - count / 3, 0);
  return steps;
}

Steps mix(size_t count) {
  Steps steps;
  for (const auto& step : pieces(count, 7)) {
    steps.emplace_back();
    for (size_t i = 0; i < step.size(); ++i) steps.back().insert(steps.back().end(), {0, 1});
  }
  return steps;
}

Result<Steps> parse_feed(std::string_view feed, size_t count) {
  if (feed == "whole") return pieces(count, count);
  if (feed == "join") return join(count);
  if (feed == "mix") return mix(count);
  const unsigned long piece = std::strtoul(std::string(feed).c_str(), nullptr, 10);
  if (piece == 0) return invalid_argument("no way to feed tokens: " + std::string(feed));
  return pieces(count, piece);
}

std::vector<std::string_view> split_at_commas(std::string_view text) {
  std::vector<std::string_view> words;
  for (size_t comma; (comma = text.find(',')) != text.npos; text.remove_prefix(comma + 1)) {
    words.push_back(text.substr(0, comma));
  }
  words.push_back(text);
  return words;
}

// The hash of each sequence's logits, position by position.
Result<std::vector<uint64_t>> hashes_of(const std::shared_ptr<const Model>& model, std::span<const int32_t> ids,
                                        unsigned threads, const Steps& steps) {
  SessionOptions options;
  options.threads = threads;
  options.work_per_thread = 0;  // all threads, however small the step
  TERN_ASSIGN(const auto session, Session::create(model, options));
  std::vector<SequenceId> sequences;
  std::vector<size_t> fed;
  std::vector<uint64_t> hashes;
  for (const auto& step : steps) {
    std::vector<StepToken> tokens;
    for (const size_t which : step) {
      while (sequences.size() <= which) {
        TERN_ASSIGN(const SequenceId id, session->add_sequence());
        sequences.push_back(id), fed.push_back(0), hashes.push_back(0);
      }
      tokens.push_back({sequences[which], ids[fed[which]++], true});
    }
    TERN_TRY(session->step(tokens));
    for (size_t i = 0; i < step.size(); ++i) hashes[step[i]] = hash_logits(session->logits(i), hashes[step[i]]);
  }
  if (std::any_of(fed.begin(), fed.end(), [&](size_t n) { return n != ids.size(); })) {
    return internal_error("a sequence was not fed all of its tokens");
  }
  return hashes;
}

std::string hex(uint64_t value) {
  char text[17];
  std::snprintf(text, sizeof text, "%016llx", static_cast<unsigned long long>(value));
  return text;
}

Status run_job(const char* path, std::string_view id_words, const char* isa, std::string_view splits) {
  std::vector<int32_t> ids;
  for (const std::string_view id : split_at_commas(id_words)) ids.push_back(std::atoi(std::string(id).c_str()));
  LoadOptions load;
  load.isa = isa;
  TERN_ASSIGN(const std::shared_ptr<const Model> model, Model::load(path, load));
  std::optional<uint64_t> first;
  for (const std::string_view split : split_at_commas(splits)) {
    const auto threads = static_cast<unsigned>(std::strtoul(split.data(), nullptr, 10));
    TERN_ASSIGN(const Steps steps, parse_feed(split.substr(split.find(':') + 1), ids.size()));
    TERN_ASSIGN(const auto hashes, hashes_of(model, ids, threads, steps));
    for (const uint64_t hash : hashes) {
      if (!first) first = hash;
      if (hash == *first) continue;
      return internal_error(std::string(path) + ", " + isa + ", threads:feed " + std::string(split) +
                            ": logits hash " + hex(hash) + ", expected " + hex(*first));
    }
  }
  std::printf("%s %s", isa, hex(*first).c_str());
  for (const std::string& kernel : model->kernels()) std::printf(" %s", kernel.c_str());
  std::printf("\n");
  return {};
}

}  // namespace
}  // namespace tern

int main(int argc, char** argv) {
  if (argc < 5 || argc % 4 != 1) {
    std::fprintf(stderr, "usage: logits_hash {MODEL IDS ISA SPLITS}...\n");
    return 2;
  }
  for (int i = 1; i < argc; i += 4) {
    const tern::Status status = tern::run_job(argv[i], argv[i + 1], argv[i + 2], argv[i + 3]);
    if (status.ok()) continue;
    std::fprintf(stderr, "logits_hash: %s\n", status.message().c_str());
    return 1;
  }
  return 0;
}
