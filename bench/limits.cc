#include "bench/limits.h"

#include <atomic>
#include <chrono>
#include <cstring>

namespace tern::bench {
namespace {

using Vector [[gnu::vector_size(64), gnu::may_alias]] = uint64_t;
using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point start) { return std::chrono::duration<double>(Clock::now() - start).count(); }

// Reads in parallel streams, asking `ahead` bytes on where that is not zero.
template <int streams, int ahead>
uint64_t read_streams(const std::byte* p, uint64_t bytes) {
  const uint64_t part = bytes / streams / 256 * 256;
  Vector sum[4] = {};
  for (uint64_t i = 0; i < part; i += 256) {
    for (int s = 0; s < streams; ++s) {
      const std::byte* at = p + static_cast<uint64_t>(s) * part + i;
      for (int k = 0; k < 4; ++k) {
        if (ahead) __builtin_prefetch(at + 64 * k + ahead);
        Vector v;
        std::memcpy(&v, at + 64 * k, sizeof v);
        sum[k] ^= v;
      }
    }
  }
  const Vector all = sum[0] ^ sum[1] ^ sum[2] ^ sum[3];
  return all[0] ^ all[7];
}

}  // namespace

ReadLimit::ReadLimit(ThreadTeam& team, uint64_t bytes) : team_(team), buffer_(bytes, std::byte{1}) {
  double best = 0;
  for (const Loop loop : {read_streams<1, 0>, read_streams<2, 0>, read_streams<4, 0>, read_streams<1, 2048>,
                          read_streams<2, 2048>, read_streams<4, 2048>}) {
    for (int i = 0; i < 2; ++i) {
      const double rate = pass(loop);
      if (rate > best) best = rate, loop_ = loop;
    }
  }
}

double ReadLimit::measure() { return pass(loop_); }

double ReadLimit::pass(Loop loop) {
  std::atomic<uint64_t> used = 0;  // what is read must be used
  const auto start = Clock::now();
  team_.run([&](const ThreadTeam::Member& member) {
    const auto share = member.share(buffer_.size(), 4096);
    used += loop(buffer_.data() + share.begin, share.end - share.begin);
  });
  const double seconds = seconds_since(start);
  return used == 1 ? 0 : static_cast<double>(buffer_.size()) / seconds;
}

double measure_peak(ThreadTeam& team, const Peak* peak, double seconds) {
  if (!peak) return 0;
  std::atomic<uint64_t> done = 0;
  const auto start = Clock::now();
  team.run([&](const ThreadTeam::Member&) {
    do {
      done += peak->run(2000);
    } while (seconds_since(start) < seconds);
  });
  return static_cast<double>(done) / seconds_since(start);
}

}  // namespace tern::bench
