#include "tests/tools/checkpoint_writer.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <numeric>
#include <tuple>
#include <vector>

#include "base/checked.h"
#include "base/half.h"
#include "base/random.h"

namespace tern::test {
namespace {

enum class Content { uniform, norm, ternary, packed, packed_scale, bits, permutation };

struct Tensor {
  std::string name, dtype;
  std::vector<uint64_t> shape;
  Content content;
  float size;  // uniform: half width; ternary and packed: the scale
  uint64_t bytes;
};

// Of an element: the index and that of the residual.
unsigned vptq_bits(const CheckpointSpec& spec) {
  const auto bits = [](uint32_t entries) { return entries == 0 ? 0 : std::bit_width(entries - 1); };
  return static_cast<unsigned>(bits(spec.centroids) + bits(spec.residual_centroids));
}

const char* dtype_name(FloatType type) {
  return type == FloatType::f32 ? "F32" : type == FloatType::f16 ? "F16" : "BF16";
}

class TensorList {
 public:
  explicit TensorList(const CheckpointSpec& spec) : spec_(spec) {
    spec.architecture == CheckpointSpec::Architecture::ifairy ? complex_decoder() : decoder();
  }
  std::vector<Tensor> take() { return std::move(tensors_); }

 private:
  void decoder() {
    const CheckpointSpec& spec = spec_;
    const uint64_t d = spec.hidden, f = spec.ffn;
    const uint64_t head = spec.head_dim ? spec.head_dim : spec.hidden / spec.heads;
    const uint64_t q = spec.heads * head, kv = spec.kv_heads * head;
    using Architecture = CheckpointSpec::Architecture;
    const bool bitnet = spec.architecture == Architecture::bitnet;
    const bool embedding = spec.architecture == Architecture::bitnet_embedding;
    const bool head_norms = embedding || spec.architecture == Architecture::qwen3;
    const bool qkv_bias = spec.attention_bias || spec.architecture == Architecture::qwen2;
    const std::string root = embedding ? "" : "model.";
    add(root + "embed_tokens.weight", {spec.vocab, d}, Content::uniform, 0.05f);
    for (uint32_t i = 0; i < spec.layers; ++i) {
      const std::string layer = fmt::format("{}layers.{}.", root, i);
      add(layer + "input_layernorm.weight", {d}, Content::norm, 0.1f);
      linear(layer + "self_attn.q_proj", q, d, 1, qkv_bias);
      linear(layer + "self_attn.k_proj", kv, d, 1, qkv_bias);
      linear(layer + "self_attn.v_proj", kv, d, 1, qkv_bias);
      if (head_norms) add(layer + "self_attn.q_norm.weight", {head}, Content::norm, 0.3f);
      if (head_norms) add(layer + "self_attn.k_norm.weight", {head}, Content::norm, 0.3f);
      if (bitnet) add(layer + "self_attn.attn_sub_norm.weight", {q}, Content::norm, 0.1f);
      linear(layer + "self_attn.o_proj", d, q, 2 * spec.layers, spec.attention_bias);
      add(layer + "post_attention_layernorm.weight", {d}, Content::norm, 0.1f);
      linear(layer + "mlp.gate_proj", f, d, 1, spec.mlp_bias);
      linear(layer + "mlp.up_proj", f, d, 1, spec.mlp_bias);
      if (bitnet) add(layer + "mlp.ffn_sub_norm.weight", {f}, Content::norm, 0.1f);
      linear(layer + "mlp.down_proj", d, f, 2 * spec.layers, spec.mlp_bias);
    }
    add(root + "norm.weight", {d}, Content::norm, 0.1f);
    if (!spec.tied && !embedding)
      add("lm_head.weight", {spec.vocab, d}, Content::uniform, std::sqrt(3.f / static_cast<float>(d)));
  }

  void complex_decoder() {
    const uint64_t d = spec_.hidden, f = spec_.ffn, kv = d / spec_.heads * spec_.kv_heads;
    for (const char* part : {"real", "imag"})
      add(fmt::format("token_embeddings_{}.weight", part), {spec_.vocab, d}, Content::uniform, 0.05f);
    for (uint32_t i = 0; i < spec_.layers; ++i) {
      const std::string layer = fmt::format("layer.{}.", i);
      for (const auto& [name, size] : {std::pair{"pre_layernorm", d},
                                       {"post_layernorm", d},
                                       {"self_attn.attn_layernorm", d},
                                       {"mlp.ffn_layernorm", f}})
        complex_pair(layer + name, {size}, Content::norm, 0.2f);
      for (const auto& [name, rows, cols] : {std::tuple{"self_attn.q", d, d},
                                             {"self_attn.k", kv, d},
                                             {"self_attn.v", kv, d},
                                             {"self_attn.o", d, d},
                                             {"mlp.gate", f, d},
                                             {"mlp.up", f, d},
                                             {"mlp.down", d, f}})
        complex_pair(layer + name + "_proj", {rows, cols}, Content::uniform,
                     std::sqrt(1.5f / static_cast<float>(cols)));
    }
    complex_pair("final_norm", {d}, Content::norm, 0.2f);
    add("lm_head.weight", {spec_.vocab, 2 * d}, Content::uniform, std::sqrt(1.5f / static_cast<float>(d)));
  }

  void complex_pair(const std::string& module, const std::vector<uint64_t>& shape, Content content, float size) {
    for (const char* part : {"real", "imag"}) add(fmt::format("{}.weight_{}", module, part), shape, content, size);
  }

  void add(std::string name, std::vector<uint64_t> shape, Content content, float size) {
    uint64_t bytes = float_bytes(spec_.dtype);
    for (uint64_t n : shape) bytes *= n;
    tensors_.push_back({std::move(name), dtype_name(spec_.dtype), std::move(shape), content, size, bytes});
  }

  // Outputs have the variance of the inputs divided by `damping` (layers that add to the residual stream).
  void linear(const std::string& module, uint64_t rows, uint64_t cols, uint32_t damping, bool bias) {
    if (bias) add(module + ".bias", {rows}, Content::uniform, 0.5f);
    if (spec_.architecture == CheckpointSpec::Architecture::bitnet_embedding) {
      add(module + ".norm.weight", {cols}, Content::norm, 0.3f);
    }
    const float variance = 1.f / (static_cast<float>(cols) * static_cast<float>(damping));
    const std::string name = module + ".weight";
    if (spec_.weights == CheckpointSpec::Weights::dense) {
      return add(name, {rows, cols}, Content::uniform, std::sqrt(3 * variance));
    }
    if (spec_.weights == CheckpointSpec::Weights::vptq) return vectors(module, rows, cols, std::sqrt(3 * variance));
    const float scale = std::sqrt(2 * variance);  // half of the trits are zero
    if (spec_.weights == CheckpointSpec::Weights::ternary) return add(name, {rows, cols}, Content::ternary, scale);
    tensors_.push_back({name, "U8", {rows / 4, cols}, Content::packed, scale, rows / 4 * cols});
    const bool multiply = spec_.architecture == CheckpointSpec::Architecture::bitnet;
    tensors_.push_back({name + "_scale", "BF16", {1}, Content::packed_scale, multiply ? scale : 1 / scale, 2});
  }

  void vectors(const std::string& module, uint64_t rows, uint64_t cols, float size) {
    const uint64_t length = spec_.vector_length, bytes = cols * vptq_bits(spec_) / 8;
    add(module + ".centroids.weight", {1, spec_.centroids * length}, Content::uniform, size);
    if (const uint64_t entries = spec_.residual_centroids)
      add(module + ".res_centroids.weight", {1, entries * length}, Content::uniform, size / 4);
    const uint64_t lanes = ceil_div(rows, length);
    tensors_.push_back({module + ".indices", "I32", {1, lanes, bytes / 4}, Content::bits, 0, lanes * bytes});
    tensors_.push_back({module + ".perm", "I16", {cols}, Content::permutation, 0, 2 * cols});
    add(module + ".weight_scale", {cols}, Content::norm, 0.3f);
    add(module + ".weight_bias", {cols}, Content::uniform, size / 8);
  }

  const CheckpointSpec& spec_;
  std::vector<Tensor> tensors_;
};

// Two random bits a trit: 0 and 3 give zero, 1 gives +1, 2 gives -1.
class TritSource {
 public:
  explicit TritSource(Random* random) : random_(random) {}
  int next() {
    if (left_ == 0) {
      bits_ = random_->next();
      left_ = 32;
    }
    const unsigned two = bits_ & 3;
    bits_ >>= 2;
    --left_;
    return two == 1 ? 1 : two == 2 ? -1 : 0;
  }

 private:
  Random* random_;
  uint64_t bits_ = 0;
  unsigned left_ = 0;
};

void put_float(FloatType type, float value, std::vector<char>* out) {
  if (type == FloatType::f32) {
    out->insert(out->end(), reinterpret_cast<char*>(&value), reinterpret_cast<char*>(&value) + 4);
    return;
  }
  uint16_t half = type == FloatType::f16 ? f32_to_f16(value) : f32_to_bf16(value);
  out->insert(out->end(), reinterpret_cast<char*>(&half), reinterpret_cast<char*>(&half) + 2);
}

void write_values(const Tensor& tensor, FloatType dtype, Random random, std::ofstream* file) {
  TritSource trits(&random);
  std::vector<char> block;
  const uint64_t width = tensor.dtype == "U8" ? 1 : tensor.dtype == "F32" || tensor.dtype == "I32" ? 4 : 2;
  for (uint64_t i = 0, count = tensor.bytes / width; i < count; ++i) {
    switch (tensor.content) {
      case Content::uniform:
        put_float(dtype, tensor.size * (2 * random.uniform() - 1), &block);
        break;
      case Content::norm:
        put_float(dtype, 1 + tensor.size * (2 * random.uniform() - 1), &block);
        break;
      case Content::ternary:
        put_float(dtype, tensor.size * static_cast<float>(trits.next()), &block);
        break;
      case Content::packed_scale:
        put_float(FloatType::bf16, tensor.size, &block);
        break;
      case Content::packed: {
        unsigned byte = 0;
        for (unsigned shift = 0; shift < 8; shift += 2) byte |= static_cast<unsigned>(trits.next() + 1) << shift;
        block.push_back(static_cast<char>(byte));
        break;
      }
      case Content::bits: {
        const auto word = static_cast<uint32_t>(random.next());
        block.insert(block.end(), reinterpret_cast<const char*>(&word), reinterpret_cast<const char*>(&word) + 4);
        break;
      }
      case Content::permutation: {  // i times a number that shares no divisor with their count
        uint64_t step = count / 2 + 1;
        while (std::gcd(step, count) != 1) ++step;
        const auto column = static_cast<uint16_t>(i * step % count);
        block.insert(block.end(), reinterpret_cast<const char*>(&column), reinterpret_cast<const char*>(&column) + 2);
      }
    }
    if (block.size() < (1u << 20) && i + 1 < count) continue;
    file->write(block.data(), static_cast<std::streamsize>(block.size()));
    block.clear();
  }
}

std::string header_of(const std::vector<Tensor>& tensors) {
  std::string json = "{\"__metadata__\":{\"format\":\"pt\"}";
  uint64_t at = 0;
  for (const Tensor& t : tensors) {
    json += fmt::format(",\"{}\":{{\"dtype\":\"{}\",\"shape\":[{}],\"data_offsets\":[{},{}]}}", t.name, t.dtype,
                        fmt::join(t.shape, ","), at, at + t.bytes);
    at += t.bytes;
  }
  json += "}";
  json.resize(align_up(json.size(), 8), ' ');
  return json;
}

// `first`: index of the first tensor in the whole model; each has its own stream of random numbers, so that
// the number of shards does not change the weights.
Status write_file(const std::string& path, const std::vector<Tensor>& tensors, size_t first,
                  const CheckpointSpec& spec) {
  std::ofstream file(path, std::ios::binary);
  const std::string header = header_of(tensors);
  const uint64_t length = header.size();
  file.write(reinterpret_cast<const char*>(&length), 8);
  file << header;
  for (size_t i = 0; i < tensors.size(); ++i) {
    write_values(tensors[i], spec.dtype, Random(spec.seed * 1000003 + first + i), &file);
  }
  file.close();
  return file ? Status() : io_error("cannot write " + path);
}

Status write_text(const std::string& path, const std::string& text) {
  std::ofstream file(path, std::ios::binary);
  file << text;
  file.close();
  return file ? Status() : io_error("cannot write " + path);
}

// Cuts the list at about equal bytes.
std::vector<std::vector<Tensor>> cut(std::vector<Tensor> tensors, uint32_t shards) {
  uint64_t total = 0, at = 0;
  for (const Tensor& t : tensors) total += t.bytes;
  std::vector<std::vector<Tensor>> parts(shards);
  for (Tensor& t : tensors) {
    const uint64_t part = std::min<uint64_t>(shards - 1, at * shards / total);
    at += t.bytes;
    parts[part].push_back(std::move(t));
  }
  return parts;
}

Status check(const CheckpointSpec& s) {
  if (!s.hidden || !s.ffn || !s.layers || !s.heads || !s.kv_heads || !s.vocab || !s.context || !s.shards) {
    return invalid_argument("every size must be positive");
  }
  if (s.weights == CheckpointSpec::Weights::packed && (s.hidden % 4 != 0 || s.ffn % 4 != 0)) {
    return invalid_argument("packed weights need sizes that are multiples of 4");
  }
  if (s.weights == CheckpointSpec::Weights::vptq) {
    const uint64_t head = s.head_dim ? s.head_dim : s.hidden / s.heads;
    for (const uint64_t cols : {uint64_t{s.hidden}, uint64_t{s.ffn}, s.heads * head})
      if (cols * vptq_bits(s) % 32 != 0) return invalid_argument("vptq needs rows of indices that fill 32-bit words");
    for (const uint32_t entries : {s.centroids, s.residual_centroids})
      if (entries == 1 || (entries & (entries - 1)) != 0)
        return invalid_argument("vptq needs powers of two as entries");
  }
  return {};
}

}  // namespace

CheckpointSpec shape_1_1b() {
  CheckpointSpec s;
  s.hidden = 2048, s.ffn = 5632, s.layers = 22, s.heads = 32, s.kv_heads = 4, s.vocab = 32000, s.context = 2048;
  return s;
}

CheckpointSpec shape_7b() {
  CheckpointSpec s;
  s.hidden = 4096, s.ffn = 11008, s.layers = 32, s.heads = s.kv_heads = 32, s.vocab = 32000, s.context = 4096;
  return s;
}

Status write_checkpoint(const std::string& directory, const CheckpointSpec& spec) {
  TERN_TRY(check(spec));
  std::error_code error;
  std::filesystem::create_directories(directory, error);
  TERN_TRY(write_text(directory + "/config.json", checkpoint_config(spec)));
  const auto parts = cut(TensorList(spec).take(), spec.shards);
  std::string weight_map;
  uint64_t total = 0;
  size_t first = 0;
  for (size_t i = 0; i < parts.size(); ++i) {
    const std::string name =
        spec.shards == 1 ? "model.safetensors" : fmt::format("model-{:05}-of-{:05}.safetensors", i + 1, spec.shards);
    TERN_TRY(write_file(directory + "/" + name, parts[i], first, spec));
    first += parts[i].size();
    for (const Tensor& t : parts[i]) {
      weight_map += fmt::format("{}\n  \"{}\": \"{}\"", weight_map.empty() ? "" : ",", t.name, name);
      total += t.bytes;
    }
  }
  if (spec.shards == 1) return {};
  return write_text(
      directory + "/model.safetensors.index.json",
      fmt::format("{{\n \"metadata\": {{\"total_size\": {}}},\n \"weight_map\": {{{}\n }}\n}}\n", total, weight_map));
}

}  // namespace tern::test
