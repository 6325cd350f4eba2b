#include "formats/import/huggingface.h"

#include <fmt/format.h>

#include <cstring>
#include <optional>
#include <set>

#include "base/half.h"
#include "formats/import/bitnet.h"
#include "formats/import/dense_matrix.h"
#include "formats/import/ternary_matrix.h"

namespace tern {
namespace {

using Entry = TensorSet::Entry;

class Importer {
 public:
  Importer(const HfConfig& config, std::shared_ptr<const TensorSet> tensors)
      : config_(config), tensors_(std::move(tensors)) {}

  Result<SourceModel> run() {
    TERN_ASSIGN(storage_, linear_storage(config_));
    const bool bitnet = storage_ != LinearStorage::dense;
    fill_config();
    model_.linear_input = bitnet || config_.int8_activations ? TrainedInput::int8_per_token : TrainedInput::f32;
    model_.convention = bitnet ? fmt::format("BitNet b1.58 ({})", describe(storage_)) : "Hugging Face Llama";
    TERN_TRY(add_dense("embed.tokens", "model.embed_tokens.weight", config_.vocab_size, config_.hidden_size));
    for (uint32_t i = 0; i < config_.layers; ++i) TERN_TRY(add_block(i));
    TERN_TRY(add_dense("output.norm", "model.norm.weight", 1, config_.hidden_size));
    TERN_TRY(add_head());
    TERN_TRY(check_all_used());
    return std::move(model_);
  }

 private:
  void fill_config() {
    ModelConfig& c = model_.config;
    c.vocab_size = config_.vocab_size;
    c.hidden_size = config_.hidden_size;
    c.ffn_size = config_.intermediate_size;
    c.layers = config_.layers;
    c.heads = config_.heads;
    c.kv_heads = config_.kv_heads;
    c.head_dim = config_.head_dim;
    c.context = config_.context;
    c.norm_eps = static_cast<float>(config_.norm_eps);
    c.final_norm_eps = static_cast<float>(config_.final_norm_eps);
    c.rope_base = static_cast<float>(config_.rope_theta);
    c.rope_pairing = RopePairing::halves;
    c.activation = config_.hidden_act == "relu2" ? Activation::relu2 : Activation::silu;
    model_.tied_head = config_.tied;
  }

  Status add_block(uint32_t i) {
    const std::string ours = fmt::format("blocks.{}.", i), theirs = fmt::format("model.layers.{}.", i);
    const uint64_t d = config_.hidden_size, f = config_.intermediate_size;
    const uint64_t q = uint64_t{config_.heads} * config_.head_dim, kv = uint64_t{config_.kv_heads} * config_.head_dim;
    TERN_TRY(add_dense(ours + "attn.norm", theirs + "input_layernorm.weight", 1, d));
    TERN_TRY(add_linear(ours + "attn.q", theirs + "self_attn.q_proj", q, d));
    TERN_TRY(add_linear(ours + "attn.k", theirs + "self_attn.k_proj", kv, d));
    TERN_TRY(add_linear(ours + "attn.v", theirs + "self_attn.v_proj", kv, d));
    TERN_TRY(add_sub_norm(ours + "attn.sub_norm", theirs, {"self_attn.attn_sub_norm", "self_attn.inner_attn_ln"}, q));
    TERN_TRY(add_linear(ours + "attn.o", theirs + "self_attn.o_proj", d, q));
    TERN_TRY(add_dense(ours + "ffn.norm", theirs + "post_attention_layernorm.weight", 1, d));
    TERN_TRY(add_linear(ours + "ffn.gate", theirs + "mlp.gate_proj", f, d));
    TERN_TRY(add_linear(ours + "ffn.up", theirs + "mlp.up_proj", f, d));
    TERN_TRY(add_sub_norm(ours + "ffn.sub_norm", theirs, {"mlp.ffn_sub_norm", "mlp.ffn_layernorm"}, f));
    return add_linear(ours + "ffn.down", theirs + "mlp.down_proj", d, f);
  }

  // BitNet's own architecture has these norms, under the names of transformers or of 1bitLLM; Llama has not.
  Status add_sub_norm(const std::string& name, const std::string& block,
                      const std::pair<const char*, const char*>& names, uint64_t cols) {
    if (config_.architecture == "LlamaForCausalLM") return {};
    const std::string first = block + names.first + ".weight", second = block + names.second + ".weight";
    return add_dense(name, tensors_->find(first) || !tensors_->find(second) ? first : second, 1, cols);
  }

  Result<const Entry*> require(const std::string& name, const std::vector<uint64_t>& shape) {
    const Entry* entry = tensors_->find(name);
    if (!entry) return not_found(fmt::format("{}: the checkpoint lacks the tensor '{}'", config_.name, name));
    if (entry->tensor.shape != shape) {
      ForeignTensor expected = entry->tensor;
      expected.shape = shape;
      return corrupt(fmt::format("{}: tensor '{}' is {}, {} asks for {}", entry->file->path(), name,
                                 describe(entry->tensor), config_.name, describe(expected)));
    }
    used_.insert(name);
    return entry;
  }

  ByteView view(const Entry& entry) const { return {tensors_, entry.file, entry.tensor.offset, entry.tensor.bytes}; }

  static std::optional<FloatType> float_type(ForeignType type) {
    if (type == ForeignType::f32) return FloatType::f32;
    if (type == ForeignType::f16) return FloatType::f16;
    if (type == ForeignType::bf16) return FloatType::bf16;
    return {};
  }

  // rows = 1: a vector.
  Result<std::unique_ptr<SourceMatrix>> dense(const std::string& name, const std::string& source, uint64_t rows,
                                              uint64_t cols) {
    const std::vector<uint64_t> shape = rows == 1 ? std::vector{cols} : std::vector{rows, cols};
    TERN_ASSIGN(const Entry* entry, require(source, shape));
    const auto type = float_type(entry->tensor.type);
    if (!type) {
      return unsupported(fmt::format("{}: tensor '{}' is {}, expected F32, F16 or BF16", entry->file->path(), source,
                                     describe(entry->tensor)));
    }
    auto matrix = std::make_unique<DenseMatrix>(view(*entry), *type, rows, cols);
    matrix->name = name;
    matrix->source_name = source;
    return std::unique_ptr<SourceMatrix>(std::move(matrix));
  }

  Status add_dense(const std::string& name, const std::string& source, uint64_t rows, uint64_t cols) {
    TERN_ASSIGN(auto matrix, dense(name, source, rows, cols));
    model_.matrices.push_back(std::move(matrix));
    return {};
  }

  Status add_linear(const std::string& name, const std::string& module, uint64_t rows, uint64_t cols) {
    const std::string source = module + ".weight";
    if (tensors_->find(module + ".bias")) {
      return unsupported(
          fmt::format("{}: the checkpoint holds '{}.bias': biases are not supported", config_.name, module));
    }
    if (storage_ == LinearStorage::packed_multiply || storage_ == LinearStorage::packed_divide) {
      return add_packed(name, source, rows, cols);
    }
    if (const Entry* entry = tensors_->find(source); entry && entry->tensor.type == ForeignType::u8) {
      return unsupported(fmt::format("{}: tensor '{}' is packed ({}) but {} has no quantization_config that says how",
                                     entry->file->path(), source, describe(entry->tensor), config_.name));
    }
    TERN_ASSIGN(auto matrix, dense(name, source, rows, cols));
    if (storage_ != LinearStorage::dense) {
      TERN_ASSIGN(matrix,
                  ternary_master(std::move(matrix), storage_, fmt::format("{}: tensor '{}'", config_.name, source)));
    }
    model_.matrices.push_back(std::move(matrix));
    return {};
  }

  Status add_packed(const std::string& name, const std::string& source, uint64_t rows, uint64_t cols) {
    if (rows % 4 != 0) {
      return unsupported(
          fmt::format("{}: '{}' has {} rows: packed BitNet layers need a multiple of 4", config_.name, source, rows));
    }
    TERN_ASSIGN(const Entry* entry, require(source, {rows / 4, cols}));
    if (entry->tensor.type != ForeignType::u8) {
      return unsupported(fmt::format("{}: tensor '{}' is {}, but quantization_config says packed U8",
                                     entry->file->path(), source, describe(entry->tensor)));
    }
    TERN_ASSIGN(const float scale, read_scale(source + "_scale"));
    auto matrix = std::make_unique<PackedBitnetMatrix>(view(*entry), scale, rows, cols);
    matrix->name = name;
    matrix->source_name = source;
    TERN_TRY(matrix->check());
    model_.matrices.push_back(std::move(matrix));
    return {};
  }

  Result<float> read_scale(const std::string& name) {
    const Entry* entry = tensors_->find(name);
    const std::vector<uint64_t> scalar = {};
    TERN_ASSIGN(entry, require(name, entry && entry->tensor.shape.empty() ? scalar : std::vector<uint64_t>{1}));
    const auto type = float_type(entry->tensor.type);
    const std::string where = fmt::format("{}: tensor '{}'", entry->file->path(), name);
    if (!type) return unsupported(fmt::format("{} is {}, expected F32, F16 or BF16", where, describe(entry->tensor)));
    uint16_t half = 0;
    float value = 0;
    if (*type == FloatType::f32) {
      std::memcpy(&value, entry->bytes().data(), 4);
    } else {
      std::memcpy(&half, entry->bytes().data(), 2);
      value = *type == FloatType::f16 ? f16_to_f32(half) : bf16_to_f32(half);
    }
    return packed_scale(storage_, value, where);
  }

  Status add_head() {
    const char* name = "lm_head.weight";
    const Entry* head = tensors_->find(name);
    if (!config_.tied)
      return add_dense("head", name, config_.vocab_size, config_.hidden_size).within("tie_word_embeddings is false");
    if (!head) return {};
    // Some exporters store the tied matrix twice.
    const Entry* embed = tensors_->find("model.embed_tokens.weight");
    const ByteView a = view(*head), b = view(*embed);
    if (head->tensor.type != embed->tensor.type || head->tensor.shape != embed->tensor.shape || !equal_bytes(a, b)) {
      return corrupt(fmt::format("{}: tie_word_embeddings is true, but the checkpoint holds a '{}' of its own",
                                 config_.name, name));
    }
    used_.insert(name);
    return {};
  }

  static bool equal_bytes(const ByteView& a, const ByteView& b) {
    constexpr uint64_t kChunk = uint64_t{1} << 22;
    for (uint64_t at = 0; at < a.bytes; at += kChunk) {
      const uint64_t size = std::min(kChunk, a.bytes - at);
      if (std::memcmp(a.data() + at, b.data() + at, size) != 0) return false;
      a.release(at, size);
      b.release(at, size);
    }
    return true;
  }

  Status check_all_used() const {
    for (const auto& [name, entry] : tensors_->entries()) {
      const bool harmless = name.ends_with("rotary_emb.inv_freq");  // a table that old versions stored
      if (harmless || used_.contains(name)) continue;
      return unsupported(fmt::format("{}: tensor '{}' {} is not part of a {} model as {} describes it",
                                     entry.file->path(), name, describe(entry.tensor), config_.architecture,
                                     config_.name));
    }
    return {};
  }

  const HfConfig& config_;
  std::shared_ptr<const TensorSet> tensors_;
  LinearStorage storage_ = LinearStorage::dense;
  SourceModel model_;
  std::set<std::string> used_;
};

}  // namespace

Result<SourceModel> import_huggingface(const HfConfig& config, std::shared_ptr<const TensorSet> tensors) {
  return Importer(config, std::move(tensors)).run();
}

}  // namespace tern
