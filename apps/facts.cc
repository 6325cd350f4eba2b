#include "apps/facts.h"

#include <fmt/format.h>

#include <set>

#include "formats/tern/block_tensors.h"

namespace tern::app {
namespace {

double bits(uint64_t bytes, uint64_t weights) {
  return weights ? 8.0 * static_cast<double>(bytes) / static_cast<double>(weights) : 0;
}

// Tensors that hold codebooks: their bytes count, but their values are no weights.
std::set<uint32_t> codebooks(const ModelDescription& d) {
  std::set<uint32_t> books;
  for (const TensorRecord& tensor : d.tensors) books.insert(tensor.codebook);
  books.erase(kNoTensor);
  return books;
}

}  // namespace

const char* name_of(ScaleScope scope) {
  switch (scope) {
    case ScaleScope::none:
      return "none";
    case ScaleScope::tensor:
      return "tensor";
    case ScaleScope::row:
      return "row";
    case ScaleScope::group:
      return "group";
    case ScaleScope::tile:
      return "tile";
  }
  return "unknown";
}

const char* name_of(Tap tap) {
  switch (tap) {
    case Tap::raw:
      return "raw";
    case Tap::transformed:
      return "transformed";
    case Tap::quantized:
      return "quantized";
  }
  return "unknown";
}

const char* name_of(Activation activation) {
  constexpr const char* names[] = {"unknown", "silu", "relu2", "complex_relu2"};
  const auto index = static_cast<size_t>(activation);
  return names[index < std::size(names) ? index : 0];
}

const char* name_of(RopePairing pairing) { return pairing == RopePairing::halves ? "halves" : "interleaved"; }

const char* name_of(RopeScaling scaling) {
  return scaling == RopeScaling::linear ? "linear" : scaling == RopeScaling::llama3 ? "llama3" : "none";
}

const char* name_of(InputOpKind kind) {
  constexpr const char* names[] = {"unknown", "scale", "permute", "hadamard", "rotate", "quantize", "normalize"};
  const auto index = static_cast<size_t>(kind);
  return names[index < std::size(names) ? index : 0];
}

const char* name_of(TermKind kind) {
  constexpr const char* names[] = {"unknown", "encoded", "sparse", "low_rank"};
  const auto index = static_cast<size_t>(kind);
  return names[index < std::size(names) ? index : 0];
}

std::string describe(const InputOp& op) {
  if (op.kind != InputOpKind::quantize) return name_of(op.kind);
  return op.scope == ScaleScope::group ? fmt::format("quantize int{} per token and {} columns", op.bits, op.group)
                                       : fmt::format("quantize int{} per token", op.bits);
}

std::string describe(const ModelDescription& d, const Term& term) {
  return fmt::format("{}{} ({})", term.kind == TermKind::encoded ? "" : fmt::format("{} ", name_of(term.kind)),
                     d.tensors[term.tensor].name, name_of(term.tap));
}

uint64_t weight_count(const TensorRecord& tensor) { return tensor.rows * tensor.cols * tensor.experts; }

uint64_t weight_count(const ModelDescription& d) {
  uint64_t count = 0;
  const std::set<uint32_t> books = codebooks(d);
  for (uint32_t i = 0; i < d.tensors.size(); ++i) count += books.count(i) ? 0 : weight_count(d.tensors[i]);
  return count;
}

double bits_of(const TensorRecord& tensor) {
  return bits(tensor.codes.bytes + tensor.scales.bytes, weight_count(tensor));
}

double block_bits(const ModelDescription& d) {
  uint64_t bytes = 0;
  for (const uint32_t index : block_tensors(d)) bytes += d.tensors[index].codes.bytes + d.tensors[index].scales.bytes;
  return bits(bytes, block_weights(d));
}

double all_bits(const ModelDescription& d) {
  uint64_t bytes = 0;
  for (const TensorRecord& tensor : d.tensors) bytes += tensor.codes.bytes + tensor.scales.bytes;
  return bits(bytes, weight_count(d));
}

}  // namespace tern::app
