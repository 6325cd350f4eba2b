// Writes synthetic Hugging Face checkpoints of any Llama-like shape, streaming: config.json, and one safetensors
// file or several with an index. The same specification gives the same bytes on every machine.
#pragma once

#include <cstdint>
#include <string>

#include "base/status.h"
#include "formats/encoding/encoding.h"

namespace tern::test {

struct CheckpointSpec {
  uint32_t hidden = 64, ffn = 160, layers = 2, heads = 4, kv_heads = 2, head_dim = 0;  // head_dim 0: hidden / heads
  uint32_t vocab = 96, context = 128;
  // bitnet: sub-norms, squared ReLU; qwen2: biases of q, k, v; qwen3: norms of q and k; bitnet_embedding: qwen3 with a
  // norm per projection, without a head and the prefix "model."; ifairy: complex numbers, which the widths count
  enum class Architecture { llama, bitnet, mistral, qwen2, qwen3, bitnet_embedding, ifairy };
  Architecture architecture = Architecture::llama;
  bool attention_bias = false, mlp_bias = false;  // the fields of the config, and the tensors
  uint32_t window = 0;                            // mistral, qwen2, qwen3; 0: none
  enum class RopeScaling { none, linear, llama3 } rope_scaling = RopeScaling::none;
  enum class Weights { dense, ternary, packed, vptq } weights = Weights::dense;
  // ternary: floats that hold {-s, 0, s}; packed: uint8 and weight_scale (llama: bitlinear, divide; bitnet:
  // autobitlinear, multiply); vptq: packed indices, one column group, permutation, scale and bias of the columns
  uint32_t vector_length = 8, centroids = 65536, residual_centroids = 0;  // vptq
  FloatType dtype = FloatType::bf16;                                      // of everything that is not packed
  bool tied = false;
  uint32_t shards = 1;  // 1: model.safetensors; more: model-0000i-of-0000n.safetensors and the index
  uint64_t seed = 1;
};

// TinyLlama's shape: 968.9 M weights in the blocks, 1.1 B in all.
CheckpointSpec shape_1_1b();
// Llama-2-7B's: 6.5 G weights in the blocks.
CheckpointSpec shape_7b();

// Its config.json.
std::string checkpoint_config(const CheckpointSpec& spec);

// Creates the directory if needed. Memory use does not grow with the model.
Status write_checkpoint(const std::string& directory, const CheckpointSpec& spec);

}  // namespace tern::test
