#include "formats/import/huggingface.h"

#include <fmt/format.h>

#include <algorithm>

#include "formats/import/aqlm.h"
#include "formats/import/bitnet.h"
#include "formats/import/fairy2i.h"
#include "formats/import/huggingface_tensors.h"
#include "formats/import/quip.h"
#include "formats/import/ternary_matrix.h"
#include "formats/import/vptq.h"

namespace tern {
namespace {

using Entry = HuggingFaceTensors::Entry;

class HuggingFaceImporter {
 public:
  HuggingFaceImporter(const HfConfig& config, std::shared_ptr<const TensorSet> tensors, const ImportOptions& options)
      : config_(config), options_(options), tensors_(std::move(tensors), config.name) {}

  Result<SourceModel> run() {
    find_names();
    TERN_ASSIGN(storage_, linear_storage(config_, !norm_name_.empty()));
    TERN_TRY(check_input_norms());
    TERN_TRY(check_fairy2i());
    const bool bitnet = storage_ != LinearStorage::dense;
    fill_config();
    model_.linear_input = bitnet || config_.int8_activations ? TrainedInput::int8_per_token : TrainedInput::f32;
    TERN_TRY(add_dense("embed.tokens", root_ + "embed_tokens.weight", config_.vocab_size, config_.hidden_size));
    for (uint32_t i = 0; i < config_.layers; ++i) TERN_TRY(add_block(i));
    TERN_TRY(add_dense("output.norm", root_ + "norm.weight", 1, config_.hidden_size));
    TERN_TRY(add_head());
    TERN_TRY(tensors_.check_all_used(config_.architecture));
    model_.convention = convention();
    return std::move(model_);
  }

 private:
  // Embedding models lack the prefix "model."; those of BitNet have a norm for each projection, which quantization
  // with use_rms_norm has too, under another name.
  void find_names() {
    const bool prefixed = tensors_.find("model.embed_tokens.weight") || tensors_.find("model.norm.weight");
    if (config_.headless && !prefixed) root_.clear();
    for (const char* name : {".norm.weight", ".rms_norm.weight"}) {
      if (tensors_.find(root_ + "layers.0.self_attn.q_proj" + name)) norm_name_ = name;
    }
  }

  Status check_input_norms() const {
    const bool expected = config_.quantization && config_.quantization->input_norms;
    if (!norm_name_.empty() && config_.sub_norms) {
      return unsupported(config_.name + ": the checkpoint holds both sub-norms and a norm for each linear layer");
    }
    if (!expected || !norm_name_.empty()) return {};
    return not_found(
        fmt::format("{}: quantization_config.use_rms_norm is true, but the checkpoint lacks the tensor "
                    "'{}layers.0.self_attn.q_proj.rms_norm.weight'",
                    config_.name, root_));
  }

  Status check_fairy2i() const {
    if (options_.fairy2i_stages == 0) return {};
    if (storage_ != LinearStorage::dense) {
      return invalid_argument(fmt::format("{}: the checkpoint is BitNet's ({}), which contradicts Fairy2i's convention",
                                          config_.name, describe(storage_)));
    }
    if (const char* vectors = vector_name()) {
      return invalid_argument(
          fmt::format("{}: the checkpoint is {}'s, which contradicts Fairy2i's convention", config_.name, vectors));
    }
    if (config_.tied || config_.headless || options_.fairy2i_head) return {};
    return invalid_argument(fmt::format(
        "{}: nothing in a Fairy2i checkpoint says whether its head was trained quantized: say which (--fairy2i-head)",
        config_.name));
  }

  // Of vector-quantized layers; null: none.
  const char* vector_name() const {
    if (config_.vptq) return "VPTQ";
    if (config_.aqlm) return "AQLM";
    return config_.quip ? "QuIP#" : nullptr;
  }

  std::string convention() const {
    if (options_.fairy2i_stages != 0) {
      return fmt::format("Fairy2i v{} ({} layers from masters, {} saved quantized, {} left dense)",
                         options_.fairy2i_stages, fairy2i_.masters, fairy2i_.quantized, fairy2i_.dense);
    }
    std::string text = storage_ != LinearStorage::dense ? fmt::format("BitNet b1.58 ({})", describe(storage_))
                                                        : fmt::format("Hugging Face {}", family_name());
    if (const char* vectors = vector_name()) text.append(", ").append(vectors);
    return text;
  }

  // "Qwen2" of "Qwen2ForCausalLM"
  std::string family_name() const {
    const std::string& a = config_.architecture;
    return a.substr(0, std::min(a.find("For"), a.find("Model")));
  }

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
    c.window = config_.window;
    fill_rope_scaling(c);
    model_.tied_head = config_.tied || config_.headless;
  }

  void fill_rope_scaling(ModelConfig& c) const {
    const HfRopeScaling& s = config_.rope_scaling;
    if (s.type == "default") return;
    c.rope_scaling = s.type == "linear" ? RopeScaling::linear : RopeScaling::llama3;
    c.rope_factor = static_cast<float>(s.factor.value_or(0));
    c.rope_low_frequency = static_cast<float>(s.low_frequency.value_or(0));
    c.rope_high_frequency = static_cast<float>(s.high_frequency.value_or(0));
    c.rope_trained_context = s.trained_context;
  }

  Status add_block(uint32_t i) {
    const std::string ours = fmt::format("blocks.{}.", i), theirs = fmt::format("{}layers.{}.", root_, i);
    const uint64_t d = config_.hidden_size, f = config_.intermediate_size;
    const uint64_t q = uint64_t{config_.heads} * config_.head_dim, kv = uint64_t{config_.kv_heads} * config_.head_dim;
    TERN_TRY(add_dense(ours + "attn.norm", theirs + "input_layernorm.weight", 1, d));
    if (config_.quip) {
      TERN_TRY(add_quip(ours + "attn.qkv", theirs + "self_attn.qkv_proj", {q, kv, kv}, d, config_.qkv_bias));
    } else {
      TERN_TRY(add_linear(ours + "attn.q", theirs + "self_attn.q_proj", q, d, config_.qkv_bias));
      TERN_TRY(add_linear(ours + "attn.k", theirs + "self_attn.k_proj", kv, d, config_.qkv_bias));
      TERN_TRY(add_linear(ours + "attn.v", theirs + "self_attn.v_proj", kv, d, config_.qkv_bias));
    }
    TERN_TRY(add_head_norms(ours, theirs));
    TERN_TRY(add_sub_norm(ours + "attn.sub_norm", theirs, {"self_attn.attn_sub_norm", "self_attn.inner_attn_ln"}, q));
    TERN_TRY(add_linear(ours + "attn.o", theirs + "self_attn.o_proj", d, q, config_.o_bias));
    TERN_TRY(add_dense(ours + "ffn.norm", theirs + "post_attention_layernorm.weight", 1, d));
    if (config_.quip) {
      TERN_TRY(add_quip(ours + "ffn.up_gate", theirs + "mlp.upgate_proj", {f, f}, d, config_.mlp_bias));
    } else {
      TERN_TRY(add_linear(ours + "ffn.gate", theirs + "mlp.gate_proj", f, d, config_.mlp_bias));
      TERN_TRY(add_linear(ours + "ffn.up", theirs + "mlp.up_proj", f, d, config_.mlp_bias));
    }
    TERN_TRY(add_sub_norm(ours + "ffn.sub_norm", theirs, {"mlp.ffn_sub_norm", "mlp.ffn_layernorm"}, f));
    TERN_TRY(add_linear(ours + "ffn.down", theirs + "mlp.down_proj", d, f, config_.mlp_bias));
    return norm_name_.empty() ? Status() : add_input_norms(ours, theirs);
  }

  Status add_head_norms(const std::string& ours, const std::string& theirs) {
    if (!config_.head_norms) return {};
    TERN_TRY(add_dense(ours + "attn.q_norm", theirs + "self_attn.q_norm.weight", 1, config_.head_dim));
    return add_dense(ours + "attn.k_norm", theirs + "self_attn.k_norm.weight", 1, config_.head_dim);
  }

  // The norms of o and down, which share their input with no other layer, are what elsewhere are sub-norms.
  Status add_input_norms(const std::string& ours, const std::string& theirs) {
    const uint64_t d = config_.hidden_size, q = uint64_t{config_.heads} * config_.head_dim;
    TERN_TRY(add_dense(ours + "attn.sub_norm", theirs + "self_attn.o_proj" + norm_name_, 1, q));
    TERN_TRY(add_dense(ours + "ffn.sub_norm", theirs + "mlp.down_proj" + norm_name_, 1, config_.intermediate_size));
    for (const char* name : {"attn.q", "attn.k", "attn.v", "ffn.gate", "ffn.up"}) {
      const std::string module =
          (name[0] == 'a' ? "self_attn." : "mlp.") + std::string(name).substr(name[0] == 'a' ? 5 : 4);
      TERN_TRY(add_dense(ours + name + ".in.norm", theirs + module + "_proj" + norm_name_, 1, d));
    }
    return {};
  }

  // BitNet's own architecture has these norms, under the names of transformers or of 1bitLLM.
  Status add_sub_norm(const std::string& name, const std::string& block,
                      const std::pair<const char*, const char*>& names, uint64_t cols) {
    if (!config_.sub_norms) return {};
    const std::string first = block + names.first + ".weight", second = block + names.second + ".weight";
    return add_dense(name, tensors_.find(first) || !tensors_.find(second) ? first : second, 1, cols);
  }

  Status add_dense(const std::string& name, const std::string& source, uint64_t rows, uint64_t cols) {
    TERN_ASSIGN(auto matrix, tensors_.dense(name, source, rows, cols));
    model_.matrices.push_back(std::move(matrix));
    return {};
  }

  Status add_linear(const std::string& name, const std::string& module, uint64_t rows, uint64_t cols, bool bias) {
    const std::string source = module + ".weight";
    if (!bias && tensors_.find(module + ".bias")) {
      return unsupported(fmt::format("{}: the checkpoint holds '{}.bias', which {} as the config describes it has not",
                                     config_.name, module, config_.architecture));
    }
    if (bias) TERN_TRY(add_bias(name + ".bias", module + ".bias", rows));
    if (config_.quip) return add_quip(name, module, {rows}, cols, bias);
    if (config_.vptq) {
      if (const HfVptqLayer* layer = config_.vptq->find(module)) {
        if (layer->bias != bias) return contradiction(module, "bias", layer->bias);
        return add_vptq_layer(*layer, name, module, rows, cols, tensors_, model_);
      }
    }
    if (config_.aqlm && !config_.aqlm->dense.contains(source)) {
      return add_aqlm_layer(*config_.aqlm, name, module, rows, cols, tensors_, model_);
    }
    if (storage_ == LinearStorage::packed_multiply || storage_ == LinearStorage::packed_divide) {
      return add_packed(name, source, rows, cols);
    }
    if (const Entry* entry = tensors_.find(source); entry && entry->tensor.type == ForeignType::u8) {
      return unsupported(fmt::format("{}: tensor '{}' is packed ({}) but {} has no quantization_config that says how",
                                     entry->file->path(), source, describe(entry->tensor), config_.name));
    }
    TERN_ASSIGN(auto matrix, tensors_.dense(name, source, rows, cols));
    if (storage_ != LinearStorage::dense) {
      TERN_ASSIGN(matrix,
                  ternary_master(std::move(matrix), storage_, fmt::format("{}: tensor '{}'", config_.name, source)));
    }
    if (options_.fairy2i_stages != 0) {
      TERN_ASSIGN(matrix, fairy2i_matrix(std::move(matrix), options_, fairy2i_));
    }
    model_.matrices.push_back(std::move(matrix));
    return {};
  }

  Status add_quip(const std::string& name, const std::string& module, const std::vector<uint64_t>& parts, uint64_t cols,
                  bool bias) {
    if (bias) return unsupported(fmt::format("{}: QuIP# layers with a bias ('{}')", config_.name, module));
    return add_quip_layer(*config_.quip, name, module, parts, cols, tensors_, model_);
  }

  Status contradiction(const std::string& module, const char* field, bool value) const {
    return corrupt(fmt::format("{}: '{}' of layer '{}' is {}, which contradicts {}", config_.name, field, module, value,
                               config_.architecture));
  }

  Status add_bias(const std::string& name, const std::string& source, uint64_t rows) {
    if (storage_ == LinearStorage::packed_multiply) {
      return unsupported(
          fmt::format("{}: '{}': a bias beside autobitlinear's packed weights, which transformers "
                      "multiplies by the scale, is not supported",
                      config_.name, source));
    }
    return add_dense(name, source, 1, rows);
  }

  Status add_packed(const std::string& name, const std::string& source, uint64_t rows, uint64_t cols) {
    if (rows % 4 != 0) {
      return unsupported(
          fmt::format("{}: '{}' has {} rows: packed BitNet layers need a multiple of 4", config_.name, source, rows));
    }
    TERN_ASSIGN(const Entry* entry, tensors_.require(source, {rows / 4, cols}));
    if (entry->tensor.type != ForeignType::u8) {
      return unsupported(fmt::format("{}: tensor '{}' is {}, but quantization_config says packed U8",
                                     entry->file->path(), source, describe(entry->tensor)));
    }
    TERN_ASSIGN(const float stored, tensors_.scalar(source + "_scale"));
    TERN_ASSIGN(const float scale,
                packed_scale(storage_, stored, fmt::format("{}: tensor '{}_scale'", entry->file->path(), source)));
    auto matrix = std::make_unique<PackedBitnetMatrix>(tensors_.view(*entry), scale, rows, cols);
    matrix->name = name;
    matrix->source_name = source;
    TERN_TRY(matrix->check());
    model_.matrices.push_back(std::move(matrix));
    return {};
  }

  // A head that was trained quantized is a matrix of its own, though its masters are the embedding's.
  Status add_fairy2i_head() {
    const bool tied = model_.tied_head;
    model_.tied_head = false;
    TERN_ASSIGN(auto matrix, tensors_.dense("head", tied ? root_ + "embed_tokens.weight" : "lm_head.weight",
                                            config_.vocab_size, config_.hidden_size));
    TERN_ASSIGN(matrix, fairy2i_matrix(std::move(matrix), options_, fairy2i_));
    model_.matrices.push_back(std::move(matrix));
    return {};
  }

  Status add_head() {
    const char* name = "lm_head.weight";
    if (options_.fairy2i_stages != 0 && options_.fairy2i_head.value_or(false)) TERN_TRY(add_fairy2i_head());
    if (model_.find("head")) return {};
    if (!model_.tied_head) {
      return add_dense("head", name, config_.vocab_size, config_.hidden_size).within("tie_word_embeddings is false");
    }
    if (config_.headless)
      model_.metadata.emplace_back("head", "none in the checkpoint; the embedding stands in for it");
    if (!tensors_.find(name)) return {};
    return tensors_.expect_copy(name, root_ + "embed_tokens.weight").within("tie_word_embeddings is true");
  }

  const HfConfig& config_;
  const ImportOptions& options_;
  HuggingFaceTensors tensors_;
  LinearStorage storage_ = LinearStorage::dense;
  Fairy2iCounts fairy2i_;
  std::string root_ = "model.";
  std::string norm_name_;  // of the norm inside each linear layer; empty: none
  SourceModel model_;
};

}  // namespace

Result<SourceModel> import_huggingface(const HfConfig& config, std::shared_ptr<const TensorSet> tensors,
                                       const ImportOptions& options) {
  return HuggingFaceImporter(config, std::move(tensors), options).run();
}

}  // namespace tern
