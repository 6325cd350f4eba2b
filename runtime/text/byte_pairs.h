// Byte-pair merging over a vocabulary of byte strings (Sennrich et al. 2016 on bytes, as GPT-2): the pair of the best
// rank merges first, of equal ones the leftmost, until no pair has a rank. O(n log n) for n bytes. Thread-safe.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/status.h"
#include "formats/tern/description.h"

namespace tern {

class BytePairs {
 public:
  // REQUIRES: validate_vocabulary(data) passed, kind byte_bpe. Fails if a merge does not give a piece, or stands twice.
  static Result<BytePairs> create(const TokenizerData& data);

  // Memory that calls share; one per thread.
  struct Scratch {
    struct Pair {
      uint32_t rank, at, bytes;  // bytes: of both sides, tells a pair that has changed since
      int32_t result;
    };
    std::vector<int32_t> id;
    std::vector<uint32_t> bytes, before;  // of the symbol that begins here; bytes 0: none does
    std::vector<Pair> heap;
  };
  // Appends the ids of one piece of text. Fails with invalid_argument beyond kMaxPieceText bytes.
  Status encode(std::string_view text, Scratch& scratch, std::vector<int32_t>& ids) const;
  int32_t id_of_byte(uint8_t byte) const { return byte_ids_[byte]; }

  static constexpr size_t kMaxPieceText = 16u << 20;

 private:
  struct Merge {
    uint32_t rank;
    int32_t result;
  };
  Status add_merges(const TokenizerData& data);
  int32_t find(std::string_view bytes) const;
  void push(std::string_view text, Scratch& scratch, uint32_t left) const;

  std::vector<char> texts_;  // what the keys of ids_ point into
  std::unordered_map<std::string_view, int32_t> ids_;
  std::unordered_map<uint64_t, Merge> merges_;  // left << 32 | right
  std::array<int32_t, 256> byte_ids_{};
  size_t longest_ = 0;
  bool whole_first_ = false, rank_by_id_ = false;
};

}  // namespace tern
