#include "apps/bandwidth.h"

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <vector>

#include "apps/terminal.h"
#include "base/thread_team.h"

namespace tern::app {
namespace {

constexpr uint64_t kWords = (256u << 20) / sizeof(uint64_t);

// Independent sums, so that the loads and not the additions set the pace.
uint64_t sum_of(const uint64_t* words, uint64_t count) {
  uint64_t sums[16] = {};
  for (uint64_t i = 0; i + 16 <= count; i += 16) {
    for (uint64_t k = 0; k < 16; ++k) sums[k] += words[i + k];
  }
  uint64_t total = 0;
  for (const uint64_t sum : sums) total += sum;
  return total;
}

}  // namespace

double measure_read_bandwidth(unsigned threads) {
  ThreadTeam team(threads);
  std::vector<uint64_t> words(kWords, 1);
  std::atomic<uint64_t> total = 0;
  double best = 0;
  const Timer all;
  do {
    const Timer timer;
    team.run([&](const ThreadTeam::Member& member) {
      const auto share = member.share(kWords, 16);
      total += sum_of(words.data() + share.begin, share.end - share.begin);
    });
    best = std::max(best, static_cast<double>(kWords * sizeof(uint64_t)) / timer.seconds());
  } while (all.seconds() < 0.3);
  return total != 0 ? best : 0;  // the sum is used, so it is computed
}

}  // namespace tern::app
