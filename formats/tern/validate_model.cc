#include <fmt/format.h>

#include <unordered_map>

#include "formats/tern/validate.h"

namespace tern {
namespace {

template <class Record>
std::unordered_map<std::string_view, uint32_t> index_by_name(const std::vector<Record>& records) {
  std::unordered_map<std::string_view, uint32_t> index;
  for (const Record& record : records) index.emplace(record.name, static_cast<uint32_t>(index.size()));
  return index;
}

// Walks the architecture and ticks off what it finds; what is left over is an error.
class ModelChecker {
 public:
  explicit ModelChecker(const ModelDescription& d)
      : d_(d),
        tensors_(index_by_name(d.tensors)),
        inputs_(index_by_name(d.inputs)),
        linears_(index_by_name(d.linears)),
        tensor_seen_(d.tensors.size()),
        input_seen_(d.inputs.size()),
        linear_seen_(d.linears.size()) {}

  Status check() {
    const ModelConfig& c = d_.config;
    TERN_TRY(check_embedding());
    for (uint32_t i = 0; i < c.layers; ++i) TERN_TRY(check_block(fmt::format("blocks.{}.", i)));
    TERN_TRY(check_vector("output.norm", c.hidden_size, true));
    TERN_TRY(check_linear("head", "head.in", c.vocab_size, c.hidden_size, false));
    if (d_.tokenizer && d_.tokenizer->pieces.size() > c.vocab_size) {
      return corrupt(fmt::format("the tokenizer has {} pieces, expected at most vocab_size, {}",
                                 d_.tokenizer->pieces.size(), c.vocab_size));
    }
    return check_left_over();
  }

 private:
  Status check_block(const std::string& block) {
    const ModelConfig& c = d_.config;
    const uint64_t q = uint64_t{c.heads} * c.head_dim, kv = uint64_t{c.kv_heads} * c.head_dim;
    const uint64_t hidden = c.hidden_size, ffn = c.ffn_size;
    TERN_TRY(check_vector(block + "attn.norm", hidden, true));
    const bool own_attn = has_own_input(block + "attn.q"), own_ffn = has_own_input(block + "ffn.gate");
    const bool fused_attn = linears_.contains(block + "attn.qkv"), fused_ffn = linears_.contains(block + "ffn.up_gate");
    if (fused_attn) TERN_TRY(check_linear(block + "attn.qkv", block + "attn.in", q + 2 * kv, hidden, true));
    for (const auto& [layer, rows] : {std::pair{"attn.q", q}, {"attn.k", kv}, {"attn.v", kv}}) {
      if (fused_attn) break;
      TERN_TRY(check_linear(block + layer, block + (own_attn ? layer + kOwnInput : "attn.in"), rows, hidden, true));
    }
    TERN_TRY(check_vector(block + "attn.q_norm", c.head_dim, false));
    TERN_TRY(check_vector(block + "attn.k_norm", c.head_dim, false));
    TERN_TRY(check_vector(block + "attn.sub_norm", q, false));
    TERN_TRY(check_linear(block + "attn.o", block + "attn.out", hidden, q, true));
    TERN_TRY(check_vector(block + "ffn.norm", hidden, true));
    if (fused_ffn) TERN_TRY(check_linear(block + "ffn.up_gate", block + "ffn.in", 2 * ffn, hidden, true));
    for (const char* layer : {"ffn.gate", "ffn.up"}) {
      if (fused_ffn) break;
      TERN_TRY(check_linear(block + layer, block + (own_ffn ? layer + kOwnInput : "ffn.in"), ffn, hidden, true));
    }
    TERN_TRY(check_vector(block + "ffn.sub_norm", ffn, false));
    return check_linear(block + "ffn.down", block + "ffn.mid", hidden, ffn, true);
  }

  // Of the layers that may share an input, the first one says whether each has its own.
  bool has_own_input(const std::string& name) const {
    const auto found = linears_.find(name);
    return found != linears_.end() && d_.inputs[d_.linears[found->second].input].name == name + kOwnInput;
  }

  Status check_shape(const TensorRecord& t, uint64_t rows, uint64_t cols) const {
    if (t.rows == rows && t.cols == cols) return {};
    return corrupt(fmt::format("tensor '{}' is {} x {}, expected {} x {}", t.name, t.rows, t.cols, rows, cols));
  }

  Status check_embedding() {
    const auto found = tensors_.find("embed.tokens");
    if (found == tensors_.end()) return corrupt("tensor 'embed.tokens' is missing");
    const TensorRecord& t = d_.tensors[found->second];
    mark(found->second);
    if (t.encoding.kind == EncodingKind::plain || t.encoding.kind == EncodingKind::index) {
      return corrupt(fmt::format("tensor '{}' is {}, expected a tiled matrix", t.name, describe(t.encoding)));
    }
    return check_shape(t, d_.config.vocab_size, d_.config.hidden_size);
  }

  Status check_vector(const std::string& name, uint64_t cols, bool required) {
    const auto found = tensors_.find(name);
    if (found == tensors_.end()) return required ? corrupt(fmt::format("tensor '{}' is missing", name)) : Status();
    const TensorRecord& t = d_.tensors[found->second];
    tensor_seen_[found->second] = true;
    if (t.encoding.kind != EncodingKind::plain) {
      return corrupt(fmt::format("tensor '{}' is {}, expected a plain vector", name, describe(t.encoding)));
    }
    return check_shape(t, 1, cols);
  }

  Status check_linear(const std::string& name, const std::string& input, uint64_t rows, uint64_t cols,
                      bool may_have_bias) {
    const auto found = linears_.find(name);
    if (found == linears_.end()) return corrupt(fmt::format("linear '{}' is missing", name));
    const LinearRecord& linear = d_.linears[found->second];
    linear_seen_[found->second] = true;
    if (linear.rows != rows || linear.cols != cols) {
      return corrupt(
          fmt::format("linear '{}' is {} x {}, expected {} x {}", name, linear.rows, linear.cols, rows, cols));
    }
    if (d_.inputs[linear.input].name != input) {
      return corrupt(
          fmt::format("linear '{}' reads input '{}', expected '{}'", name, d_.inputs[linear.input].name, input));
    }
    if (linear.bias != kNoTensor && !may_have_bias) {
      return corrupt(fmt::format("linear '{}' has a bias, which this architecture does not", name));
    }
    mark_references(linear);
    return {};
  }

  void mark(uint32_t tensor) {
    if (tensor == kNoTensor) return;
    tensor_seen_[tensor] = true;
    if (d_.tensors[tensor].codebook != kNoTensor) tensor_seen_[d_.tensors[tensor].codebook] = true;
  }

  void mark_references(const LinearRecord& linear) {
    input_seen_[linear.input] = true;
    mark(linear.bias);
    for (const Term& term : linear.terms) {
      for (uint32_t tensor : {term.tensor, term.second, term.third}) mark(tensor);
    }
    for (const OutputOp& op : linear.post) {
      for (uint32_t tensor : {op.tensor, op.matrix}) mark(tensor);
    }
    for (const InputOp& op : d_.inputs[linear.input].ops) {
      for (uint32_t tensor : {op.tensor, op.matrix}) mark(tensor);
    }
  }

  Status check_left_over() const {
    for (size_t i = 0; i < linear_seen_.size(); ++i) {
      if (!linear_seen_[i])
        return corrupt(fmt::format("linear '{}' is not part of this architecture", d_.linears[i].name));
    }
    for (size_t i = 0; i < input_seen_.size(); ++i) {
      if (!input_seen_[i]) return corrupt(fmt::format("input '{}' is not read by any linear", d_.inputs[i].name));
    }
    for (size_t i = 0; i < tensor_seen_.size(); ++i) {
      if (!tensor_seen_[i])
        return corrupt(fmt::format("tensor '{}' is not part of this architecture", d_.tensors[i].name));
    }
    return {};
  }

  inline static const std::string kOwnInput = ".in";
  using Index = std::unordered_map<std::string_view, uint32_t>;
  const ModelDescription& d_;
  Index tensors_, inputs_, linears_;
  std::vector<bool> tensor_seen_, input_seen_, linear_seen_;
};

}  // namespace

Status validate_model(const ModelDescription& description) { return ModelChecker(description).check(); }

}  // namespace tern
