// One vector-quantized layer of a folder in a publisher's layout: imported, written as the up projection of a model
// that is otherwise zero, and run. For tests/import/vector_layers.
//
// usage: import_layer FOLDER MODULE ROWS COLS OUT.tern < x > y      x, y: f32, one input or output after the other
#include <fmt/format.h>

#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include "base/checked.h"
#include "formats/foreign/json_document.h"
#include "formats/import/aqlm.h"
#include "formats/import/composition.h"
#include "formats/import/convert.h"
#include "formats/import/quip.h"
#include "formats/import/vptq.h"
#include "runtime/model/linear_run.h"
#include "runtime/model/parts.h"
#include "runtime/session/workspace.h"

namespace tern {
namespace {

constexpr uint32_t kHead = 2;  // head_dim, vocabulary

void add_zeros(SourceModel& model, const std::string& name, uint64_t rows, uint64_t cols) {
  const Encoding encoding = rows == 1 ? plain_encoding(FloatType::f32) : dense_encoding(FloatType::f16);
  model.matrices.push_back(std::make_unique<ValueMatrix>(name, std::vector<float>(rows * cols), cols, encoding));
}

// What stands around the layer.
void add_rest(SourceModel& model, uint32_t rows, uint32_t cols) {
  ModelConfig& c = model.config;
  c.vocab_size = kHead, c.hidden_size = cols, c.ffn_size = rows, c.layers = 1;
  c.heads = c.kv_heads = 1, c.head_dim = kHead, c.context = 8;
  model.tied_head = true;
  model.convention = "test";
  add_zeros(model, "embed.tokens", kHead, cols);
  for (const char* norm : {"blocks.0.attn.norm", "blocks.0.ffn.norm", "output.norm"}) add_zeros(model, norm, 1, cols);
  for (const char* layer : {"blocks.0.attn.q", "blocks.0.attn.k", "blocks.0.attn.v"}) {
    add_zeros(model, layer, kHead, cols);
  }
  add_zeros(model, "blocks.0.attn.o", cols, kHead);
  add_zeros(model, "blocks.0.ffn.gate", rows, cols);
  add_zeros(model, "blocks.0.ffn.down", cols, rows);
}

Status add_layer(const nlohmann::json& config, const std::string& module, uint64_t rows, uint64_t cols,
                 HuggingFaceTensors& tensors, SourceModel& model) {
  const std::string name = "blocks.0.ffn.up";
  const nlohmann::json method = config.value("quantization_config", nlohmann::json::object());
  if (method.value("quant_method", "") == "vptq") {
    TERN_ASSIGN(const HfVptq vptq, read_vptq(method, "quantization_config"));
    const HfVptqLayer* layer = vptq.find(module);
    if (layer == nullptr) return not_found(module + " is not in the config");
    return add_vptq_layer(*layer, name, module, rows, cols, tensors, model);
  }
  if (method.value("quant_method", "") == "aqlm") {
    TERN_ASSIGN(const HfAqlm aqlm, read_aqlm(method, "quantization_config"));
    return add_aqlm_layer(aqlm, name, module, rows, cols, tensors, model);
  }
  if (config.contains("quip_params")) {
    TERN_ASSIGN(const HfQuip quip, read_quip(config["quip_params"], "quip_params"));
    return add_quip_layer(quip, name, module, {rows}, cols, tensors, model);
  }
  return unsupported("the folder holds none of VPTQ, AQLM and QuIP#");
}

// y of the up projection for one input.
std::vector<float> run(const Model::Parts& model, const std::vector<float>& x) {
  const Block& b = model.blocks[0];
  const InputPlan& plan = b.ffn_own.empty() ? b.ffn_in : b.ffn_own[1];
  AlignedBuffer<float> row, scratch, partial;
  AlignedBuffer<std::byte> forms, kernel;
  const LinearInputBuffer in{row.grow(plan.x_stride), forms.grow(plan.bytes), 1};
  std::copy(x.begin(), x.end(), in.x);
  const LinearRun linear(*model.elements,
                         {kernel.grow(kLinearScratchBytes), scratch.grow(std::max(plan.scratch, b.up.scratch)),
                          partial.grow(kPartialRows)});
  linear.make_forms(plan, in, {0, 1});
  std::vector<float> y(b.up.rows);
  linear.sum_terms(b.up, plan, in, {0, b.up.rows}, 1, y.data());
  linear.finish_tokens(b.up, {0, 1}, y.data());
  return y;
}

Status convert_and_run(const std::string& folder, const std::string& module, uint32_t rows, uint32_t cols,
                       const std::string& out) {
  TERN_ASSIGN(const nlohmann::json config, read_json_file(folder + "/config.json"));
  TERN_ASSIGN(auto set, TensorSet::open_file(folder + "/model.safetensors"));
  HuggingFaceTensors tensors(set, folder + "/config.json");
  SourceModel model;
  add_rest(model, rows, cols);
  TERN_TRY(add_layer(config, module, rows, cols, tensors, model));
  if (set->find(module + ".bias")) {
    TERN_ASSIGN(auto bias, tensors.dense("blocks.0.ffn.up.bias", module + ".bias", 1, rows));
    model.matrices.push_back(std::move(bias));
  }
  TERN_TRY(tensors.check_all_used("test"));
  TERN_TRY(convert(model, {}, out).status());
  LoadOptions options;
  options.check_tensors = true;
  TERN_ASSIGN(const auto loaded, Model::load(out, options));
  std::vector<float> x(cols);
  while (std::fread(x.data(), sizeof(float), cols, stdin) == cols) {
    const std::vector<float> y = run(loaded->parts(), x);
    std::fwrite(y.data(), sizeof(float), y.size(), stdout);
  }
  return {};
}

}  // namespace
}  // namespace tern

int main(int argc, char** argv) {
  if (argc != 6) return 2;
  const tern::Status status = tern::convert_and_run(argv[1], argv[2], static_cast<uint32_t>(std::atoi(argv[3])),
                                                    static_cast<uint32_t>(std::atoi(argv[4])), argv[5]);
  if (status.ok()) return 0;
  fmt::print(stderr, "{}\n", status.message());
  return 1;
}
