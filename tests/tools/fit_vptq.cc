// fit_vptq ROWS COLS LENGTH BITS RESIDUAL GROUPS OUTLIERS FEEDBACK INT8 < float32 weights [ROWS][COLS], then float64
// triangle of the Hessian > float32 factors, offsets [COLS], uint32 order [COLS], then of every stage float32 codebook
// [group][2^bits][length], uint16 indices [band][column]. OUTLIERS: percent, with vectors of 3 and 5 bits. What
// tests/import/vptq_oracle.py compares with its own computation.
#include <cstdio>
#include <cstdlib>
#include <vector>

#include "formats/quantize/vptq.h"
#include "tests/tools/raw_values.h"

using tern::test::read_values, tern::test::write_values;

int main(int argc, char** argv) {
  if (argc != 10) return 2;
  const auto number = [&](int i) { return static_cast<unsigned>(std::atoi(argv[i])); };
  const uint64_t rows = number(1), cols = number(2);
  tern::VptqOptions options;
  options.length = number(3), options.bits = number(4), options.residual = number(5) != 0, options.groups = number(6);
  options.outliers = {number(7), 3, 5};
  options.feedback = number(8) != 0, options.int8_codebooks = number(9) != 0;
  const std::vector<float> weights = read_values<float>(rows * cols);
  const std::vector<double> triangle = read_values<double>(cols * (cols + 1) / 2);
  const auto fit = tern::fit_vptq(options, weights, cols, triangle);
  if (!fit.ok()) {
    std::fprintf(stderr, "fit_vptq: %s\n", fit.status().message().c_str());
    return 1;
  }
  write_values(fit->factors), write_values(fit->offsets), write_values(fit->order);
  for (const tern::VptqStage& stage : fit->stages) write_values(stage.codebook), write_values(stage.indices);
  return 0;
}
