#include <fmt/format.h>
#include <sentencepiece_processor.h>

#include <exception>

#include "runtime/text/piece_encoder.h"

namespace tern {
namespace {

class SentencePieceEncoder final : public PieceEncoder {
 public:
  // Normalization is the tokenizer's work, so the library's own is switched off. What the
  // library throws ends here.
  Status load(TokenizerData data) {
    data.add_dummy_prefix = data.remove_extra_whitespaces = data.escape_whitespaces = false;
    try {
      const auto status = processor_.LoadFromSerializedProto(serialize_sentencepiece_model(data));
      if (!status.ok())
        return corrupt(fmt::format("tokenizer: sentencepiece refuses the vocabulary: {}", status.ToString()));
    } catch (const std::exception& error) {
      return internal_error(fmt::format("tokenizer: sentencepiece failed: {}", error.what()));
    }
    return {};
  }

  Status encode(std::string_view normalized, std::vector<int32_t>& ids) const override {
    if (normalized.empty()) return {};
    try {
      std::vector<int> found;
      const auto status = processor_.Encode(normalized, &found);
      if (!status.ok()) return internal_error(fmt::format("tokenizer: sentencepiece failed: {}", status.ToString()));
      ids.insert(ids.end(), found.begin(), found.end());
    } catch (const std::exception& error) {
      return internal_error(fmt::format("tokenizer: sentencepiece failed: {}", error.what()));
    }
    return {};
  }

 private:
  sentencepiece::SentencePieceProcessor processor_;
};

}  // namespace

Result<std::unique_ptr<PieceEncoder>> make_sentencepiece_encoder(const TokenizerData& data) {
  auto encoder = std::make_unique<SentencePieceEncoder>();
  TERN_TRY(encoder->load(data));
  return std::unique_ptr<PieceEncoder>(std::move(encoder));
}

}  // namespace tern
