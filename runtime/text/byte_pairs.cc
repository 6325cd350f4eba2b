#include "runtime/text/byte_pairs.h"

#include <fmt/format.h>

#include <algorithm>
#include <string>

namespace tern {
namespace {

uint64_t pair_key(uint32_t left, uint32_t right) { return uint64_t{left} << 32 | right; }

// Of a max-heap: the best pair has the lowest rank, then the lowest place.
bool merges_later(const BytePairs::Scratch::Pair& a, const BytePairs::Scratch::Pair& b) {
  return a.rank != b.rank ? a.rank > b.rank : a.at > b.at;
}

}  // namespace

Result<BytePairs> BytePairs::create(const TokenizerData& data) {
  BytePairs pairs;
  pairs.whole_first_ = data.whole_piece_first, pairs.rank_by_id_ = data.rank_by_id;
  size_t total = 0;
  for (const Piece& piece : data.pieces) total += piece.text.size();
  pairs.texts_.reserve(total);  // never grows: the keys stay where they are
  pairs.ids_.reserve(data.pieces.size());
  for (size_t id = 0; id < data.pieces.size(); ++id) {
    const Piece& piece = data.pieces[id];
    if (piece.type != PieceType::normal) continue;
    const std::string_view key(pairs.texts_.data() + pairs.texts_.size(), piece.text.size());
    pairs.texts_.insert(pairs.texts_.end(), piece.text.begin(), piece.text.end());
    pairs.ids_.emplace(key, static_cast<int32_t>(id));
    pairs.longest_ = std::max(pairs.longest_, key.size());
    if (key.size() == 1) pairs.byte_ids_[static_cast<uint8_t>(key[0])] = static_cast<int32_t>(id);
  }
  TERN_TRY(pairs.add_merges(data));
  return pairs;
}

Status BytePairs::add_merges(const TokenizerData& data) {
  merges_.reserve(data.merges.size());
  for (size_t i = 0; i < data.merges.size(); ++i) {
    const auto [left, right] = data.merges[i];
    const int32_t result = find(data.pieces[left].text + data.pieces[right].text);
    if (result < 0) {
      return corrupt(fmt::format("tokenizer: merge {} of pieces {} and {} does not give a piece", i, left, right));
    }
    const bool fresh = merges_.emplace(pair_key(left, right), Merge{static_cast<uint32_t>(i), result}).second;
    if (!fresh) return corrupt(fmt::format("tokenizer: merge {} of pieces {} and {} stands twice", i, left, right));
  }
  return {};
}

int32_t BytePairs::find(std::string_view bytes) const {
  if (bytes.size() > longest_) return -1;
  const auto found = ids_.find(bytes);
  return found == ids_.end() ? -1 : found->second;
}

// Notes the pair of the symbols that begin at `left` and after it, if it may merge.
void BytePairs::push(std::string_view text, Scratch& s, uint32_t left) const {
  const uint32_t right = left + s.bytes[left];
  if (right == text.size()) return;
  const uint32_t bytes = s.bytes[left] + s.bytes[right];
  Scratch::Pair pair{0, left, bytes, -1};
  if (rank_by_id_) {
    pair.result = find(text.substr(left, bytes));
    pair.rank = static_cast<uint32_t>(pair.result);
  } else {
    const auto merge = merges_.find(pair_key(static_cast<uint32_t>(s.id[left]), static_cast<uint32_t>(s.id[right])));
    if (merge != merges_.end()) pair.result = merge->second.result, pair.rank = merge->second.rank;
  }
  if (pair.result < 0) return;
  s.heap.push_back(pair);
  std::push_heap(s.heap.begin(), s.heap.end(), merges_later);
}

Status BytePairs::encode(std::string_view text, Scratch& s, std::vector<int32_t>& ids) const {
  if (text.size() > kMaxPieceText) {
    return invalid_argument(fmt::format(
        "{} bytes of the text are one piece to the tokenizer's patterns, at most {} are supported; split the text",
        text.size(), kMaxPieceText));
  }
  if (whole_first_) {
    if (const int32_t whole = find(text); whole >= 0) return ids.push_back(whole), Status();
  }
  const auto size = static_cast<uint32_t>(text.size());
  s.id.resize(size), s.bytes.assign(size, 1), s.before.resize(size), s.heap.clear();
  for (uint32_t i = 0; i < size; ++i) {
    s.id[i] = byte_ids_[static_cast<uint8_t>(text[i])];
    s.before[i] = i - 1;
  }
  for (uint32_t i = 0; i < size; ++i) push(text, s, i);
  while (!s.heap.empty()) {
    std::pop_heap(s.heap.begin(), s.heap.end(), merges_later);
    const Scratch::Pair best = s.heap.back();
    s.heap.pop_back();
    if (s.bytes[best.at] == 0) continue;  // became part of the symbol before
    const uint32_t right = best.at + s.bytes[best.at];
    if (right == size || s.bytes[best.at] + s.bytes[right] != best.bytes) continue;
    s.bytes[right] = 0;
    s.bytes[best.at] = best.bytes;
    s.id[best.at] = best.result;
    if (best.at + best.bytes < size) s.before[best.at + best.bytes] = best.at;
    if (best.at > 0) push(text, s, s.before[best.at]);
    push(text, s, best.at);
  }
  for (uint32_t i = 0; i < size; i += s.bytes[i]) ids.push_back(s.id[i]);
  return {};
}

}  // namespace tern
