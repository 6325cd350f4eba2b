#include "formats/quantize/vq.h"

#include <algorithm>
#include <cmath>

#include "base/half.h"
#include "base/math.h"
#include "base/random.h"

namespace tern {
namespace {

constexpr int kTurns = 25;            // of Lloyd's iteration, at most
constexpr double kEnough = 1e-4;      // a turn that improves less is the last
constexpr int kPlaneTurns = 2;

// The entry nearest to x by the weighted squared error, the first of equals; centers are [value][entry].
unsigned nearest(const float* x, const float* h, unsigned length, const float* centers, unsigned entries,
                 float* distances, float* best = nullptr) {
  for (unsigned k = 0; k < entries; ++k) distances[k] = 0;
  for (unsigned i = 0; i < length; ++i) {
    const float* values = centers + static_cast<size_t>(i) * entries;
    for (unsigned k = 0; k < entries; ++k) {
      const float difference = x[i] - values[k];
      distances[k] += h[i] * (difference * difference);
    }
  }
  unsigned at = 0;
  for (unsigned k = 1; k < entries; ++k) at = distances[k] < distances[at] ? k : at;
  if (best) *best = distances[at];
  return at;
}

// One codebook over n vectors.
class KMeans {
 public:
  KMeans(const VqOptions& options, std::span<const float> x, std::span<const float> h)
      : length_(options.length), entries_(1u << options.bits), n_(x.size() / options.length), x_(x), h_(h),
        centers_(static_cast<size_t>(length_) * entries_), choice_(n_), error_(n_), random_(options.seed) {}

  void run() {
    if (n_ == 0) return;
    start();
    double before = assign();
    for (int turn = 0; turn < kTurns; ++turn) {
      move();
      const double now = assign();
      if (!(before - now > kEnough * before)) break;
      before = now;
    }
  }

  const std::vector<float>& centers() const { return centers_; }

 private:
  void set(unsigned entry, size_t vector) {
    for (unsigned i = 0; i < length_; ++i) centers_[i * entries_ + entry] = x_[vector * length_ + i];
  }

  // k-means++: every further center is a vector drawn in proportion to its error so far.
  void start() {
    set(0, random_.below(n_));
    for (size_t v = 0; v < n_; ++v) error_[v] = distance(v, 0);
    for (unsigned k = 1; k < entries_; ++k) {
      set(k, draw());
#pragma omp parallel for schedule(static)
      for (size_t v = 0; v < n_; ++v) error_[v] = std::min(error_[v], distance(v, k));
    }
  }

  float distance(size_t v, unsigned k) const {
    float sum = 0;
    for (unsigned i = 0; i < length_; ++i) {
      const float difference = x_[v * length_ + i] - centers_[i * entries_ + k];
      sum += h_[v * length_ + i] * (difference * difference);
    }
    return sum;
  }

  size_t draw() {
    double total = 0;
    for (const float e : error_) total += e;
    double left = random_.uniform() * total;
    for (size_t v = 0; v < n_; ++v) {
      left -= error_[v];
      if (left < 0) return v;
    }
    return n_ - 1;
  }

  double assign() {
#pragma omp parallel
    {
      std::vector<float> distances(entries_);
#pragma omp for schedule(static)
      for (size_t v = 0; v < n_; ++v) {
        choice_[v] = nearest(&x_[v * length_], &h_[v * length_], length_, centers_.data(), entries_, distances.data(),
                             &error_[v]);
      }
    }
    double total = 0;
    for (const float e : error_) total += e;
    return total;
  }

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
  std::span<const float> x_, h_;
  std::vector<float> centers_;  // [value][entry]
  std::vector<unsigned> choice_;
  std::vector<float> error_;
  Random random_;
};

}  // namespace

int vq_largest_code(unsigned length) { return std::min(127, 32767 / 127 / static_cast<int>(length)); }

VqBook train_vq(const VqOptions& options, std::span<const float> vectors, std::span<const float> importance) {
  const unsigned length = options.length, entries = 1u << options.bits;
  const int largest = vq_largest_code(length);
  VqBook book{options, {}, {}};
  std::vector<float> left(vectors.begin(), vectors.end()), h(importance.begin(), importance.end());
  if (h.empty()) h.assign(left.size(), 1.f);
  for (unsigned plane = 0; plane < options.planes; ++plane) {
    KMeans means(options, left, h);
    means.run();
    std::vector<float> centers = means.centers();
    float most = 0;
    for (const float c : centers) most = std::max(most, std::fabs(c));
    const float factor = most > 0 ? most / static_cast<float>(largest) : 1.f;
    book.factors.push_back(factor);
    for (unsigned k = 0; k < entries; ++k) {
      for (unsigned i = 0; i < length; ++i) {
        const float code = std::nearbyint(centers[i * entries + k] / factor);
        book.codes.push_back(static_cast<int8_t>(code));
        centers[i * entries + k] = factor * code;
      }
    }
    if (plane + 1 == options.planes) break;
    std::vector<float> distances(entries);
    for (size_t v = 0; v < left.size(); v += length) {
      const unsigned k = nearest(&left[v], &h[v], length, centers.data(), entries, distances.data());
      for (unsigned i = 0; i < length; ++i) left[v + i] -= centers[i * entries + k];
    }
  }
  return book;
}

VqAssigner::VqAssigner(const VqBook& book, uint64_t cols)
    : book_(book), centers_(book.codes.size()), distances_(size_t{1} << book.options.bits) {
  const size_t length = book.options.length, entries = distances_.size();
  x_.resize((cols + length - 1) / length * length);
  h_.resize(x_.size());
  for (size_t i = 0; i < centers_.size(); ++i) {
    const size_t plane = i / length / entries, entry = i / length % entries;
    centers_[(plane * length + i % length) * entries + entry] =
        book.factors[plane] * static_cast<float>(book.codes[i]);
  }
}

// The planes in turn, each for what the others leave.
void VqAssigner::choose(uint64_t position, uint16_t* indices, uint64_t plane_stride) {
  const unsigned length = book_.options.length, planes = book_.options.planes;
  const auto entries = static_cast<unsigned>(distances_.size());
  const float* x = &x_[position * length];
  float left[32];
  for (int turn = 0; turn < (planes == 1 ? 1 : 1 + kPlaneTurns); ++turn) {
    for (unsigned p = 0; p < planes; ++p) {
      for (unsigned i = 0; i < length; ++i) {
        left[i] = x[i];
        for (unsigned q = 0; q < planes; ++q) {
          if (q == p || (turn == 0 && q > p)) continue;
          left[i] -= centers_[(q * length + i) * entries + indices[q * plane_stride + position]];
        }
      }
      indices[p * plane_stride + position] = static_cast<uint16_t>(
          nearest(left, &h_[position * length], length, &centers_[p * length * entries], entries, distances_.data()));
    }
  }
}

void VqAssigner::assign(std::span<const float> row, std::span<const float> importance, uint16_t* indices,
                        uint64_t plane_stride, std::span<float> scales, std::span<float> decoded) {
  const size_t length = book_.options.length, planes = book_.options.planes, entries = distances_.size();
  double squares = 0;
  for (const float w : row) squares += static_cast<double>(w) * w;
  const auto rms = static_cast<float>(std::sqrt(squares / static_cast<double>(row.size())));
  for (size_t i = 0; i < x_.size(); ++i) {
    x_[i] = i < row.size() && rms > 0 ? row[i] / rms : 0;
    h_[i] = i >= row.size() ? 0 : importance.empty() ? 1.f : importance[i];
  }
  double product = 0, norm = 0;
  for (size_t position = 0; position < x_.size() / length; ++position) {
    choose(position, indices, plane_stride);
    for (size_t i = 0; i < length; ++i) {
      double q = 0;
      for (size_t p = 0; p < planes; ++p)
        q += centers_[(p * length + i) * entries + indices[p * plane_stride + position]];
      const size_t at = position * length + i;
      product += h_[at] * q * x_[at];
      norm += h_[at] * q * q;
    }
  }
  const double fit = norm > 0 ? product / norm : 0;
  for (size_t p = 0; p < planes; ++p)
    scales[p] = f16_to_f32(f32_to_f16(static_cast<float>(fit * rms * book_.factors[p])));
  for (size_t c = 0; c < row.size(); ++c) {
    float w = 0;
    for (size_t p = 0; p < planes; ++p) {
      const size_t entry = p * entries + indices[p * plane_stride + c / length];
      w = fma32(scales[p], static_cast<float>(book_.codes[entry * length + c % length]), w);
    }
    decoded[c] = w;
  }
}

}  // namespace tern
