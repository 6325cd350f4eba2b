#include "base/thread_team.h"

#include <omp.h>

#include <algorithm>
#include <atomic>
#include <thread>

namespace tern {
namespace {

constexpr int kPauses = 2000;  // some tens of microseconds: longer than the imbalance of a good split
constexpr int kYields = 32;    // then let a neighbour run, in case there are more threads than cores

void pause() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

}  // namespace

// Centralized barrier; the phase counter plays the reversing sense (Mellor-Crummey & Scott 1991).
struct ThreadTeam::Barrier {
  alignas(64) std::atomic<unsigned> arrived{0};
  alignas(64) std::atomic<unsigned> phase{0};
  alignas(64) std::atomic<unsigned> members{1};  // of the region that runs now
  alignas(64) std::atomic<uint64_t> dealt{0};    // since the last barrier
};

ThreadTeam::ThreadTeam(unsigned threads) : threads_(std::max(threads, 1u)), barrier_(std::make_unique<Barrier>()) {}
ThreadTeam::~ThreadTeam() = default;

void ThreadTeam::wait() {
  Barrier& b = *barrier_;
  const unsigned members = b.members.load(std::memory_order_relaxed);
  if (members == 1) {
    b.dealt.store(0, std::memory_order_relaxed);
    return;
  }
  const unsigned phase = b.phase.load(std::memory_order_relaxed);
  if (b.arrived.fetch_add(1, std::memory_order_acq_rel) + 1 == members) {
    b.arrived.store(0, std::memory_order_relaxed);
    b.dealt.store(0, std::memory_order_relaxed);
    b.phase.fetch_add(1, std::memory_order_release);
    b.phase.notify_all();
    return;
  }
  for (int i = 0; i < kPauses + kYields; ++i) {
    if (b.phase.load(std::memory_order_acquire) != phase) return;
    if (i < kPauses) {
      pause();
    } else {
      std::this_thread::yield();
    }
  }
  b.phase.wait(phase, std::memory_order_acquire);
}

void ThreadTeam::run(const std::function<void(const Member&)>& body, unsigned members_wanted) {
  const unsigned wanted = std::clamp(members_wanted, 1u, threads_);
  barrier_->dealt.store(0, std::memory_order_relaxed);
  if (wanted == 1) {
    barrier_->members.store(1, std::memory_order_relaxed);
    body(Member(this, 0, 1));
    return;
  }
#pragma omp parallel num_threads(wanted)
  {
    // OpenMP may grant fewer threads than asked; each member stores the same number before it can wait.
    const unsigned members = static_cast<unsigned>(omp_get_num_threads());
    barrier_->members.store(members, std::memory_order_relaxed);
    body(Member(this, static_cast<unsigned>(omp_get_thread_num()), members));
  }
}

ThreadTeam::Member::Range ThreadTeam::Member::share(uint64_t count, uint64_t unit) const {
  const uint64_t units = count / unit + (count % unit != 0);
  const uint64_t each = units / size_, extra = units % size_;  // the first `extra` members take one unit more
  const uint64_t first = each * index_ + std::min<uint64_t>(index_, extra);
  const uint64_t last = first + each + (index_ < extra);
  const auto cut = [&](uint64_t u) { return u >= units ? count : u * unit; };
  return {cut(first), cut(last)};
}

ThreadTeam::Member::Range ThreadTeam::Member::take(uint64_t count, uint64_t unit) const {
  std::atomic<uint64_t>& dealt = team_->barrier_->dealt;
  const uint64_t parts = size_ == 1 ? 1 : 2 * uint64_t{size_};
  uint64_t begin = dealt.load(std::memory_order_relaxed), end = 0;
  do {
    if (begin >= count) return {count, count};
    const uint64_t left = count - begin;
    end = left <= unit ? count : begin + std::max(unit, left / parts / unit * unit);
    if (parts == 1) end = count;
  } while (!dealt.compare_exchange_weak(begin, end, std::memory_order_relaxed));
  return {begin, end};
}

}  // namespace tern
