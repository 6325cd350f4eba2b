// A checkpoint in memory-mapped form, after an importer has understood its convention: the
// configuration, the tokenizer, and every matrix under its canonical name (formats/tern/description.h)
// with a way to stream its rows. Whatever changes results and is not understood was refused before.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/status.h"
#include "formats/quantize/phase.h"
#include "formats/tern/description.h"

namespace tern {

// What the checkpoint itself stores; importing keeps it when the target encoding can.
struct SourceForm {
  // phase: a PhaseMatrix (phase_matrix.h); columns: a ColumnsMatrix (outlier_columns.h), quantized as it is asked for
  enum class Kind { dense, trit, int8, phase, columns, fixed } kind = Kind::dense;
  FloatType value_type = FloatType::f32;  // dense
  ScaleScope scope = ScaleScope::none;    // trit: tensor or row; int8: row or group
  uint32_t group = 0;
  // fixed: part of a composition, stored so whatever encoding is asked for: plain, dense, index or vector.
  Encoding encoding = {};
  std::string codebook = {};  // vector: name of the matrix that holds it
};

class SourceMatrix {
 public:
  virtual ~SourceMatrix() = default;
  std::string name, source_name;
  uint64_t rows = 0, cols = 0;  // plain vectors: rows = 1
  SourceForm form;

  // Rows [begin, begin + count) as f32, row-major: exactly the values that the checkpoint's
  // own convention gives (scale times code in f32).
  virtual Status read_rows(uint64_t begin, uint64_t count, std::span<float> out) const = 0;
  // The stored codes (trit: -1..1, int8: -128..127) and scales (tensor: 1; row: count; group: count x groups).
  // Only for those kinds.
  virtual Status read_codes(uint64_t begin, uint64_t count, std::span<int8_t> out) const;
  virtual Status read_scales(uint64_t begin, uint64_t count, std::span<float> out) const;
  // fixed index: values begin .. of the vector. fixed vector: the indices of lanes begin ..
  // (formats/encoding/vector.h), [plane][count][positions]; read_scales gives those of rows (tensor: planes; row: count
  // x planes).
  virtual Status read_indices(uint64_t begin, uint64_t count, std::span<uint32_t> out) const;
  // Of a fixed vector that was fitted (vptq_quantizer.h): what its layer loses, Frobenius. Known once it is read.
  virtual double relative_error() const { return 0; }
};

// A layer that is more than the matrix of its name. Tensors are positions in SourceModel::matrices.
struct SourceLinear {
  LinearRecord linear;  // taps raw or transformed; `input` and `bias` are unused
  // What becomes of the activation before the terms; layers of one input that agree share it.
  std::vector<InputOp> input;
  bool split = false;  // its terms are columns of a matrix, and read what the matrix would: rounded, if its codes are
};

// How the model was trained to see its inputs; halves: real and imaginary parts apart.
enum class TrainedInput { f32, int8_per_token, int8_per_half };

struct SourceModel {
  ModelConfig config;
  bool tied_head = false;                         // no matrix "head"; the head reads "embed.tokens"
  TrainedInput linear_input = TrainedInput::f32;  // of the block linears (BitNet: per token; iFairy: per half)
  std::vector<std::unique_ptr<SourceMatrix>> matrices;
  std::vector<SourceLinear> linears;  // only compositions
  std::optional<TokenizerData> tokenizer;
  std::optional<ChatTemplate> chat;  // with a tokenizer
  std::string chat_note;             // what was found, in words; empty without a tokenizer
  std::vector<std::pair<std::string, std::string>> metadata;
  std::string convention;  // "Hugging Face Llama", "BitNet b1.58 packed (inverse scale)", "llama2.c v2"

  const SourceMatrix* find(std::string_view name) const;
  const SourceLinear* find_linear(std::string_view name) const;
};

struct ImportOptions {
  std::string tokenizer_path;  // empty: look beside the checkpoint
  // The linear layers hold masters of Fairy2i's convention with this many stages (fairy2i.h); 0: they do not.
  unsigned fairy2i_stages = 0;
  PhaseRegion fairy2i_scales = PhaseRegion::tensor;  // what shared a pair of scales in training
  std::optional<bool> fairy2i_head = {};  // so does the head; must be said where it is not tied to the embedding
};

// SRC is a directory with config.json and *.safetensors, or a llama2.c .bin file.
// Recognises the convention or refuses, naming the field or tensor that it does not understand.
Result<SourceModel> import_checkpoint(const std::string& path, const ImportOptions& options);

}  // namespace tern
