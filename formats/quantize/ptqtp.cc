#include "formats/quantize/ptqtp.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <vector>

#include "formats/encoding/values.h"

namespace tern {
namespace {

constexpr unsigned kMaxLevels = 27;  // 3^kMaxPtqtpPlanes
constexpr unsigned kLanes = 8;       // partial sums side by side, for the compiler to use vectors

using Scales = std::array<double, kMaxPtqtpPlanes>;
using Matrix = std::array<Scales, kMaxPtqtpPlanes>;

struct Level {
  std::array<int8_t, kMaxPtqtpPlanes> trits{};
  unsigned rank = 0;  // in the order of preference
  double value = 0;
};

// The 3^K tuples in the order of preference.
std::vector<Level> tuples(unsigned planes) {
  constexpr int8_t kOrder[] = {0, 1, -1};
  std::vector<Level> all;
  const auto count = static_cast<unsigned>(std::lround(std::pow(3, planes)));
  for (unsigned i = 0; i < count; ++i) {
    Level level;
    for (unsigned p = planes, rest = i; p-- > 0; rest /= 3) level.trits[p] = kOrder[rest % 3];
    all.push_back(level);
  }
  const auto non_zero = [](const Level& l) {
    return std::count_if(l.trits.begin(), l.trits.end(), [](int t) { return t; });
  };
  std::stable_sort(all.begin(), all.end(), [&](const Level& a, const Level& b) { return non_zero(a) < non_zero(b); });
  for (unsigned i = 0; i < count; ++i) all[i].rank = i;
  return all;
}

const std::vector<Level>& preferred(unsigned planes) {
  static const std::array<std::vector<Level>, kMaxPtqtpPlanes + 1> kTuples{tuples(0), tuples(1), tuples(2), tuples(3)};
  return kTuples[planes];
}

// The sums for given scales, ascending and distinct, and between neighbours the largest weight that takes the lower.
class Levels {
 public:
  Levels(unsigned planes, const Scales& a) {
    const std::vector<Level>& all = preferred(planes);
    std::copy(all.begin(), all.end(), levels_.begin());
    for (Level& l : std::span(levels_).first(all.size()))
      for (unsigned p = 0; p < planes; ++p) l.value += a[p] * l.trits[p];
    const auto end = levels_.begin() + static_cast<ptrdiff_t>(all.size());
    std::sort(levels_.begin(), end,
              [](const Level& x, const Level& y) { return x.value != y.value ? x.value < y.value : x.rank < y.rank; });
    const auto distinct =
        std::unique(levels_.begin(), end, [](const Level& x, const Level& y) { return x.value == y.value; });
    count_ = static_cast<unsigned>(distinct - levels_.begin());
    for (unsigned i = 0; i + 1 < count_; ++i) {
      const double middle = (levels_[i].value + levels_[i + 1].value) / 2;
      const bool upper = levels_[i + 1].rank < levels_[i].rank;  // who gets the middle itself
      cuts_[i] = upper ? std::nextafter(middle, -std::numeric_limits<double>::infinity()) : middle;
    }
  }
  unsigned count() const { return count_; }
  const Level& operator[](unsigned i) const { return levels_[i]; }
  std::span<const double> cuts() const { return std::span(cuts_).first(count_ - 1); }
  const Level& nearest(double w) const {
    unsigned i = 0;
    for (const double cut : cuts()) i += w > cut;
    return levels_[i];
  }

 private:
  std::array<Level, kMaxLevels> levels_{};
  std::array<double, kMaxLevels> cuts_{};
  unsigned count_ = 0;
};

// One group, padded with weights of importance 0 to a multiple of kLanes.
struct Group {
  std::span<const double> weight, importance;

  struct Sums {
    double importance = 0, weight = 0;  // sum of h, sum of h w
  };
  // Over the weights above a cut.
  Sums above(double cut) const {
    double h[kLanes] = {}, hw[kLanes] = {};
    for (size_t i = 0; i < weight.size(); i += kLanes) {
      for (unsigned j = 0; j < kLanes; ++j) {
        const double kept = weight[i + j] > cut ? importance[i + j] : 0.0;
        h[j] += kept;
        hw[j] += kept * weight[i + j];
      }
    }
    Sums sums;
    for (unsigned j = 0; j < kLanes; ++j) {
      sums.importance += h[j];
      sums.weight += hw[j];
    }
    return sums;
  }
};

struct Normal {  // S'S and S'w, weighted
  Matrix gram{};
  Scales right{};

  void add(const Level& level, double importance, double weight, unsigned planes) {
    for (unsigned p = 0; p < planes; ++p) {
      right[p] += level.trits[p] * weight;
      for (unsigned q = 0; q < planes; ++q) gram[p][q] += level.trits[p] * level.trits[q] * importance;
    }
  }
};

double minor_of(const Matrix& m, unsigned planes, unsigned row, unsigned col) {
  if (planes == 1) return 1;
  if (planes == 2) return m[1 - row][1 - col];
  const unsigned r0 = row == 0, r1 = 2 - (row == 2), c0 = col == 0, c1 = 2 - (col == 2);
  return m[r0][c0] * m[r1][c1] - m[r0][c1] * m[r1][c0];
}

// a = M^-1 b and kappa = |M|_F |M^-1|_F, by cofactors: M is at most 3 x 3.
struct Solution {
  Scales a{};
  double kappa = std::numeric_limits<double>::infinity();

  Solution(const Matrix& m, const Scales& b, unsigned planes) {
    double det = 0, norm = 0, inverse_norm = 0;
    Matrix cofactor{};
    for (unsigned r = 0; r < planes; ++r) {
      for (unsigned c = 0; c < planes; ++c) {
        cofactor[r][c] = ((r + c) % 2 ? -1 : 1) * minor_of(m, planes, r, c);
        norm += m[r][c] * m[r][c];
        inverse_norm += cofactor[r][c] * cofactor[r][c];
        if (r == 0) det += m[0][c] * cofactor[0][c];
      }
    }
    if (det == 0) return;
    kappa = std::sqrt(norm) * std::sqrt(inverse_norm) / std::abs(det);
    for (unsigned r = 0; r < planes; ++r) {
      for (unsigned c = 0; c < planes; ++c) a[r] += cofactor[c][r] * b[c];
      a[r] /= det;
    }
  }
};

// One regression; an ill-conditioned one raises lambda, for this turn and those that follow.
Scales solve(const Normal& normal, unsigned planes, double& lambda) {
  constexpr double kWorst = 1e12, kMaxLambda = 1;
  const auto with_ridge = [&] {
    Matrix m = normal.gram;
    for (unsigned p = 0; p < planes; ++p) m[p][p] += lambda;
    return Solution(m, normal.right, planes);
  };
  const Solution solution = with_ridge();
  if (solution.kappa < kWorst) return solution.a;
  lambda = std::min(lambda * std::sqrt(solution.kappa / kWorst), kMaxLambda);
  return with_ridge().a;
}

Normal by_level(const Group& group, const Levels& levels, unsigned planes) {
  Normal normal;
  Group::Sums upper;  // of the levels above
  for (unsigned i = levels.count(); i-- > 0;) {
    const Group::Sums sums = group.above(i == 0 ? -std::numeric_limits<double>::infinity() : levels.cuts()[i - 1]);
    normal.add(levels[i], sums.importance - upper.importance, sums.weight - upper.weight, planes);
    upper = sums;
  }
  return normal;
}

// The first regression in closed form: all planes are sign(w), so all scales are equal. Solved as the others are, they
// would differ by what cancels, and rounding instead of the order of preference would part the planes.
Scales start(const Group& group, unsigned planes, double& lambda) {
  double importance = 0, weight = 0;
  for (size_t i = 0; i < group.weight.size(); ++i) {
    importance += group.importance[i];
    weight += group.importance[i] * std::abs(group.weight[i]);
  }
  lambda = planes < 3 ? 1e-8 : 1e-5 * importance;  // of less, nothing is left in the cofactors of three equal planes
  Scales a{};
  std::fill_n(a.begin(), planes, weight / (planes * importance + lambda));
  return a;
}

double length(const Scales& a, const Scales& b) {
  double sum = 0;
  for (unsigned p = 0; p < kMaxPtqtpPlanes; ++p) sum += (a[p] - b[p]) * (a[p] - b[p]);
  return std::sqrt(sum);
}

Scales fit_free(const Group& group, unsigned planes) {
  constexpr int kTurns = 50;
  constexpr double kStill = 1e-4, kStillRelative = 1e-3;
  double lambda;
  Scales a = start(group, planes, lambda);
  for (int turn = 1; turn < kTurns; ++turn) {
    const Scales next = solve(by_level(group, Levels(planes, a), planes), planes, lambda);
    const double moved = length(next, a);
    a = next;
    if (moved < kStill && moved <= kStillRelative * length(a, {})) break;
  }
  for (double& s : a) s = std::abs(s);
  return a;
}

double round_to_nine_bits(double s) {
  int exponent;
  const double mantissa = std::frexp(s, &exponent);
  return std::ldexp(std::nearbyint(mantissa * 512), exponent - 9);
}

double squared_error(const Group& group, const Levels& levels) {
  double sum = 0;
  for (size_t i = 0; i < group.weight.size(); ++i) {
    const double difference = group.weight[i] - levels.nearest(group.weight[i]).value;
    sum += group.importance[i] * difference * difference;
  }
  return sum;
}

Scales fit_tied(const Group& group) {
  constexpr int kSteps = 65;
  double largest = 0, least = std::numeric_limits<double>::infinity();
  for (const double w : group.weight) largest = std::max(largest, std::abs(w));
  Scales best{};
  for (int i = 0; i < kSteps; ++i) {
    const double s = round_to_nine_bits(largest / (3.25 + 2.0 * i / (kSteps - 1)));
    const Scales a{3 * s, s, 0};
    const double error = squared_error(group, Levels(2, a));
    if (error >= least) continue;
    least = error;
    best = a;
  }
  return best;
}

float as_stored(double scale, FloatType type) {
  std::byte bytes[4];
  store_float(type, bytes, 0, static_cast<float>(scale));
  return load_float(type, bytes, 0);
}

}  // namespace

PtqtpFitter::PtqtpFitter(const PtqtpOptions& options, size_t columns)
    : options_(options), weights_(columns + kLanes), importance_(columns + kLanes) {
  preferred(options.planes);  // makes the tables
}

void PtqtpFitter::fit(std::span<const float> weights, std::span<const float> importance, int8_t* trits,
                      size_t plane_stride, std::span<float> scales) {
  std::fill(scales.begin(), scales.end(), 0.f);
  for (unsigned p = 0; p < options_.planes; ++p) std::fill_n(trits + p * plane_stride, weights.size(), int8_t{0});
  if (std::all_of(weights.begin(), weights.end(), [](float w) { return w == 0; })) return;

  const size_t padded = (weights.size() + kLanes - 1) / kLanes * kLanes;
  std::fill_n(weights_.begin(), padded, 0.0);
  std::fill_n(importance_.begin(), padded, 0.0);
  std::copy(weights.begin(), weights.end(), weights_.begin());
  if (importance.empty()) std::fill_n(importance_.begin(), weights.size(), 1.0);
  std::copy(importance.begin(), importance.end(), importance_.begin());
  const Group group{std::span(weights_).first(padded), std::span(importance_).first(padded)};

  const Scales fitted = options_.tied ? fit_tied(group) : fit_free(group, options_.planes);
  Scales stored{};
  bool finite = true;
  for (unsigned p = 0; p < options_.planes; ++p) {
    stored[p] = scales[p] = as_stored(fitted[p], options_.scale_type);
    finite &= std::isfinite(scales[p]);
  }
  if (!finite) return;
  const Levels levels(options_.planes, stored);
  for (size_t i = 0; i < weights.size(); ++i) {
    const Level& level = levels.nearest(weights[i]);
    for (unsigned p = 0; p < options_.planes; ++p) trits[p * plane_stride + i] = level.trits[p];
  }
}

}  // namespace tern
