#include "runtime/session/session.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <new>

#include "base/thread_team.h"
#include "runtime/model/block.h"
#include "runtime/model/rope_table.h"
#include "runtime/session/kv_cache.h"
#include "runtime/session/sequence_state.h"
#include "runtime/session/workspace.h"

namespace tern {
namespace {

constexpr unsigned kMaxThreads = 1024;

// Runs body, whose allocations may fail.
template <class Body>
auto catching(const char* what, Body body) -> decltype(body()) {
  try {
    return body();
  } catch (const std::bad_alloc&) {
    return out_of_memory(fmt::format("not enough memory for {}", what));
  }
}

Status check_options(const SessionOptions& o, const ModelConfig& config) {
  const auto cached = [](FloatType t) { return t == FloatType::f16 || t == FloatType::f32; };
  if (!cached(o.key_type) || !cached(o.value_type)) return invalid_argument("cache types: f16 and f32 only");
  if (o.batch == 0) return invalid_argument("batch: 0, expected at least 1");
  if (o.threads > kMaxThreads)
    return invalid_argument(fmt::format("threads: {}, expected at most {}", o.threads, kMaxThreads));
  const uint32_t context = o.context != 0 ? o.context : config.context;
  if (context == 0 || context > kMaxPositions) {
    return invalid_argument(fmt::format("context: {} positions, expected 1 to {}", context, kMaxPositions));
  }
  return {};
}

}  // namespace

struct Session::State {
  State(std::shared_ptr<const Model> m, const SessionOptions& o, unsigned threads)
      : model(std::move(m)),
        options(o),
        team(threads),
        bytes_per_token(model->bytes_per_token()),
        pool({model->config().layers, model->config().kv_heads, model->config().head_dim, o.key_type, o.value_type}),
        workspace(model->parts(), threads) {}

  Status check(std::span<const StepToken> tokens) const;
  Status run(std::span<const StepToken> tokens, const ProgressCallback& progress);
  void run_piece(std::span<const StepToken> tokens, float* out);
  SequenceStateKind state_kind() const { return {pool.layout(), model_fingerprint(*model), options.context}; }
  unsigned members_for(uint64_t count) const;  // threads that a piece of so many tokens is worth
  Status no_such(SequenceId id) const { return invalid_argument(fmt::format("there is no sequence {}", id)); }

  std::shared_ptr<const Model> model;
  SessionOptions options;
  ThreadTeam team;
  uint64_t bytes_per_token;
  CachePool pool;
  Workspace workspace;
  std::map<SequenceId, SequenceCache> sequences;
  SequenceId next_id = 0;

  AlignedBuffer<float> logits;
  uint64_t logits_count = 0;
  std::vector<BatchToken> piece_tokens, piece_asking;
  std::vector<uint32_t> piece_wanted;
};

Session::Session(std::unique_ptr<State> state) : state_(std::move(state)) {}
Session::~Session() = default;

Result<std::unique_ptr<Session>> Session::create(std::shared_ptr<const Model> model, const SessionOptions& options) {
  TERN_TRY(check_options(options, model->config()));
  return catching("a session", [&]() -> Result<std::unique_ptr<Session>> {
    SessionOptions o = options;
    if (o.context == 0) o.context = model->config().context;
    const unsigned threads = o.threads != 0 ? o.threads : detect_cpu().fast_cores;
    return std::unique_ptr<Session>(new Session(std::make_unique<State>(std::move(model), o, threads)));
  });
}

const Model& Session::model() const { return *state_->model; }
unsigned Session::threads() const { return state_->team.size(); }
uint32_t Session::context() const { return state_->options.context; }
uint64_t Session::cache_bytes() const { return state_->pool.bytes(); }

Result<SequenceId> Session::add_sequence() {
  return catching("a sequence", [&]() -> Result<SequenceId> {
    state_->sequences.emplace(state_->next_id, SequenceCache());
    return state_->next_id++;
  });
}

Result<SequenceId> Session::fork(SequenceId source) {
  const auto at = state_->sequences.find(source);
  if (at == state_->sequences.end()) return state_->no_such(source);
  return catching("a copy of a sequence", [&]() -> Result<SequenceId> {
    state_->sequences.emplace(state_->next_id, at->second.fork(state_->pool));
    return state_->next_id++;
  });
}

Status Session::truncate(SequenceId sequence, uint32_t length) {
  const auto at = state_->sequences.find(sequence);
  if (at == state_->sequences.end()) return state_->no_such(sequence);
  if (length > at->second.length()) {
    return invalid_argument(
        fmt::format("sequence {} holds {} positions, cannot keep {}", sequence, at->second.length(), length));
  }
  at->second.truncate(length);
  return {};
}

Status Session::remove(SequenceId sequence) {
  return state_->sequences.erase(sequence) != 0 ? Status() : state_->no_such(sequence);
}

uint32_t Session::length(SequenceId sequence) const {
  const auto at = state_->sequences.find(sequence);
  return at != state_->sequences.end() ? at->second.length() : 0;
}

bool Session::contains(SequenceId sequence) const { return state_->sequences.contains(sequence); }

Result<uint64_t> Session::saved_bytes(SequenceId sequence) const {
  if (!contains(sequence)) return state_->no_such(sequence);
  return sequence_state_bytes(state_->pool.layout(), length(sequence));
}

Status Session::save(SequenceId sequence, std::span<std::byte> out) const {
  TERN_ASSIGN(const uint64_t bytes, saved_bytes(sequence));
  if (out.size() != bytes) {
    return invalid_argument(fmt::format("sequence {} takes {} bytes, the buffer has {}", sequence, bytes, out.size()));
  }
  return catching("the fingerprint of the model", [&]() -> Status {
    write_sequence_state(state_->state_kind(), state_->sequences.at(sequence), out);
    return {};
  });
}

Result<SequenceId> Session::restore(std::span<const std::byte> bytes) {
  return catching("a restored sequence", [&]() -> Result<SequenceId> {
    TERN_ASSIGN(SequenceCache cache, read_sequence_state(state_->state_kind(), state_->pool, bytes));
    state_->sequences.emplace(state_->next_id, std::move(cache));
    return state_->next_id++;
  });
}

Status Session::State::check(std::span<const StepToken> tokens) const {
  std::map<SequenceId, uint64_t> lengths;
  for (const StepToken& t : tokens) {
    const auto at = sequences.find(t.sequence);
    if (at == sequences.end()) return no_such(t.sequence);
    if (t.token < 0 || static_cast<uint32_t>(t.token) >= model->config().vocab_size) {
      return invalid_argument(
          fmt::format("token {} is outside the vocabulary of {}", t.token, model->config().vocab_size));
    }
    const uint64_t length = ++lengths.try_emplace(t.sequence, at->second.length()).first->second;
    if (length > options.context) {
      return invalid_argument(
          fmt::format("sequence {} would exceed the context of {} positions", t.sequence, options.context));
    }
  }
  return {};
}

unsigned Session::State::members_for(uint64_t count) const {
  constexpr uint64_t kStages = 11;  // barriers of a block (runtime/model/block.cc)
  if (options.work_per_thread == 0) return team.size();
  const uint64_t stage = count * bytes_per_token / (uint64_t{model->config().layers} * kStages);
  return static_cast<unsigned>(std::clamp<uint64_t>(stage / options.work_per_thread, 1, team.size()));
}

// Tokens of one piece: their cache is reserved, then all run together.
void Session::State::run_piece(std::span<const StepToken> tokens, float* out) {
  std::map<SequenceId, uint32_t> counts;
  for (const StepToken& t : tokens) ++counts[t.sequence];
  for (const auto& [id, count] : counts) sequences.at(id).reserve(pool, count);
  piece_tokens.clear();
  piece_wanted.clear();
  piece_asking.clear();
  for (const StepToken& t : tokens) {
    SequenceCache& cache = sequences.at(t.sequence);
    if (t.want_logits) piece_wanted.push_back(static_cast<uint32_t>(piece_tokens.size()));
    piece_tokens.push_back({t.token, cache.length(), cache.blocks()});
    if (t.want_logits) piece_asking.push_back(piece_tokens.back());
    cache.extend(1);
  }
  MicroBatch piece;
  piece.tokens = piece_tokens;
  piece.wanted = piece_wanted;
  piece.asking = piece_asking;
  piece.logits = out;
  piece.cache = pool.layout();
  piece.observer = options.observer;
  piece.profile = options.profile;
  workspace.bind(tokens.size(), piece);
  if (options.profile) options.profile->begin(team.size(), tokens.size());
  team.run([&](const ThreadTeam::Member& member) { forward(model->parts(), piece, member); },
           members_for(tokens.size()));
}

Status Session::State::run(std::span<const StepToken> tokens, const ProgressCallback& progress) {
  const uint64_t vocab = model->config().vocab_size;
  const auto wanted = [](std::span<const StepToken> some) {
    return static_cast<uint64_t>(
        std::count_if(some.begin(), some.end(), [](const StepToken& t) { return t.want_logits; }));
  };
  const uint64_t count = wanted(tokens);
  float* out = logits.grow(count * vocab);
  for (uint64_t done = 0; done < tokens.size();) {
    const auto piece = tokens.subspan(done, std::min<uint64_t>(options.batch, tokens.size() - done));
    run_piece(piece, out);
    out += wanted(piece) * vocab;
    done += piece.size();
    if (progress && !progress({"tokens", done, tokens.size()})) return aborted("stopped by the caller");
  }
  logits_count = count;
  return {};
}

Status Session::step(std::span<const StepToken> tokens, const ProgressCallback& progress) {
  State& s = *state_;
  s.logits_count = 0;
  std::map<SequenceId, uint32_t> before;
  const Status status = catching("the key-value cache and the workspace of a step", [&]() -> Status {
    TERN_TRY(s.check(tokens));
    for (const StepToken& t : tokens) before.emplace(t.sequence, s.sequences.at(t.sequence).length());
    return s.run(tokens, progress);
  });
  if (!status.ok()) {
    for (const auto& [id, length] : before) s.sequences.at(id).truncate(length);
  }
  return status;
}

uint64_t Session::logits_count() const { return state_->logits_count; }

std::span<const float> Session::logits(uint64_t i) const {
  const uint64_t vocab = state_->model->config().vocab_size;
  if (i >= state_->logits_count) return {};
  return {state_->logits.data() + i * vocab, vocab};
}

}  // namespace tern
