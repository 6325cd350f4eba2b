// What a loaded model consists of. For the runtime itself; programs see runtime/model/model.h.
#pragma once

#include <memory>
#include <vector>

#include "kernels/dispatch/dispatch.h"
#include "runtime/model/linear_plan.h"
#include "runtime/model/model.h"

namespace tern {

// One decoder block. A norm that the model lacks is an empty vector.
struct Block {
  std::vector<float> q_norm, k_norm;  // of each head, before rotation
  std::vector<float> attn_norm, attn_sub_norm, ffn_norm, ffn_sub_norm;
  LinearPlan q, k, v, o, gate, up, down;
  LinearPlan qkv, up_gate;  // fused: one layer for q, k, v or for up, gate, which then have no rows
  InputPlan attn_in, attn_out, ffn_in, ffn_mid;  // of q k v; of o; of gate up; of down
  // Where layers have inputs of their own: those of q, k, v and of gate, up, over the raw rows of attn_in and ffn_in.
  std::vector<InputPlan> attn_own, ffn_own;
};

struct Model::Parts {
  std::shared_ptr<const TernFile> file;
  CpuFeatures features = 0;
  unsigned stages = 0;  // as LoadOptions::stages
  const ElementKernels* elements = nullptr;
  std::vector<const ElementKernels*> elements_passed_over;  // better ones that failed their self-check
  WeightView embedding;
  std::vector<Block> blocks;
  std::vector<float> output_norm;
  InputPlan head_in;
  LinearPlan head;
  std::vector<double> rope_frequencies;  // head_dim / 2 (rope_table.h)

  const ModelConfig& config() const { return file->description().config; }
  uint64_t q_size() const { return uint64_t{config().heads} * config().head_dim; }
  uint64_t kv_size() const { return uint64_t{config().kv_heads} * config().head_dim; }
  template <class F>
  void for_each_linear(F f) const {
    for (const Block& b : blocks) {
      for (const LinearPlan* l : {&b.q, &b.k, &b.v, &b.qkv, &b.o, &b.gate, &b.up, &b.up_gate, &b.down}) {
        if (l->rows != 0) f(*l);
      }
    }
    f(head);
  }
  template <class F>
  void for_each_input(F f) const {
    for (const Block& b : blocks) {
      for (const InputPlan* plan : {&b.attn_in, &b.attn_out, &b.ffn_in, &b.ffn_mid}) f(*plan);
      for (const InputPlan& plan : b.attn_own) f(plan);
      for (const InputPlan& plan : b.ffn_own) f(plan);
    }
    f(head_in);
  }
};

}  // namespace tern
