// A team of OpenMP threads that executes one function per step, with a barrier of its own
// that spins briefly and then sleeps. One team serves one caller at a time.
#pragma once

#include <algorithm>
#include <cstdint>
#include <functional>
#include <memory>

namespace tern {

class ThreadTeam {
 public:
  explicit ThreadTeam(unsigned threads);
  ~ThreadTeam();
  ThreadTeam(const ThreadTeam&) = delete;
  ThreadTeam& operator=(const ThreadTeam&) = delete;

  unsigned size() const { return threads_; }

  class Member {
   public:
    unsigned index() const { return index_; }
    unsigned size() const { return size_; }  // may be less than the team's if OpenMP grants fewer threads
    void barrier() const { team_->wait(); }

    struct Range {
      uint64_t begin, end;
    };
    // This member's contiguous share of [0, count), cut at multiples of `unit`.
    Range share(uint64_t count, uint64_t unit = 1) const;
    // Deals [0, count) to whichever member asks: long ranges first (guided self-scheduling, Polychronopoulos and Kuck
    // 1987), ends at multiples of `unit`; an empty range when nothing is left. Between two barriers one count is dealt.
    Range take(uint64_t count, uint64_t unit = 1) const;

   private:
    friend class ThreadTeam;
    Member(ThreadTeam* team, unsigned index, unsigned size) : team_(team), index_(index), size_(size) {}
    ThreadTeam* team_;
    unsigned index_, size_;
  };

  // One parallel region: runs body on every member and returns when all have.
  // body must not throw, and every member must pass the same barriers.
  // members: how many to use, at most size(); work too small to share is faster with fewer.
  void run(const std::function<void(const Member&)>& body, unsigned members = ~0u);

 private:
  void wait();
  struct Barrier;
  unsigned threads_;
  std::unique_ptr<Barrier> barrier_;
};

}  // namespace tern
