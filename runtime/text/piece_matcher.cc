#include "runtime/text/piece_matcher.h"

#include <algorithm>

namespace tern {

PieceMatcher::PieceMatcher(const std::vector<Piece>& pieces, std::initializer_list<PieceType> types) {
  for (size_t id = 0; id < pieces.size(); ++id) {
    const bool wanted = std::find(types.begin(), types.end(), pieces[id].type) != types.end();
    if (wanted && !pieces[id].text.empty()) pieces_.emplace_back(pieces[id].text, static_cast<int32_t>(id));
  }
  std::sort(pieces_.begin(), pieces_.end());
  for (uint32_t i = 0; i < pieces_.size(); ++i) {
    auto& [begin, end] = by_first_byte_[static_cast<uint8_t>(pieces_[i].first[0])];
    if (end == 0) begin = i;
    end = i + 1;
  }
}

std::optional<PieceMatcher::Match> PieceMatcher::find(std::string_view text, size_t from) const {
  if (pieces_.empty()) return std::nullopt;
  for (size_t at = from; at < text.size(); ++at) {
    if (const auto match = longest_at(text, at)) return match;
  }
  return std::nullopt;
}

// Narrows the range of pieces that begin as the text does, byte by byte. In it the shortest piece comes first.
std::optional<PieceMatcher::Match> PieceMatcher::longest_at(std::string_view text, size_t at) const {
  const auto [first, last] = by_first_byte_[static_cast<uint8_t>(text[at])];
  auto begin = pieces_.begin() + first, end = pieces_.begin() + last;
  std::optional<Match> longest;
  for (size_t n = 1; begin != end; ++n) {
    if (begin->first.size() == n) {
      longest = Match{at, n, begin->second};
      ++begin;
    }
    if (at + n == text.size()) break;
    const auto next = static_cast<uint8_t>(text[at + n]);
    const auto byte_of = [n](const auto& piece) { return static_cast<uint8_t>(piece.first[n]); };
    begin = std::partition_point(begin, end, [&](const auto& piece) { return byte_of(piece) < next; });
    end = std::partition_point(begin, end, [&](const auto& piece) { return byte_of(piece) == next; });
  }
  return longest;
}

}  // namespace tern
