#include "formats/quantize/vq.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "base/checked.h"
#include "base/half.h"
#include "base/math.h"
#include "formats/encoding/vector.h"
#include "formats/quantize/k_means.h"

namespace tern {
namespace {

constexpr int kPlaneTurns = 2;
constexpr int kStepTurns = 8;  // of a row's step and its codes, where levels are evenly spaced

class Trainer {
 public:
  Trainer(const VqOptions& options, uint64_t cols, std::span<VqSample> samples, const Interruption& interruption)
      : book_{options, vq_group_cols(options, cols), {}, {}}, samples_(samples), interruption_(interruption) {
    book_.codes.resize(samples.size() * options.planes * book_.entries() * options.length);
  }

  Result<VqBook> run() {
    if (book_.options.training == VqTraining::none) {
      spread_levels();
      return std::move(book_);
    }
    for (VqSample& s : samples_) {
      if (s.importance.empty()) s.importance.assign(s.vectors.size(), 1.f);
    }
    for (unsigned plane = 0; plane < book_.options.planes; ++plane) TERN_TRY(train(plane));
    return std::move(book_);
  }

 private:
  int8_t& code(size_t group, unsigned plane, unsigned entry, unsigned i) {
    return book_.codes[((group * book_.options.planes + plane) * book_.entries() + entry) * book_.options.length + i];
  }

  // Levels -(n - 1), -(n - 3), .. n - 1; value i of an entry is digit i of its index.
  void spread_levels() {
    const unsigned length = book_.options.length, digit = book_.options.bits / length, levels = 1u << digit;
    const int wide = vq_largest_code(length) / static_cast<int>(levels - 1);
    for (size_t group = 0; group < samples_.size(); ++group) {
      for (unsigned k = 0; k < book_.entries(); ++k) {
        for (unsigned i = 0; i < length; ++i) {
          const int level = static_cast<int>(k >> (i * digit) & (levels - 1));
          code(group, 0, k, i) = static_cast<int8_t>(wide * (2 * level - static_cast<int>(levels - 1)));
        }
      }
    }
    book_.factors.push_back(1.5f / static_cast<float>(wide * static_cast<int>(levels - 1)));
  }

  // One factor for the codebooks of all groups.
  Status train(unsigned plane) {
    std::vector<std::vector<float>> centers;
    float most = 0;
    for (const VqSample& s : samples_) {
      const KMeansOptions options{book_.options.length, book_.entries(), book_.options.seed, book_.options.kernels};
      TERN_ASSIGN(auto found, k_means(options, s.vectors, s.importance, interruption_));
      for (const float c : found) most = std::max(most, std::fabs(c));
      centers.push_back(std::move(found));
    }
    const float factor = most > 0 ? most / static_cast<float>(vq_largest_code(book_.options.length)) : 1.f;
    book_.factors.push_back(factor);
    for (size_t group = 0; group < samples_.size(); ++group) {
      round(group, plane, factor, centers[group]);
      if (plane + 1u < book_.options.planes) subtract(samples_[group], centers[group]);
    }
    return {};
  }

  void round(size_t group, unsigned plane, float factor, std::vector<float>& centers) {
    for (unsigned k = 0; k < book_.entries(); ++k) {
      for (unsigned i = 0; i < book_.options.length; ++i) {
        float& center = centers[i * book_.entries() + k];
        const float rounded = std::nearbyint(center / factor);
        code(group, plane, k, i) = static_cast<int8_t>(rounded);
        center = factor * rounded;
      }
    }
  }

  void subtract(VqSample& s, const std::vector<float>& centers) const {
    const unsigned length = book_.options.length;
    for (size_t v = 0; v < s.vectors.size(); v += length) {
      const unsigned k = book_.options.kernels->nearest(&s.vectors[v], &s.importance[v], length, centers.data(),
                                                        book_.entries(), nullptr);
      for (unsigned i = 0; i < length; ++i) s.vectors[v + i] -= centers[i * book_.entries() + k];
    }
  }

  VqBook book_;
  std::span<VqSample> samples_;
  const Interruption& interruption_;
};

}  // namespace

Status check_vq(const VqOptions& o) {
  if (o.length < kMinVectorLength || o.length > kMaxVectorLength || o.bits == 0 || o.bits > 8 || o.planes == 0 ||
      o.planes > kMaxVqPlanes) {
    return invalid_argument(fmt::format(
        "vectors of {} with {} codebooks of {} bits, expected 2 to 32 values, 1 to {} codebooks, 1 to 8 bits", o.length,
        o.planes, o.bits, kMaxVqPlanes));
  }
  if (o.groups == 0) return invalid_argument("0 column groups, expected 1 or more");
  if (o.training == VqTraining::none && (o.bits % o.length != 0 || o.planes != 1)) {
    return invalid_argument(fmt::format(
        "evenly spaced levels in {} codebooks of {} bits for {} values, expected one, of as many bits for each value",
        o.planes, o.bits, o.length));
  }
  if (o.outliers.percent > kMaxOutlierPercent)
    return invalid_argument(fmt::format("{} % outliers, expected 0 to {}", o.outliers.percent, kMaxOutlierPercent));
  return o.outliers.percent == 0 ? Status() : check_vq(vq_of_outliers(o));
}

uint64_t vq_outlier_cols(const VqOptions& options, uint64_t cols) {
  return align_up(ceil_div(cols * options.outliers.percent, 100), options.outliers.length);
}

VqOptions vq_of_outliers(const VqOptions& options) {
  VqOptions own = options;
  own.length = static_cast<uint8_t>(options.outliers.length), own.bits = static_cast<uint8_t>(options.outliers.bits);
  own.planes = 1, own.groups = 1, own.outliers = {};
  return own;
}

int vq_largest_code(unsigned length) { return std::min(127, 32767 / 127 / static_cast<int>(length)); }

uint64_t vq_group_cols(const VqOptions& options, uint64_t cols) {
  return align_up(ceil_div(cols, options.groups), options.length);
}

std::vector<float> VqBook::centers() const {
  const size_t length = options.length, n = entries();
  std::vector<float> values(codes.size());
  for (size_t i = 0; i < codes.size(); ++i) {
    const size_t book = i / length / n, entry = i / length % n;  // of a group and plane
    values[(book * length + i % length) * n + entry] = factors[book % options.planes] * static_cast<float>(codes[i]);
  }
  return values;
}

size_t VqBook::group_at(uint64_t position) const {
  return position * options.length / group_cols * options.planes * entries() * options.length;
}

Result<VqBook> train_vq(const VqOptions& options, uint64_t cols, std::span<VqSample> samples,
                        const Interruption& interruption) {
  return Trainer(options, cols, samples, interruption).run();
}

void choose_entries(const VqBook& book, const float* x, const float* weights, const float* centers, uint16_t* to,
                    uint64_t plane_stride) {
  const unsigned length = book.options.length, planes = book.options.planes, entries = book.entries();
  float left[32];
  for (int turn = 0; turn < (planes == 1 ? 1 : 1 + kPlaneTurns); ++turn) {
    for (unsigned p = 0; p < planes; ++p) {
      for (unsigned i = 0; i < length; ++i) {
        left[i] = x[i];
        for (unsigned q = 0; q < planes; ++q) {
          if (q == p || (turn == 0 && q > p)) continue;
          left[i] -= centers[(q * length + i) * entries + to[q * plane_stride]];
        }
      }
      to[p * plane_stride] = static_cast<uint16_t>(
          book.options.kernels->nearest(left, weights, length, centers + p * length * entries, entries, nullptr));
    }
  }
}

VqAssigner::VqAssigner(const VqBook& book, uint64_t cols) : book_(book), centers_(book.centers()) {
  x_.resize((cols + book.options.length - 1) / book.options.length * book.options.length);
  h_.resize(x_.size());
}

// Chooses entries for x_; the factor that fits them to it in least squares.
double VqAssigner::fit(uint16_t* indices, uint64_t plane_stride) {
  const size_t length = book_.options.length, planes = book_.options.planes, entries = book_.entries();
  double product = 0, norm = 0;
  for (size_t position = 0; position < x_.size() / length; ++position) {
    const float* centers = &centers_[book_.group_at(position)];
    choose_entries(book_, &x_[position * length], &h_[position * length], centers, indices + position, plane_stride);
    for (size_t i = 0; i < length; ++i) {
      double q = 0;
      for (size_t p = 0; p < planes; ++p)
        q += centers[(p * length + i) * entries + indices[p * plane_stride + position]];
      const size_t at = position * length + i;
      product += h_[at] * q * x_[at];
      norm += h_[at] * q * q;
    }
  }
  return norm > 0 ? product / norm : 0;
}

float VqAssigner::unit(std::span<const float> row, std::span<const float> importance, uint16_t* indices,
                       uint64_t plane_stride) {
  double squares = 0;
  for (const float w : row) squares += static_cast<double>(w) * w;
  auto unit = static_cast<float>(std::sqrt(squares / static_cast<double>(row.size())));
  for (size_t i = 0; i < h_.size(); ++i) h_[i] = i >= row.size() ? 0 : importance.empty() ? 1.f : importance[i];
  const auto divide = [&] {
    for (size_t i = 0; i < x_.size(); ++i) x_[i] = i < row.size() && unit > 0 ? row[i] / unit : 0;
  };
  divide();
  for (int turn = 0; turn < kStepTurns && book_.options.training == VqTraining::none; ++turn) {
    unit = static_cast<float>(unit * fit(indices, plane_stride));
    divide();
  }
  return unit;
}

void VqAssigner::assign(std::span<const float> row, std::span<const float> importance, uint16_t* indices,
                        uint64_t plane_stride, std::span<float> scales, std::span<float> decoded) {
  const float unit = this->unit(row, importance, indices, plane_stride);
  store_vq_row(book_, fit(indices, plane_stride) * unit, indices, plane_stride, scales, decoded);
}

void store_vq_row(const VqBook& book, double unit, const uint16_t* indices, uint64_t plane_stride,
                  std::span<float> scales, std::span<float> decoded) {
  const size_t length = book.options.length, planes = book.options.planes;
  for (size_t p = 0; p < planes; ++p) scales[p] = f16_to_f32(f32_to_f16(static_cast<float>(unit * book.factors[p])));
  for (size_t c = 0; c < decoded.size(); ++c) {
    const int8_t* codes = &book.codes[book.group_at(c / length)];
    float w = 0;
    for (size_t p = 0; p < planes; ++p) {
      const size_t entry = p * book.entries() + indices[p * plane_stride + c / length];
      w = fma32(scales[p], static_cast<float>(codes[entry * length + c % length]), w);
    }
    decoded[c] = w;
  }
}

}  // namespace tern
