// fit_groups PLANES TIED COLUMNS < float32 groups > for every group: PLANES float32 scales, PLANES x COLUMNS int8
// trits. What tests/import/ptqtp_oracle.py compares with its own computation.
#include <cstdio>
#include <cstdlib>
#include <vector>

#include "formats/quantize/ptqtp.h"

int main(int argc, char** argv) {
  if (argc != 4) return 2;
  tern::PtqtpOptions options;
  options.planes = static_cast<unsigned>(std::atoi(argv[1]));
  options.tied = std::atoi(argv[2]) != 0;
  const auto columns = static_cast<size_t>(std::atoi(argv[3]));
  tern::PtqtpFitter fitter(options, columns);
  std::vector<float> weights(columns), scales(options.planes);
  std::vector<int8_t> trits(options.planes * columns);
  while (std::fread(weights.data(), sizeof(float), columns, stdin) == columns) {
    fitter.fit(weights, {}, trits.data(), columns, scales);
    std::fwrite(scales.data(), sizeof(float), scales.size(), stdout);
    std::fwrite(trits.data(), 1, trits.size(), stdout);
  }
  return 0;
}
