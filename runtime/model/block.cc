#include "runtime/model/block.h"

#include <algorithm>
#include <cstring>

#include "formats/encoding/values.h"
#include "runtime/model/attention.h"
#include "runtime/model/rope_table.h"

namespace tern {
namespace {

// The forward pass of one member. Methods named after stages do this member's share and end before a barrier.
class Forward {
 public:
  Forward(const Model::Parts& model, const MicroBatch& piece, const ThreadTeam::Member& member)
      : m_(model),
        c_(model.config()),
        e_(*model.elements),
        p_(piece),
        me_(member),
        clock_(piece.profile, member.index()) {}

  void run() {
    embed();
    barrier();
    for (uint32_t i = 0; i < c_.layers; ++i) block(m_.blocks[i], i);
    head();
  }

 private:
  void block(const Block& b, uint32_t layer) {
    normalize(b.attn_norm, b.attn_in, b.attn_own);
    barrier();
    clock_.enter(Stage::qkv);
    linear(b.q, {b.attn_in, b.attn_own, 0}, p_.q, m_.q_size());
    linear(b.k, {b.attn_in, b.attn_own, 1}, p_.k, m_.kv_size());
    linear(b.v, {b.attn_in, b.attn_own, 2}, p_.v, m_.kv_size());
    barrier();
    clock_.enter(Stage::rope);
    rotate_and_append(b, layer);
    barrier();
    clock_.enter(Stage::attention);
    attend(m_, p_, me_, b.attn_out, layer);
    barrier();
    if (complex_) split_attention(b.attn_out);
    finish_mid(b.attn_sub_norm, b.attn_out);
    barrier();
    clock_.enter(Stage::attention_out);
    linear_and_add(b.o, b.attn_out);
    barrier();

    normalize(b.ffn_norm, b.ffn_in, b.ffn_own);
    barrier();
    clock_.enter(Stage::gate_up);
    gated(b);
    barrier();
    finish_mid(b.ffn_sub_norm, b.ffn_mid);
    barrier();
    clock_.enter(Stage::down);
    linear_and_add(b.down, b.ffn_mid);
    barrier();
  }

  void barrier() {
    clock_.enter(Stage::wait);
    me_.barrier();
  }

  Range tokens() const { return me_.share(p_.tokens.size()); }

  // Rows of the embedding, and the rotary angles of the tokens' positions.
  void embed() {
    const WeightView& w = m_.embedding;
    const uint64_t half = c_.head_dim / 2;
    const Range mine = tokens();
    for (uint64_t t = mine.begin; t < mine.end; ++t) {
      decode_row(w.encoding, w.layout, w.cols, w.codes, w.scales, p_.tokens[t].id, p_.x + t * c_.hidden_size);
      rope_angles(m_.rope_frequencies, p_.tokens[t].position, p_.cos + t * half, p_.sin + t * half);
    }
  }

  // in = norm(x), for the tokens of this member; and what layers with inputs of their own make of it.
  void normalize(const std::vector<float>& weight, const InputPlan& plan, const std::vector<InputPlan>& own) {
    const Range mine = tokens();
    for (uint64_t t = mine.begin; t < mine.end; ++t) {
      float* in = p_.in.x + t * plan.x_stride;
      clock_.enter(Stage::norm);
      e_.rms_norm(p_.x + t * c_.hidden_size, weight.data(), c_.norm_eps, c_.hidden_size, in);
      round(plan, p_.in, t);
      for (size_t i = 0; i < own.size(); ++i) {
        float* x = p_.own[i].x + t * own[i].x_stride;
        if (own[i].norm.empty()) {
          std::memcpy(x, in, plan.cols * sizeof(float));
        } else {
          clock_.enter(Stage::norm);
          e_.rms_norm(in, own[i].norm.data(), c_.norm_eps, plan.cols, x);
        }
        round(own[i], p_.own[i], t);
      }
    }
  }

  // The sub-norm, if the block has one, over what attention or the gated activation left in mid.
  void finish_mid(const std::vector<float>& weight, const InputPlan& plan) {
    const Range mine = tokens();
    for (uint64_t t = mine.begin; t < mine.end; ++t) {
      float* x = p_.mid.x + t * plan.x_stride;
      clock_.enter(Stage::norm);
      if (!weight.empty()) e_.rms_norm(x, weight.data(), c_.norm_eps, plan.cols, x);
      round(plan, p_.mid, t);
    }
  }

  // Completes row t of a linear's input: zero padding, and int8 codes if the plan rounds.
  void round(const InputPlan& plan, const LinearInputBuffer& in, uint64_t t) {
    clock_.enter(Stage::round);
    float* x = in.x + t * plan.x_stride;
    std::memset(x + plan.cols, 0, (plan.x_stride - plan.cols) * sizeof(float));
    if (!plan.rounded) return;
    e_.quantize_int8(x, plan.cols, plan.groups, plan.group_cols, plan.padded_group_cols,
                     in.codes + t * plan.code_stride, in.scales + t * plan.groups, in.sums + t * plan.groups);
  }

  // y = W in + bias, for the row tiles of this member and all tokens. Returns the rows.
  OutputRows linear(const LinearPlan& plan, const InputPlan& input, const LinearInputBuffer& in, float* y,
                    uint64_t stride, uint64_t count) {
    if (p_.observer) p_.observer->see(plan, in.x, input.x_stride, count, me_.share(input.cols));
    InputView view;
    view.tokens = count;
    if (plan.kernel->input == LinearInput::int8) {
      view.codes = in.codes, view.code_stride = input.code_stride;
      view.scales = in.scales, view.sums = in.sums, view.groups = input.groups;
    } else {
      view.x = in.x, view.x_stride = input.x_stride;
    }
    const Range tiles = me_.share(plan.weight.layout.tiles);
    const OutputRows outputs(plan.weight.layout, tiles);
    if (tiles.begin == tiles.end) return outputs;
    plan.kernel->run(plan.weight, view, {y, stride}, {tiles.begin, tiles.end}, p_.scratch[me_.index()]);
    if (plan.bias.empty()) return outputs;
    for (const Range& rows : outputs) {
      for (uint64_t t = 0; t < count; ++t)
        e_.add(plan.bias.data() + rows.begin, rows.end - rows.begin, y + t * stride + rows.begin);
    }
    return outputs;
  }

  // The input of layer `index` of a group: the shared one, or its own.
  struct GroupInput {
    const InputPlan& shared;
    const std::vector<InputPlan>& own;
    size_t index;
  };

  OutputRows linear(const LinearPlan& plan, const GroupInput& in, float* y, uint64_t stride) {
    if (in.own.empty()) return linear(plan, in.shared, p_.in, y, stride, p_.tokens.size());
    return linear(plan, in.own[in.index], p_.own[in.index], y, stride, p_.tokens.size());
  }

  // x += W mid.
  void linear_and_add(const LinearPlan& plan, const InputPlan& input) {
    const uint64_t count = p_.tokens.size(), n = c_.hidden_size;
    for (const Range& rows : linear(plan, input, p_.mid, p_.added, n, count)) {
      for (uint64_t t = 0; t < count; ++t)
        e_.add(p_.added + t * n + rows.begin, rows.end - rows.begin, p_.x + t * n + rows.begin);
    }
  }

  // mid = activation(gate) * up. Linears with the same tiles give a member its gates where it needs them.
  void gated(const Block& b) {
    const uint64_t n = c_.ffn_size;
    const OutputRows gates = linear(b.gate, {b.ffn_in, b.ffn_own, 0}, p_.gate, n);
    linear(b.up, {b.ffn_in, b.ffn_own, 1}, p_.up, n);
    const Layout &gate = b.gate.weight.layout, &up = b.up.weight.layout;
    if (gate.tiled_rows != up.tiled_rows || (complex_ && gate.halves == 1)) {
      barrier();
      activate(b, me_.share(complex_ ? n / 2 : n));
    } else if (complex_) {
      activate(b, *gates.begin());  // the other half is the imaginary parts
    } else {
      for (const Range& rows : gates) activate(b, rows);
    }
  }

  // Of complex numbers `rows` are the real parts.
  void activate(const Block& b, Range rows) {
    clock_.enter(Stage::activate);
    const uint64_t n = c_.ffn_size;
    const auto activate = c_.activation == Activation::silu ? e_.silu_mul : e_.relu2_mul;
    for (uint64_t t = 0; t < p_.tokens.size(); ++t) {
      const float *gate = p_.gate + t * n + rows.begin, *up = p_.up + t * n + rows.begin;
      float* mid = p_.mid.x + t * b.ffn_mid.x_stride + rows.begin;
      if (complex_) {
        e_.complex_relu2_mul(gate, up, n / 2, rows.end - rows.begin, mid);
      } else {
        activate(gate, up, rows.end - rows.begin, mid);
      }
    }
  }

  // Complex vectors have all real parts before all imaginary ones; attention takes those of each head side by side.
  void reorder(uint64_t heads, bool by_heads, float* x, float* spare) const {
    const uint64_t half = c_.head_dim / 2;
    std::memcpy(spare, x, heads * c_.head_dim * sizeof(float));
    for (uint64_t i = 0; i < 2 * heads; ++i) {
      const uint64_t in_heads = i * half, in_parts = (i % 2 * heads + i / 2) * half;
      std::memcpy(x + (by_heads ? in_heads : in_parts), spare + (by_heads ? in_parts : in_heads), half * sizeof(float));
    }
  }

  // What attention left in mid, as a complex vector; q is done with.
  void split_attention(const InputPlan& out) {
    const Range mine = tokens();
    for (uint64_t t = mine.begin; t < mine.end; ++t)
      reorder(c_.heads, false, p_.mid.x + t * out.x_stride, p_.q + t * m_.q_size());
  }

  void normalize_heads(const std::vector<float>& weight, uint64_t heads, float* x) {
    if (weight.empty()) return;
    for (uint64_t h = 0; h < heads; ++h) {
      e_.rms_norm(x + h * c_.head_dim, weight.data(), c_.norm_eps, c_.head_dim, x + h * c_.head_dim);
    }
  }

  void rotate_and_append(const Block& b, uint32_t layer) {
    const auto rotate = c_.rope_pairing == RopePairing::halves ? e_.rope_halves : e_.rope_interleaved;
    const uint64_t d = c_.head_dim;
    const Range mine = tokens();
    for (uint64_t t = mine.begin; t < mine.end; ++t) {
      const float *cos = p_.cos + t * (d / 2), *sin = p_.sin + t * (d / 2);
      float *q = p_.q + t * m_.q_size(), *k = p_.k + t * m_.kv_size();
      if (complex_) {  // mid is free until attention fills it
        float* spare = p_.mid.x + t * b.attn_out.x_stride;
        reorder(c_.heads, true, q, spare);
        reorder(c_.kv_heads, true, k, spare);
        reorder(c_.kv_heads, true, p_.v + t * m_.kv_size(), spare);
      }
      normalize_heads(b.q_norm, c_.heads, q);
      normalize_heads(b.k_norm, c_.kv_heads, k);
      for (uint64_t h = 0; h < c_.heads; ++h) rotate(q + h * d, cos, sin, d);
      for (uint64_t h = 0; h < c_.kv_heads; ++h) rotate(k + h * d, cos, sin, d);
      append(layer, t);
    }
  }

  void append(uint32_t layer, uint64_t t) {
    const BatchToken& token = p_.tokens[t];
    std::byte* block = token.blocks[token.position / kCacheBlock].get();
    const uint64_t d = c_.head_dim, slot = token.position % kCacheBlock * d;
    for (uint64_t h = 0; h < c_.kv_heads; ++h) {
      put(p_.cache.key_type, p_.k + t * m_.kv_size() + h * d, block + p_.cache.keys_at(layer, h), slot);
      put(p_.cache.value_type, p_.v + t * m_.kv_size() + h * d, block + p_.cache.values_at(layer, h), slot);
    }
  }

  void put(FloatType type, const float* x, std::byte* array, uint64_t at) {
    if (type == FloatType::f32) {
      std::memcpy(array + at * sizeof(float), x, c_.head_dim * sizeof(float));
    } else {
      e_.to_f16(x, c_.head_dim, reinterpret_cast<uint16_t*>(array) + at);
    }
  }

  void head() {
    const uint64_t count = p_.wanted.size();
    const Range mine = me_.share(count);
    for (uint64_t i = mine.begin; i < mine.end; ++i) {
      clock_.enter(Stage::norm);
      const float* x = p_.x + p_.wanted[i] * uint64_t{c_.hidden_size};
      e_.rms_norm(x, m_.output_norm.data(), c_.final_norm_eps, c_.hidden_size, p_.in.x + i * m_.head_in.x_stride);
      round(m_.head_in, p_.in, i);
    }
    barrier();
    clock_.enter(Stage::head);
    if (count != 0) linear(m_.head, m_.head_in, p_.in, p_.logits, c_.vocab_size, count);
  }

  const Model::Parts& m_;
  const ModelConfig& c_;
  const ElementKernels& e_;
  const MicroBatch& p_;
  const ThreadTeam::Member& me_;
  StageClock clock_;
  const bool complex_ = c_.numbers == Numbers::complex;
};

}  // namespace

void forward(const Model::Parts& model, const MicroBatch& piece, const ThreadTeam::Member& member) {
  Forward(model, piece, member).run();
}

}  // namespace tern
