// Sequences of tokens running through a model: KV cache, batches, logits. A session is used by
// one thread at a time; it owns its cache and its thread team.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "base/progress.h"
#include "base/status.h"
#include "runtime/model/model.h"

namespace tern {

class InputObserver;  // runtime/model/block.h
struct Profile;       // runtime/model/profile.h

struct SessionOptions {
  uint32_t context = 0;  // most positions a sequence may hold; 0: the model's
  unsigned threads = 0;  // 0: physical cores
  FloatType key_type = FloatType::f16, value_type = FloatType::f16;  // f16 or f32
  uint32_t batch = 512;  // most tokens computed at once; longer steps are cut (-ub)
  // Bytes of weights that each thread should find between two barriers: steps of less use fewer threads,
  // which is faster for small models. 0: always all threads. Never changes the bits of the logits.
  uint32_t work_per_thread = 64 * 1024;
  InputObserver* observer = nullptr;  // sees the inputs of all linear layers; must outlive the session
  Profile* profile = nullptr;         // collects times; must outlive the session
};

using SequenceId = uint32_t;

struct StepToken {
  SequenceId sequence = 0;
  int32_t token = 0;
  bool want_logits = false;
};

class Session {
 public:
  static Result<std::unique_ptr<Session>> create(std::shared_ptr<const Model> model,
                                                 const SessionOptions& options = {});
  ~Session();

  const Model& model() const;
  unsigned threads() const;

  Result<SequenceId> add_sequence();
  Result<SequenceId> fork(SequenceId source);             // shares full cache blocks, copies the last one
  Status truncate(SequenceId sequence, uint32_t length);  // keeps the first `length` positions
  Status remove(SequenceId sequence);
  uint32_t length(SequenceId sequence) const;  // 0 for an unknown id
  bool contains(SequenceId sequence) const;
  uint32_t context() const;
  uint64_t cache_bytes() const;  // memory held by the KV cache now

  // A sequence as bytes (runtime/session/sequence_state.h), and back as a new sequence of any session of the
  // same model and cache types. save: `out` has saved_bytes(sequence) bytes. restore checks everything it reads.
  Result<uint64_t> saved_bytes(SequenceId sequence) const;
  Status save(SequenceId sequence, std::span<std::byte> out) const;
  Result<SequenceId> restore(std::span<const std::byte> bytes);

  // Appends tokens to their sequences, in order; several sequences may be interleaved. Positions
  // follow from each sequence's length. On an error (unknown sequence, token outside the vocabulary,
  // context full, aborted) every sequence is as it was before the call.
  // progress: in tokens, between the pieces of a long step.
  Status step(std::span<const StepToken> tokens, const ProgressCallback& progress = {});

  // Logits of the i-th token of the last step that asked for them: vocab_size values, valid
  // until the next step.
  uint64_t logits_count() const;
  std::span<const float> logits(uint64_t i) const;

 private:
  struct State;
  explicit Session(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

// XXH3-64 over the bits of logits, chained: equal hashes mean equal bits (promise 1).
uint64_t hash_logits(std::span<const float> logits, uint64_t seed = 0);

}  // namespace tern
