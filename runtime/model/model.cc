#include "runtime/model/model.h"

#include <fmt/format.h>

#include <algorithm>
#include <initializer_list>
#include <new>

#include "formats/tern/validate.h"
#include "runtime/model/linear_planner.h"
#include "runtime/model/parts.h"
#include "runtime/model/rope_table.h"

namespace tern {
namespace {

// Layers side by side, unless they are fused in one: all read `shared`, or each an input of its own that is made from
// it.
Status plan_group(const LinearPlanner& planner, const std::string& at,
                  std::initializer_list<std::pair<const char*, LinearPlan*>> layers,
                  std::pair<const char*, LinearPlan*> fused, InputPlan& shared, std::vector<InputPlan>& own) {
  if (planner.has(at + fused.first)) return planner.plan(at + fused.first, shared, *fused.second);
  const bool separate = planner.has_own_input(at + layers.begin()->first);
  if (separate) own.resize(layers.size());
  size_t i = 0;
  for (const auto& [name, plan] : layers) {
    TERN_TRY(planner.plan(at + name, separate ? own[i++] : shared, *plan));
  }
  if (separate) share_raw_rows(shared, own);
  return {};
}

Status plan_block(const LinearPlanner& planner, uint32_t index, Block& b) {
  const std::string at = fmt::format("blocks.{}.", index);
  TERN_ASSIGN(b.attn_norm, planner.tensors().values(at + "attn.norm"));
  TERN_ASSIGN(b.q_norm, planner.tensors().values(at + "attn.q_norm"));
  TERN_ASSIGN(b.k_norm, planner.tensors().values(at + "attn.k_norm"));
  TERN_ASSIGN(b.attn_sub_norm, planner.tensors().values(at + "attn.sub_norm"));
  TERN_ASSIGN(b.ffn_norm, planner.tensors().values(at + "ffn.norm"));
  TERN_ASSIGN(b.ffn_sub_norm, planner.tensors().values(at + "ffn.sub_norm"));
  TERN_TRY(plan_group(planner, at, {{"attn.q", &b.q}, {"attn.k", &b.k}, {"attn.v", &b.v}}, {"attn.qkv", &b.qkv},
                      b.attn_in, b.attn_own));
  TERN_TRY(planner.plan(at + "attn.o", b.attn_out, b.o));
  TERN_TRY(plan_group(planner, at, {{"ffn.gate", &b.gate}, {"ffn.up", &b.up}}, {"ffn.up_gate", &b.up_gate}, b.ffn_in,
                      b.ffn_own));
  TERN_TRY(planner.plan(at + "ffn.down", b.ffn_mid, b.down));
  return {};
}

Result<std::unique_ptr<Model::Parts>> build(std::shared_ptr<const TernFile> file, const LoadOptions& options) {
  auto parts = std::make_unique<Model::Parts>();
  TERN_ASSIGN(parts->features, cap_features(detect_cpu().features, options.isa));
  parts->file = std::move(file);
  TERN_TRY(validate_model(parts->file->description()).within(parts->file->path()));
  if (options.check_tensors) TERN_TRY(parts->file->verify_payload());
  const ModelConfig& c = parts->config();
  if (c.rope_base < 1) {
    return unsupported(
        fmt::format("{}: rope_base {}: this version runs bases from 1 on", parts->file->path(), c.rope_base));
  }
  parts->elements = &select_elements(parts->features, [&](const ElementKernels& kernels) {
    if (agrees_with_reference(kernels)) return true;
    parts->elements_passed_over.push_back(&kernels);
    return false;
  });
  parts->rope_frequencies = rope_frequencies(c);
  const LinearPlanner planner(*parts->file, parts->features, options);
  parts->blocks.resize(c.layers);
  for (uint32_t i = 0; i < c.layers; ++i) TERN_TRY(plan_block(planner, i, parts->blocks[i]));
  TERN_ASSIGN(parts->embedding, planner.tensors().matrix(parts->file->find_tensor("embed.tokens")));
  TERN_ASSIGN(parts->output_norm, planner.tensors().values("output.norm"));
  TERN_TRY(planner.plan("head", parts->head_in, parts->head));
  return parts;
}

}  // namespace

Model::Model(std::unique_ptr<Parts> parts) : parts_(std::move(parts)) {}
Model::~Model() = default;

Result<std::shared_ptr<const Model>> Model::load(const std::string& path, const LoadOptions& options) {
  TERN_ASSIGN(auto file, TernFile::open(path, options.access));
  return create(std::move(file), options);
}

Result<std::shared_ptr<const Model>> Model::create(std::shared_ptr<const TernFile> file, const LoadOptions& options) {
  try {
    TERN_ASSIGN(auto parts, build(std::move(file), options));
    return std::shared_ptr<const Model>(new Model(std::move(parts)));
  } catch (const std::bad_alloc&) {
    return out_of_memory("not enough memory for the model's plans");
  }
}

const TernFile& Model::file() const { return *parts_->file; }
const ModelConfig& Model::config() const { return parts_->config(); }
CpuFeatures Model::features() const { return parts_->features; }

std::vector<std::string> Model::kernels() const {
  std::vector<std::string> names;
  parts_->for_each_linear([&](const LinearPlan& l) {
    for (const LinearPlan::Choice& choice : l.kernels) {
      const char* name = choice.kernel->name;
      if (std::find(names.begin(), names.end(), name) == names.end()) names.push_back(name);
    }
  });
  return names;
}

std::vector<std::string> Model::warnings() const {
  std::vector<std::string> sentences;
  const auto add = [&](const std::string& failed, const std::string& used) {
    std::string sentence = fmt::format("{} gives wrong results on this CPU; {} is used", failed, used);
    if (std::find(sentences.begin(), sentences.end(), sentence) == sentences.end()) {
      sentences.push_back(std::move(sentence));
    }
  };
  parts_->for_each_linear([&](const LinearPlan& l) {
    for (const LinearPlan::Choice& choice : l.kernels) {
      for (const LinearKernelEntry* kernel : choice.passed_over) add(kernel->name, choice.kernel->name);
    }
  });
  for (const ElementKernels* table : parts_->elements_passed_over) {
    add(fmt::format("elements ({})", table->isa), fmt::format("elements ({})", parts_->elements->isa));
  }
  return sentences;
}

uint64_t Model::products_per_token() const {
  uint64_t products = 0;
  parts_->for_each_linear([&](const LinearPlan& l) { products += l.products; });
  return products - parts_->head.products;
}

uint64_t Model::bytes_per_token() const {
  uint64_t bytes = parts_->embedding.layout.code_bytes / parts_->embedding.rows;
  parts_->for_each_linear([&](const LinearPlan& l) { bytes += l.weight_bytes; });
  return bytes;
}

}  // namespace tern
