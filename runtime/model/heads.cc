#include "runtime/model/heads.h"

#include <cstring>

namespace tern {
namespace {

// Complex vectors have all real parts before all imaginary ones; attention takes those of each head side by side.
void reorder(uint64_t heads, uint64_t head_dim, bool by_heads, float* x, float* spare) {
  const uint64_t half = head_dim / 2;
  std::memcpy(spare, x, heads * head_dim * sizeof(float));
  for (uint64_t i = 0; i < 2 * heads; ++i) {
    const uint64_t in_heads = i * half, in_parts = (i % 2 * heads + i / 2) * half;
    std::memcpy(x + (by_heads ? in_heads : in_parts), spare + (by_heads ? in_parts : in_heads), half * sizeof(float));
  }
}

class Heads {
 public:
  Heads(const Model::Parts& model, const MicroBatch& piece, const Block& block, uint32_t layer)
      : m_(model), c_(model.config()), e_(*model.elements), p_(piece), b_(block), layer_(layer) {}

  void finish_linears(const LinearRun& run, IndexRange tokens) const {
    run.finish_tokens(b_.q, tokens, p_.q);
    run.finish_tokens(b_.k, tokens, p_.k);
    run.finish_tokens(b_.v, tokens, p_.v);
    if (b_.qkv.rows == 0) return;
    run.finish_tokens(b_.qkv, tokens, p_.fused);
    for (uint64_t t = tokens.begin; t < tokens.end; ++t) {
      const float* fused = p_.fused + t * b_.qkv.rows;
      std::memcpy(q(t), fused, m_.q_size() * sizeof(float));
      std::memcpy(k(t), fused + m_.q_size(), m_.kv_size() * sizeof(float));
      std::memcpy(v(t), fused + m_.q_size() + m_.kv_size(), m_.kv_size() * sizeof(float));
    }
  }

  void prepare(uint64_t t) const {
    if (c_.numbers == Numbers::complex) {  // mid is free until attention fills it
      float* spare = p_.mid.x + t * b_.attn_out.x_stride;
      reorder(c_.heads, c_.head_dim, true, q(t), spare);
      reorder(c_.kv_heads, c_.head_dim, true, k(t), spare);
      reorder(c_.kv_heads, c_.head_dim, true, v(t), spare);
    }
    normalize(b_.q_norm, c_.heads, q(t));
    normalize(b_.k_norm, c_.kv_heads, k(t));
    rotate(t, c_.heads, q(t));
    rotate(t, c_.kv_heads, k(t));
  }

  void append(uint64_t t) const {
    const BatchToken& token = p_.tokens[t];
    std::byte* block = token.blocks[token.position / kCacheBlock].get();
    const uint64_t d = c_.head_dim, slot = token.position % kCacheBlock * d;
    for (uint64_t h = 0; h < c_.kv_heads; ++h) {
      put(p_.cache.key_type, k(t) + h * d, block + p_.cache.keys_at(layer_, h), slot);
      put(p_.cache.value_type, v(t) + h * d, block + p_.cache.values_at(layer_, h), slot);
    }
  }

 private:
  float* q(uint64_t t) const { return p_.q + t * m_.q_size(); }
  float* k(uint64_t t) const { return p_.k + t * m_.kv_size(); }
  float* v(uint64_t t) const { return p_.v + t * m_.kv_size(); }

  void normalize(const std::vector<float>& weight, uint64_t heads, float* x) const {
    if (weight.empty()) return;
    for (uint64_t h = 0; h < heads; ++h) {
      e_.rms_norm(x + h * c_.head_dim, weight.data(), c_.norm_eps, c_.head_dim, x + h * c_.head_dim);
    }
  }

  void rotate(uint64_t t, uint64_t heads, float* x) const {
    const auto rope = c_.rope_pairing == RopePairing::halves ? e_.rope_halves : e_.rope_interleaved;
    const uint64_t d = c_.head_dim;
    const float *cos = p_.cos + t * (d / 2), *sin = p_.sin + t * (d / 2);
    for (uint64_t h = 0; h < heads; ++h) rope(x + h * d, cos, sin, d);
  }

  void put(FloatType type, const float* x, std::byte* array, uint64_t at) const {
    if (type == FloatType::f32) {
      std::memcpy(array + at * sizeof(float), x, c_.head_dim * sizeof(float));
    } else {
      e_.to_f16(x, c_.head_dim, reinterpret_cast<uint16_t*>(array) + at);
    }
  }

  const Model::Parts& m_;
  const ModelConfig& c_;
  const ElementKernels& e_;
  const MicroBatch& p_;
  const Block& b_;
  uint32_t layer_;
};

}  // namespace

void prepare_heads(const Model::Parts& model, const MicroBatch& piece, const LinearRun& run, IndexRange tokens,
                   const Block& block, uint32_t layer) {
  const Heads heads(model, piece, block, layer);
  heads.finish_linears(run, tokens);
  for (uint64_t t = tokens.begin; t < tokens.end; ++t) {
    heads.prepare(t);
    heads.append(t);
  }
}

void join_complex_heads(const Model::Parts& model, const MicroBatch& piece, IndexRange tokens, const InputPlan& out) {
  const ModelConfig& c = model.config();
  for (uint64_t t = tokens.begin; t < tokens.end; ++t)
    reorder(c.heads, c.head_dim, false, piece.mid.x + t * out.x_stride, piece.q + t * model.q_size());
}

}  // namespace tern
