// Where the time of forward passes goes. One clock per member of the team; the wait for the others is a stage of its
// own.
#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace tern {

enum class Stage : uint8_t {
  embed,
  norm,
  round,
  qkv,
  rope,
  attention,
  attention_out,
  gate_up,
  activate,
  down,
  head,
  wait
};
inline constexpr size_t kStages = 12;

class Model;

const char* stage_name(Stage stage);                    // for people
uint64_t stage_bytes(const Model& model, Stage stage);  // of weights, that a pass reads in this stage

struct Profile {
  struct alignas(64) Times {
    std::array<double, kStages> seconds = {};
  };
  std::vector<Times> members;  // as many as the session has threads
  uint64_t passes = 0, tokens = 0;

  void begin(unsigned threads, uint64_t more) {  // a pass of so many tokens
    members.resize(threads);
    ++passes, tokens += more;
  }
  // Its share of the members' time, of the time that all passes took. Passes may have had different members.
  double seconds(Stage stage) const;
};

// A member's clock: enter() ends the stage before. Does nothing without a profile.
class StageClock {
 public:
  StageClock(Profile* profile, unsigned member) : times_(profile ? &profile->members[member] : nullptr) {
    if (times_) last_ = Clock::now();
  }
  ~StageClock() { enter(Stage::wait); }
  StageClock(const StageClock&) = delete;
  StageClock& operator=(const StageClock&) = delete;

  void enter(Stage stage) {
    if (!times_ || stage == stage_) return;
    const Clock::time_point now = Clock::now();
    times_->seconds[static_cast<size_t>(stage_)] += std::chrono::duration<double>(now - last_).count();
    stage_ = stage;
    last_ = now;
  }

 private:
  using Clock = std::chrono::steady_clock;
  Profile::Times* times_;
  Stage stage_ = Stage::embed;
  Clock::time_point last_;
};

}  // namespace tern
