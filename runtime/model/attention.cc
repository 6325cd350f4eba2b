#include "runtime/model/attention.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

namespace tern {
namespace {

// Tokens [begin, end) of the piece, at ascending positions of one sequence.
struct Run {
  uint64_t begin, end;
};

class Attention {
 public:
  Attention(const Model::Parts& model, const MicroBatch& piece, const ThreadTeam::Member& member, const InputPlan& out,
            uint32_t layer)
      : m_(model), c_(model.config()), p_(piece), me_(member), y_stride_(out.x_stride), layer_(layer) {
    block_.key_type = p_.cache.key_type, block_.value_type = p_.cache.value_type;
    block_.head_dim = c_.head_dim;
    const uint32_t numbers = c_.numbers == Numbers::complex ? c_.head_dim / 2 : c_.head_dim;
    block_.scale = 1.f / std::sqrt(static_cast<float>(numbers));
  }

  // Units of work are dealt in turn: later tokens see more positions, so neighbours cost the same.
  void run() {
    heads_ = heads_at_once();
    uint64_t unit = 0;
    for_each_run(kMaxAttentionQueries / heads_, [&](const Run& run) {
      for (uint64_t h = 0; h < c_.heads; h += group()) {
        for (uint64_t part = 0; part < group(); part += heads_) {
          if (unit++ % me_.size() == me_.index()) attend(run, h + part, std::min(heads_, group() - part));
        }
      }
    });
  }

 private:
  uint64_t group() const { return c_.heads / c_.kv_heads; }  // query heads that share keys and values

  template <class F>
  void for_each_run(uint64_t longest, F f) const {
    const auto& tokens = p_.tokens;
    for (uint64_t begin = 0, end; begin < tokens.size(); begin = end) {
      end = begin + 1;
      while (end < tokens.size() && end - begin < longest && tokens[end].blocks == tokens[begin].blocks) ++end;
      f(Run{begin, end});
    }
  }

  // All heads of a group, unless that leaves the members unequal shares of few units.
  uint64_t heads_at_once() const {
    uint64_t heads = std::min(group(), kMaxAttentionQueries), runs = 0;
    for_each_run(kMaxAttentionQueries / heads, [&](const Run&) { ++runs; });
    const auto units = [&] { return runs * c_.kv_heads * ((group() + heads - 1) / heads); };
    while (heads > 1 && units() < 4 * me_.size() && units() % me_.size() != 0) heads = (heads + 1) / 2;
    return heads;
  }

  // Heads [head, head + heads) of a run: they share a KV head.
  void attend(const Run& run, uint64_t head, uint64_t heads) {
    begin(run, head, heads);
    const uint64_t first = first_seen(run.begin), end = p_.tokens[run.end - 1].position + uint64_t{1};
    for (uint64_t at = first / kCacheBlock * kCacheBlock; at < end; at += kCacheBlock) {
      const std::byte* block = p_.tokens[run.begin].blocks[at / kCacheBlock].get();
      block_.keys = block + p_.cache.keys_at(layer_, head / group());
      block_.values = block + p_.cache.values_at(layer_, head / group());
      see(run, heads, at);
    }
    finish(run, heads);
  }

  // Token by token, so that neighbours among the queries see the same positions.
  void begin(const Run& run, uint64_t head, uint64_t heads) {
    AttentionQuery* query = queries_;
    for (uint64_t t = run.begin; t < run.end; ++t) {
      for (uint64_t h = head; h < head + heads; ++h, ++query) {
        float* y = p_.mid.x + t * y_stride_ + h * c_.head_dim;
        std::memset(y, 0, c_.head_dim * sizeof(float));
        query->q = p_.q + t * m_.q_size() + h * c_.head_dim;
        query->state = {-std::numeric_limits<float>::infinity(), 0.f, y};
      }
    }
  }

  // The block at position `at`, for the tokens that see some of it.
  void see(const Run& run, uint64_t heads, uint64_t at) {
    uint64_t first = run.end, last = run.begin;
    for (uint64_t t = run.begin; t < run.end; ++t) {
      const uint64_t begin = std::max(first_seen(t), at);
      const uint64_t end = std::min(uint64_t{p_.tokens[t].position} + 1, at + kCacheBlock);
      if (begin >= end) continue;
      first = std::min(first, t), last = t + 1;
      for (uint64_t h = 0; h < heads; ++h) {
        AttentionQuery& query = queries_[(t - run.begin) * heads + h];
        query.begin = begin - at, query.end = end - at;
      }
    }
    if (first < last)
      m_.elements->attend_block(block_, queries_ + (first - run.begin) * heads, (last - first) * heads,
                                p_.scratch[me_.index()].kernel);
  }

  void finish(const Run& run, uint64_t heads) {
    for (uint64_t i = 0; i < (run.end - run.begin) * heads; ++i) {
      const AttentionState state = queries_[i].state;  // a copy: no store may change its sum
      for (uint64_t k = 0; k < c_.head_dim; ++k) state.accumulator[k] = state.accumulator[k] / state.sum;
    }
  }

  // First position that token t sees.
  uint64_t first_seen(uint64_t t) const {
    const uint64_t end = uint64_t{p_.tokens[t].position} + 1;
    return c_.window != 0 && end > c_.window ? end - c_.window : 0;
  }

  const Model::Parts& m_;
  const ModelConfig& c_;
  const MicroBatch& p_;
  const ThreadTeam::Member& me_;
  uint64_t y_stride_;
  uint32_t layer_;
  uint64_t heads_ = 1;
  AttentionBlock block_;
  AttentionQuery queries_[kMaxAttentionQueries];
};

}  // namespace

void attend(const Model::Parts& model, const MicroBatch& piece, const ThreadTeam::Member& member, const InputPlan& out,
            uint32_t layer) {
  Attention(model, piece, member, out, layer).run();
}

}  // namespace tern
