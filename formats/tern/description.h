// What a .tern file says about a model: configuration, tensors, linear layers, tokenizer.
// The C++ twin of docs/format.md; plain data, no I/O. Enum values are the stored numbers.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "formats/encoding/encoding.h"

namespace tern {

inline constexpr uint32_t kNoTensor = 0xffffffff;

// ---- configuration: typed and closed; a field that a reader does not know is refused ----

enum class RopePairing : uint8_t { halves = 1, interleaved = 2 };  // (i, i + d/2) or (2i, 2i + 1)
// Gate function of the FFN; complex_relu2 (complex numbers only): conj(a) up, a the gate's parts squared, or 0 where
// both are negative (iFairy, arXiv 2508.05571).
enum class Activation : uint8_t { silu = 1, relu2 = 2, complex_relu2 = 3 };
// complex: the first half of every vector holds real parts, the second the imaginary ones of the same numbers. A head
// of q, k, v is head_dim / 2 of the numbers; scores are Re(q conj(k)) / sqrt(head_dim / 2).
enum class Numbers : uint8_t { real = 0, complex = 1 };
enum class RopeScaling : uint8_t { none = 0, linear = 1, llama3 = 2 };

struct ModelConfig {
  uint32_t vocab_size = 0, hidden_size = 0, ffn_size = 0, layers = 0;
  uint32_t heads = 0, kv_heads = 0, head_dim = 0;
  uint32_t context = 0;          // positions the model was trained for
  float norm_eps = 1e-5f;        // every RMSNorm inside a block
  float final_norm_eps = 1e-5f;  // the one before the head
  float rope_base = 10000.f;
  RopePairing rope_pairing = RopePairing::halves;
  Activation activation = Activation::silu;

  // Optional in the file: 0 is said by leaving the field out.
  uint32_t window = 0;  // positions that a token attends to, its own included; 0: all
  RopeScaling rope_scaling = RopeScaling::none;
  float rope_factor = 0;                                  // linear, llama3: what frequencies are divided by
  float rope_low_frequency = 0, rope_high_frequency = 0;  // llama3: turns within rope_trained_context
  uint32_t rope_trained_context = 0;                      // llama3
  Numbers numbers = Numbers::real;

  bool operator==(const ModelConfig&) const = default;
};

// ---- tensors ----

struct Part {
  uint64_t offset = 0, bytes = 0, hash = 0;  // of the file; XXH3-64 of the bytes
  bool operator==(const Part&) const = default;
};

struct TensorRecord {
  std::string name;         // canonical: "blocks.3.attn.q"
  std::string source_name;  // as the importer found it; may be empty
  Encoding encoding;
  uint64_t rows = 0, cols = 0;  // plain vectors: rows = 1
  uint32_t experts = 1;         // stacked matrices of equal shape
  uint32_t codebook = kNoTensor;  // vector: the tensor with its codebooks, which others may share
  Part codes, scales;           // scales.bytes = 0 when the encoding has none
};

// ---- linear layers: y = post(sum of terms) + bias over a shared input record ----

enum class InputOpKind : uint16_t { scale = 1, permute = 2, hadamard = 3, rotate = 4, quantize = 5, normalize = 6 };

struct InputOp {
  InputOpKind kind = InputOpKind::quantize;
  uint32_t tensor = kNoTensor;          // scale vector, permutation, sign vector, rotation, norm weight
  uint32_t matrix = kNoTensor;          // hadamard: the K' x K' sign matrix of the source
  uint32_t block = 0;                   // hadamard, rotate: block size; 0: whole width
  uint8_t bits = 0;                     // quantize: 8
  ScaleScope scope = ScaleScope::none;  // quantize: row (per token) or group (per token and group)
  uint32_t group = 0;                   // quantize: columns per scale when scope is group

  bool operator==(const InputOp&) const = default;
};

struct InputRecord {
  std::string name;  // "blocks.3.attn.in": layers that name the same record share its work
  uint64_t cols = 0;
  std::vector<InputOp> ops;  // in order; at most one quantize, last
};

enum class Tap : uint8_t { raw = 1, transformed = 2, quantized = 3 };
enum class TermKind : uint16_t { encoded = 1, sparse = 2, low_rank = 3 };  // 4 is retired (docs/format.md)

struct Term {
  TermKind kind = TermKind::encoded;
  Tap tap = Tap::raw;
  uint32_t tensor = kNoTensor;  // encoded: the matrix; sparse: values; low_rank: A
  uint32_t second = kNoTensor;  // sparse: column indices; low_rank: B
  uint32_t third = kNoTensor;   // sparse: row starts
  uint64_t row_begin = 0, rows = 0, col_begin = 0, cols = 0;
  float scale = 1.f;
};

enum class OutputOpKind : uint16_t { hadamard = 1, scale = 2 };

struct OutputOp {
  OutputOpKind kind = OutputOpKind::scale;
  uint32_t tensor = kNoTensor, matrix = kNoTensor;
  uint32_t block = 0;
};

struct LinearRecord {
  std::string name;  // "blocks.3.attn.q", "head"
  uint64_t rows = 0, cols = 0;
  uint32_t input = 0;  // index into inputs
  std::vector<Term> terms;
  std::vector<OutputOp> post;
  uint32_t bias = kNoTensor;
};

// ---- tokenizer ----

enum class TokenizerKind : uint16_t { sentencepiece_bpe = 1, byte_bpe = 2 };
enum class PieceType : uint8_t { normal = 1, unknown = 2, control = 3, user_defined = 4, unused = 5, byte = 6 };

struct Piece {
  // sentencepiece_bpe: valid UTF-8 with U+2581 for a space, byte pieces "<0x0A>". byte_bpe: any bytes.
  std::string text;
  float score = 0;
  PieceType type = PieceType::normal;
};

// byte_bpe: cuts a text; each match becomes a piece of its own (split_pattern.h says what it may contain).
struct SplitPattern {
  std::string pattern;
  bool byte_alphabet = false;  // it sees the text's bytes in GPT-2's alphabet (byte_alphabet.h), one character a byte

  bool operator==(const SplitPattern&) const = default;
};

struct TokenizerData {
  TokenizerKind kind = TokenizerKind::sentencepiece_bpe;
  std::vector<Piece> pieces;                           // index = token id
  int32_t bos = -1, eos = -1, unknown = -1, pad = -1;  // -1: none
  std::vector<int32_t> stop_ids;                       // tokens that end generation (eos among them)
  bool add_bos = true, add_eos = false;
  // sentencepiece_bpe only
  bool add_dummy_prefix = true, remove_extra_whitespaces = false, escape_whitespaces = true;
  bool byte_fallback = true;
  // byte_bpe only
  bool nfc = false;                    // the text is normalized to NFC first
  bool whole_piece_first = false;      // what a pattern cut out is looked up whole before merging (HF's ignore_merges)
  bool rank_by_id = false;             // tiktoken's rule: any pair that is a piece may merge, the lowest id first
  std::vector<SplitPattern> patterns;  // one after the other, each on what the one before left
  std::vector<std::pair<uint32_t, uint32_t>> merges;  // pairs of pieces, the first merges first
};

// ---- chat ----

// How a conversation becomes a text (runtime/text/chat/). A file may hold the number of a template that this version
// does not know.
enum class ChatTemplate : uint16_t {
  llama2 = 1,
  llama3 = 2,
  llama3_1 = 3,
  mistral_v1 = 4,
  mistral_v3 = 5,
  mistral_tekken = 6,
  chatml = 7,
  qwen2 = 8,
  qwen2_5 = 9,
  qwen3 = 10,
  qwen3_no_think = 11,
  bitnet = 12,
  falcon3 = 13,
  zephyr = 14
};

// ---- the whole ----

struct ModelDescription {
  ModelConfig config;
  std::vector<TensorRecord> tensors;
  std::vector<InputRecord> inputs;
  std::vector<LinearRecord> linears;
  std::optional<TokenizerData> tokenizer;
  std::optional<ChatTemplate> chat;                           // only with a tokenizer
  std::vector<std::pair<std::string, std::string>> metadata;  // informative only, never changes results
};

// Canonical names. Plain tensors: "embed.tokens" may be tied to the head: then the linear "head"
// has one term on tensor "embed.tokens". Block i:
//   blocks.i.attn.norm, .attn.q, .attn.k, .attn.v, .attn.q_norm and .attn.k_norm (optional),
//   .attn.sub_norm (optional), .attn.o,
//   blocks.i.attn.qkv instead of q, k, v; blocks.i.ffn.up_gate instead of gate and up
//   blocks.i.ffn.norm, .ffn.gate, .ffn.up, .ffn.sub_norm (optional), .ffn.down; output.norm
// Inputs: blocks.i.attn.in (q, k, v), blocks.i.attn.out (o), blocks.i.ffn.in (gate, up),
//   blocks.i.ffn.mid (down), head.in. Instead of a shared input, each of q, k, v may have its own,
//   blocks.i.attn.q.in and so on, and each of gate, up: blocks.i.ffn.gate.in

}  // namespace tern
