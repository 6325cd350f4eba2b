// logits_hash MODEL IDS ISA...: runs the comma-separated token ids through a .tern file on every ISA named, with one
// thread and two, the prompt whole and token by token. Prints the one hash over the logits of all positions and,
// before it, the kernels of each ISA; fails if two hashes differ. A static program that needs nothing but the file.
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/status.h"
#include "runtime/model/model.h"
#include "runtime/session/session.h"

namespace tern {
namespace {

struct Split {
  unsigned threads;
  uint32_t batch;  // tokens a step
};

constexpr Split kSplits[] = {{1, 512}, {2, 512}, {1, 1}, {2, 1}};

std::vector<int32_t> parse_ids(const char* text) {
  std::vector<int32_t> ids;
  for (char* end; *text != 0; text = *end == ',' ? end + 1 : end) {
    const long id = std::strtol(text, &end, 10);
    if (end == text) return {};
    ids.push_back(static_cast<int32_t>(id));
  }
  return ids;
}

Result<uint64_t> hash_of(const std::shared_ptr<const Model>& model, std::span<const int32_t> ids, Split split) {
  SessionOptions options;
  options.threads = split.threads;
  options.batch = split.batch;
  options.work_per_thread = 0;  // all threads, however small the step
  TERN_ASSIGN(const auto session, Session::create(model, options));
  TERN_ASSIGN(const SequenceId sequence, session->add_sequence());
  uint64_t hash = 0;
  for (size_t begin = 0; begin < ids.size(); begin += split.batch) {
    std::vector<StepToken> step;
    for (size_t i = begin; i < ids.size() && i < begin + split.batch; ++i) step.push_back({sequence, ids[i], true});
    TERN_TRY(session->step(step));
    for (uint64_t i = 0; i < session->logits_count(); ++i) hash = hash_logits(session->logits(i), hash);
  }
  return hash;
}

Status run(const char* path, std::span<const int32_t> ids, std::span<char*> isas) {
  if (ids.empty()) return invalid_argument("the token ids are no list such as 1,361,363");
  std::optional<uint64_t> first;
  for (const char* isa : isas) {
    LoadOptions load;
    load.isa = isa;
    TERN_ASSIGN(const std::shared_ptr<const Model> model, Model::load(path, load));
    std::printf("%s:", isa);
    for (const std::string& kernel : model->kernels()) std::printf(" %s", kernel.c_str());
    std::printf("\n");
    for (const Split split : kSplits) {
      TERN_ASSIGN(const uint64_t hash, hash_of(model, ids, split));
      if (!first) first = hash;
      if (hash == *first) continue;
      char text[160];
      std::snprintf(text, sizeof text, "%s, %u threads, %u tokens a step: logits hash %016llx, expected %016llx", isa,
                    split.threads, split.batch, static_cast<unsigned long long>(hash),
                    static_cast<unsigned long long>(*first));
      return internal_error(text);
    }
  }
  std::printf("%016llx\n", static_cast<unsigned long long>(*first));
  return {};
}

}  // namespace
}  // namespace tern

int main(int argc, char** argv) {
  if (argc < 4) {
    std::fprintf(stderr, "usage: logits_hash MODEL IDS ISA...\n");
    return 2;
  }
  const tern::Status status =
      tern::run(argv[1], tern::parse_ids(argv[2]), std::span(argv + 3, static_cast<size_t>(argc - 3)));
  if (!status.ok()) std::fprintf(stderr, "logits_hash: %s\n", status.message().c_str());
  return status.ok() ? 0 : 1;
}
