// Byte-level BPE: normalize, cut by the patterns, merge.
#include "runtime/text/byte_pairs.h"
#include "runtime/text/nfc.h"
#include "runtime/text/piece_encoder.h"
#include "runtime/text/splitter.h"
#include "runtime/text/utf8.h"

namespace tern {
namespace {

class ByteBpeEncoder final : public PieceEncoder {
 public:
  ByteBpeEncoder(BytePairs pairs, Splitter splitter, bool nfc)
      : pairs_(std::move(pairs)), splitter_(std::move(splitter)), nfc_(nfc) {}

  // Patterns and normalization are about characters: a byte that is not part of one stands alone.
  Status encode(std::string_view text, std::vector<int32_t>& ids) const override {
    BytePairs::Scratch scratch;
    while (!text.empty()) {
      size_t valid = 0;
      Utf8Step step{Utf8Step::Kind::valid, 0};
      while (valid < text.size() && (step = utf8_step(text.substr(valid))).kind == Utf8Step::Kind::valid) {
        valid += step.bytes;
      }
      TERN_TRY(encode_valid(text.substr(0, valid), scratch, ids));
      text.remove_prefix(valid);
      if (text.empty()) break;
      for (const char c : text.substr(0, step.bytes)) ids.push_back(pairs_.id_of_byte(static_cast<uint8_t>(c)));
      text.remove_prefix(step.bytes);
    }
    return {};
  }

 private:
  Status encode_valid(std::string_view text, BytePairs::Scratch& scratch, std::vector<int32_t>& ids) const {
    std::string normal;
    if (nfc_) {
      TERN_ASSIGN(normal, to_nfc(text));
      text = normal;
    }
    std::vector<std::string_view> pieces;
    TERN_TRY(splitter_.split(text, pieces));
    for (const std::string_view piece : pieces) TERN_TRY(pairs_.encode(piece, scratch, ids));
    return {};
  }

  BytePairs pairs_;
  Splitter splitter_;
  bool nfc_;
};

}  // namespace

Result<std::unique_ptr<PieceEncoder>> make_byte_bpe_encoder(const TokenizerData& data) {
  TERN_ASSIGN(BytePairs pairs, BytePairs::create(data));
  TERN_ASSIGN(Splitter splitter, Splitter::create(data.patterns));
  return std::unique_ptr<PieceEncoder>(
      std::make_unique<ByteBpeEncoder>(std::move(pairs), std::move(splitter), data.nfc));
}

}  // namespace tern
