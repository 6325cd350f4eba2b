// Loops that must disappear: f is called with 0 .. n-1 as compile-time constants.
// Included by files of several ISAs: everything here has internal linkage.
#pragma once

#include <type_traits>
#include <utility>

#define TERN_INLINE __attribute__((always_inline)) inline
#define TERN_LAMBDA __attribute__((always_inline))

namespace tern {
namespace {

template <class F, int... i>
TERN_INLINE void unroll_indices(const F& f, std::integer_sequence<int, i...>) {
  (f(std::integral_constant<int, i>()), ...);
}

template <int n, class F>
TERN_INLINE void unroll(const F& f) {
  unroll_indices(f, std::make_integer_sequence<int, n>());
}

// f(i, j) for all i < n, j < m. Arrays of registers are only touched through these: with an index that a loop counts,
// GCC keeps them in memory.
template <int n, int m, class F>
TERN_INLINE void unroll2(const F& f) {
  unroll<n>([&](auto i) TERN_LAMBDA { unroll<m>([&](auto j) TERN_LAMBDA { f(i, j); }); });
}

template <class T, int n, int m>
TERN_INLINE void fill(T (&registers)[n][m], const T& value) {
  unroll2<n, m>([&](auto i, auto j) TERN_LAMBDA { registers[i][j] = value; });
}

}  // namespace
}  // namespace tern
