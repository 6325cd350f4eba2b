// Outlier columns of vectors along the input axis: what is split off, what is stored, and errors that are passed on.
#include "formats/import/outlier_columns.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <cmath>

#include "formats/import/vector_packer.h"
#include "formats/quantize/vq_feedback.h"
#include "tests/import/vq_fixture.h"

using namespace tern;
using namespace tern::test;

namespace {

constexpr uint64_t kOutliers = 12;  // 6 % of 160 columns, whole vectors of 4

struct OutlierConversion : VqConversion {
  OutlierConversion() {
    options.vq.outliers = {6, 4, 4};
    for (const auto& m : source.matrices) {
      if (m->rows == 1) continue;
      const std::vector<double>& triangle = hessians.at(m->cols);
      for (uint64_t c = 0; c < m->cols; ++c) options.calibration[m->name].push_back(triangle[c * (c + 1) / 2 + c]);
    }
  }

  ConvertReport split_and_report() {
    const Status split = split_outliers(source, options);
    INFO(split.message());
    REQUIRE(split.ok());
    return report("o.tern");
  }
};

// The layer in a file, its columns where the input has them.
std::vector<float> decoded_layer(const TernFile& file, const LinearRecord& linear) {
  const ModelDescription& d = file.description();
  const auto& ops = d.inputs[linear.input].ops;
  const auto permute = std::find_if(ops.begin(), ops.end(), [](auto& op) { return op.kind == InputOpKind::permute; });
  REQUIRE(permute != ops.end());
  const auto* order = reinterpret_cast<const uint32_t*>(file.codes(permute->tensor).data());
  std::vector<float> values(linear.rows * linear.cols, NAN);
  for (const Term& term : linear.terms) {
    const TensorRecord& t = d.tensors[term.tensor];
    const Layout layout = layout_of(t.encoding, t.rows, t.cols).value();
    std::vector<float> row(t.cols);
    for (uint64_t r = 0; r < t.rows; ++r) {
      decode_row(t.encoding, layout, t.cols, file.codes(term.tensor).data(), file.scales(term.tensor).data(), r,
                 row.data(), file.codebook(term.tensor));
      for (uint64_t c = 0; c < t.cols; ++c) values[r * linear.cols + order[term.col_begin + c]] = row[c];
    }
  }
  return values;
}

// e H e^T of all rows, by the triangle itself.
double loss_of(const std::vector<float>& original, const std::vector<float>& decoded,
               std::span<const double> triangle) {
  const uint64_t cols = triangle_cols(triangle.size());
  double sum = 0;
  for (uint64_t r = 0; r < original.size(); r += cols) {
    for (uint64_t i = 0, at = 0; i < cols; ++i) {
      for (uint64_t j = 0; j <= i; ++j, ++at) {
        const double product = (double{original[r + i]} - decoded[r + i]) * (double{original[r + j]} - decoded[r + j]);
        sum += (i == j ? 1 : 2) * product * triangle[at];
      }
    }
  }
  return sum;
}

const LinearRecord& layer_of(const TernFile& file, const std::string& name) {
  const auto& linears = file.description().linears;
  return *std::find_if(linears.begin(), linears.end(), [&](const auto& l) { return l.name == name; });
}

}  // namespace

TEST_CASE("outlier columns: two terms over a permuted input, those with most energy first", "[vq][convert]") {
  OutlierConversion c;
  const std::vector<double> energies = c.options.calibration.at(kVqLayer);
  c.split_and_report();
  const auto file = TernFile::open(c.checkpoint.folder.path("o.tern")).value();
  const ModelDescription& d = file->description();
  const LinearRecord& linear = layer_of(*file, kVqLayer);
  REQUIRE(linear.terms.size() == 2);
  CHECK(linear.terms[0].cols == kOutliers);
  CHECK(linear.terms[1].col_begin == kOutliers);
  CHECK(linear.terms[1].cols == 160 - kOutliers);
  for (const Term& term : linear.terms) CHECK(term.tap == Tap::quantized);
  CHECK(d.tensors[linear.terms[0].tensor].name == kVqLayer + ".outliers");
  CHECK(d.tensors[linear.terms[0].tensor].encoding.bits == 4);
  CHECK(d.tensors[linear.terms[1].tensor].encoding.bits == 5);

  const auto& ops = d.inputs[linear.input].ops;
  REQUIRE(ops.size() == 2);
  CHECK(ops[0].kind == InputOpKind::permute);
  CHECK(ops[1].kind == InputOpKind::quantize);
  const auto* order = reinterpret_cast<const uint32_t*>(file->codes(ops[0].tensor).data());
  double least = INFINITY, most = 0;
  for (uint64_t s = 0; s < 160; ++s) {
    if (s < kOutliers) least = std::min(least, energies[order[s]]);
    if (s >= kOutliers) most = std::max(most, energies[order[s]]);
    if (s != 0 && s != kOutliers) CHECK(order[s - 1] < order[s]);
  }
  CHECK(least >= most);
  // Layers of one input share its permutation.
  CHECK(layer_of(*file, "blocks.0.attn.q").input == layer_of(*file, "blocks.0.attn.v").input);
}

TEST_CASE("outlier columns: the report's errors and bits are those of the file", "[vq][convert]") {
  OutlierConversion c;
  const std::vector<float> original = all_rows(*c.source.find(kVqLayer));
  const ConvertReport report = c.split_and_report();
  const auto file = TernFile::open(c.checkpoint.folder.path("o.tern")).value();
  const std::vector<float> decoded = decoded_layer(*file, layer_of(*file, kVqLayer));
  double errors = 0, expected = 0;
  for (size_t i = 0; i < original.size(); ++i) errors += std::pow(double{original[i]} - decoded[i], 2);
  for (const TensorReport& t : report.tensors) {
    if (t.name != kVqLayer && t.name != kVqLayer + ".outliers") continue;
    const uint64_t begin = t.name == kVqLayer ? kOutliers : 0;
    const auto* order = reinterpret_cast<const uint32_t*>(
        file->codes(file->description().inputs[layer_of(*file, kVqLayer).input].ops[0].tensor).data());
    double norm = 0;
    for (uint64_t r = 0; r < t.rows; ++r)
      for (uint64_t s = 0; s < t.cols; ++s) norm += std::pow(double{original[r * 160 + order[begin + s]]}, 2);
    expected += t.relative_error * t.relative_error * norm;
  }
  CHECK(errors == Approx(expected).epsilon(1e-5));

  double bytes = 0, weights = 0;
  for (const TensorRecord& t : file->description().tensors) {
    if (t.name.starts_with("blocks.") && !t.name.ends_with("norm"))
      bytes += static_cast<double>(t.codes.bytes + t.scales.bytes);
  }
  for (const LinearRecord& l : file->description().linears)
    if (l.name != "head") weights += static_cast<double>(l.rows * l.cols);
  CHECK(report.bits_per_weight == Approx(8 * bytes / weights).epsilon(1e-9));
}

TEST_CASE("outlier columns: their errors are passed on to the others", "[vq][convert][losses]") {
  OutlierConversion plain, fed;
  fed.options.vq.feedback = true;
  const std::vector<float> original = all_rows(*plain.source.find(kVqLayer));
  const auto loss = [&](OutlierConversion& c) {
    c.split_and_report();
    const auto file = TernFile::open(c.checkpoint.folder.path("o.tern")).value();
    return loss_of(original, decoded_layer(*file, layer_of(*file, kVqLayer)), c.options.hessians.at(kVqLayer));
  };
  const double without = loss(plain), with = loss(fed);
  CAPTURE(with / without);
  CHECK(with < 0.45 * without);  // 0.36; 0.52 if the others do not know of their errors
}

TEST_CASE("vq feedback: a block of columns makes up for what was carried to it", "[vq]") {
  constexpr uint64_t kCols = 45, kBegin = 9, kWidth = kCols - kBegin, kRows = 20;
  Random random(5);
  const HessianFactor r = HessianFactor::create(made_hessian(kCols, 4)).value();
  VqSample sample;
  for (int i = 0; i < 4 * 300; ++i) sample.vectors.push_back(random.normal());
  VqOptions options;
  options.bits = 4;
  const VqBook book = train_vq(options, kWidth, std::span(&sample, 1)).value();
  std::vector<float> x(kRows * kWidth), carried(x.size()), scales(kRows), decoded(x.size());
  for (float& v : x) v = random.normal();
  for (float& v : carried) v = random.normal();
  std::vector<uint16_t> indices(kRows * kWidth / 4);
  VqFeedback(book, FactorBlock(r, kBegin, kCols)).assign(x, carried, indices.data(), indices.size(), scales, decoded);

  unsigned best_ones = 0;
  for (uint64_t row = 0; row < kRows; ++row) {
    double squares = 0;
    for (uint64_t c = 0; c < kWidth; ++c) squares += std::pow(x[row * kWidth + c], 2);
    const double unit = std::sqrt(squares / kWidth);
    std::vector<double> left(kWidth), sum(kWidth);  // carried + errors R, in units
    for (uint64_t c = 0; c < kWidth; ++c) sum[c] = carried[row * kWidth + c] / unit;
    const auto add = [&](uint64_t position, unsigned k, std::vector<double>& to, uint64_t end) {
      for (uint64_t j = position * 4; j < position * 4 + 4; ++j) {
        const double error = x[row * kWidth + j] / unit - double{book.factors[0]} * book.codes[k * 4 + j % 4];
        for (uint64_t c = j; c < end; ++c) to[c] += error * r.row(kBegin + j)[kBegin + c];
      }
    };
    for (uint64_t position = 0; position < kWidth / 4; ++position) {
      const unsigned chosen = indices[row * kWidth / 4 + position];
      std::vector<double> losses;
      for (unsigned k = 0; k < 16; ++k) {
        left = sum;
        add(position, k, left, position * 4 + 4);
        losses.push_back(0);
        for (uint64_t c = position * 4; c < position * 4 + 4; ++c) losses.back() += left[c] * left[c];
      }
      best_ones += losses[chosen] <= *std::min_element(losses.begin(), losses.end()) * (1 + 1e-4) + 1e-6;
      add(position, chosen, sum, kWidth);
    }
    // The scale: carried + x R - f q R is orthogonal to q R.
    double product = 0, norm = 0;
    for (uint64_t c = 0; c < kWidth; ++c) {
      double target = carried[row * kWidth + c], q = 0;
      for (uint64_t j = 0; j <= c; ++j) {
        target += x[row * kWidth + j] * double{r.row(kBegin + j)[kBegin + c]};
        q += decoded[row * kWidth + j] * double{r.row(kBegin + j)[kBegin + c]};
      }
      product += target * q, norm += q * q;
    }
    CHECK(product == Approx(norm).epsilon(2e-3));
  }
  CHECK(best_ones == kRows * kWidth / 4);
}

TEST_CASE("outlier columns: refusals", "[vq][convert]") {
  OutlierConversion c;
  says(c.refusal(), "were not split off");
  const auto refusal = [&] { return split_outliers(c.source, c.options).message(); };
  c.options.vq.outliers.bits = 9;
  says(refusal(), "1 codebooks of 9 bits");
  c.options.vq.outliers = {51, 4, 4};
  says(refusal(), "51 % outliers, expected 0 to 50");
  c.options.vq.outliers = {50, 32, 4};
  c.options.calibration[kVqLayer].pop_back();
  says(refusal(), "layer '" + kVqLayer + "' has no energies of 160 columns");
}

TEST_CASE("outlier columns: memory of what feedback keeps of them is announced", "[vq][convert]") {
  VqOptions options;
  options.feedback = true;
  const uint64_t before = VectorPacker::working_bytes(options, 4096, 11008, 2);
  options.outliers.percent = 3;
  const uint64_t after = VectorPacker::working_bytes(options, 4096, 11008, 2);
  CHECK(after >= before + uint64_t{4} * 4096 * 330);
  CHECK(after < before + (uint64_t{16} << 20));
}
