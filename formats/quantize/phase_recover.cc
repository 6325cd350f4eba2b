#include "formats/quantize/phase_recover.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "base/half.h"

namespace tern {
namespace {

constexpr size_t kChoices = 3;  // of an axis

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

bool PhaseGrid::add(std::span<const float> top, std::span<const float> bottom, PhaseColumns columns) {
  const size_t m = top.size() / 2;
  bool few = true;
  for (uint64_t i = columns.first; i < columns.end(); ++i) {
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
std::vector<PhaseGrid::Scales> PhaseGrid::choices(const Magnitudes& seen) const {
  std::vector<std::pair<size_t, Scales>> found;
  if (seen.size() < stages_) return {};
  std::vector<size_t> chosen(stages_);
  for (size_t i = 0; i < stages_; ++i) chosen[i] = i;
  do {
    Scales trial{};
    for (size_t t = 0; t < stages_; ++t) trial[t] = seen[chosen[stages_ - 1 - t]];
    const Magnitudes sums = sums_of(std::span(trial).first(stages_));
    if (std::includes(sums.begin(), sums.end(), seen.begin(), seen.end())) found.emplace_back(sums.size(), trial);
  } while (next_choice(chosen, seen.size()));
  std::stable_sort(found.begin(), found.end(), [](const auto& a, const auto& b) { return a.first < b.first; });
  std::vector<Scales> scales;
  for (const auto& [sums, choice] : found) scales.push_back(choice);
  if (scales.size() > kChoices) scales.resize(kChoices);
  return scales;
}

std::vector<std::array<PhaseScales, 2>> PhaseGrid::scales() const {
  std::vector<std::array<PhaseScales, 2>> found{{}};
  for (unsigned axis = 0; axis < 4; ++axis) {
    std::vector<std::array<PhaseScales, 2>> longer;
    for (const Scales& choice : choices(seen_[axis / 2][axis % 2])) {
      for (auto pair : found) {
        (axis % 2 == 0 ? pair[axis / 2].re : pair[axis / 2].im) = choice;
        longer.push_back(pair);
      }
    }
    found = std::move(longer);
  }
  return found;
}

uint64_t PhaseGrid::differing(std::span<const float> top, std::span<const float> bottom, PhaseColumns columns,
                              const std::array<PhaseScales, 2>& scales, std::span<const uint8_t> codes) const {
  const size_t m = top.size() / 2;
  uint64_t differ = 0;
  for (uint64_t i = columns.first; i < columns.end(); ++i) {
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
