#include "formats/quantize/phase_recover.h"

#include <algorithm>
#include <cmath>

#include "base/half.h"

namespace tern {
namespace {

// Magnitudes other than 0 of sums of so many scaled trits.
constexpr size_t most_magnitudes(unsigned stages) {
  size_t sums = 1;
  for (unsigned t = 0; t < stages; ++t) sums *= 3;
  return (sums - 1) / 2;
}

// The next choice of `chosen.size()` of n positions, ascending; false after the last.
bool next_choice(std::vector<size_t>& chosen, size_t n) {
  for (size_t i = chosen.size(); i-- > 0;) {
    if (++chosen[i] <= n - (chosen.size() - i)) {
      for (size_t j = i + 1; j < chosen.size(); ++j) chosen[j] = chosen[j - 1] + 1;
      return true;
    }
  }
  return false;
}

}  // namespace

float PhaseGrid::rounded(float x) const {
  if (stored_ == FloatType::f32) return x;
  return stored_ == FloatType::f16 ? f16_to_f32(f32_to_f16(x)) : bf16_to_f32(f32_to_bf16(x));
}

bool PhaseGrid::insert(Magnitudes& magnitudes, float value) const {
  const float magnitude = std::abs(value);
  const auto at = std::lower_bound(magnitudes.begin(), magnitudes.end(), magnitude);
  if (magnitude == 0 || (at != magnitudes.end() && *at == magnitude)) return true;
  magnitudes.insert(at, magnitude);
  return magnitudes.size() <= most_magnitudes(stages_);
}

bool PhaseGrid::add(std::span<const float> top, std::span<const float> bottom) {
  const size_t m = top.size() / 2;
  bool few = true;
  for (size_t i = 0; i < m; ++i) {
    const float a11 = top[i], a12 = top[m + i], a21 = bottom[i], a22 = bottom[m + i];
    if (a11 == a22) few &= insert(seen_[0][0], a11);
    if (a21 == -a12) few &= insert(seen_[0][1], a21);
    if (a11 == -a22) few &= insert(seen_[1][0], a11);
    if (a12 == a21) few &= insert(seen_[1][1], a12);
  }
  return few;
}

// In the order of the stages, every sum rounded.
PhaseGrid::Magnitudes PhaseGrid::sums_of(std::span<const float> scales) const {
  Magnitudes sums{0};
  for (const float scale : scales) {
    for (size_t i = 0, before = sums.size(); i < before; ++i) {
      sums.push_back(rounded(sums[i] + scale));
      sums.push_back(rounded(sums[i] - scale));
    }
  }
  for (float& sum : sums) sum = std::abs(sum);
  std::sort(sums.begin(), sums.end());
  sums.erase(std::unique(sums.begin(), sums.end()), sums.end());
  return sums;
}

// Each scale is itself a sum, the others' stages being of the other axis. Later stages have smaller scales.
bool PhaseGrid::choose(const Magnitudes& seen, std::array<float, kMaxPhaseStages>& scales) const {
  if (seen.size() < stages_) return false;
  std::vector<size_t> chosen(stages_);
  for (size_t i = 0; i < stages_; ++i) chosen[i] = i;
  size_t fewest = SIZE_MAX;
  do {
    std::array<float, kMaxPhaseStages> trial{};
    for (size_t t = 0; t < stages_; ++t) trial[t] = seen[chosen[stages_ - 1 - t]];
    const Magnitudes sums = sums_of(std::span(trial).first(stages_));
    if (sums.size() >= fewest || !std::includes(sums.begin(), sums.end(), seen.begin(), seen.end())) continue;
    fewest = sums.size();
    scales = trial;
  } while (next_choice(chosen, seen.size()));
  return fewest != SIZE_MAX;
}

std::optional<std::array<PhaseScales, 2>> PhaseGrid::scales() const {
  std::array<PhaseScales, 2> found;
  for (unsigned part = 0; part < 2; ++part) {
    if (!choose(seen_[part][0], found[part].re) || !choose(seen_[part][1], found[part].im)) return {};
  }
  return found;
}

uint64_t PhaseGrid::differing(std::span<const float> top, std::span<const float> bottom,
                              const std::array<PhaseScales, 2>& scales, std::span<const uint8_t> codes) const {
  const size_t m = top.size() / 2;
  uint64_t differ = 0;
  for (size_t i = 0; i < m; ++i) {
    float re[2] = {}, im[2] = {};
    for (unsigned plane = 0; plane < 2 * stages_; ++plane) {
      const unsigned part = plane % 2, t = plane / 2, code = codes[plane * m + i];
      float& sum = code % 2 == 0 ? re[part] : im[part];
      const float scale = code % 2 == 0 ? scales[part].re[t] : scales[part].im[t];
      sum = rounded(code < 2 ? sum + scale : sum - scale);
    }
    differ += rounded(re[0] + re[1]) != top[i] || rounded(im[1] - im[0]) != top[m + i] ||
              rounded(im[0] + im[1]) != bottom[i] || rounded(re[0] - re[1]) != bottom[m + i];
  }
  return differ;
}

}  // namespace tern
