// The rules of PhaseQuant (formats/quantize/phase.h) one by one, and layers quantized by the publisher's own code.
// fairy2i_oracle.py compares whole matrices with numpy's.
#include "formats/quantize/phase.h"

#include <catch2/catch.hpp>
#include <vector>

#include "base/half.h"
#include "base/random.h"
#include "formats/foreign/safetensors.h"
#include "formats/import/dense_matrix.h"
#include "formats/import/fairy2i.h"
#include "tests/import/fixtures.h"
#include "tests/shared_data.h"

using namespace tern;
using namespace tern::test;

namespace {

using Floats = std::vector<float>;

// U or W of a matrix.
struct ComplexMatrix {
  Floats re, im;
  uint64_t cols;
};

std::pair<ComplexMatrix, ComplexMatrix> split_in_two(const Floats& a, uint64_t rows, uint64_t cols,
                                                     PhaseArithmetic arithmetic) {
  const uint64_t n = rows / 2, m = cols / 2;
  ComplexMatrix u{Floats(n * m), Floats(n * m), m}, w = u;
  for (uint64_t r = 0; r < n; ++r) {
    const auto row = [&](Floats& x) { return std::span(x).subspan(r * m, m); };
    widely_linear_row(std::span(a).subspan(r * cols, cols), std::span(a).subspan((n + r) * cols, cols), arithmetic,
                      {row(u.re), row(u.im), row(w.re), row(w.im)});
  }
  return {u, w};
}

struct PhaseFit {
  PhaseScales scales, other;
  std::vector<std::vector<uint8_t>> codes;  // by stage
};

PhaseFit fit_phases(const ComplexMatrix& c, const PhaseOptions& options) {
  PhaseFitter fitter(options);
  while (!fitter.done()) fitter.end_pass(fitter.sums(c.re, c.im));
  std::vector<uint8_t> codes(options.stages * c.re.size());
  phase_codes(options, fitter.scales(), c.re, c.im, codes.data(), c.re.size());
  PhaseFit f{fitter.scales(), fitter.other_scales(), {}};
  for (unsigned t = 0; t < options.stages; ++t)
    f.codes.emplace_back(codes.begin() + static_cast<ptrdiff_t>(t * c.re.size()),
                         codes.begin() + static_cast<ptrdiff_t>((t + 1) * c.re.size()));
  return f;
}

float bf16(float x) { return bf16_to_f32(f32_to_bf16(x)); }

// Sums of the stages' parts, in the order and rounding of the publisher.
ComplexMatrix sum_of_stages(const PhaseFit& f, uint64_t size) {
  ComplexMatrix c{Floats(size), Floats(size), 0};
  for (size_t t = 0; t < f.codes.size(); ++t) {
    for (uint64_t i = 0; i < size; ++i) {
      const unsigned k = f.codes[t][i];
      const float sign = k < 2 ? 1.f : -1.f;
      float& part = k % 2 == 0 ? c.re[i] : c.im[i];
      part = bf16(part + sign * (k % 2 == 0 ? f.scales.re[t] : f.scales.im[t]));
    }
  }
  return c;
}

Floats real_form(const ComplexMatrix& u, const ComplexMatrix& w, uint64_t n, uint64_t m) {
  Floats a(4 * n * m);
  for (uint64_t r = 0; r < n; ++r) {
    for (uint64_t c = 0; c < m; ++c) {
      const uint64_t i = r * m + c;
      a[r * 2 * m + c] = bf16(u.re[i] + w.re[i]);
      a[r * 2 * m + m + c] = bf16(w.im[i] - u.im[i]);
      a[(n + r) * 2 * m + c] = bf16(u.im[i] + w.im[i]);
      a[(n + r) * 2 * m + m + c] = bf16(u.re[i] - w.re[i]);
    }
  }
  return a;
}

std::unique_ptr<SourceMatrix> dense_matrix(const std::string& path, const std::string& name) {
  const auto set = TensorSet::open_file(shared_path(path)).value();
  const TensorSet::Entry& entry = *set->find(name);
  return std::make_unique<DenseMatrix>(ByteView{set, entry.file, entry.tensor.offset, entry.tensor.bytes},
                                       FloatType::bf16, entry.tensor.shape[0], entry.tensor.shape[1]);
}

void check_published(const std::string& folder, const std::string& name) {
  const std::string base = "data/conventions/fairy2i/" + folder + "/";
  if (!have_shared(base)) return;
  const PlainTensors model = decode_safetensors(read_file(shared_path(base + "model.safetensors")));
  const PlainTensors expected = decode_safetensors(read_file(shared_path(base + "expected.safetensors")));
  const PlainTensor& weight = model.at(name + ".weight");
  const uint64_t rows = weight.shape[0], cols = weight.shape[1];
  const auto [u, w] = split_in_two(as_floats(weight), rows, cols, PhaseArithmetic::bf16);
  for (unsigned stages = 1; stages <= kMaxPhaseStages; ++stages) {
    PhaseOptions options;
    options.stages = stages;
    options.arithmetic = PhaseArithmetic::bf16;
    const PhaseFit fu = fit_phases(u, options), fw = fit_phases(w, options);
    const std::string variant = ".v" + std::to_string(stages) + ".exact_angle_and_mean";
    Floats scales;
    for (const PhaseFit* f : {&fu, &fw}) {
      for (unsigned t = 0; t < stages; ++t) scales.insert(scales.end(), {f->scales.re[t], f->scales.im[t]});
    }
    INFO(folder << variant);
    CHECK(scales == as_floats(expected.at(name + ".scales" + variant)));
    const uint64_t size = rows * cols / 4;
    const Floats values = as_floats(expected.at(name + ".weight" + variant));
    CHECK(real_form(sum_of_stages(fu, size), sum_of_stages(fw, size), rows / 2, cols / 2) == values);
    Fairy2iCounts counts;
    ImportOptions said;
    said.fairy2i_stages = stages;
    const auto matrix =
        fairy2i_matrix(dense_matrix(base + "model.safetensors", name + ".weight"), said, counts).value();
    CHECK(counts.masters == 1);
    CHECK(all_rows(*matrix) == values);
    // Saved quantized: the same numbers from the publisher's own matrix.
    const auto again =
        fairy2i_matrix(dense_matrix(base + "expected.safetensors", name + ".weight" + variant), said, counts);
    INFO(again.status().message());
    REQUIRE(again.ok());
    CHECK(counts.quantized == 1);
    CHECK(all_rows(**again) == values);
  }
}

}  // namespace

TEST_CASE("phase: sectors, their edges, and zeros", "[phase]") {
  CHECK(phase_code(2, 1) == 0);
  CHECK(phase_code(1, 2) == 1);
  CHECK(phase_code(-2, 1) == 2);
  CHECK(phase_code(1, -2) == 3);
  CHECK(phase_code(1, 1) == 1);
  CHECK(phase_code(-1, 1) == 2);
  CHECK(phase_code(-1, -1) == 3);
  CHECK(phase_code(1, -1) == 0);
  CHECK(phase_code(0.f, 0.f) == 0);
  CHECK(phase_code(-0.f, 0.f) == 0);
  CHECK(phase_code(0.f, -0.f) == 0);
  CHECK(phase_code(-0.f, -0.f) == 2);
  CHECK(phase_code(-0.f, 1e-30f) == 1);
  CHECK(phase_code(-1e-30f, -0.f) == 2);
  CHECK(phase_code(1e-30f, 1e-30f) == 1);  // their product is 0
}

TEST_CASE("phase: the widely-linear form is the matrix again", "[phase]") {
  Random random(5);
  const uint64_t rows = 6, cols = 10, n = rows / 2, m = cols / 2;
  Floats a(rows * cols), x(cols);
  for (float& v : a) v = random.normal();
  for (float& v : x) v = random.normal();
  const auto [u, w] = split_in_two(a, rows, cols, PhaseArithmetic::f32);
  for (uint64_t r = 0; r < n; ++r) {
    double yr = 0, yi = 0, top = 0, bottom = 0;
    for (uint64_t c = 0; c < m; ++c) {
      const double ur = u.re[r * m + c], ui = u.im[r * m + c], wr = w.re[r * m + c], wi = w.im[r * m + c];
      yr += (ur + wr) * x[c] + (wi - ui) * x[m + c];
      yi += (ui + wi) * x[c] + (ur - wr) * x[m + c];
    }
    for (uint64_t c = 0; c < cols; ++c) {
      top += double{a[r * cols + c]} * x[c];
      bottom += double{a[(n + r) * cols + c]} * x[c];
    }
    CHECK(yr == Approx(top).epsilon(1e-5));
    CHECK(yi == Approx(bottom).epsilon(1e-5));
  }
}

TEST_CASE("phase: layers quantized by Fairy2i's publisher", "[phase][shared]") {
  check_published("bf16-128x96", "model.layers.0.self_attn.q_proj");
  check_published("bf16-64x128-ties", "model.layers.0.self_attn.q_proj");
}

TEST_CASE("phase: a mean is rounded to bf16 once, and one near the middle of two is told", "[phase]") {
  PhaseOptions options;
  options.stages = 1;
  options.arithmetic = PhaseArithmetic::bf16;
  // Real codes 1 and 1 + 1/64 have the mean 1 + 1/128 exactly: a bf16 number, safe.
  const PhaseFit safe = fit_phases({{1, 1.015625f}, {0, 0}, 2}, options);
  CHECK(safe.scales.re[0] == 1.0078125f);
  CHECK(safe.other.re[0] == safe.scales.re[0]);
  // 1 and 1 + 1/128: 1 + 1/256 is the middle, rounds to the even neighbour, 1; the other one is 1 + 1/128.
  const PhaseFit tie = fit_phases({{1, 1.0078125f}, {0, 0}, 2}, options);
  CHECK(tie.scales.re[0] == 1.f);
  CHECK(tie.other.re[0] == 1.0078125f);
  // A hair above the middle, which f32 cannot hold beside it: 2^-20 among a million ones.
  Floats many(1 << 18, 1.00390625f);
  many[0] = 1.0078125f;
  const PhaseFit above = fit_phases({many, Floats(many.size(), 0), 1}, options);
  CHECK(above.scales.re[0] == 1.0078125f);
  CHECK(above.other.re[0] == 1.f);
}

TEST_CASE("phase: axes that no number chose, and tiny numbers, have the least scale", "[phase]") {
  PhaseOptions options;
  const PhaseFit f = fit_phases({{3, -3, 3}, {0, 0, 0}, 3}, options);
  CHECK(f.scales.re[0] == 3);
  CHECK(f.scales.im[0] == 1e-6f);
  CHECK(f.scales.re[1] == 1e-6f);
  options.rule = PhaseScaleRule::ifairy;
  options.stages = 1;
  CHECK(fit_phases({{0, 0}, {1e-7f, 0}, 2}, options).scales.im[0] == Approx(1e-5f));
}

TEST_CASE("phase: joint codes and refitted scales lose less", "[phase][losses]") {
  Random random(9);
  ComplexMatrix c{Floats(20000), Floats(20000), 100};
  for (float& v : c.re) v = random.normal();
  for (float& v : c.im) v = random.normal();
  const auto error = [&](const PhaseOptions& options) {
    const PhaseFit f = fit_phases(c, options);
    double sum = 0, norm = 0;
    for (size_t i = 0; i < c.re.size(); ++i) {
      double re = c.re[i], im = c.im[i];
      norm += re * re + im * im;
      for (unsigned t = 0; t < options.stages; ++t) {
        const unsigned k = f.codes[t][i];
        const double sign = k < 2 ? 1 : -1;
        (k % 2 == 0 ? re : im) -= sign * (k % 2 == 0 ? f.scales.re[t] : f.scales.im[t]);
      }
      sum += re * re + im * im;
    }
    return std::sqrt(sum / norm);
  };
  const double published[] = {0.603, 0.362, 0.242, 0.182};
  for (unsigned stages = 1; stages <= kMaxPhaseStages; ++stages) {
    PhaseOptions options;
    options.stages = stages;
    const double plain = error(options);
    CHECK(plain == Approx(published[stages - 1]).margin(0.006));  // 20,000 numbers; the oracle holds it to 0.003
    options.joint = true;
    const double joint = error(options);
    CHECK(joint <= plain + 1e-9);
    options.refit = true;
    CHECK(error(options) <= joint + 1e-9);
    if (stages > 1) CHECK(error(options) < plain - 1e-3);
  }
}

TEST_CASE("phase: refitting where stages do not tell themselves apart", "[phase]") {
  PhaseOptions options;
  options.refit = options.joint = true;
  for (unsigned stages = 1; stages <= kMaxPhaseStages; ++stages) {
    options.stages = stages;
    const PhaseFit same = fit_phases({Floats(64, 0.5f), Floats(64, 0.f), 64}, options);
    float sum = 0;
    for (unsigned t = 0; t < stages; ++t) {
      if (same.codes[t][0] % 2 == 0) sum += (same.codes[t][0] == 0 ? 1.f : -1.f) * same.scales.re[t];
    }
    CHECK(sum == Approx(0.5f).margin(1e-5));
    const PhaseFit zeros = fit_phases({Floats(64, 0.f), Floats(64, 0.f), 64}, options);
    for (unsigned t = 0; t < stages; ++t) CHECK(std::abs(zeros.scales.re[t]) <= 1e-5f);
  }
}
