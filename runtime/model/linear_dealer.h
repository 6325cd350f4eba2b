// The rows of linear layers, dealt to the members of a team as they come for them.
#pragma once

#include <algorithm>
#include <initializer_list>

#include "base/checked.h"
#include "runtime/model/block.h"
#include "runtime/model/linear_run.h"

namespace tern {

// The rows y of a layer for `tokens` inputs.
struct LinearTask {
  const LinearPlan& plan;
  const InputPlan& input;
  const LinearInputBuffer& in;
  float* y;
  uint64_t tokens,
      unit;  // rows (of the first half, with plan.halves) that one member computes begin and end at multiples of `unit`
};

// One member's hand. Every member deals the same tasks, once between two barriers.
class LinearDealer {
 public:
  LinearDealer(const LinearRun& run, const ThreadTeam::Member& member, InputObserver* observer)
      : run_(run), me_(member), observer_(observer) {}

  // One task after the other; after(rows) of each part that this member has computed.
  template <class After>
  void deal(std::initializer_list<LinearTask> tasks, const After& after) const {
    uint64_t count = 0;
    for (const LinearTask& task : tasks) {
      observe(task);
      count += tiles_of(task);
    }
    const uint64_t least = least_part(tasks, count);
    for (IndexRange dealt; (dealt = me_.take(count, least)).begin != dealt.end;) {
      uint64_t first = 0;
      for (const LinearTask& task : tasks) {
        const IndexRange rows{row_of(task, dealt.begin, first), row_of(task, dealt.end, first)};
        if (rows.begin != rows.end) compute(task, rows), after(rows);
        first += tiles_of(task);
      }
    }
  }
  void deal(std::initializer_list<LinearTask> tasks) const {
    deal(tasks, [](IndexRange) {});
  }

  void compute(const LinearTask& task, IndexRange rows) const {
    run_.sum_terms(task.plan, task.input, task.in, rows, task.tokens, task.y);
  }

  void observe(const LinearTask& task) const {
    if (!observer_) return;
    observer_->see(task.plan, last_f32_rows(task.input, task.in), task.input.x_stride, task.tokens,
                   me_.share(task.input.cols));
  }

 private:
  static constexpr uint64_t kDealtTiles =
      8;  // at least: what a kernel takes at once, and enough to be worth asking for

  // Look-up tables of the activations are made anew in every call: larger parts. Dot products of large batches may have
  // some, too (trit_mixed.h).
  uint64_t least_part(std::initializer_list<LinearTask> tasks, uint64_t count) const {
    constexpr uint64_t kLargeBatch = 16;
    const bool tables = std::any_of(tasks.begin(), tasks.end(), [](const LinearTask& task) {
      return task.tokens >= kLargeBatch ||
             std::any_of(task.plan.terms.begin(), task.plan.terms.end(), [](const LinearTerm& term) {
               return term.kernel != nullptr && term.kernel->family == KernelFamily::multiplication_free;
             });
    });
    return tables ? align_up(ceil_div(count, 2 * uint64_t{me_.size()}), kDealtTiles) : kDealtTiles;
  }

  static uint64_t tiles_of(const LinearTask& task) { return ceil_div(task.plan.half_rows(), kTileRows); }
  // The row where a part ends that reaches to `tile`, counted from the first task, whose own tiles begin at `first`.
  static uint64_t row_of(const LinearTask& task, uint64_t tile, uint64_t first) {
    const uint64_t own = std::clamp(tile, first, first + tiles_of(task)) - first;
    return std::min(align_up(own * kTileRows, task.unit), task.plan.half_rows());
  }

  const LinearRun& run_;
  const ThreadTeam::Member& me_;
  InputObserver* observer_;
};

}  // namespace tern
