// Hadamard transforms and sparse rows: every ISA against the scalar table bit for bit, the scalar one against matrices
// in double arithmetic.
#include "kernels/hadamard/hadamard.h"

#include <bit>
#include <catch2/catch.hpp>
#include <cmath>
#include <cstring>

#include "base/math.h"
#include "formats/encoding/values.h"
#include "kernels/sparse/sparse.h"
#include "tests/kernels/elements_case.h"

namespace tern {
namespace {

using Floats = std::vector<float>;

Floats draw_signs(Random& random, size_t n) {
  Floats x(n);
  for (float& v : x) v = random.below(2) == 0 ? 1.f : -1.f;
  return x;
}

struct Transform {
  uint64_t runs;
  Floats signs, matrix;
  HadamardShape shape;

  Transform(Random& random, uint64_t order, uint64_t length, uint64_t runs)
      : runs(runs), signs(draw_signs(random, runs * order * length)), matrix(draw_signs(random, order * order)) {
    shape = {random.below(3) == 0 ? nullptr : signs.data(), order > 1 ? matrix.data() : nullptr, order, length,
             1.f / std::sqrt(static_cast<float>(order * length))};
  }
  Transform(const Transform&) = delete;
  uint64_t run() const { return shape.order * shape.length; }
  uint64_t size() const { return signs.size(); }

  // Element (i, j) of the matrix that a run is multiplied by: Sylvester's is -1 to the number of common bits.
  double element(uint64_t i, uint64_t j) const {
    const uint64_t n = shape.length;
    const double sylvester = std::popcount(i % n & j % n) % 2 != 0 ? -1 : 1;
    return sylvester * (shape.matrix != nullptr ? shape.matrix[i / n * shape.order + j / n] : 1) * shape.factor;
  }
};

template <class Body>
void for_each_transform(Body body) {
  Random random(17);
  for (const uint64_t order : {1, 2, 3, 12, 20}) {
    for (uint64_t length = 1; length <= (order == 1 ? 1024 : 64); length *= 2) {
      for (const uint64_t runs : {1, 3}) {
        const Transform transform(random, order, length, runs);
        body(transform, random);
      }
    }
  }
}

}  // namespace

TEST_CASE("hadamard: every ISA equals scalar, extremes and guard bytes included") {
  for (const ElementKernels* t : tables()) {
    Random random(23);
    for (const Values kind : {Values::normal, Values::extreme}) {
      for (const uint64_t order : {1, 2, 3, 12, 20}) {
        for (uint64_t length = 1; length <= (order == 1 ? 2048u : 64u); length *= 2) {
          const Transform h(random, order, length, 1 + random.below(3));
          INFO(t->isa << " order " << order << " length " << length << " runs " << h.runs);
          const Floats x = draw_many(random, h.size(), kind);
          Guarded<float> y(h.size(), 1), expected(h.size(), 1), scratch(h.size());
          std::memcpy(y.data(), x.data(), h.size() * 4), std::memcpy(expected.data(), x.data(), h.size() * 4);
          t->hadamard(h.shape, h.size(), y.data(), scratch.data());
          scalar().hadamard(h.shape, h.size(), expected.data(), scratch.data());
          CHECK(same(y.data(), expected.data(), h.size()));
          CHECK((y.intact() && scratch.intact()));
        }
      }
    }
  }
}

TEST_CASE("hadamard: the scalar transform is the matrix's product in double arithmetic") {
  for_each_transform([](const Transform& h, Random& random) {
    INFO("order " << h.shape.order << " length " << h.shape.length << " runs " << h.runs);
    const Floats x = draw_many(random, h.size(), Values::normal);
    Floats y = x, scratch(h.size());
    scalar().hadamard(h.shape, h.size(), y.data(), scratch.data());
    double worst = 0;
    for (uint64_t at = 0; at < h.size(); at += h.run()) {
      for (uint64_t i = 0; i < h.run(); ++i) {
        double sum = 0, size = 0;
        for (uint64_t j = 0; j < h.run(); ++j) {
          const double term = h.element(i, j) * x[at + j] * (h.shape.signs != nullptr ? h.shape.signs[at + j] : 1);
          sum += term, size += std::fabs(term);
        }
        // A rounding a stage and a column of the matrix, and one for the factor.
        const double bound = (std::bit_width(h.shape.length) + double(h.shape.order) + 1) * 0x1p-24 * size;
        worst = std::max(worst, std::fabs(y[at + i] - sum) / bound);
      }
    }
    CHECK(worst <= 1);
  });
}

TEST_CASE("hadamard: stages come in ascending order of distance") {
  // 1 + e is 1, 1 - e is not: distance 1 first leaves e in x[2], distance 2 first would leave 2 e.
  const float e = 0x1p-24f;
  for (const ElementKernels* t : tables()) {
    float x[4] = {1, e, 1, -e}, scratch[4];
    const HadamardShape shape{nullptr, nullptr, 1, 4, 1};
    t->hadamard(shape, 4, x, scratch);
    CHECK(x[0] == (1 + e) + (1 - e));
    CHECK(x[1] == (1 - e) + (1 + e));
    CHECK(x[2] == (1 + e) - (1 - e));
    CHECK(x[3] == (1 - e) - (1 + e));
  }
}

TEST_CASE("elements: scaled sums and products equal scalar and their formula") {
  Random random(29);
  for (const ElementKernels* t : tables()) {
    for (uint64_t n = 1; n <= 83; ++n) {
      const Floats x = draw_many(random, n, Values::extreme), y0 = draw_many(random, n, Values::extreme);
      const float scale = random.normal();
      Guarded<float> sum(n, 1), product(n, 1);
      std::memcpy(sum.data(), y0.data(), n * 4), std::memcpy(product.data(), y0.data(), n * 4);
      t->add_scaled(x.data(), scale, n, sum.data());
      t->multiply(x.data(), n, product.data());
      bool equal = true;
      for (uint64_t i = 0; i < n; ++i) {
        equal = equal && same(sum.data()[i], fma32(scale, x[i], y0[i])) && same(product.data()[i], y0[i] * x[i]);
      }
      INFO(t->isa << " n=" << n);
      CHECK(equal);
      CHECK((sum.intact() && product.intact()));
    }
  }
}

TEST_CASE("sparse rows: one chain of fma a row, then one fma into the output, on every ISA and value type") {
  Random random(31);
  for (const ElementKernels* t : tables()) {
    for (const FloatType type : {FloatType::f32, FloatType::f16, FloatType::bf16}) {
      const uint64_t rows = 21, cols = 37;
      std::vector<uint32_t> starts{0}, columns;
      for (uint64_t r = 0; r < rows; ++r) {
        for (uint64_t n = random.below(6); n != 0; --n) columns.push_back(static_cast<uint32_t>(random.below(cols)));
        starts.push_back(static_cast<uint32_t>(columns.size()));
      }
      std::vector<std::byte> values(columns.size() * 4);
      for (size_t i = 0; i < columns.size(); ++i) store_float(type, values.data(), i, random.normal());
      const Floats x = draw_many(random, cols, Values::normal), y0 = draw_many(random, rows, Values::normal);
      Floats y = y0;
      t->add_sparse({values.data(), type, columns.data(), starts.data()}, 3, 19, x.data(), 0.7f, y.data());
      for (uint64_t r = 0; r < rows; ++r) {
        float sum = 0;
        for (uint32_t i = starts[r]; i < starts[r + 1]; ++i) {
          sum = fma32(load_float(type, values.data(), i), x[columns[i]], sum);
        }
        CHECK(same(y[r], r < 3 || r >= 19 ? y0[r] : fma32(0.7f, sum, y0[r])));
      }
    }
  }
}

}  // namespace tern
