// Converted files of vectors: feedback, column groups, VPTQ's form, threads, refusals.
#include <omp.h>

#include <catch2/catch.hpp>
#include <cmath>

#include "formats/import/vector_packer.h"
#include "formats/import/vptq_quantizer.h"
#include "tests/import/vq_fixture.h"

using namespace tern;
using namespace tern::test;

namespace {

std::string on_threads(int threads, const std::function<std::string()>& work) {
  const int before = omp_get_max_threads();
  omp_set_num_threads(threads);
  std::string result = work();
  omp_set_num_threads(before);
  return result;
}

}  // namespace

TEST_CASE("hessian factor: R R^T is the dampened Hessian, in any order", "[vq]") {
  constexpr uint64_t kCols = 45;
  const std::vector<double> triangle = made_hessian(kCols, 3);
  const auto entry = [&](uint64_t i, uint64_t j) {
    return triangle[std::max(i, j) * (std::max(i, j) + 1) / 2 + std::min(i, j)];
  };
  double mean = 0;
  for (uint64_t i = 0; i < kCols; ++i) mean += entry(i, i) / kCols;
  std::vector<uint32_t> order(kCols);
  for (uint32_t i = 0; i < kCols; ++i) order[i] = i * 7 % kCols;
  const HessianFactor r = HessianFactor::create(triangle, order).value();
  for (uint64_t i = 0; i < kCols; ++i) {
    for (uint64_t j = 0; j < kCols; ++j) {
      double sum = 0;
      for (uint64_t k = 0; k < kCols; ++k) sum += double{r.row(i)[k]} * r.row(j)[k];
      CHECK(sum == Approx(entry(order[i], order[j]) / mean + (i == j ? 0.01 : 0)).epsilon(1e-5).margin(1e-6));
      if (j < i) CHECK(r.row(i)[j] == 0);
    }
  }
  CHECK(!HessianFactor::create(std::span(triangle).first(44)).ok());
  CHECK(!HessianFactor::create(std::vector<double>(6, 0)).ok());
  CHECK(!HessianFactor::create(std::vector<double>{1, 5, 1}).ok());  // x y > x x y y
  CHECK(!HessianFactor::create(std::vector<double>{1, std::nan(""), 1}).ok());
  const auto stop = [] { return aborted("stop"); };
  CHECK(HessianFactor::create(triangle, {}, stop).status().code() == Code::aborted);
}

TEST_CASE("vq: feedback lowers the loss; threads change nothing, seeds do", "[vq][convert][losses]") {
  VqConversion c;
  c.run("plain.tern");
  c.options.vq.feedback = true;
  const auto work = [&] { return c.run("fed.tern"); };
  const std::string one = on_threads(1, work), three = on_threads(3, work);
  CHECK(one == three);
  CHECK(c.loss("fed.tern") < 0.8 * c.loss("plain.tern"));
  c.options.vq.seed = 2;
  CHECK(c.run("seed.tern") != one);
}

TEST_CASE("vq: column groups have codebooks of their own", "[vq][convert][losses]") {
  VqConversion c;
  for (const bool feedback : {false, true}) {
    c.options.vq.feedback = feedback, c.options.vq.groups = 1;
    const ConvertReport one = c.report("one.tern");
    c.options.vq.groups = 4;
    const ConvertReport four = c.report("four.tern");
    REQUIRE(one.tensors.size() == four.tensors.size());
    for (size_t i = 0; i < one.tensors.size() && !feedback; ++i) {
      if (four.tensors[i].encoding.find("vector") == 0)
        CHECK(four.tensors[i].relative_error < 0.98 * one.tensors[i].relative_error);
    }
    const auto file = TernFile::open(c.checkpoint.folder.path("four.tern")).value();
    const TensorRecord& t = file->description().tensors[file->find_tensor(kVqLayer)];
    CHECK(t.encoding.group % t.encoding.length == 0);
    CHECK(file->description().tensors[t.codebook].rows == 4 * 32);
  }
}

TEST_CASE("vq: options that make no sense, and Hessians that do not fit", "[vq][convert]") {
  VqConversion c;
  c.options.vq.groups = 0;
  says(c.refusal(), "0 column groups");
  c.options.vq.groups = 1, c.options.vq.training = VqTraining::none;
  says(c.refusal(), "evenly spaced levels in 1 codebooks of 5 bits for 4 values");
  c.options.vq.training = VqTraining::hessian, c.options.vq.bits = 9;
  says(c.refusal(), "1 to 8 bits");
  c.options.vq.bits = 5, c.options.vq.feedback = true;
  c.options.hessians[kVqLayer] = std::span(c.hessians.begin()->second).first(10);
  says(c.refusal(), "the Hessian of '" + kVqLayer + "'");
}

TEST_CASE("vq: memory is announced, feedback's included", "[vq][convert]") {
  VqOptions options;
  const uint64_t plain = VectorPacker::working_bytes(options, 4096, 11008, 2);
  CHECK(plain < uint64_t{64} << 20);
  options.feedback = true;
  const uint64_t fed = VectorPacker::working_bytes(options, 4096, 11008, 2);
  CHECK(fed >= plain + uint64_t{4} * 11008 * 11008);  // the factor
  CHECK(fed < plain + uint64_t{5} * 11008 * 11008);
}

TEST_CASE("vq: an interruption ends training", "[vq]") {
  std::vector<VqSample> samples(1);
  samples[0].vectors = std::vector<float>(4000, 1.f);
  int asked = 0;
  const Interruption stop = [&] { return ++asked == 3 ? aborted("stop") : Status(); };
  CHECK(train_vq({}, 4, samples, stop).status().code() == Code::aborted);
  CHECK(asked == 3);
}

TEST_CASE("vptq: a composition as its checkpoints have it; threads change nothing", "[vq][convert]") {
  VptqOptions options;
  options.length = 6, options.bits = 5, options.residual = true, options.feedback = true, options.groups = 2;
  options.outliers.percent = 3;
  const auto work = [&] {
    VqConversion c;
    c.options.weights = WeightChoice::automatic;
    REQUIRE(quantize_vptq(c.source, options, c.options.hessians).ok());
    const std::string bytes = c.run("v.tern");
    const auto file = TernFile::open(c.checkpoint.folder.path("v.tern")).value();
    const ModelDescription& d = file->description();
    for (const LinearRecord& linear : d.linears) {
      if (linear.name != kVqLayer) continue;
      CHECK(linear.terms.size() == 4);  // main, residual, outliers, shift
      CHECK(d.inputs[linear.input].ops.size() == 2);
    }
    return bytes;
  };
  const std::string one = on_threads(1, work), three = on_threads(3, work);
  CHECK(one == three);
}

TEST_CASE("vptq: codebooks of int8 are stored as they were fitted", "[vq][convert]") {
  VqConversion c;
  VptqOptions options;
  options.length = 6, options.bits = 5, options.residual = true, options.int8_codebooks = true;
  c.options.weights = WeightChoice::automatic;
  REQUIRE(quantize_vptq(c.source, options, c.options.hessians).ok());
  unsigned codebooks = 0;
  for (const TensorReport& tensor : c.report("v.tern").tensors) {
    if (!tensor.name.ends_with(".codebook")) continue;
    CHECK(tensor.exact);
    CHECK(tensor.rows == 2 * 32);  // two rows of four hold an entry of six
    CHECK(tensor.cols == 4);
    ++codebooks;
  }
  CHECK(codebooks == 2 * 7 * c.source.config.layers);
}

TEST_CASE("vptq: refusals", "[vq][convert]") {
  VqConversion c;
  VptqOptions options;
  const auto refusal = [&](const HessianTriangles& hessians) {
    return quantize_vptq(c.source, options, hessians).message();
  };
  options.bits = 17;
  says(refusal({}), "1 to 16 bits");
  options.bits = 14;
  says(refusal({}), "entries: choose fewer bits");
  options.bits = 5, options.feedback = true;
  says(refusal({}), "which error feedback needs");
  options.feedback = false, options.outliers.percent = 2;
  says(refusal({}), "which the choice of outliers needs");
  options.outliers.percent = 51;
  says(refusal({}), "0 to 50");
}
