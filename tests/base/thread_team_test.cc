#include "base/thread_team.h"

#include <omp.h>
#include <time.h>

#include <algorithm>
#include <atomic>
#include <catch2/catch.hpp>
#include <chrono>
#include <numeric>
#include <thread>
#include <vector>

using namespace tern;
using namespace std::chrono_literals;

namespace {

double cpu_seconds() {  // of all threads of the process
  timespec t{};
  ::clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
  return static_cast<double>(t.tv_sec) + 1e-9 * static_cast<double>(t.tv_nsec);
}

}  // namespace

TEST_CASE("every member runs once, with its own index") {
  for (const unsigned threads : {0u, 1u, 2u, 5u}) {
    ThreadTeam team(threads);
    REQUIRE(team.size() == std::max(threads, 1u));
    std::vector<int> runs(team.size());
    std::atomic<bool> sizes_agree{true};
    for (int step = 0; step < 50; ++step) {
      team.run([&](const ThreadTeam::Member& member) {
        if (member.size() != team.size()) sizes_agree = false;
        runs[member.index()] += 1;  // no lock: one index, one thread, and run() joins
      });
    }
    CHECK(runs == std::vector<int>(team.size(), 50));
    CHECK(sizes_agree);
  }
}

TEST_CASE("what is written before a barrier is seen after it") {
  for (const unsigned threads : {1u, 2u, 5u}) {
    ThreadTeam team(threads);
    std::vector<int> cells(team.size());  // plain memory: TSan sees a barrier that does not order
    std::atomic<int> wrong{0};
    const int phases = 300;
    team.run([&](const ThreadTeam::Member& member) {
      for (int phase = 1; phase <= phases; ++phase) {
        cells[member.index()] = phase;
        member.barrier();
        for (const int cell : cells) wrong += cell != phase;
        member.barrier();
      }
    });
    CHECK(wrong == 0);
    CHECK(std::accumulate(cells.begin(), cells.end(), 0) == phases * static_cast<int>(team.size()));
  }
}

TEST_CASE("a member that is late by far longer than the spin is waited for") {
  ThreadTeam team(3);
  std::vector<uint64_t> result(3);
  team.run([&](const ThreadTeam::Member& member) {
    volatile uint64_t busy = 0;
    if (member.index() == 1) {
      for (int i = 0; i < 20'000'000; ++i) busy = busy + 1;
    }
    result[member.index()] = busy + 1;
    member.barrier();
    if (member.index() == 0) result[0] = result[1] + result[2];
  });
  CHECK(result[0] == 20'000'002);
}

TEST_CASE("members that wait long sleep, and so does a team between runs") {
  ThreadTeam team(3);
  const double before = cpu_seconds();
  team.run([&](const ThreadTeam::Member& member) {
    if (member.index() == 0) std::this_thread::sleep_for(400ms);
    member.barrier();
  });
  CHECK(cpu_seconds() - before < 0.2);
  std::this_thread::sleep_for(500ms);  // OpenMP's own threads may spin a little: clang's 200 ms
  const double idle = cpu_seconds();
  std::this_thread::sleep_for(300ms);
  CHECK(cpu_seconds() - idle < 0.03);
}

TEST_CASE("many short runs, with other teams in between") {
  ThreadTeam a(2), b(5);
  uint64_t total = 0;
  std::vector<uint64_t> parts(5);
  for (int i = 0; i < 500; ++i) {
    for (ThreadTeam* team : {&a, &b}) {
      team->run([&](const ThreadTeam::Member& member) {
        parts[member.index()] = 1;
        member.barrier();
        if (member.index() == 0) {
          for (unsigned k = 0; k < member.size(); ++k) total += parts[k];
        }
      });
    }
  }
  CHECK(total == 500 * 7);
}

TEST_CASE("fewer threads than asked for still meet at the barrier") {
  ThreadTeam team(4);
  std::atomic<int> bodies{0}, sizes{0}, met{0};
#pragma omp parallel num_threads(2)
  {
#pragma omp master
    {
      omp_set_max_active_levels(1);  // a region inside a region then gets one thread
      team.run([&](const ThreadTeam::Member& member) {
        ++bodies;
        sizes += static_cast<int>(member.size());
        member.barrier();
        ++met;
      });
    }
  }
  CHECK(bodies == met);
  CHECK(sizes == bodies * bodies);
  CHECK(bodies == 1);
}

TEST_CASE("a run uses no more members than it is asked to") {
  ThreadTeam team(3);
  for (unsigned asked : {1u, 2u, 3u, 7u, 0u}) {
    std::atomic<unsigned> ran = 0, size = 0;
    team.run(
        [&](const ThreadTeam::Member& member) {
          size = member.size();
          ++ran;
          member.barrier();
        },
        asked);
    CHECK(ran == std::clamp(asked, 1u, 3u));
    CHECK(size == ran);
  }
}

TEST_CASE("shares cover the count exactly, in order, cut at units, and differ by one unit at most") {
  for (const unsigned threads : {1u, 2u, 5u}) {
    ThreadTeam team(threads);
    for (const uint64_t unit : {1u, 2u, 16u, 64u}) {
      for (const uint64_t count : {0u, 1u, 5u, 15u, 16u, 17u, 63u, 64u, 80u, 1000u, 4096u}) {
        std::vector<ThreadTeam::Member::Range> shares(team.size());
        team.run([&](const ThreadTeam::Member& member) { shares[member.index()] = member.share(count, unit); });
        uint64_t at = 0, least = ~0ull, most = 0;
        for (const auto& share : shares) {
          REQUIRE(share.begin == at);
          REQUIRE(share.end >= share.begin);
          REQUIRE((share.end % unit == 0 || share.end == count));
          at = share.end;
          const uint64_t units = (share.end - share.begin + unit - 1) / unit;
          least = std::min(least, units);
          most = std::max(most, units);
        }
        REQUIRE(at == count);
        REQUIRE(most - least <= 1);
      }
    }
  }
}

TEST_CASE("shares of a huge count do not overflow") {
  ThreadTeam team(2);
  std::vector<ThreadTeam::Member::Range> shares(2);
  const uint64_t count = ~0ull;
  team.run([&](const ThreadTeam::Member& member) { shares[member.index()] = member.share(count, 1ull << 40); });
  CHECK(shares[0].begin == 0);
  CHECK(shares[0].end == 1ull << 63);
  CHECK(shares[1].begin == 1ull << 63);
  CHECK(shares[1].end == count);
}

TEST_CASE("what is dealt reaches each index once, again after every barrier") {
  for (const unsigned threads : {1u, 2u, 5u}) {
    ThreadTeam team(threads);
    for (const uint64_t unit : {1u, 8u}) {
      std::vector<std::atomic<int>> seen(1003);
      std::atomic<int> badly_cut{0};
      const int deals = 20;
      team.run([&](const ThreadTeam::Member& member) {
        for (int deal = 0; deal < deals; ++deal) {
          for (auto range = member.take(seen.size(), unit); range.begin != range.end;
               range = member.take(seen.size(), unit)) {
            badly_cut += range.begin % unit != 0 || (range.end % unit != 0 && range.end != seen.size());
            for (uint64_t i = range.begin; i < range.end; ++i) ++seen[i];
          }
          member.barrier();
        }
      });
      CHECK(badly_cut == 0);
      CHECK(std::all_of(seen.begin(), seen.end(), [&](const auto& count) { return count == deals; }));
    }
  }
}

TEST_CASE("a member that stands still leaves what is dealt to the others") {
  ThreadTeam team(2);
  std::atomic<uint64_t> done{0}, held{0};
  team.run([&](const ThreadTeam::Member& member) {
    for (auto range = member.take(1000); range.begin != range.end; range = member.take(1000)) {
      if (range.begin == 0) {  // whoever has the first part waits until the other has done the rest
        held = range.end;
        while (member.size() == 2 && done < 1000 - range.end) {
        }
      }
      done += range.end - range.begin;
    }
  });
  CHECK(done == 1000);
  CHECK(held <= 500);
}

TEST_CASE("nothing to deal") {
  ThreadTeam team(3);
  std::atomic<int> empty{0};
  team.run([&](const ThreadTeam::Member& member) {
    const auto range = member.take(0);
    empty += range.begin == range.end;
  });
  CHECK(empty == 3);
}
