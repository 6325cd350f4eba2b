// Vectors along the input axis, indices of 4 bits, int8 activations: a table of 16 sums of int16 is two registers, its
// low bytes and its high bytes (plus 128), and a byte shuffle looks up as many rows as a register has bytes. Whole
// tiles of 64 rows: a record is 32 bytes whose low nibbles are rows 0 to 31, whose high ones rows 32 to 63. V: the
// nibble tables of the ISA (trit_tables.h). Sums stay exact: bytes add up in 16 bits.
#pragma once

#include "kernels/linear/vector/vin8.h"

namespace tern {
namespace {

constexpr uint64_t kShuffleEntries = 16, kShuffleRecordBytes = kInputLanes / 2;
constexpr uint64_t kShufflePositions = 128;  // tables of 8 KiB; bytes of 257 fit 16 bits
constexpr uint64_t kShuffleTiles = 128;      // whose sums stay in scratch while the tables change

template <class V>
struct Shuffles {
  using Bytes = typename V::Bytes;
  static constexpr uint64_t kWidth = sizeof(Bytes);
  static constexpr uint64_t kRecords = kWidth > kShuffleRecordBytes ? kWidth / kShuffleRecordBytes : 1;  // a register's
  static constexpr uint64_t kParts = kWidth > kShuffleRecordBytes ? 1 : kShuffleRecordBytes / kWidth;    // of a record
  static constexpr uint64_t kTableBytes = 2 * kWidth;  // of kRecords positions: low bytes, high bytes
  typedef uint16_t Words __attribute__((vector_size(sizeof(Bytes))));

  struct Sums {  // both rows of a word, then the odd one: of low bytes, of high bytes
    Words low, low_odd, high, high_odd;
  };

  TERN_INLINE static Bytes load(const void* p) {
    Bytes bytes;
    __builtin_memcpy(&bytes, p, sizeof bytes);
    return bytes;
  }
  TERN_INLINE static void add(Words& both, Words& odd, Bytes bytes) {
    const Words words = __builtin_bit_cast(Words, bytes);
    both += words, odd += words >> 8;
  }
};

struct ShuffleScratch {
  alignas(64) uint8_t tables[kShufflePositions * kShuffleRecordBytes * 2];
  int32_t sums[kShuffleTiles * kInputLanes];
  int16_t book[kMaxVectorLength * kShuffleEntries];  // [value][entry]
};
static_assert(sizeof(ShuffleScratch) <= kLinearScratchBytes);

using Shorts16 [[gnu::vector_size(32)]] = int16_t;
using TableBytes [[gnu::vector_size(16)]] = uint8_t;

// The table of a position, as often as a register has room for it.
template <class V>
TERN_INLINE void build_shuffle_table(const int16_t* book, uint64_t length, const int8_t* a, uint64_t position,
                                     uint8_t* tables) {
  using S = Shuffles<V>;
  constexpr uint64_t kSpan = S::kWidth / S::kRecords;
  Shorts16 sums = {};
  for (uint64_t i = 0; i < length; ++i) {
    Shorts16 values;
    __builtin_memcpy(&values, book + i * kShuffleEntries, sizeof values);
    sums += values * (Shorts16{} + a[i]);
  }
  using Words16 [[gnu::vector_size(32)]] = uint16_t;
  const Words16 biased = __builtin_bit_cast(Words16, sums) ^ static_cast<uint16_t>(0x8000);
  const TableBytes low = __builtin_convertvector(biased & static_cast<uint16_t>(255), TableBytes);
  const TableBytes high = __builtin_convertvector(biased >> 8, TableBytes);
  uint8_t* to = tables + position / S::kRecords * S::kTableBytes + position % S::kRecords * kSpan;
  for (uint64_t at = 0; at < kSpan; at += sizeof low) {
    __builtin_memcpy(to + at, &low, sizeof low);
    __builtin_memcpy(to + S::kWidth + at, &high, sizeof high);
  }
}

// Look-ups of `steps` registers of tables for one tile. `ahead`: to the records that are looked up after these. No
// multiplication here.
template <class V>
[[gnu::noinline]] void vector_shuffle_table_sums(const std::byte* records, uint64_t ahead, uint64_t steps,
                                                 const uint8_t* tables, typename Shuffles<V>::Sums* sums) {
  using S = Shuffles<V>;
  constexpr int kParts = S::kParts;
  typename S::Sums s[kParts][2] = {};
  for (; steps > 0; --steps, tables += S::kTableBytes, records += S::kRecords * kShuffleRecordBytes) {
    const typename S::Bytes low = S::load(tables), high = S::load(tables + S::kWidth);
    __builtin_prefetch(reinterpret_cast<const void*>(reinterpret_cast<uintptr_t>(records) + ahead));
    unroll2<kParts, 2>([&](auto part, auto half) TERN_LAMBDA {
      const typename S::Bytes bytes = S::load(records + part * S::kWidth);
      const typename S::Bytes rows = half == 0 ? V::low_nibbles(bytes) : V::high_nibbles(bytes);
      S::add(s[part][half].low, s[part][half].low_odd, V::look_up(low, rows));
      S::add(s[part][half].high, s[part][half].high_odd, V::look_up(high, rows));
    });
  }
  unroll2<kParts, 2>([&](auto part, auto half) TERN_LAMBDA { sums[2 * part + half] = s[part][half]; });
}

// to[row] += what `steps` look-ups of every byte gave. The even row's sum is what the odd one's leaves of both.
template <class V>
void flush_shuffles(const typename Shuffles<V>::Sums* sums, int32_t steps, int32_t* to) {
  using S = Shuffles<V>;
  constexpr uint64_t kSpan = S::kWidth / S::kRecords;
  for (uint64_t k = 0; k < 2 * S::kParts; ++k) {
    uint16_t low[2][S::kWidth / 2], high[2][S::kWidth / 2];
    const typename S::Words even[] = {sums[k].low - (sums[k].low_odd << 8), sums[k].high - (sums[k].high_odd << 8)};
    __builtin_memcpy(low[0], &even[0], S::kWidth), __builtin_memcpy(low[1], &sums[k].low_odd, S::kWidth);
    __builtin_memcpy(high[0], &even[1], S::kWidth), __builtin_memcpy(high[1], &sums[k].high_odd, S::kWidth);
    int32_t* rows = to + k % 2 * kShuffleRecordBytes + k / 2 * S::kWidth;
    for (uint64_t record = 0; record < S::kRecords; ++record) {
      for (uint64_t r = 0; r < kSpan / 2; ++r) {
        const uint64_t w = record * kSpan / 2 + r;
        rows[2 * r] += low[0][w] + 256 * high[0][w] - 32768 * steps;
        rows[2 * r + 1] += low[1][w] + 256 * high[1][w] - 32768 * steps;
      }
    }
  }
}

// Positions of whole tiles whose tables stand in scratch; an odd last one has half a register.
template <class V>
void shuffle_tile(const std::byte* records, uint64_t ahead, uint64_t count, const uint8_t* tables, int32_t* to) {
  using S = Shuffles<V>;
  typename S::Sums sums[2 * S::kParts];
  const uint64_t whole = count / S::kRecords;
  vector_shuffle_table_sums<V>(records, ahead, whole, tables, sums);
  flush_shuffles<V>(sums, static_cast<int32_t>(whole), to);
  if (count % S::kRecords == 0) return;
  std::byte last[S::kRecords * kShuffleRecordBytes] = {};
  __builtin_memcpy(last, records + whole * sizeof last, kShuffleRecordBytes);
  vector_shuffle_table_sums<V>(last, 0, 1, tables + whole * S::kTableBytes, sums);
  flush_shuffles<V>(sums, 1, to);
}

template <class V>
void shuffle_token(const LinearCall& call, TileRange tiles, uint64_t plane, uint64_t m) {
  using S = Shuffles<V>;
  const Encoding& e = call.w.encoding;
  auto& scratch = *reinterpret_cast<ShuffleScratch*>(call.scratch);
  for (int32_t& s : scratch.sums) s = 0;
  const int8_t zeros[kMaxVectorLength] = {};
  for_each_run(call.w, kShufflePositions, [&](uint64_t position, uint64_t count, uint64_t group) {
    const uint64_t first = (group * e.planes + plane) * kShuffleEntries;
    for (uint64_t i = 0; i < e.length * kShuffleEntries; ++i)
      scratch.book[i] = static_cast<int16_t>(book_value(call.w, first + i % kShuffleEntries, i / kShuffleEntries));
    const int8_t* a = IntTables::input(call, m) + position * e.length;
    for (uint64_t k = 0; k < count; ++k)
      build_shuffle_table<V>(scratch.book, e.length, a + k * e.length, k, scratch.tables);
    for (uint64_t k = count; k % S::kRecords != 0; ++k)
      build_shuffle_table<V>(scratch.book, e.length, zeros, k, scratch.tables);
    const std::byte* records =
        call.w.codes + vector_record(e, call.w.layout, call.w.cols, tiles.begin, plane, position);
    const uint64_t tile_bytes = call.w.layout.tile_bytes, back = (tiles.end - tiles.begin - 1) * tile_bytes;
    for (uint64_t t = tiles.begin; t < tiles.end; ++t, records += tile_bytes)
      shuffle_tile<V>(records, t + 1 < tiles.end ? tile_bytes : count * kShuffleRecordBytes - back, count,
                      scratch.tables, scratch.sums + (t - tiles.begin) * kInputLanes);
  });
  finish_sums<V, IntTables>(call, tiles, plane, m, scratch.sums);
}

// A last tile that is not whole goes by tables in memory, as do codebooks whose sums may leave int16.
template <class V>
void vin4_shuffle(const LinearCall& call, TileRange range) {
  const bool whole = vector_lanes(call.w.encoding, call.w.layout, range.end - 1) == kInputLanes;
  const uint64_t end = whole ? range.end : range.end - 1;
  for (uint64_t m = 0; m < call.in.tokens; ++m) {
    for (uint64_t plane = 0; plane < call.w.encoding.planes; ++plane)
      for_each_tiles({range.begin, end}, kShuffleTiles,
                     [&](TileRange tiles) { shuffle_token<V>(call, tiles, plane, m); });
  }
  if (!whole) table_tokens<V, IntTables>(call, {end, range.end}, 0, call.in.tokens);
}

template <class V>
void vin8_int_tables(const LinearCall& call, TileRange range) {
  if (range.begin == range.end) return;
  if (call.w.encoding.bits == 4 && sums_fit_int16(call.w)) return vin4_shuffle<V>(call, range);
  table_tokens<V, IntTables>(call, range, 0, call.in.tokens);
}

}  // namespace
}  // namespace tern
