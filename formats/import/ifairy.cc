#include "formats/import/ifairy.h"

#include <fmt/format.h>

#include "formats/import/complex_matrix.h"
#include "formats/import/huggingface_tensors.h"
#include "formats/import/phase_matrix.h"

namespace tern {
namespace {

class FairyImporter {
 public:
  FairyImporter(const HfConfig& config, std::shared_ptr<const TensorSet> tensors)
      : config_(config), tensors_(std::move(tensors), config.name) {}

  Result<SourceModel> run() {
    TERN_TRY(check_config());
    fill_config();
    model_.linear_input = TrainedInput::int8_per_half;
    model_.convention = "iFairy (complex masters)";
    const uint64_t d = config_.hidden_size;
    TERN_TRY(add_beside("embed.tokens", "token_embeddings_real.weight", "token_embeddings_imag.weight",
                        config_.vocab_size, d, 1));
    for (uint32_t i = 0; i < config_.layers; ++i) TERN_TRY(add_block(i));
    TERN_TRY(add_norm("output.norm", "final_norm", d));
    TERN_ASSIGN(auto head, tensors_.dense("head", "lm_head.weight", config_.vocab_size, 2 * d));
    model_.matrices.push_back(std::move(head));
    TERN_TRY(tensors_.check_all_used(config_.architecture));
    return std::move(model_);
  }

 private:
  Status check_config() const {
    if (uint64_t{config_.heads} * config_.head_dim != config_.hidden_size) {
      return unsupported(fmt::format("{}: {} heads of {} numbers, expected hidden_size, {}, in all", config_.name,
                                     config_.heads, config_.head_dim, config_.hidden_size));
    }
    if (config_.quantization || config_.rope_scaling.type != "default") {
      return unsupported(fmt::format("{}: {} is not known of {}", config_.name,
                                     config_.quantization ? "quantization_config" : "rope_scaling",
                                     config_.architecture));
    }
    return {};
  }

  // mean |z|^2 + eps over complex numbers is twice the mean of their parts' squares plus eps / 2.
  void fill_config() {
    ModelConfig& c = model_.config;
    c.vocab_size = config_.vocab_size;
    c.hidden_size = 2 * config_.hidden_size;
    c.ffn_size = 2 * config_.intermediate_size;
    c.layers = config_.layers;
    c.heads = config_.heads;
    c.kv_heads = config_.kv_heads;
    c.head_dim = 2 * config_.head_dim;
    c.context = config_.context;
    c.norm_eps = static_cast<float>(config_.norm_eps / 2);
    c.final_norm_eps = c.norm_eps;
    c.rope_base = static_cast<float>(config_.rope_theta);
    c.rope_pairing = RopePairing::halves;
    c.activation = Activation::complex_relu2;
    c.numbers = Numbers::complex;
  }

  Status add_block(uint32_t i) {
    const std::string ours = fmt::format("blocks.{}.", i), theirs = fmt::format("layer.{}.", i);
    const uint64_t d = config_.hidden_size, f = config_.intermediate_size;
    const uint64_t kv = uint64_t{config_.kv_heads} * config_.head_dim;
    TERN_TRY(add_norm(ours + "attn.norm", theirs + "pre_layernorm", d));
    TERN_TRY(add_linear(ours + "attn.q", theirs + "self_attn.q_proj", d, d));
    TERN_TRY(add_linear(ours + "attn.k", theirs + "self_attn.k_proj", kv, d));
    TERN_TRY(add_linear(ours + "attn.v", theirs + "self_attn.v_proj", kv, d));
    TERN_TRY(add_norm(ours + "attn.sub_norm", theirs + "self_attn.attn_layernorm", d));
    TERN_TRY(add_linear(ours + "attn.o", theirs + "self_attn.o_proj", d, d));
    TERN_TRY(add_norm(ours + "ffn.norm", theirs + "post_layernorm", d));
    TERN_TRY(add_linear(ours + "ffn.gate", theirs + "mlp.gate_proj", f, d));
    TERN_TRY(add_linear(ours + "ffn.up", theirs + "mlp.up_proj", f, d));
    TERN_TRY(add_norm(ours + "ffn.sub_norm", theirs + "mlp.ffn_layernorm", f));
    return add_linear(ours + "ffn.down", theirs + "mlp.down_proj", d, f);
  }

  Status add_beside(const std::string& name, const std::string& re_name, const std::string& im_name, uint64_t rows,
                    uint64_t cols, float factor) {
    TERN_ASSIGN(auto re, tensors_.dense(name, re_name, rows, cols));
    TERN_ASSIGN(auto im, tensors_.dense(name, im_name, rows, cols));
    model_.matrices.push_back(std::make_unique<SideBySideMatrix>(std::move(re), std::move(im), factor));
    return {};
  }

  Status add_norm(const std::string& name, const std::string& module, uint64_t numbers) {
    constexpr float kHalfRoot = 0.70710678f;  // 1 / sqrt(2), see fill_config
    return add_beside(name, module + ".weight_real", module + ".weight_imag", 1, numbers, kHalfRoot);
  }

  Status add_linear(const std::string& name, const std::string& module, uint64_t rows, uint64_t cols) {
    TERN_ASSIGN(auto re, tensors_.dense(name, module + ".weight_real", rows, cols));
    TERN_ASSIGN(auto im, tensors_.dense(name, module + ".weight_imag", rows, cols));
    PhaseForm form;
    form.options.stages = 1;
    form.options.rule = PhaseScaleRule::ifairy;
    if (re->form.value_type == FloatType::bf16) form.options.arithmetic = PhaseArithmetic::bf16;
    form.conjugate_only = true;
    TERN_ASSIGN(auto matrix, PhaseMatrix::fit(std::make_unique<ConjugateMatrix>(std::move(re), std::move(im)), form));
    model_.matrices.push_back(std::move(matrix));
    return {};
  }

  const HfConfig& config_;
  HuggingFaceTensors tensors_;
  SourceModel model_;
};

}  // namespace

Result<SourceModel> import_ifairy(const HfConfig& config, std::shared_ptr<const TensorSet> tensors) {
  return FairyImporter(config, std::move(tensors)).run();
}

}  // namespace tern
