#include "formats/import/index_runs.h"

#include <fmt/format.h>

namespace tern {
namespace {

// `bits` <= 16 bits from bit `at` of a run; bytes beyond its end count as zero.
uint32_t bits_at(const std::byte* run, uint64_t run_bytes, uint64_t at, unsigned bits) {
  uint32_t window = 0;
  for (uint64_t byte = at / 8, i = 0; i < 3 && byte + i < run_bytes; ++i) {
    window |= std::to_integer<uint32_t>(run[byte + i]) << 8 * i;
  }
  return window >> at % 8 & ((1u << bits) - 1);
}

}  // namespace

IndexRunMatrix::IndexRunMatrix(IndexRuns runs, std::vector<uint32_t> columns)
    : runs_(std::move(runs)), columns_(std::move(columns)) {}

Status IndexRunMatrix::read_run(uint64_t group, uint64_t lane, uint32_t* out) const {
  const std::byte* run = runs_.bytes.data() + (group * runs_.lanes + lane) * runs_.run_bytes;
  for (uint64_t j = 0; j < runs_.run; ++j) {
    out[j] = bits_at(run, runs_.run_bytes, j * runs_.element_bits + runs_.first_bit, runs_.bits);
    if (out[j] < runs_.entries) continue;
    return corrupt(fmt::format("{}: tensor '{}': index {} of group {}, row {} is {}, beyond its codebook of {} entries",
                               runs_.path, source_name, j, group, lane, out[j], runs_.entries));
  }
  for (uint64_t at = runs_.run * runs_.element_bits; at < 8 * runs_.run_bytes; ++at) {
    if (bits_at(run, runs_.run_bytes, at, 1) == 0) continue;
    return corrupt(fmt::format("{}: tensor '{}': the padding of group {}, row {} is not zero", runs_.path, source_name,
                               group, lane));
  }
  return {};
}

Status IndexRunMatrix::read_indices(uint64_t begin, uint64_t count, std::span<uint32_t> out) const {
  const uint64_t positions = runs_.groups * runs_.run;
  std::vector<uint32_t> stored(positions);
  for (uint64_t lane = begin; lane < begin + count; ++lane) {
    for (uint64_t g = 0; g < runs_.groups; ++g) TERN_TRY(read_run(g, lane, stored.data() + g * runs_.run));
    uint32_t* to = out.data() + (lane - begin) * positions;
    for (uint64_t i = 0; i < positions; ++i) to[i] = stored[columns_.empty() ? i : columns_[i]];
  }
  for (uint64_t g = 0; g < runs_.groups; ++g) {
    runs_.bytes.release((g * runs_.lanes + begin) * runs_.run_bytes, count * runs_.run_bytes);
  }
  return {};
}

Status IndexRunMatrix::read_rows(uint64_t, uint64_t, std::span<float>) const {
  return internal_error(name + ": indices alone have no values");
}

}  // namespace tern
