// fit_phase RULE ARITHMETIC STAGES JOINT REFIT ROWS COLS < float32 matrices [ROWS, COLS] > for every matrix, of U and
// then of W: STAGES float32 scales of the real axis, as many of the imaginary one, STAGES x ROWS / 2 x COLS / 2 uint8
// codes. RULE: fairy2i or ifairy; ARITHMETIC: f32 or bf16. What tests/import/fairy2i_oracle.py compares with its own.
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <vector>

#include "formats/quantize/phase.h"

namespace {

// One of U and W, row by row as a converter streams it.
void fit(const tern::PhaseOptions& options, const std::vector<float>& re, const std::vector<float>& im, size_t cols) {
  tern::PhaseFitter fitter(options);
  while (!fitter.done()) {
    tern::PhaseSums sums;
    for (size_t at = 0; at < re.size(); at += cols) {
      sums.add(fitter.sums(std::span(re).subspan(at, cols), std::span(im).subspan(at, cols)));
    }
    fitter.end_pass(sums);
  }
  std::vector<uint8_t> codes(options.stages * re.size());
  tern::phase_codes(options, fitter.scales(), re, im, codes.data(), re.size());
  std::fwrite(fitter.scales().re.data(), sizeof(float), options.stages, stdout);
  std::fwrite(fitter.scales().im.data(), sizeof(float), options.stages, stdout);
  std::fwrite(codes.data(), 1, codes.size(), stdout);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 8) return 2;
  tern::PhaseOptions options;
  const bool ifairy = std::strcmp(argv[1], "ifairy") == 0, bf16 = std::strcmp(argv[2], "bf16") == 0;
  options.rule = ifairy ? tern::PhaseScaleRule::ifairy : tern::PhaseScaleRule::fairy2i;
  options.arithmetic = bf16 ? tern::PhaseArithmetic::bf16 : tern::PhaseArithmetic::f32;
  options.stages = static_cast<unsigned>(std::atoi(argv[3]));
  options.joint = std::atoi(argv[4]) != 0;
  options.refit = std::atoi(argv[5]) != 0;
  const auto rows = static_cast<size_t>(std::atoi(argv[6])), cols = static_cast<size_t>(std::atoi(argv[7]));
  const size_t n = rows / 2, m = cols / 2;
  std::vector<float> a(rows * cols), u_re(n * m), u_im(n * m), w_re(n * m), w_im(n * m);
  while (std::fread(a.data(), sizeof(float), a.size(), stdin) == a.size()) {
    for (size_t r = 0; r < n; ++r) {
      const auto row = [&](std::vector<float>& x) { return std::span(x).subspan(r * m, m); };
      tern::widely_linear_row(std::span(a).subspan(r * cols, cols), std::span(a).subspan((n + r) * cols, cols),
                              options.arithmetic, {row(u_re), row(u_im), row(w_re), row(w_im)});
    }
    fit(options, u_re, u_im, m);
    fit(options, w_re, w_im, m);
  }
  return 0;
}
