// Small random models for the runtime's tests, written through TernWriter, and a forward pass in double
// precision that shares nothing with the kernels: weights are decoded row by row, sums are plain loops.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "formats/tern/reader.h"
#include "runtime/model/model.h"

namespace tern::test {

struct TinyShape {
  const char* name = "";
  ModelConfig config;
  Encoding linear, head;  // head: also the embedding
  InputOp rounding;       // of block inputs; bits 0: none
  InputOp head_rounding;
  bool sub_norms = false, tied = false, biases = false;
  bool head_norms = false;   // of q and k
  bool input_norms = false;  // a norm for each of q, k, v, gate, up
  bool fused = false;        // attn.qkv and ffn.up_gate
  bool composed = false;     // layers are compositions (tiny_parts.cc); needs the widths of the shapes that have it
  uint64_t seed = 1;
};

std::vector<TinyShape> tiny_shapes();

Encoding dense(FloatType type);
Encoding trit(uint8_t planes, ScaleScope scope, uint32_t group, FloatType scale_type);
Encoding ints(uint8_t bits, ScaleScope scope, uint32_t group, FloatType scale_type);
// Codebooks: int8 along the input axis and of vectors of 4 rows, else f16.
Encoding vectors(VectorAxis axis, uint8_t length, uint8_t bits, uint8_t planes, ScaleScope scope, uint32_t group);
Encoding phase(uint8_t bits, uint8_t stages, ScaleScope scope, uint32_t group, FloatType scale_type);
InputOp per_token();
InputOp per_group(uint32_t group);
InputOp per_half();  // groups of half the columns

// A file under a temporary directory, removed with the object.
class TinyFile {
 public:
  explicit TinyFile(const TinyShape& shape);
  ~TinyFile();
  TinyFile(const TinyFile&) = delete;
  const std::string& path() const { return path_; }
  std::shared_ptr<const Model> load(const LoadOptions& options = {}) const;

 private:
  std::string path_;
};

// The description that TinyFile writes, for tests that break it.
ModelDescription describe_tiny(const TinyShape& shape);
// Makes compositions of the layers.
void compose(ModelDescription& description);
// Fills every tensor of the description with random values and writes the file.
void write_tiny(const std::string& path, const ModelDescription& description, uint64_t seed);

// Logits of every position of one sequence, in double. `rounded`: with the file's activation rounding.
std::vector<std::vector<double>> reference_logits(const TernFile& file, const std::vector<int32_t>& tokens,
                                                  bool rounded);
// Sums over the positions of the squares of every layer's input, unrounded.
std::map<std::string, std::vector<double>> reference_input_squares(const TernFile& file,
                                                                   const std::vector<int32_t>& tokens);

}  // namespace tern::test
