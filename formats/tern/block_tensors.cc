#include "formats/tern/block_tensors.h"

namespace tern {
namespace {

bool in_block(const LinearRecord& linear) { return linear.name.starts_with("blocks."); }

}  // namespace

std::set<uint32_t> block_tensors(const ModelDescription& d) {
  std::set<uint32_t> tensors;
  for (const LinearRecord& linear : d.linears) {
    if (!in_block(linear)) continue;
    for (const Term& term : linear.terms) tensors.insert({term.tensor, term.second, term.third});
    for (const OutputOp& op : linear.post) tensors.insert({op.tensor, op.matrix});
    for (const InputOp& op : d.inputs[linear.input].ops) {
      if (op.kind != InputOpKind::normalize) tensors.insert({op.tensor, op.matrix});
    }
  }
  tensors.erase(kNoTensor);
  for (const uint32_t tensor : std::set(tensors)) tensors.insert(d.tensors[tensor].codebook);
  tensors.erase(kNoTensor);
  return tensors;
}

uint64_t block_weights(const ModelDescription& d) {
  uint64_t weights = 0;
  for (const LinearRecord& linear : d.linears) weights += in_block(linear) ? linear.rows * linear.cols : 0;
  return weights;
}

}  // namespace tern
