// Pieces that stand for themselves wherever a text holds them: control and user-defined ones. Of the matches that
// begin first the longest is taken (Aho-Corasick's leftmost-longest, as Hugging Face's added tokens).
#pragma once

#include <array>
#include <cstdint>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "formats/tern/description.h"

namespace tern {

class PieceMatcher {
 public:
  // Takes the pieces of these types.
  PieceMatcher(const std::vector<Piece>& pieces, std::initializer_list<PieceType> types);

  struct Match {
    size_t begin, bytes;
    int32_t id;
  };
  // The first match that begins at `from` or later. Time: bytes walked times the longest piece.
  std::optional<Match> find(std::string_view text, size_t from) const;

 private:
  std::optional<Match> longest_at(std::string_view text, size_t at) const;

  std::vector<std::pair<std::string, int32_t>> pieces_;             // ascending
  std::array<std::pair<uint32_t, uint32_t>, 256> by_first_byte_{};  // ranges of pieces_
};

}  // namespace tern
