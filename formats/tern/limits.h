// Hard limits of the file format (docs/format.md, "Limits"). Beyond them a file is refused before
// anything is allocated for it.
#pragma once

#include <cstdint>

namespace tern {

inline constexpr uint64_t kMaxSections = 64;
inline constexpr uint64_t kMaxTensors = 1u << 20;
inline constexpr uint64_t kMaxInputs = 1u << 20;
inline constexpr uint64_t kMaxLinears = 1u << 20;
inline constexpr uint64_t kMaxInputOps = 16;
inline constexpr uint64_t kMaxTerms = 4096;
inline constexpr uint64_t kMaxOutputOps = 16;
inline constexpr uint64_t kMaxPieces = 1u << 22;
inline constexpr uint64_t kMaxStopIds = 64;
inline constexpr uint64_t kMaxPatterns = 16;
inline constexpr uint64_t kMaxPatternBytes = 4096;
inline constexpr uint64_t kMaxMerges = 1u << 22;
inline constexpr uint64_t kMaxSpecialBytes = 255;  // control and user-defined pieces of byte_bpe
inline constexpr uint64_t kMaxMetadata = 4096;
inline constexpr uint64_t kMaxNameBytes = 255;
inline constexpr uint64_t kMaxStringBytes = 65535;

inline constexpr uint32_t kMaxVocabulary = 1u << 24;
inline constexpr uint32_t kMaxWidth = 1u << 20;  // hidden_size, ffn_size, heads * head_dim
inline constexpr uint32_t kMaxLayers = 4096;
inline constexpr uint32_t kMaxHeads = 4096;
inline constexpr uint32_t kMaxHeadDim = 1024;
inline constexpr uint32_t kMaxContext = 1u << 30;

inline constexpr uint64_t kSectionAlignment = 8;
inline constexpr uint64_t kPartAlignment = 4096;
inline constexpr uint64_t kFileAlignment = 64;  // the file ends on a cache line

}  // namespace tern
