// The converter's kernels on every ISA and its plain ones, against their definitions in float arithmetic: bit for bit,
// for the order of operations is part of them.
#include <algorithm>
#include <catch2/catch.hpp>
#include <cmath>
#include <cstring>

#include "formats/quantize/quantize_kernels.h"
#include "tests/kernels/elements_case.h"

namespace tern {
namespace {

std::vector<QuantizeKernels> all_kernels() {
  std::vector<QuantizeKernels> all{kPlainKernels};
  for (const ElementKernels* t : tables())
    all.push_back({t->nearest_entry, t->entry_errors, t->lower_errors, t->add_rows});
  return all;
}

// Coarse values: many errors are equal.
std::vector<float> coarse(Random& random, size_t n) {
  std::vector<float> x(n);
  for (float& v : x) v = static_cast<float>(random.below(3));
  return x;
}

float error_by_definition(const float* x, const float* weights, unsigned length, const float* entry, uint64_t stride) {
  float sum = 0;
  for (unsigned i = 0; i < length; ++i) {
    volatile float difference = x[i] - entry[i * stride], square = difference * difference;
    volatile float weighted = weights[i] * square;  // volatile: nothing is fused
    sum += weighted;
  }
  return sum;
}

}  // namespace

TEST_CASE("quantize: errors and the nearest entry, the first of equals") {
  Random random(21);
  for (int round = 0; round < (TERN_SLOW_RUN ? 40 : 150); ++round) {
    const unsigned length = 1 + static_cast<unsigned>(random.below(32));
    const unsigned entries = 1 + static_cast<unsigned>(random.below(round % 4 == 0 ? 400 : 90));
    const auto draw_values = [&](size_t n) {
      return round % 3 == 0 ? coarse(random, n) : draw_many(random, n, Values::normal);
    };
    const std::vector<float> x = draw_values(length), centers = draw_values(size_t{length} * entries);
    std::vector<float> weights = draw_values(length), expected(entries);
    for (float& w : weights) w = std::fabs(w);
    for (unsigned k = 0; k < entries; ++k)
      expected[k] = error_by_definition(x.data(), weights.data(), length, &centers[k], entries);
    const auto first = std::min_element(expected.begin(), expected.end());
    for (const QuantizeKernels& kernels : all_kernels()) {
      INFO("length " << length << ", " << entries << " entries");
      Guarded<float> errors(entries, round % 2);
      kernels.errors(x.data(), weights.data(), length, centers.data(), entries, errors.data());
      CHECK(same(errors.data(), expected.data(), entries));
      CHECK(errors.intact());
      float least = 0;
      CHECK(kernels.nearest(x.data(), weights.data(), length, centers.data(), entries, &least) ==
            static_cast<unsigned>(first - expected.begin()));
      CHECK(same(least, *first));
      CHECK(kernels.nearest(x.data(), weights.data(), length, centers.data(), entries, nullptr) ==
            static_cast<unsigned>(first - expected.begin()));
    }
  }
}

TEST_CASE("quantize: errors beyond the range of a float are never the nearest") {
  for (const QuantizeKernels& kernels : all_kernels()) {
    for (const unsigned entries : {5u, 16u, 70u}) {
      std::vector<float> centers(entries, 3e38f);
      const float x = -3e38f, weight = 1;
      float error = 0;
      CHECK(kernels.nearest(&x, &weight, 1, centers.data(), entries, &error) == 0);
      CHECK(error == INFINITY);
      centers.back() = 1;  // still beyond
      CHECK(kernels.nearest(&x, &weight, 1, centers.data(), entries, &error) == 0);
      centers.back() = x;
      CHECK(kernels.nearest(&x, &weight, 1, centers.data(), entries, &error) == entries - 1);
      CHECK(error == 0);
    }
  }
}

TEST_CASE("quantize: errors fall to those by one entry") {
  Random random(22);
  for (uint64_t vectors = 1; vectors <= 70; ++vectors) {
    const unsigned length = 1 + static_cast<unsigned>(random.below(9));
    const uint64_t stride = vectors + random.below(3);
    const std::vector<float> x = draw_many(random, length * stride, Values::normal),
                             entry = draw_many(random, length, Values::normal);
    std::vector<float> weights = draw_many(random, length * stride, Values::normal), before(vectors, 1e30f);
    for (float& w : weights) w = std::fabs(w);
    for (float& v : before) v = random.below(4) == 0 ? INFINITY : std::fabs(random.normal()) * 3;
    for (const QuantizeKernels& kernels : all_kernels()) {
      INFO("length " << length << ", " << vectors << " vectors");
      Guarded<float> errors(vectors, vectors % 2);
      std::memcpy(errors.data(), before.data(), vectors * sizeof(float));
      kernels.lower(x.data(), weights.data(), length, stride, vectors, entry.data(), errors.data());
      CHECK(errors.intact());
      for (uint64_t v = 0; v < vectors; ++v) {
        float own[9], own_weights[9];
        for (unsigned i = 0; i < length; ++i) own[i] = x[i * stride + v], own_weights[i] = weights[i * stride + v];
        const float by_entry = error_by_definition(own, own_weights, length, entry.data(), 1);
        CHECK(same(errors.data()[v], std::min(before[v], by_entry)));
      }
    }
  }
}

TEST_CASE("quantize: rows times factors are added up one after the other") {
  Random random(23);
  for (uint64_t n = 1; n <= 150; ++n) {
    const uint64_t count = random.below(9), stride = n + random.below(5);
    const std::vector<float> rows = draw_many(random, count * stride, Values::extreme),
                             factors = draw_many(random, count, Values::extreme),
                             before = draw_many(random, n, Values::extreme);
    std::vector<float> expected = before;
    for (uint64_t k = 0; k < n; ++k) {
      for (uint64_t j = 0; j < count; ++j) {
        volatile float product = factors[j] * rows[j * stride + k];  // volatile: nothing is fused
        expected[k] += product;
      }
    }
    for (const QuantizeKernels& kernels : all_kernels()) {
      INFO(n << " columns, " << count << " rows");
      Guarded<float> y(n, n % 2);
      std::memcpy(y.data(), before.data(), n * sizeof(float));
      kernels.add_rows(rows.data(), stride, count, factors.data(), n, y.data());
      CHECK(same(y.data(), expected.data(), n));
      CHECK(y.intact());
    }
  }
}

}  // namespace tern
