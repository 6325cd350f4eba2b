// The machine's own limits, measured in turns with what is held against them: how fast threads read memory, and how
// many multiply-accumulates their cores make.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "base/thread_team.h"
#include "kernels/limits/limits.h"

namespace tern::bench {

// Threads that each read a share of one buffer. Of several loops (one and more streams, with and without prefetch) the
// fastest here is kept.
class ReadLimit {
 public:
  // bytes: of the buffer, larger than the caches. Throws std::bad_alloc.
  explicit ReadLimit(ThreadTeam& team, uint64_t bytes = uint64_t{256} << 20);
  double measure();  // bytes per second of one pass

 private:
  using Loop = uint64_t (*)(const std::byte*, uint64_t bytes);
  double pass(Loop loop);
  ThreadTeam& team_;
  std::vector<std::byte> buffer_;
  Loop loop_ = nullptr;
};

// Multiply-accumulates per second of all threads together, within about `seconds`. 0 if peak is null.
double measure_peak(ThreadTeam& team, const Peak* peak, double seconds = 0.002);

}  // namespace tern::bench
