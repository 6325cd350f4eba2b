// Vector quantization: k-means, indices, and converted files.
#include "formats/quantize/vq.h"

#include <omp.h>

#include <algorithm>
#include <catch2/catch.hpp>
#include <cmath>
#include <set>
#include <utility>

#include "base/random.h"
#include "formats/quantize/entry_search.h"
#include "formats/quantize/k_means.h"

namespace tern {
namespace {

std::vector<float> normal_vectors(uint64_t seed, size_t count) {
  Random random(seed);
  std::vector<float> values(count);
  for (float& v : values) v = random.normal();
  return values;
}

VqBook train(const VqOptions& options, const std::vector<float>& vectors, const std::vector<float>& importance,
             uint64_t cols) {
  std::vector<VqSample> samples{{vectors, importance}};
  return train_vq(options, cols, samples).value();
}

// Squared error of a matrix, weighted by column, with a codebook trained on its rows.
double error_of(const VqOptions& options, const std::vector<float>& values, size_t cols,
                const std::vector<float>& importance, const std::vector<float>& measure) {
  std::vector<float> weights;
  for (size_t i = 0; i < values.size() && !importance.empty(); ++i) weights.push_back(importance[i % cols]);
  const VqBook book = train(options, values, weights, cols);
  VqAssigner assigner(book, cols);
  const size_t positions = (cols + options.length - 1) / options.length;
  std::vector<uint16_t> indices(options.planes * positions);
  std::vector<float> scales(options.planes), decoded(cols);
  double error = 0;
  for (size_t r = 0; r < values.size() / cols; ++r) {
    const std::span row(values.data() + r * cols, cols);
    assigner.assign(row, importance, indices.data(), positions, scales, decoded);
    for (size_t c = 0; c < cols; ++c)
      error += (measure.empty() ? 1 : measure[c]) * std::pow(static_cast<double>(row[c]) - decoded[c], 2);
  }
  return error;
}

}  // namespace

TEST_CASE("vq: of many entries those of the nearest cells are searched", "[vq]") {
  constexpr unsigned length = 4;
  const std::vector<float> vectors = normal_vectors(11, length * 500), ones(length, 1.f);
  for (const unsigned entries : {300u, 16384u}) {
    const std::vector<float> centers = normal_vectors(12, length * entries);
    const EntrySearch search(centers, length, entries);
    unsigned same = 0;
    double found = 0, least = 0;
    for (size_t v = 0; v < vectors.size(); v += length) {
      float best = 0;
      const unsigned exact = kPlainKernels.nearest(&vectors[v], ones.data(), length, centers.data(), entries, &best);
      const unsigned k = search.nearest(&vectors[v], ones.data());
      REQUIRE(k < entries);
      same += k == exact, least += best;
      for (unsigned i = 0; i < length; ++i) found += std::pow(vectors[v + i] - centers[i * entries + k], 2);
    }
    CHECK(found <= (entries > kSearchedEntries ? 1.01 : 1.000001) * least);
    CHECK(same >= (entries > kSearchedEntries ? 475 : 500));
  }
}

TEST_CASE("vq: k-means in two levels is about as good as in one", "[vq]") {
  constexpr unsigned length = 2, n = 12000;
  std::vector<float> x = normal_vectors(13, length * n);
  for (unsigned i = 0; i < 6; ++i) x[i] = 100.f + static_cast<float>(i);  // far from the others
  const std::vector<float> ones(x.size(), 1.f);
  const auto error_of = [&](const std::vector<float>& centers) {
    const unsigned entries = static_cast<unsigned>(centers.size() / length);
    double sum = 0;
    for (size_t v = 0; v < n; ++v) {
      float best = 0;
      kPlainKernels.nearest(&x[v * length], ones.data(), length, centers.data(), entries, &best);
      sum += best;
    }
    return sum;
  };
  for (const auto& [entries, most] : {std::pair{kFlatEntries + 100, 1.05}, {kRefinedEntries + 400, 1.2}}) {
    const KMeansOptions options{length, entries, 5};
    const std::vector<float> split = split_k_means(options, x, ones).value();
    const std::vector<float> flat = k_means(options, x, ones).value();
    REQUIRE(split.size() == length * entries);
    CHECK(split != flat);
    CHECK(split == split_k_means(options, x, ones).value());
    CHECK(error_of(split) < most * error_of(flat));
  }
}

TEST_CASE("vq: more entries than vectors are each a vector", "[vq]") {
  constexpr unsigned length = 4, n = 300;
  const std::vector<float> x = normal_vectors(17, length * n), ones(x.size(), 1.f);
  const std::vector<float> centers = split_k_means({length, 2 * kFlatEntries, 1}, x, ones).value();
  REQUIRE(centers.size() == size_t{length} * 2 * kFlatEntries);
  for (unsigned v = 0; v < n; ++v) {
    float best = 1;
    kPlainKernels.nearest(&x[v * length], ones.data(), length, centers.data(), 2 * kFlatEntries, &best);
    CHECK(best == 0);
  }
}

TEST_CASE("vq: vectors that are few points get a codebook of these points", "[vq]") {
  Random random(3);
  const int points[6][4] = {{0, 1, -2, 3}, {4, -4, 0, 0}, {-1, -1, -1, -1}, {2, 3, 4, -3}, {0, 0, 0, 4}, {-4, 2, 1, 0}};
  std::vector<float> vectors;
  for (int i = 0; i < 300; ++i) {
    const auto& point = points[random.below(6)];
    for (const int value : point) vectors.push_back(static_cast<float>(value) * 0.25f);
  }
  VqOptions options;
  options.bits = 4;
  const VqBook book = train(options, vectors, {}, 4);
  REQUIRE(book.codes.size() == 16 * 4);
  CHECK(book.factors[0] * 64 == 1.f);  // the largest value is 1, its code 64
  std::set<std::vector<int>> found;
  for (int k = 0; k < 16; ++k) {
    std::vector<int> entry;
    for (int i = 0; i < 4; ++i) entry.push_back(book.codes[k * 4 + i]);
    found.insert(entry);
  }
  for (const auto& point : points) {
    std::vector<int> entry;
    for (const int value : point) entry.push_back(value * 16);
    CHECK(found.count(entry) == 1);
  }
}

TEST_CASE("vq: codes are so small that sums of products fit int16", "[vq]") {
  CHECK(vq_largest_code(2) == 127);
  CHECK(vq_largest_code(4) == 64);
  CHECK(vq_largest_code(8) == 32);
  for (unsigned length = 2; length <= 32; ++length) CHECK(vq_largest_code(length) * 127 * length < 1 << 15);
}

TEST_CASE("vq: threads change nothing, seeds do", "[vq]") {
  const std::vector<float> vectors = normal_vectors(5, 4 * 3000);
  VqOptions options;
  options.bits = 6, options.planes = 2;
  const int threads = omp_get_max_threads();
  omp_set_num_threads(1);
  const VqBook one = train(options, vectors, {}, 4);
  omp_set_num_threads(3);
  const VqBook three = train(options, vectors, {}, 4);
  omp_set_num_threads(threads);
  CHECK(one.codes == three.codes);
  CHECK(one.factors == three.factors);
  options.seed = 2;
  CHECK(train(options, vectors, {}, 4).codes != one.codes);
}

TEST_CASE("vq: an index is the nearest entry, and the row is decoded as readers do", "[vq]") {
  constexpr size_t kCols = 30;  // the last vector has two columns
  const std::vector<float> values = normal_vectors(7, kCols * 40);
  VqOptions options;
  options.bits = 5;
  const std::vector<float> padded = normal_vectors(8, 4 * 500);
  const VqBook book = train(options, padded, {}, kCols);
  VqAssigner assigner(book, kCols);
  std::vector<uint16_t> indices(8);
  std::vector<float> scales(1), decoded(kCols);
  for (size_t r = 0; r < 40; ++r) {
    const std::span row(values.data() + r * kCols, kCols);
    assigner.assign(row, {}, indices.data(), 8, scales, decoded);
    double squares = 0;
    for (const float w : row) squares += double{w} * w;
    const double rms = std::sqrt(squares / kCols);
    const auto distance = [&](size_t position, unsigned entry) {
      double sum = 0;
      for (size_t i = 0; i < 4 && position * 4 + i < kCols; ++i)
        sum += std::pow(row[position * 4 + i] / rms - book.factors[0] * book.codes[entry * 4 + i], 2);
      return sum;
    };
    for (size_t position = 0; position < 8; ++position) {
      double best = INFINITY;
      for (unsigned k = 0; k < 32; ++k) best = std::min(best, distance(position, k));
      CHECK(distance(position, indices[position]) <= best + 1e-6);
      for (size_t i = 0; i < 4 && position * 4 + i < kCols; ++i)
        CHECK(decoded[position * 4 + i] == scales[0] * static_cast<float>(book.codes[indices[position] * 4 + i]));
    }
  }
  const std::vector<float> zeros(kCols);
  assigner.assign(zeros, {}, indices.data(), 8, scales, decoded);
  CHECK(scales[0] == 0);
  CHECK(decoded == zeros);
}

TEST_CASE("vq: error of a Gaussian, importance, more codebooks", "[vq][losses]") {
  constexpr size_t kCols = 64;
  const std::vector<float> values = normal_vectors(11, kCols * 512);
  const double size = static_cast<double>(values.size());
  VqOptions options;
  const double plain = error_of(options, values, kCols, {}, {}) / size;
  CHECK(plain < 0.11);    // the best scalar quantizer of two bits leaves 0.1175 (Lloyd-Max)
  CHECK(plain > 0.0625);  // 2^-4, the bound of rate-distortion theory
  std::vector<float> importance(kCols, 0.05f);
  for (size_t c = 0; c < kCols; c += 4) importance[c] = 3;
  CHECK(error_of(options, values, kCols, importance, importance) <
        0.8 * error_of(options, values, kCols, {}, importance));
  options.planes = 2;
  CHECK(error_of(options, values, kCols, {}, {}) / size < 0.3 * plain);
}

}  // namespace tern
