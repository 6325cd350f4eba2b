#include "formats/quantize/phase.h"

#include <algorithm>
#include <bit>

#include "base/half.h"

namespace tern {
namespace {

constexpr size_t kChunk = 256;  // numbers at once, on the stack

// Finite values only; f32_to_bf16 is a call in another file.
template <PhaseArithmetic A>
float rounded(float x) {
  if constexpr (A == PhaseArithmetic::f32) return x;
  const uint32_t bits = std::bit_cast<uint32_t>(x);
  return std::bit_cast<float>((bits + 0x7fffu + ((bits >> 16) & 1u)) & 0xffff0000u);
}

// In one rounding: by way of f32, a value near the middle of two would be rounded twice.
float to_bf16(double x) {
  auto f = static_cast<float>(x);
  const bool middle = (std::bit_cast<uint32_t>(f) & 0xffffu) == 0x8000u;
  if (middle && f != x) f = std::nextafter(f, f < x ? INFINITY : -INFINITY);
  return rounded<PhaseArithmetic::bf16>(f);
}

float stored(FloatType type, float x) {
  if (type == FloatType::f32) return x;
  return type == FloatType::f16 ? f16_to_f32(f32_to_f16(x)) : bf16_to_f32(f32_to_bf16(x));
}

float rounded_to(PhaseArithmetic arithmetic, double x) {
  return arithmetic == PhaseArithmetic::bf16 ? to_bf16(x) : static_cast<float>(x);
}

float scale_of(const PhaseOptions& options, double mean) {
  const auto round = [&](double x) { return rounded_to(options.arithmetic, x); };
  const bool ifairy = options.rule == PhaseScaleRule::ifairy;
  const float scale = std::max(round(mean), round(ifairy ? 1e-5 : 1e-6));
  return ifairy ? round(1.0 / round(1.0 / scale)) : scale;
}

// The scale of a mean that an f32 sum may have rounded to the other side; the same scale where it cannot.
float other_scale(const PhaseOptions& options, double mean) {
  if (options.arithmetic == PhaseArithmetic::f32) return scale_of(options, mean);
  const float scale = scale_of(options, mean), below = scale_of(options, mean * (1 - 0x1p-16));
  return below != scale ? below : scale_of(options, mean * (1 + 0x1p-16));
}

// Numbers as the stages eat them away.
struct Residual {
  float re[kChunk], im[kChunk];
  size_t count;

  Residual(std::span<const float> from_re, std::span<const float> from_im) : count(from_re.size()) {
    std::copy(from_re.begin(), from_re.end(), re);
    std::copy(from_im.begin(), from_im.end(), im);
  }
};

void choose_axes(const Residual& r, uint8_t* codes) {
  for (size_t i = 0; i < r.count; ++i) codes[i] = phase_code(r.re[i], r.im[i]);
}

template <PhaseArithmetic A>
void subtract(float s_re, float s_im, const uint8_t* codes, Residual& r) {
  const float re[4] = {s_re, 0, -s_re, 0}, im[4] = {0, s_im, 0, -s_im};
  for (size_t i = 0; i < r.count; ++i) {
    r.re[i] = rounded<A>(r.re[i] - re[codes[i]]);
    r.im[i] = rounded<A>(r.im[i] - im[codes[i]]);
  }
}

// Stages [0, stages) one after the other; r is what they leave.
void by_stages(const PhaseOptions& options, const PhaseScales& s, unsigned stages, Residual& r, uint8_t* codes,
               size_t stride) {
  for (unsigned t = 0; t < stages; ++t) {
    choose_axes(r, codes + t * stride);
    const auto step =
        options.arithmetic == PhaseArithmetic::bf16 ? subtract<PhaseArithmetic::bf16> : subtract<PhaseArithmetic::f32>;
    step(s.re[t], s.im[t], codes + t * stride, r);
  }
}

// Sum `index` of the 4^stages sums of scaled codes, two bits a stage.
std::array<float, 2> sum_of_codes(const PhaseScales& s, unsigned stages, unsigned index) {
  float re = 0, im = 0;
  for (unsigned t = 0; t < stages; ++t) {
    const unsigned code = index >> 2 * t & 3;
    const float sign = code < 2 ? 1.f : -1.f;
    (code % 2 == 0 ? re : im) += sign * (code % 2 == 0 ? s.re[t] : s.im[t]);
  }
  return {re, im};
}

// Sums come in fours that differ in the signs of their parts: those of the first quadrant are enough, for the absolute
// values of a number's parts.
void jointly(const PhaseScales& s, unsigned stages, const Residual& r, uint8_t* codes, size_t stride) {
  float least[kChunk];
  uint32_t best[kChunk] = {};
  std::fill_n(least, r.count, INFINITY);
  for (uint32_t index = 0; index < 1u << 2 * stages; ++index) {
    const auto [re, im] = sum_of_codes(s, stages, index);
    if (re < 0 || im < 0) continue;
    for (size_t i = 0; i < r.count; ++i) {
      const float x = std::abs(r.re[i]) - re, y = std::abs(r.im[i]) - im, distance = x * x + y * y;
      const bool nearer = distance < least[i];
      best[i] = nearer ? index : best[i];
      least[i] = nearer ? distance : least[i];
    }
  }
  for (unsigned t = 0; t < stages; ++t) {
    for (size_t i = 0; i < r.count; ++i) {
      const uint32_t code = best[i] >> 2 * t & 3;
      codes[t * stride + i] = static_cast<uint8_t>(code ^ ((code % 2 == 0 ? r.re[i] : r.im[i]) < 0 ? 2u : 0u));
    }
  }
}

void choose(const PhaseOptions& options, const PhaseScales& s, Residual& r, uint8_t* codes, size_t stride) {
  if (options.joint) return jointly(s, options.stages, r, codes, stride);
  by_stages(options, s, options.stages, r, codes, stride);
}

// Means of |Re| and |Im| over the numbers nearest to these axes.
void add_magnitudes(const Residual& r, PhaseSums& sums) {
  uint8_t codes[kChunk];
  choose_axes(r, codes);
  for (size_t i = 0; i < r.count; ++i) {
    const unsigned axis = codes[i] % 2;
    sums.magnitude[axis] += std::abs(axis == 0 ? r.re[i] : r.im[i]);
    ++sums.count[axis];
  }
}

void add_normal_equations(unsigned stages, const uint8_t* codes, const float* weights, unsigned axis, size_t count,
                          PhaseSums& sums) {
  int8_t trits[kMaxPhaseStages][kChunk];
  for (unsigned t = 0; t < stages; ++t) {
    for (size_t i = 0; i < count; ++i) {
      const unsigned code = codes[t * kChunk + i];
      trits[t][i] = static_cast<int8_t>(code % 2 == axis ? 1 - static_cast<int>(code & 2) : 0);
    }
    for (size_t i = 0; i < count; ++i) sums.products[axis][t] += trits[t][i] * static_cast<double>(weights[i]);
    for (unsigned u = 0; u <= t; ++u) {
      int32_t product = 0;
      for (size_t i = 0; i < count; ++i) product += trits[t][i] * trits[u][i];
      sums.moments[axis][t][u] += product;
    }
  }
}

// Least squares by Cholesky's LDL'; false, and nothing changed, where the stages do not tell themselves apart.
// A stage that no number chose keeps its scale.
bool solve(unsigned n, const std::array<std::array<int64_t, kMaxPhaseStages>, kMaxPhaseStages>& moments,
           std::array<double, kMaxPhaseStages> b, std::array<float, kMaxPhaseStages>& x) {
  double l[kMaxPhaseStages][kMaxPhaseStages] = {}, d[kMaxPhaseStages] = {};
  for (unsigned i = 0; i < n; ++i) {
    const bool used = moments[i][i] != 0;
    if (!used) b[i] = static_cast<double>(x[i]);
    d[i] = used ? static_cast<double>(moments[i][i]) : 1;
    const double least = 1e-9 * d[i];
    for (unsigned j = 0; j < i; ++j) {
      double sum = static_cast<double>(moments[i][j]);
      for (unsigned k = 0; k < j; ++k) sum -= l[i][k] * l[j][k] * d[k];
      l[i][j] = sum / d[j];
      d[i] -= l[i][j] * l[i][j] * d[j];
    }
    if (d[i] < least) return false;
    for (unsigned j = 0; j < i; ++j) b[i] -= l[i][j] * b[j];
  }
  for (unsigned i = n; i-- > 0;) {
    b[i] /= d[i];
    for (unsigned j = i + 1; j < n; ++j) b[i] -= l[j][i] * b[j];
  }
  for (unsigned i = 0; i < n; ++i) x[i] = static_cast<float>(b[i]);
  return true;
}

template <class F>
void for_chunks(std::span<const float> re, std::span<const float> im, F f) {
  for (size_t begin = 0; begin < re.size(); begin += kChunk) {
    const size_t count = std::min(kChunk, re.size() - begin);
    f(begin, Residual(re.subspan(begin, count), im.subspan(begin, count)));
  }
}

template <PhaseArithmetic A>
void rewrite(std::span<const float> top, std::span<const float> bottom, const WidelyLinearRow& out) {
  const size_t m = top.size() / 2;
  for (size_t i = 0; i < m; ++i) {
    out.u_re[i] = rounded<A>(top[i] + bottom[m + i]) / 2;
    out.u_im[i] = rounded<A>(bottom[i] - top[m + i]) / 2;
    out.w_re[i] = rounded<A>(top[i] - bottom[m + i]) / 2;
    out.w_im[i] = rounded<A>(top[m + i] + bottom[i]) / 2;
  }
}

template <PhaseArithmetic A>
void rewrite_back(const WidelyLinearRow& in, bool bottom, std::span<float> out) {
  const size_t m = out.size() / 2;
  for (size_t i = 0; i < m; ++i) {
    out[i] = rounded<A>(bottom ? in.u_im[i] + in.w_im[i] : in.u_re[i] + in.w_re[i]);
    out[m + i] = rounded<A>(bottom ? in.u_re[i] - in.w_re[i] : in.w_im[i] - in.u_im[i]);
  }
}

template <PhaseArithmetic A>
void add_rounded(std::span<const uint8_t> codes, float s_re, float s_im, float* re, float* im) {
  const float real[4] = {s_re, 0, -s_re, 0}, imaginary[4] = {0, s_im, 0, -s_im};
  for (size_t i = 0; i < codes.size(); ++i) {
    re[i] = rounded<A>(re[i] + real[codes[i]]);
    im[i] = rounded<A>(im[i] + imaginary[codes[i]]);
  }
}

}  // namespace

void widely_linear_row(std::span<const float> top, std::span<const float> bottom, PhaseArithmetic arithmetic,
                       const WidelyLinearRow& out) {
  const bool bf16 = arithmetic == PhaseArithmetic::bf16;
  (bf16 ? rewrite<PhaseArithmetic::bf16> : rewrite<PhaseArithmetic::f32>)(top, bottom, out);
}

void real_row(const WidelyLinearRow& row, bool bottom, PhaseArithmetic arithmetic, std::span<float> out) {
  const bool bf16 = arithmetic == PhaseArithmetic::bf16;
  (bf16 ? rewrite_back<PhaseArithmetic::bf16> : rewrite_back<PhaseArithmetic::f32>)(row, bottom, out);
}

void add_stage(std::span<const uint8_t> codes, float s_re, float s_im, PhaseArithmetic arithmetic, float* re,
               float* im) {
  const bool bf16 = arithmetic == PhaseArithmetic::bf16;
  (bf16 ? add_rounded<PhaseArithmetic::bf16> : add_rounded<PhaseArithmetic::f32>)(codes, s_re, s_im, re, im);
}

void PhaseSums::add(const PhaseSums& other) {
  for (unsigned axis = 0; axis < 2; ++axis) {
    magnitude[axis] += other.magnitude[axis];
    count[axis] += other.count[axis];
    for (unsigned t = 0; t < kMaxPhaseStages; ++t) {
      products[axis][t] += other.products[axis][t];
      for (unsigned u = 0; u <= t; ++u) moments[axis][t][u] += other.moments[axis][t][u];
    }
  }
}

PhaseSums PhaseFitter::sums(std::span<const float> re, std::span<const float> im) const {
  PhaseSums total;
  uint8_t codes[kMaxPhaseStages * kChunk];
  for_chunks(re, im, [&](size_t begin, Residual r) {
    if (pass_ < options_.stages) {
      by_stages(options_, scales_, pass_, r, codes, kChunk);
      return add_magnitudes(r, total);
    }
    choose(options_, scales_, r, codes, kChunk);
    add_normal_equations(options_.stages, codes, re.data() + begin, 0, r.count, total);
    add_normal_equations(options_.stages, codes, im.data() + begin, 1, r.count, total);
  });
  return total;
}

void PhaseFitter::end_pass(const PhaseSums& sums) {
  if (pass_ >= options_.stages) return refit(sums);
  const auto mean = [&](unsigned axis) {
    return sums.count[axis] == 0 ? 0 : sums.magnitude[axis] / static_cast<double>(sums.count[axis]);
  };
  scales_.re[pass_] = stored(options_.scale_type, scale_of(options_, mean(0)));
  scales_.im[pass_] = stored(options_.scale_type, scale_of(options_, mean(1)));
  other_.re[pass_] = other_scale(options_, mean(0));
  other_.im[pass_] = other_scale(options_, mean(1));
  ++pass_;
}

// Ends early once no scale moves by a thousandth.
void PhaseFitter::refit(const PhaseSums& sums) {
  bool moved = false;
  for (unsigned axis = 0; axis < 2; ++axis) {
    auto& scales = axis == 0 ? scales_.re : scales_.im;
    auto fitted = scales;
    if (!solve(options_.stages, sums.moments[axis], sums.products[axis], fitted)) continue;
    for (unsigned t = 0; t < options_.stages; ++t) {
      const float scale = stored(options_.scale_type, fitted[t]);
      moved |= std::abs(scale - scales[t]) > 1e-3f * std::abs(scales[t]);
      scales[t] = scale;
    }
  }
  other_ = scales_;
  pass_ = moved ? pass_ + 1 : options_.stages + kPhaseRefits;
}

void phase_codes(const PhaseOptions& options, const PhaseScales& scales, std::span<const float> re,
                 std::span<const float> im, uint8_t* codes, size_t stride) {
  for_chunks(re, im, [&](size_t begin, Residual r) { choose(options, scales, r, codes + begin, stride); });
}

}  // namespace tern
