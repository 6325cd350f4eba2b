// What fuzz_sequence_state reads its input as: two sessions with other shapes and cache types, no model behind them.
#pragma once

#include <array>

#include "runtime/session/sequence_state.h"

namespace tern::test {

inline constexpr uint64_t kStateHeaderBytes = 64;

inline std::array<SequenceStateKind, 2> state_kinds() {
  return {SequenceStateKind{{2, 2, 6, FloatType::f16, FloatType::f32}, 0x0123456789abcdef, 70},
          SequenceStateKind{{1, 1, 4, FloatType::f32, FloatType::f16}, 0xfedcba9876543210, 40}};
}

}  // namespace tern::test
