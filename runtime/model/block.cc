#include "runtime/model/block.h"

#include <algorithm>
#include <cstring>
#include <initializer_list>

#include "base/checked.h"
#include "formats/encoding/values.h"
#include "runtime/model/attention.h"
#include "runtime/model/rope_table.h"

namespace tern {
namespace {

using Range = ThreadTeam::Member::Range;

constexpr uint64_t kDealtTiles = 8;  // at least: what a kernel takes at once, and enough to be worth asking for

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
    deal({task(b.q, {b.attn_in, b.attn_own, 0}, p_.q, m_.q_size()),
          task(b.k, {b.attn_in, b.attn_own, 1}, p_.k, m_.kv_size()),
          task(b.v, {b.attn_in, b.attn_own, 2}, p_.v, m_.kv_size())});
    barrier();
    clock_.enter(Stage::rope);
    rotate_and_append(b, layer);
    barrier();
    clock_.enter(Stage::attention);
    attend(m_, p_, me_, b.attn_out, layer);
    barrier();
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
      decode_row(w.encoding, w.layout, w.cols, w.codes, w.scales, p_.tokens[t].id, p_.x + t * c_.hidden_size,
                 w.codebook);
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

  // y = W in + bias, of `tokens` inputs.
  struct Task {
    const LinearPlan& plan;
    const InputPlan& input;
    const LinearInputBuffer& in;
    float* y;
    uint64_t stride, tokens;
  };

  // The input of layer `index` of a group: the shared one, or its own.
  struct GroupInput {
    const InputPlan& shared;
    const std::vector<InputPlan>& own;
    size_t index;
  };

  Task task(const LinearPlan& plan, const GroupInput& in, float* y, uint64_t stride) {
    if (in.own.empty()) return {plan, in.shared, p_.in, y, stride, p_.tokens.size()};
    return {plan, in.own[in.index], p_.own[in.index], y, stride, p_.tokens.size()};
  }

  // Computes the rows of these tiles, and returns them.
  Range compute(const Task& task, Range tiles) {
    const LinearPlan& plan = task.plan;
    InputView view;
    view.tokens = task.tokens;
    if (plan.kernel->input == LinearInput::int8) {
      view.codes = task.in.codes, view.code_stride = task.input.code_stride;
      view.scales = task.in.scales, view.sums = task.in.sums, view.groups = task.input.groups;
    } else {
      view.x = task.in.x, view.x_stride = task.input.x_stride;
    }
    plan.kernel->run(plan.weight, view, {task.y, task.stride}, {tiles.begin, tiles.end}, p_.scratch[me_.index()]);
    const uint64_t height = plan.weight.layout.tile_rows;
    const Range rows{tiles.begin * height, std::min(tiles.end * height, plan.weight.rows)};
    for (uint64_t t = 0; t < task.tokens && !plan.bias.empty(); ++t)
      e_.add(plan.bias.data() + rows.begin, rows.end - rows.begin, task.y + t * task.stride + rows.begin);
    return rows;
  }

  void observe(const Task& task) {
    if (!p_.observer) return;
    p_.observer->see(task.plan, task.in.x, task.input.x_stride, task.tokens, me_.share(task.input.cols));
  }

  // The tasks' tiles, one task after the other, as members come for them; after(rows) of each part.
  template <class After>
  void deal(std::initializer_list<Task> tasks, const After& after) {
    uint64_t count = 0;
    for (const Task& task : tasks) {
      observe(task);
      count += task.plan.weight.layout.tiles;
    }
    for (Range dealt; (dealt = me_.take(count, kDealtTiles)).begin != dealt.end;) {
      uint64_t first = 0;
      for (const Task& task : tasks) {
        const uint64_t last = first + task.plan.weight.layout.tiles;
        const Range tiles{std::clamp(dealt.begin, first, last) - first, std::clamp(dealt.end, first, last) - first};
        if (tiles.begin != tiles.end) after(compute(task, tiles));
        first = last;
      }
    }
  }
  void deal(std::initializer_list<Task> tasks) {
    deal(tasks, [](Range) {});
  }

  // x += W mid.
  void linear_and_add(const LinearPlan& plan, const InputPlan& input) {
    const uint64_t count = p_.tokens.size(), n = c_.hidden_size;
    deal({{plan, input, p_.mid, p_.added, n, count}}, [&](Range rows) {
      for (uint64_t t = 0; t < count; ++t)
        e_.add(p_.added + t * n + rows.begin, rows.end - rows.begin, p_.x + t * n + rows.begin);
    });
  }

  // mid = activation(gate) * up. Both linears have the same rows: who has the gates computes what they are for.
  void gated(const Block& b) {
    const uint64_t n = c_.ffn_size;
    const Task gate = task(b.gate, {b.ffn_in, b.ffn_own, 0}, p_.gate, n);
    const Task up = task(b.up, {b.ffn_in, b.ffn_own, 1}, p_.up, n);
    const auto activate = c_.activation == Activation::silu ? e_.silu_mul : e_.relu2_mul;
    observe(up);
    deal({gate}, [&](Range rows) {
      const uint64_t height = b.up.weight.layout.tile_rows;
      compute(up, {rows.begin / height, ceil_div(rows.end, height)});
      clock_.enter(Stage::activate);
      for (uint64_t t = 0; t < p_.tokens.size(); ++t) {
        activate(p_.gate + t * n + rows.begin, p_.up + t * n + rows.begin, rows.end - rows.begin,
                 p_.mid.x + t * b.ffn_mid.x_stride + rows.begin);
      }
      clock_.enter(Stage::gate_up);
    });
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
    if (count != 0) deal({{m_.head, m_.head_in, p_.in, p_.logits, c_.vocab_size, count}});
  }

  const Model::Parts& m_;
  const ModelConfig& c_;
  const ElementKernels& e_;
  const MicroBatch& p_;
  const ThreadTeam::Member& me_;
  StageClock clock_;
};

}  // namespace

void forward(const Model::Parts& model, const MicroBatch& piece, const ThreadTeam::Member& member) {
  Forward(model, piece, member).run();
}

}  // namespace tern
