// Text to token ids and back, from the vocabulary stored in the .tern file: SentencePiece BPE, whose model is rebuilt
// from validated pieces (foreign bytes never reach the library), and byte-level BPE. Thread-safe after creation.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"
#include "formats/tern/description.h"
#include "runtime/text/piece_matcher.h"

namespace tern {

class Tokenizer {
 public:
  static Result<std::unique_ptr<Tokenizer>> create(const TokenizerData& data);
  virtual ~Tokenizer() = default;

  // Token ids of a text; with add_bos the file's own rule decides whether a BOS comes first. No EOS is added.
  // Any bytes are a text: those that are not valid UTF-8 become byte tokens, so that decoding gives them back
  // (U+FFFD in a vocabulary without byte_fallback, as sentencepiece does). Decoding gives the text as its vocabulary
  // normalizes it (nfc, remove_extra_whitespaces). Control tokens never come from a text.
  Result<std::vector<int32_t>> encode(std::string_view text, bool add_bos) const;
  // The same where the names of control pieces stand for their tokens, leftmost and longest first: for texts that a
  // chat template made, never for what a user typed. What lies between them is encoded part by part, each as encode
  // would (with sentencepiece_bpe each with its dummy prefix).
  Result<std::vector<int32_t>> encode_special(std::string_view text, bool add_bos) const;
  // Ids of a text that goes on where other tokens end: as encode, but with neither BOS nor add_dummy_prefix.
  Result<std::vector<int32_t>> encode_inner(std::string_view text) const;
  // The bytes a token adds to a text that already has `previous` as its last token (-1: it is the first).
  // Control tokens and ids outside the vocabulary add nothing. The first piece, also after BOS, loses the leading space
  // of add_dummy_prefix. May end inside a UTF-8 sequence: see Utf8Stream.
  virtual std::string piece(int32_t token, int32_t previous) const = 0;
  std::string decode(std::span<const int32_t> tokens) const;
  const TokenizerData& data() const { return data_; }
  bool is_stop(int32_t token) const;

 protected:
  explicit Tokenizer(TokenizerData data);
  // Appends the ids of a text without BOS and without regard to control pieces. inner: no dummy prefix either.
  virtual Status encode_plain(std::string_view text, bool inner, std::vector<int32_t>& ids) const = 0;
  TokenizerData data_;

 private:
  Result<std::vector<int32_t>> start(std::string_view text, bool add_bos) const;
  PieceMatcher special_;
};

// Holds back the bytes of an unfinished UTF-8 sequence, replaces invalid ones with U+FFFD.
class Utf8Stream {
 public:
  std::string push(std::string_view bytes);  // what may be shown now
  std::string finish();                      // what is left

 private:
  std::string pending_;
};

// Finds stop strings in streamed text: holds back a tail that may yet become one. The stop that ends
// first wins (of those that end together the longest); the text before it is shown, it and the rest are not.
class StopStrings {
 public:
  explicit StopStrings(std::vector<std::string> stops);
  std::string push(std::string_view text);  // what may be shown now; nothing more once stopped()
  std::string finish();
  bool stopped() const { return stopped_; }

 private:
  std::vector<std::string> stops_;
  std::string pending_;
  bool stopped_ = false;
};

}  // namespace tern
