// TERN_TEXT=OFF: ids still become text, text does not become ids.
#include "runtime/text/piece_encoder.h"

namespace tern {
namespace {

class AbsentEncoder final : public PieceEncoder {
 public:
  Status encode(std::string_view, std::vector<int32_t>&) const override {
    return unsupported("this build has no tokenizers (TERN_TEXT=OFF): give token ids instead of text");
  }
};

}  // namespace

Result<std::unique_ptr<PieceEncoder>> make_sentencepiece_encoder(const TokenizerData&) {
  return std::unique_ptr<PieceEncoder>(std::make_unique<AbsentEncoder>());
}

Result<std::unique_ptr<PieceEncoder>> make_byte_bpe_encoder(const TokenizerData&) {
  return std::unique_ptr<PieceEncoder>(std::make_unique<AbsentEncoder>());
}

}  // namespace tern
