// Complex weights in {1, i, -1, -i}: the widely-linear form of a real matrix and PhaseQuant with residual stages
// (Fairy2i, arXiv 2512.02901, sections 3.2 and 3.3; iFairy, arXiv 2508.05571, section 3.2).
//
// A real matrix A of 2n x 2m weights, cut into four blocks by halving rows and columns, is y = U x + W conj(x) for
// x = (first half) + i (second half):
//   U = ((A11 + A22) + i (A21 - A12)) / 2      W = ((A11 - A22) + i (A12 + A21)) / 2
// Stage t replaces what the stages before it left, R, by the nearest axis: k = floor(2 arg(R) / pi + 1/2) mod 4, code
// i^k, times s_re for k = 0, 2 and s_im for k = 1, 3, the means of |Re R| and |Im R| over the numbers that chose the
// axis.
#pragma once

#include <array>
#include <cmath>
#include <cstdint>
#include <span>

#include "formats/encoding/phase.h"

namespace tern {

// How results between are rounded: as torch rounds those of bf16 tensors (checkpoints trained so), or to f32.
enum class PhaseArithmetic : uint8_t { f32, bf16 };

// What a mean becomes: max(mean, 1e-6), or iFairy's 1 / (1 / max(mean, 1e-5)).
enum class PhaseScaleRule : uint8_t { fairy2i, ifairy };

// What shares a pair of scales: the whole of U or W, a row of it, or a tile of 64 x 64 numbers (fewer columns where 64
// divides them not).
enum class PhaseRegion : uint8_t { tensor, row, tile };

struct PhaseOptions {
  unsigned stages = 2;  // 1..kMaxPhaseStages
  // Of all 4^stages sums the nearest, instead of stage by stage. Equally near to the number with positive parts: the
  // first, stage 0 counting fastest; its codes then take the signs of the parts.
  bool joint = false;
  // Scales by least squares for the codes, codes for the scales, by turns (at most kPhaseRefits).
  bool refit = false;
  PhaseArithmetic arithmetic = PhaseArithmetic::f32;
  PhaseScaleRule rule = PhaseScaleRule::fairy2i;
  FloatType scale_type = FloatType::f32;  // every scale is rounded to it before it is used
};
inline constexpr unsigned kPhaseRefits = 20;

struct PhaseScales {
  std::array<float, kMaxPhaseStages> re{}, im{};
  bool operator==(const PhaseScales&) const = default;
};

// k of the axis i^k that a number is nearest to. Edges belong to the counter-clockwise axis; zero is 1, but -1 where
// both parts are -0.0, as torch.angle(re + 1j * im) has it.
inline uint8_t phase_code(float re, float im) {
  const bool alike = std::signbit(re) == std::signbit(im), zero = re == 0 && im == 0;
  const bool imaginary = std::abs(im) > std::abs(re) || (std::abs(im) == std::abs(re) && alike && !zero);
  if (imaginary) return im < 0 ? 3 : 1;
  return re < 0 || (zero && alike && std::signbit(re)) ? 2 : 0;
}

// Rows r (top) and n + r (bottom) of A, 2m values each, to row r of U and W, m values each.
struct WidelyLinearRow {
  std::span<float> u_re, u_im, w_re, w_im;
};
void widely_linear_row(std::span<const float> top, std::span<const float> bottom, PhaseArithmetic arithmetic,
                       const WidelyLinearRow& out);

// Back again: row r of A, or row n + r (bottom). Every sum is rounded.
void real_row(const WidelyLinearRow& row, bool bottom, PhaseArithmetic arithmetic, std::span<float> out);

// What some of a region's numbers add to the scales of a pass.
struct PhaseSums {
  std::array<double, 2> magnitude{};  // of the numbers nearest to the real and to the imaginary axis
  std::array<uint64_t, 2> count{};
  // Normal equations of each axis: sums of products of two stages' trits, and of a trit and the weight.
  std::array<std::array<std::array<int64_t, kMaxPhaseStages>, kMaxPhaseStages>, 2> moments{};
  std::array<std::array<double, kMaxPhaseStages>, 2> products{};

  void add(const PhaseSums& other);
};

// Finds the scales of one region: the numbers (of a matrix, a row, a tile) that share them. In every pass all numbers
// are shown once, in any pieces; the sums of the pieces are added in one order, so that threads change nothing.
//   while (!fitter.done()) { PhaseSums s; for (piece) s.add(fitter.sums(piece.re, piece.im)); fitter.end_pass(s); }
class PhaseFitter {
 public:
  explicit PhaseFitter(const PhaseOptions& options) : options_(options) {}

  bool done() const { return pass_ >= options_.stages + (options_.refit ? kPhaseRefits : 0); }
  // REQUIRES finite numbers. Thread-safe.
  PhaseSums sums(std::span<const float> re, std::span<const float> im) const;
  void end_pass(const PhaseSums& sums);

  // Infinite where scale_type cannot hold it.
  const PhaseScales& scales() const { return scales_; }
  // bf16 arithmetic: the same, with the other neighbour in bf16 for every mean that lies within 2^-16 of itself of the
  // middle between two: an f32 mean, as torch takes it, may round these the other way.
  const PhaseScales& other_scales() const { return other_; }

 private:
  void refit(const PhaseSums& sums);

  PhaseOptions options_;
  PhaseScales scales_, other_;
  unsigned pass_ = 0;
};

// The codes 0..3 of numbers for these scales; stage t of number j goes to codes[t * stride + j].
void phase_codes(const PhaseOptions& options, const PhaseScales& scales, std::span<const float> re,
                 std::span<const float> im, uint8_t* codes, size_t stride);

// Adds the numbers of one stage's codes. Every sum is rounded.
void add_stage(std::span<const uint8_t> codes, float s_re, float s_im, PhaseArithmetic arithmetic, float* re,
               float* im);

}  // namespace tern
