// Every kernel of the list that this CPU runs against the scalar reference, bit for bit; the reference against a
// computation of its own from unpacked weights.
#include <algorithm>
#include <catch2/catch.hpp>
#include <cmath>
#include <cstring>
#include <utility>

#include "base/checked.h"
#include "formats/encoding/dense.h"
#include "formats/encoding/int.h"
#include "formats/encoding/phase.h"
#include "formats/encoding/values.h"
#include "formats/encoding/vector.h"
#include "tests/kernels/linear_case.h"

namespace tern {
namespace {

// A failure prints its seed; --rng-seed SEED starts there.
uint64_t first_seed() { return Catch::rngSeed() == 0 ? 1000 : Catch::rngSeed(); }

const LinearKernelEntry& reference_of(const LinearKernelEntry& kernel) {
  for (const LinearKernelEntry& k : linear_kernels()) {
    if (k.family == KernelFamily::reference && k.encoding == kernel.encoding && k.bits == kernel.bits &&
        k.value_type == kernel.value_type && k.input == kernel.input)
      return k;
  }
  FAIL("no reference for " << kernel.name);
  return kernel;
}

TileRange random_range(Random& random, uint64_t tiles) {
  if (random.below(2)) return {0, tiles};
  const uint64_t a = random.below(tiles + 1), b = random.below(tiles + 1);
  return {std::min(a, b), std::max(a, b)};
}

std::vector<float> unpacked_vectors(const LinearCase& c, uint64_t row, unsigned plane) {
  const Encoding& e = c.encoding;
  const bool output = e.axis == VectorAxis::output;
  std::vector<float> values(c.cols);
  for (uint64_t i = 0; i < c.cols; ++i) {
    const uint64_t position = output ? i : i / e.length, lane = output ? row / e.length : row;
    const uint64_t index = vector_index(e, c.layout, c.cols, c.weight.codes, plane, lane, position);
    values[i] = codebook_value(e, c.weight.codebook, vector_book(e, position, plane) + index,
                               static_cast<uint32_t>((output ? row : i) % e.length));
  }
  return values;
}

// The unscaled weights of one row and plane; dense: the weights.
std::vector<float> unpacked_row(const LinearCase& c, uint64_t row, unsigned plane) {
  if (c.encoding.kind == EncodingKind::vector) return unpacked_vectors(c, row, plane);
  const std::byte* tile = c.weight.codes + row / kTileRows * c.layout.tile_bytes;
  std::vector<float> values(c.cols);
  std::vector<int8_t> codes(c.cols);
  if (c.encoding.kind == EncodingKind::dense) {
    unpack_dense_row(c.encoding.value_type, c.cols, tile, row % kTileRows, values.data());
    return values;
  }
  if (c.encoding.kind == EncodingKind::trit) {
    unpack_trit_row(c.encoding, c.layout, c.cols, tile, row % kTileRows, plane, codes.data());
  } else {
    unpack_int_row(c.encoding.bits, c.layout, c.cols, tile, row % kTileRows, codes.data());
  }
  std::copy(codes.begin(), codes.end(), values.begin());
  return values;
}

float weight_scale(const LinearCase& c, uint64_t row, uint64_t group, unsigned plane) {
  if (c.encoding.scope == ScaleScope::none) return c.weight.codebook.scale;
  const uint64_t i = scale_index(c.encoding, c.layout, row, has_group_scales(c.encoding) ? group : 0, plane);
  return load_float(c.encoding.scale_type, c.weight.scales, i) * c.weight.codebook.scale;
}

// int8 activations: the integer sum in int64, then the canonical chain of linear.h; exact.
float naive_int8(const LinearCase& c, const std::vector<std::vector<float>>& weights, uint64_t row, uint64_t m) {
  const Layout& l = c.layout;
  const bool vector = c.encoding.kind == EncodingKind::vector;  // its groups have codebooks, not sums
  const uint64_t groups = vector ? 1 : l.groups, group_cols = vector ? c.cols : l.group_cols;
  float y = 0;
  for (uint64_t g = 0; g < groups; ++g) {
    const float a_scale = c.input.scales[m * c.input.groups + (c.input.groups == 1 ? 0 : g)];
    for (unsigned p = 0; p < c.encoding.planes; ++p) {
      int64_t sum = 0;
      for (uint64_t i = g * group_cols; i < std::min(c.cols, (g + 1) * group_cols); ++i)
        sum += static_cast<int64_t>(weights[p][i]) *
               c.input.codes[m * c.input.code_stride + g * l.padded_group_cols() + i % group_cols];
      y = std::fma(static_cast<float>(sum), weight_scale(c, row, g, p) * a_scale, y);
    }
  }
  return y;
}

// f32 activations: double, and the sum of magnitudes for the bound.
double naive_f32(const LinearCase& c, const std::vector<std::vector<float>>& weights, uint64_t row, uint64_t m,
                 double& magnitude) {
  double y = 0;
  magnitude = 0;
  for (unsigned p = 0; p < c.encoding.planes; ++p) {
    for (uint64_t i = 0; i < c.cols; ++i) {
      double term = static_cast<double>(weights[p][i]) * c.input.x[m * c.input.x_stride + i];
      if (c.encoding.kind != EncodingKind::dense) term *= weight_scale(c, row, i / c.layout.group_cols, p);
      y += term;
      magnitude += std::abs(term);
    }
  }
  return y;
}

// Phase: one complex row of one matrix of a stage, by docs/format.md.
struct NaivePhase {
  const LinearCase& c;
  uint64_t row;
  unsigned plane;  // stage * bits + matrix
  std::vector<uint8_t> codes;

  NaivePhase(const LinearCase& layer, uint64_t r, unsigned p) : c(layer), row(r), plane(p), codes(layer.cols / 2) {
    const std::byte* tile = c.weight.codes + row / kTileRows * c.layout.tile_bytes;
    unpack_phase_row(c.encoding, c.layout, tile, row % kTileRows, plane, codes.data());
  }
  bool is_w() const { return plane % c.encoding.bits + 1 == c.encoding.bits; }
  float scale(uint64_t group, unsigned part) const { return weight_scale(c, row, group, 2 * plane + part); }
  int real(uint64_t column) const { return codes[column] == 0 ? 1 : codes[column] == 2 ? -1 : 0; }
  int imaginary(uint64_t column) const { return codes[column] == 1 ? 1 : codes[column] == 3 ? -1 : 0; }
};

// int8 activations: integer sums in int64, then the canonical chain; exact.
std::pair<float, float> naive_phase_int8(const LinearCase& c, uint64_t row, uint64_t m) {
  float yr = 0, yi = 0;
  for (unsigned stage = 0; stage < c.encoding.planes; ++stage) {
    for (uint64_t g = 0; g < c.layout.groups; ++g) {
      for (unsigned matrix = 0; matrix < c.encoding.bits; ++matrix) {
        const NaivePhase w(c, row, stage * c.encoding.bits + matrix);
        const int8_t* xr = c.input.codes + m * c.input.code_stride + g * c.layout.padded_group_cols();
        const int8_t* xi = xr + c.layout.groups * c.layout.padded_group_cols();
        int64_t r1 = 0, r2 = 0, i1 = 0, i2 = 0;
        for (uint64_t k = 0; k < c.layout.group_cols; ++k) {
          const uint64_t column = g * c.layout.group_cols + k;
          r1 += w.real(column) * xr[k], r2 += w.real(column) * xi[k];
          i1 += w.imaginary(column) * xr[k], i2 += w.imaginary(column) * xi[k];
        }
        const float* a = c.input.scales + m * c.input.groups;
        const float ar = a[g], ai = a[c.layout.groups + g], re = w.scale(g, 0), im = w.scale(g, 1);
        yr = std::fma(static_cast<float>(r1), re * ar, yr);
        yr = std::fma(static_cast<float>(w.is_w() ? i2 : -i2), im * ai, yr);
        yi = std::fma(static_cast<float>(w.is_w() ? -r2 : r2), re * ai, yi);
        yi = std::fma(static_cast<float>(i1), im * ar, yi);
      }
    }
  }
  return {yr, yi};
}

// f32 activations, in double; `magnitude` is of all sums that the chains run through.
std::pair<double, double> naive_phase_f32(const LinearCase& c, uint64_t row, uint64_t m, double& magnitude) {
  const float *xr = c.input.x + m * c.input.x_stride, *xi = xr + c.cols / 2;
  double yr = 0, yi = 0;
  magnitude = 0;
  for (unsigned p = 0; p < unsigned{c.encoding.planes} * c.encoding.bits; ++p) {
    const NaivePhase w(c, row, p);
    const double turn = w.is_w() ? 1 : -1;
    for (uint64_t k = 0; k < c.cols / 2; ++k) {
      const double re = w.scale(k / c.layout.group_cols, 0), im = w.scale(k / c.layout.group_cols, 1);
      yr += re * w.real(k) * xr[k] + turn * im * w.imaginary(k) * xi[k];
      yi += im * w.imaginary(k) * xr[k] - turn * re * w.real(k) * xi[k];
      magnitude += (std::abs(re) + std::abs(im)) * (std::abs(xr[k]) + std::abs(xi[k]));
    }
  }
  return {yr, yi};
}

void check_phase_against_naive(const LinearCase& c, const std::vector<float>& y) {
  for (uint64_t row = 0; row < c.rows / 2; ++row) {
    for (uint64_t m = 0; m < c.tokens; ++m) {
      const float* found = y.data() + m * (c.rows + 3) + row;
      INFO(c.text << ", complex row " << row << ", token " << m);
      if (c.input.codes) {
        const auto [yr, yi] = naive_phase_int8(c, row, m);
        REQUIRE((std::memcmp(found, &yr, 4) == 0 && std::memcmp(found + c.rows / 2, &yi, 4) == 0));
        continue;
      }
      double magnitude;  // roundings as below: a chain over a group, then one over groups, stages, matrices and parts
      const auto [yr, yi] = naive_phase_f32(c, row, m, magnitude);
      const double steps =
          static_cast<double>(c.layout.group_cols + 2 * c.layout.groups * c.encoding.planes * c.encoding.bits + 4);
      const double bound = 2 * steps * 0x1p-24 * magnitude + 1e-37;
      REQUIRE(std::abs(found[0] - yr) <= bound);
      REQUIRE(std::abs(found[c.rows / 2] - yi) <= bound);
    }
  }
}

void check_against_naive(const LinearCase& c, const std::vector<float>& y) {
  if (c.encoding.kind == EncodingKind::phase) return check_phase_against_naive(c, y);
  for (uint64_t row = 0; row < c.rows; ++row) {
    std::vector<std::vector<float>> weights;
    for (unsigned p = 0; p < c.encoding.planes; ++p) weights.push_back(unpacked_row(c, row, p));
    for (uint64_t m = 0; m < c.tokens; ++m) {
      const float found = y[m * (c.rows + 3) + row];
      INFO(c.text << ", row " << row << ", token " << m);
      if (c.input.codes) {
        const float expected = naive_int8(c, weights, row, m);
        REQUIRE(std::memcmp(&found, &expected, 4) == 0);
        continue;
      }
      // Each term passes at most group_cols + groups * planes roundings of relative size 2^-24; twice that for
      // the growth (1 + e)^n, and the smallest normal for underflow.
      double magnitude;
      const double expected = naive_f32(c, weights, row, m, magnitude);
      const uint64_t chain = c.encoding.kind == EncodingKind::vector ? c.cols + c.encoding.length : c.layout.group_cols;
      const double steps = static_cast<double>(chain + c.layout.groups * c.encoding.planes + 2);
      REQUIRE(std::abs(found - expected) <= 2 * steps * 0x1p-24 * magnitude + 1e-37);
    }
  }
}

void check_untouched(const LinearCase& c, const std::vector<float>& y, TileRange range) {
  for (uint64_t m = 0; m < c.tokens; ++m) {
    for (uint64_t r = 0; r < c.rows + 3; ++r) {
      const uint64_t tile = r % c.layout.tiled_rows / c.layout.tile_rows;
      if (tile < range.begin || tile >= range.end || r >= c.rows) REQUIRE(y[m * (c.rows + 3) + r] == -12345.5f);
    }
  }
}

void check_same_bits(const LinearCase& c, const LinearKernelEntry& kernel, TileRange range) {
  const std::vector<float> expected = run_guarded(c, reference_of(kernel).run, range);
  const std::vector<float> found = run_guarded(c, kernel.run, range);
  check_untouched(c, expected, range);
  check_untouched(c, found, range);
  for (size_t i = 0; i < found.size(); ++i) {
    if (std::memcmp(&found[i], &expected[i], 4) == 0) continue;
    FAIL(kernel.name << ": " << c.text << ", tiles " << range.begin << ".." << range.end << ": token "
                     << i / (c.rows + 3) << " row " << i % (c.rows + 3) << " is " << found[i] << ", expected "
                     << expected[i]);
  }
}

// Returns the names of the kernels that ran: those that need one of `any`; 0: all.
std::string check_all_kernels(uint64_t cases, CpuFeatures any = 0) {
  std::string kernels;
  const CpuFeatures features = detect_cpu().features;
  for (const LinearKernelEntry& kernel : linear_kernels()) {
    if (kernel.family == KernelFamily::reference || (kernel.needs & ~features) != 0) continue;
    if (any != 0 && (kernel.needs & any) == 0) continue;
    for (uint64_t seed = first_seed(); seed < first_seed() + cases; ++seed) {
      CAPTURE(kernel.name, seed);
      Random random(seed);
      const LinearCase c = random_case(random, kernel);
      check_same_bits(c, kernel, random_range(random, c.layout.tiles));
    }
    kernels += std::string(" ") + kernel.name;
  }
  return kernels;
}

}  // namespace

TEST_CASE("the scalar reference agrees with unpacked weights") {
  for (const LinearKernelEntry& kernel : linear_kernels()) {
    if (kernel.family != KernelFamily::reference) continue;
    for (uint64_t seed = first_seed(); seed < first_seed() + (TERN_SLOW_RUN ? 10 : 50); ++seed) {
      CAPTURE(kernel.name, seed);
      Random random(seed);
      const LinearCase c = random_case(random, kernel);
      check_against_naive(c, run_guarded(c, kernel.run, {0, c.layout.tiles}));
    }
  }
}

TEST_CASE("every kernel gives the bits of the scalar reference") { check_all_kernels(TERN_SLOW_RUN ? 24 : 300); }

// For an emulated CPU: run with "[short]".
TEST_CASE("every kernel gives the bits of the scalar reference, a few cases", "[short]") {
  const CpuFeatures rare = detect_cpu().features & cpu_avx512;  // other kernels run where this is emulated
  WARN("ran:" << check_all_kernels(rare ? 6 : 12, rare));  // shown, so that a log says what an emulated CPU covered
}

// The longest rows that linear.h admits, where an accumulator of too few bits wraps.
TEST_CASE("the largest sums are exact") {
  const CpuFeatures features = detect_cpu().features;
  for (const LinearKernelEntry& kernel : linear_kernels()) {
    if (kernel.input != LinearInput::int8 || (kernel.needs & ~features) != 0) continue;
    if (kernel.encoding == EncodingKind::vector) continue;  // below
    Encoding e;
    e.kind = kernel.encoding;
    e.bits = kernel.bits;
    e.scope = ScaleScope::row;
    uint64_t cols = e.kind == EncodingKind::int_ && e.bits == 8 ? kMaxCols / 2 : kMaxCols, rows = 17, odd = 1;
    if (e.kind == EncodingKind::phase) e.bits = 2, rows = 34, odd = 2;
    for (uint64_t seed = first_seed(); seed < first_seed() + (TERN_SLOW_RUN ? 2 : 4); ++seed) {
      CAPTURE(kernel.name, seed);
      Random random(seed);
      LinearCase c = make_case(random, e, kernel.input, rows, cols - odd * random.below(2), 1 + seed % 3, odd == 2,
                               Values::extreme);
      const std::byte largest = seed % 2 ? std::byte{0xff} : std::byte{0};
      std::memset(c.memory[0].data(), static_cast<int>(largest), c.memory[0].size());
      check_same_bits(c, kernel, {0, c.layout.tiles});
      check_against_naive(c, run_guarded(c, kernel.run, {0, c.layout.tiles}));
    }
  }
}

TEST_CASE("the largest sums of vectors are exact") {
  const CpuFeatures features = detect_cpu().features;
  for (const LinearKernelEntry& kernel : linear_kernels()) {
    if (kernel.encoding != EncodingKind::vector || kernel.input != LinearInput::int8) continue;
    if ((kernel.needs & ~features) != 0) continue;
    for (const auto& [length, bits] : {std::pair<uint8_t, uint8_t>{4, 8}, {7, 8}, {8, 8}, {2, 4}, {7, 4}}) {
      for (uint64_t seed = first_seed(); seed < first_seed() + 4; ++seed) {
        CAPTURE(kernel.name, length, bits, seed);
        Encoding e{EncodingKind::vector, FloatType::f32, bits, 1, ScaleScope::row, FloatType::f32, 0, length,
                   VectorAxis::input};
        Random random(seed);
        const uint64_t rows = TERN_SLOW_RUN ? 17 : 70, cols = kMaxCols / 2 - random.below(2);
        LinearCase c =
            make_vector_case(random, e, FloatType::f16, true, kernel.input, rows, cols, 1 + seed % 3, Values::extreme);
        // Codes of 128 + 64 at most fill int16 tables of four columns, all of 255 and 0 do not fit.
        const int largest[] = {0xff, 0, 128 + 64, 128 - 64};
        std::memset(c.book->data(), largest[seed % 4], c.book->size());
        check_same_bits(c, kernel, {0, c.layout.tiles});
        check_against_naive(c, run_guarded(c, kernel.run, {0, c.layout.tiles}));
      }
    }
  }
}

// Rows too long for look-up tables of the whole input, over more tiles than share a part of them.
TEST_CASE("long rows over many tiles") {
  const CpuFeatures features = detect_cpu().features;
  for (const LinearKernelEntry& kernel : linear_kernels()) {
    const bool phase = kernel.encoding == EncodingKind::phase;
    if ((kernel.encoding != EncodingKind::trit && !phase) || kernel.input != LinearInput::int8) continue;
    if ((kernel.needs & ~features) != 0) continue;
    Encoding e;
    e.kind = kernel.encoding;
    e.bits = phase ? 2 : kernel.bits;
    const uint64_t rows = 16 * 37 + 5, cols = 64603;
    for (const uint64_t group : {0, 1000, 32500}) {
      if (TERN_SLOW_RUN && group == 32500) continue;
      e.scope = group == 0 ? ScaleScope::row : ScaleScope::group;
      e.group = static_cast<uint32_t>(group);
      CAPTURE(kernel.name, group);
      Random random(first_seed());
      const LinearCase c = phase
                               ? make_case(random, e, kernel.input, 2 * rows,
                                           2 * align_up(cols, std::max<uint64_t>(group, 1)), 1, true, Values::ordinary)
                               : make_case(random, e, kernel.input, rows, cols, 1, group != 0, Values::ordinary);
      check_same_bits(c, kernel, {1, c.layout.tiles});
    }
  }
}

}  // namespace tern
