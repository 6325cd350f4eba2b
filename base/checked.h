// Arithmetic on counts and sizes that come from a file: every step may overflow.
#pragma once

#include <cstdint>
#include <optional>

namespace tern {

using Checked = std::optional<uint64_t>;  // empty: the true result does not fit in 64 bits

static inline Checked checked_add(Checked a, Checked b) {
  uint64_t r;
  if (!a || !b || __builtin_add_overflow(*a, *b, &r)) return {};
  return r;
}

static inline Checked checked_mul(Checked a, Checked b) {
  uint64_t r;
  if (!a || !b || __builtin_mul_overflow(*a, *b, &r)) return {};
  return r;
}

// Rounds up to a multiple of `unit` (> 0).
static inline Checked checked_align(Checked a, uint64_t unit) {
  Checked sum = checked_add(a, unit - 1);
  if (!sum) return {};
  return *sum / unit * unit;
}

static inline uint64_t ceil_div(uint64_t a, uint64_t b) { return a / b + (a % b != 0); }
static inline uint64_t align_up(uint64_t a, uint64_t unit) { return ceil_div(a, unit) * unit; }

// True if [offset, offset + size) lies inside [0, limit).
static inline bool in_range(uint64_t offset, uint64_t size, uint64_t limit) {
  return offset <= limit && size <= limit - offset;
}

}  // namespace tern
