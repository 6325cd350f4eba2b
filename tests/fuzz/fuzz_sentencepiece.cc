// Any bytes as a SentencePiece model: an error that says something, or a vocabulary with ids inside it.
#include <cstdint>
#include <cstdlib>
#include <span>

#include "formats/foreign/sentencepiece.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const auto model = tern::parse_sentencepiece({reinterpret_cast<const std::byte*>(data), size}, "fuzz");
  if (!model.ok()) {
    if (model.status().message().size() < 8) std::abort();
    return 0;
  }
  const auto count = static_cast<int64_t>(model->pieces.size());
  for (int32_t id : {model->unknown, model->bos, model->eos, model->pad}) {
    if (id < -1 || id >= count) std::abort();
  }
  if (model->unknown < 0) std::abort();
  return 0;
}
