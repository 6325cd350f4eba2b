#include "formats/quantize/k_means.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <queue>
#include <utility>

#include "base/random.h"

namespace tern {
namespace {

constexpr int kTurns = 25;          // of Lloyd's iteration, at most
constexpr int kRefiningTurns = 4;   // where the start is good
constexpr double kEnough = 1e-4;    // a turn that improves less is the last
constexpr unsigned kAskEvery = 64;  // centers that are drawn before the caller is asked again
constexpr size_t kRun = 2048;       // vectors that a thread takes at a time

// One codebook over n vectors.
class KMeans {
 public:
  KMeans(const KMeansOptions& options, std::span<const float> x, std::span<const float> weights)
      : length_(options.length),
        entries_(options.entries),
        n_(x.size() / options.length),
        kernels_(*options.kernels),
        x_(x),
        h_(weights),
        centers_(static_cast<size_t>(length_) * entries_),
        choice_(n_),
        error_(n_),
        random_(options.seed) {}

  Status run(const Interruption& interruption) {
    if (n_ == 0) return {};
    TERN_TRY(start(interruption));
    return turns(kTurns, interruption);
  }

  // From these centers.
  Status refine(std::vector<float> centers, const Interruption& interruption) {
    centers_ = std::move(centers);
    return turns(kRefiningTurns, interruption);
  }

  std::vector<float> take_centers() { return std::move(centers_); }

 private:
  Status turns(int most, const Interruption& interruption) {
    double before = assign();
    for (int turn = 0; turn < most; ++turn) {
      if (interruption) TERN_TRY(interruption());
      move();
      const double now = assign();
      if (!(before - now > kEnough * before)) break;
      before = now;
    }
    return {};
  }

  void set(unsigned entry, size_t vector) {
    for (unsigned i = 0; i < length_; ++i) centers_[i * entries_ + entry] = x_[vector * length_ + i];
  }

  // k-means++: every further center is a vector drawn in proportion to its error so far.
  Status start(const Interruption& interruption) {
    const std::vector<float> x = by_value(x_), h = by_value(h_);
    std::fill(error_.begin(), error_.end(), INFINITY);
    for (unsigned k = 0; k < entries_; ++k) {
      if (interruption && k % kAskEvery == 0) TERN_TRY(interruption());
      const size_t drawn = k == 0 ? random_.below(n_) : draw();
      set(k, drawn);
      const float* entry = &x_[drawn * length_];
#pragma omp parallel for schedule(static) if (n_ > kRun)
      for (size_t v = 0; v < n_; v += kRun)
        kernels_.lower(&x[v], &h[v], length_, n_, std::min(kRun, n_ - v), entry, &error_[v]);
    }
    return {};
  }

  // [vector][value] as [value][vector].
  std::vector<float> by_value(std::span<const float> vectors) const {
    std::vector<float> turned(vectors.size());
    for (size_t i = 0; i < vectors.size(); ++i) turned[i % length_ * n_ + i / length_] = vectors[i];
    return turned;
  }

  size_t draw() {
    double left = random_.uniform() * total_error();
    for (size_t v = 0; v < n_; ++v) {
      left -= error_[v];
      if (left < 0) return v;
    }
    return n_ - 1;
  }

  double assign() {
#pragma omp parallel for schedule(static)
    for (size_t v = 0; v < n_; ++v) {
      choice_[v] = kernels_.nearest(&x_[v * length_], &h_[v * length_], length_, centers_.data(), entries_, &error_[v]);
    }
    return total_error();
  }

  double total_error() const { return std::accumulate(error_.begin(), error_.end(), 0.0); }

  // Each value to the weighted mean of its vectors; an entry without vectors to the vector of the largest error.
  void move() {
    std::vector<double> sums(centers_.size()), weights(centers_.size());
    for (size_t v = 0; v < n_; ++v) {
      for (unsigned i = 0; i < length_; ++i) {
        const size_t at = i * entries_ + choice_[v], from = v * length_ + i;
        sums[at] += static_cast<double>(h_[from]) * x_[from];
        weights[at] += h_[from];
      }
    }
    for (unsigned k = 0; k < entries_; ++k) {
      bool used = false;
      for (unsigned i = 0; i < length_; ++i) {
        const size_t at = i * entries_ + k;
        if (weights[at] > 0) centers_[at] = static_cast<float>(sums[at] / weights[at]), used = true;
      }
      if (used) continue;
      const auto worst = std::max_element(error_.begin(), error_.end());
      set(k, static_cast<size_t>(worst - error_.begin()));
      *worst = 0;
    }
  }

  unsigned length_, entries_;
  size_t n_;
  const QuantizeKernels& kernels_;
  std::span<const float> x_, h_;
  std::vector<float> centers_;  // [value][entry]
  std::vector<unsigned> choice_;
  std::vector<float> error_;
  Random random_;
};

}  // namespace

Result<std::vector<float>> k_means(const KMeansOptions& options, std::span<const float> x,
                                   std::span<const float> weights, const Interruption& interruption) {
  KMeans means(options, x, weights);
  TERN_TRY(means.run(interruption));
  return means.take_centers();
}

namespace {

constexpr unsigned kCells = 256;

struct Cell {
  std::vector<float> x, weights;
  double error = 0;  // with one entry
  unsigned entries = 1;
};

// The vectors by their nearest head; no cell is empty.
std::vector<Cell> cells_of(const KMeansOptions& options, std::span<const float> x, std::span<const float> weights,
                           std::span<const float> heads) {
  const unsigned length = options.length;
  std::vector<unsigned> nearest(x.size() / length);
  std::vector<float> errors(nearest.size());
#pragma omp parallel for schedule(static)
  for (size_t v = 0; v < nearest.size(); ++v) {
    nearest[v] =
        options.kernels->nearest(&x[v * length], &weights[v * length], length, heads.data(), kCells, &errors[v]);
  }
  std::vector<Cell> cells(kCells);
  for (size_t v = 0; v < nearest.size(); ++v) {
    Cell& cell = cells[nearest[v]];
    for (size_t i = v * length; i < (v + 1) * length; ++i) cell.x.push_back(x[i]), cell.weights.push_back(weights[i]);
    cell.error += errors[v];
  }
  std::erase_if(cells, [](const Cell& cell) { return cell.x.empty(); });
  return cells;
}

// Deals the entries in proportion to errors, the next to the cell of the largest error an entry; none gets more than it
// has vectors.
void deal_entries(std::vector<Cell>& cells, unsigned length, uint64_t entries) {
  std::priority_queue<std::pair<double, size_t>> next;
  const auto offer = [&](size_t c) {
    if (cells[c].entries < cells[c].x.size() / length) next.emplace(cells[c].error / cells[c].entries, c);
  };
  for (size_t c = 0; c < cells.size(); ++c) offer(c);
  for (uint64_t dealt = cells.size(); dealt < entries; ++dealt) {
    const size_t c = next.top().second;
    next.pop();
    ++cells[c].entries;
    offer(c);
  }
}

}  // namespace

Result<std::vector<float>> split_k_means(const KMeansOptions& options, std::span<const float> x,
                                         std::span<const float> weights, const Interruption& interruption) {
  const unsigned length = options.length;
  if (options.entries <= kFlatEntries || x.size() / length < options.entries)
    return k_means(options, x, weights, interruption);
  KMeansOptions part = options;
  part.entries = kCells;
  TERN_ASSIGN(const auto heads, k_means(part, x, weights, interruption));
  std::vector<Cell> cells = cells_of(options, x, weights, heads);
  deal_entries(cells, length, options.entries);
  std::vector<float> centers(static_cast<size_t>(length) * options.entries);
  size_t first = 0;
  for (const Cell& cell : cells) {
    part.entries = cell.entries;
    TERN_ASSIGN(const auto found, k_means(part, cell.x, cell.weights, interruption));
    for (size_t i = 0; i < found.size(); ++i)
      centers[i / cell.entries * options.entries + first + i % cell.entries] = found[i];
    first += cell.entries;
  }
  if (options.entries > kRefinedEntries) return centers;
  KMeans all(options, x, weights);
  TERN_TRY(all.refine(std::move(centers), interruption));
  return all.take_centers();
}

}  // namespace tern
