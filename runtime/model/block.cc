#include "runtime/model/block.h"

#include <algorithm>
#include <cstring>
#include <initializer_list>
#include <numeric>

#include "base/checked.h"
#include "formats/encoding/values.h"
#include "runtime/model/attention.h"
#include "runtime/model/heads.h"
#include "runtime/model/linear_dealer.h"
#include "runtime/model/rope_table.h"

namespace tern {
namespace {

using Range = IndexRange;

// The forward pass of one member. Methods named after stages do this member's share and end before a barrier.
class Forward {
 public:
  Forward(const Model::Parts& model, const MicroBatch& piece, const ThreadTeam::Member& member)
      : m_(model),
        c_(model.config()),
        e_(*model.elements),
        p_(piece),
        me_(member),
        run_(e_, piece.scratch[member.index()]),
        dealer_(run_, member, piece.observer),
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
    if (b.qkv.rows != 0) {
      dealer_.deal({task(b.qkv, {b.attn_in, b.attn_own, 0}, p_.fused)});
    } else {
      dealer_.deal({task(b.q, {b.attn_in, b.attn_own, 0}, p_.q), task(b.k, {b.attn_in, b.attn_own, 1}, p_.k),
                    task(b.v, {b.attn_in, b.attn_own, 2}, p_.v)});
    }
    barrier();
    clock_.enter(Stage::rope);
    prepare_heads(m_, p_, run_, tokens(), b, layer);
    barrier();
    if (layer + 1 == c_.layers) keep_asking();
    if (p_.tokens.empty()) return;
    clock_.enter(Stage::attention);
    attend(m_, p_, me_, b.attn_out, layer);
    barrier();
    if (complex_) join_complex_heads(m_, p_, tokens(), b.attn_out);
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

  // Once the last block has all keys and values, only tokens that ask for logits go on; an observer sees all.
  void keep_asking() {
    if (p_.observer || p_.asking.size() == p_.tokens.size()) return;
    for (uint64_t i = 0; me_.index() == 0 && i < p_.wanted.size(); ++i) {  // ascending: no row that is read later
      move_row(p_.x, c_.hidden_size, p_.wanted[i], i);
      move_row(p_.q, m_.q_size(), p_.wanted[i], i);
    }
    p_.tokens = p_.asking;
    moved_ = true;
    barrier();
  }

  static void move_row(float* rows, uint64_t n, uint64_t from, uint64_t to) {
    if (from != to) std::memcpy(rows + to * n, rows + from * n, n * sizeof(float));
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

  // Runs of this member's tokens that `plan` takes at once.
  template <class Body>
  void for_each_run(Range mine, const InputPlan& plan, Body body) {
    for (uint64_t t = mine.begin; t < mine.end; t += plan.tokens_at_once) {
      body(Range{t, std::min(mine.end, t + plan.tokens_at_once)});
    }
  }

  // in = norm(x), for the tokens of this member, and its forms; and those of layers with inputs of their own.
  void normalize(const std::vector<float>& weight, const InputPlan& plan, const std::vector<InputPlan>& own) {
    for_each_run(tokens(), plan, [&](Range run) {
      clock_.enter(Stage::norm);
      for (uint64_t t = run.begin; t < run.end; ++t) {
        float* in = p_.in.x + t * plan.x_stride;
        e_.rms_norm(p_.x + t * c_.hidden_size, weight.data(), c_.norm_eps, c_.hidden_size, in);
      }
      clock_.enter(Stage::round);
      run_.make_forms(plan, p_.in, run);
      for (size_t i = 0; i < own.size(); ++i) run_.make_forms(own[i], p_.own[i], run);
    });
  }

  // The sub-norm, if the block has one, over what attention or the gated activation left in mid.
  void finish_mid(const std::vector<float>& weight, const InputPlan& plan) {
    for_each_run(tokens(), plan, [&](Range run) {
      clock_.enter(Stage::norm);
      for (uint64_t t = run.begin; t < run.end && !weight.empty(); ++t) {
        float* x = p_.mid.x + t * plan.x_stride;
        e_.rms_norm(x, weight.data(), c_.norm_eps, plan.cols, x);
      }
      clock_.enter(Stage::round);
      run_.make_forms(plan, p_.mid, run);
    });
  }

  // The input of layer `index` of a group: the shared one, or its own.
  struct GroupInput {
    const InputPlan& shared;
    const std::vector<InputPlan>& own;
    size_t index;
  };

  LinearTask task(const LinearPlan& plan, const GroupInput& in, float* y) {
    const uint64_t count = p_.tokens.size();
    if (in.own.empty()) return {plan, in.shared, p_.in, y, count, plan.row_unit};
    return {plan, in.own[in.index], p_.own[in.index], y, count, plan.row_unit};
  }

  // Behind a barrier that other layers do without: outputs that need whole rows are finished for a share of the tokens.
  Range finish_whole(std::initializer_list<LinearTask> tasks) {
    barrier();
    clock_.enter(Stage::round);
    const Range mine = me_.share(tasks.begin()->tokens);
    for (const LinearTask& task : tasks) run_.finish_tokens(task.plan, mine, task.y);
    return mine;
  }

  // The rows that a part of a layer stands for.
  template <class Body>
  static void for_each_half(const LinearPlan& plan, Range part, Body body) {
    for (uint64_t first = 0; first < plan.rows; first += plan.half_rows())
      body(Range{first + part.begin, first + part.end});
  }

  // x += W mid.
  void linear_and_add(const LinearPlan& plan, const InputPlan& input) {
    const uint64_t count = p_.tokens.size(), n = c_.hidden_size;
    const LinearTask task{plan, input, p_.mid, p_.added, count, plan.row_unit};
    const auto add = [&](Range tokens, Range rows) {
      for (uint64_t t = tokens.begin; t < tokens.end; ++t)
        e_.add(p_.added + t * n + rows.begin, rows.end - rows.begin, p_.x + t * n + rows.begin);
    };
    dealer_.deal({task}, [&](Range part) {
      if (plan.whole_rows) return;
      for_each_half(plan, part, [&](Range rows) { add({0, count}, rows); });
    });
    if (plan.whole_rows) add(finish_whole({task}), {0, n});
  }

  // mid = activation(gate) * up. Where both linears give the same rows, who has the gates computes what they are for.
  void gated(const Block& b) {
    if (b.up_gate.rows != 0) return gated_fused(b);
    LinearTask gate = task(b.gate, {b.ffn_in, b.ffn_own, 0}, p_.gate);
    const LinearTask up = task(b.up, {b.ffn_in, b.ffn_own, 1}, p_.up);
    gate.unit = std::lcm(gate.unit, up.unit);
    const Gates gates{p_.gate, p_.up, c_.ffn_size};
    if (b.gate.whole_rows || b.up.whole_rows || b.gate.halves != b.up.halves || (complex_ && b.gate.halves == 1)) {
      dealer_.deal({gate, up});
      return activate(b, gates, finish_whole({gate, up}), {0, complex_ ? c_.ffn_size / 2 : c_.ffn_size});
    }
    dealer_.observe(up);
    dealer_.deal({gate}, [&](Range part) {
      dealer_.compute(up, part);
      if (complex_) return activate(b, gates, {0, gate.tokens}, part);  // the other half is the imaginary parts
      for_each_half(b.gate, part, [&](Range rows) { activate(b, gates, {0, gate.tokens}, rows); });
    });
  }

  // Rows of up, then those of gate, which another member may have computed.
  void gated_fused(const Block& b) {
    const uint64_t n = c_.ffn_size;
    const LinearTask fused = task(b.up_gate, {b.ffn_in, b.ffn_own, 0}, p_.fused);
    dealer_.deal({fused});
    activate(b, {p_.fused + n, p_.fused, 2 * n}, finish_whole({fused}), {0, n});
  }

  struct Gates {
    const float *gate, *up;
    uint64_t stride;  // from a token to the next
  };

  // Of complex numbers `rows` are the real parts.
  void activate(const Block& b, const Gates& from, Range tokens, Range rows) {
    clock_.enter(Stage::activate);
    const auto activate = c_.activation == Activation::silu ? e_.silu_mul : e_.relu2_mul;
    const uint64_t count = rows.end - rows.begin;
    for (uint64_t t = tokens.begin; t < tokens.end; ++t) {
      const float *gate = from.gate + t * from.stride + rows.begin, *up = from.up + t * from.stride + rows.begin;
      float* mid = p_.mid.x + t * b.ffn_mid.x_stride + rows.begin;
      if (complex_) {
        e_.complex_relu2_mul(gate, up, c_.ffn_size / 2, count, mid);
      } else {
        activate(gate, up, count, mid);
      }
    }
    clock_.enter(Stage::gate_up);
  }

  void head() {
    const uint64_t count = p_.wanted.size();
    for_each_run(me_.share(count), m_.head_in, [&](Range run) {
      clock_.enter(Stage::norm);
      for (uint64_t i = run.begin; i < run.end; ++i) {
        const float* x = p_.x + (moved_ ? i : p_.wanted[i]) * c_.hidden_size;
        e_.rms_norm(x, m_.output_norm.data(), c_.final_norm_eps, c_.hidden_size, p_.in.x + i * m_.head_in.x_stride);
      }
      clock_.enter(Stage::round);
      run_.make_forms(m_.head_in, p_.in, run);
    });
    barrier();
    clock_.enter(Stage::head);
    if (count == 0) return;
    const LinearTask task{m_.head, m_.head_in, p_.in, p_.logits, count, m_.head.row_unit};
    dealer_.deal({task});
    if (m_.head.whole_rows) finish_whole({task});
  }

  const Model::Parts& m_;
  const ModelConfig& c_;
  const ElementKernels& e_;
  MicroBatch p_;
  bool moved_ = false;  // the tokens that ask, to the first rows of x and q
  const ThreadTeam::Member& me_;
  const LinearRun run_;
  const LinearDealer dealer_;
  StageClock clock_;
  const bool complex_ = c_.numbers == Numbers::complex;
};

}  // namespace

void forward(const Model::Parts& model, const MicroBatch& piece, const ThreadTeam::Member& member) {
  Forward(model, piece, member).run();
}

}  // namespace tern
