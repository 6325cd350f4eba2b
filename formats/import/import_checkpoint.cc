#include <fmt/format.h>

#include <exception>
#include <filesystem>
#include <new>

#include "formats/foreign/hf_config.h"
#include "formats/foreign/safetensors.h"
#include "formats/import/chat_template_files.h"
#include "formats/import/checkpoint_files.h"
#include "formats/import/huggingface.h"
#include "formats/import/ifairy.h"
#include "formats/import/llama2c_model.h"
#include "formats/import/source_model.h"
#include "formats/import/tokenizer_files.h"

namespace tern {
namespace {

Result<SourceModel> import_tensors(const CheckpointFiles& files, const ImportOptions& options,
                                   std::vector<int32_t>* eos) {
  if (files.kind == CheckpointFiles::Kind::llama2c) {
    if (options.fairy2i_stages == 0) return import_llama2c(files.weights);
    return invalid_argument(files.weights + ": Fairy2i's convention is one of Hugging Face checkpoints");
  }
  TERN_ASSIGN(const HfConfig config, read_hf_config(files.config));
  *eos = config.eos;
  const bool index = files.kind == CheckpointFiles::Kind::huggingface_index;
  TERN_ASSIGN(auto tensors, index ? TensorSet::open_index(files.weights) : TensorSet::open_file(files.weights));
  if (!config.complex) return import_huggingface(config, std::move(tensors), options);
  if (options.fairy2i_stages == 0) return import_ifairy(config, std::move(tensors));
  return invalid_argument(config.name + ": the model is iFairy's, which contradicts Fairy2i's convention");
}

Result<SourceModel> import_checked(const std::string& path, const ImportOptions& options) {
  TERN_ASSIGN(const CheckpointFiles files, find_checkpoint(path));
  std::vector<int32_t> eos;
  TERN_ASSIGN(SourceModel model, import_tensors(files, options, &eos));
  model.metadata.emplace_back("source.convention", model.convention);
  model.metadata.emplace_back("source.file", std::filesystem::path(files.weights).filename().string());
  TERN_TRY(import_tokenizer(files.directory, options.tokenizer_path, eos, &model));
  if (model.tokenizer) TERN_TRY(import_chat_template(files.directory, &model));
  return model;
}

}  // namespace

Status SourceMatrix::read_codes(uint64_t, uint64_t, std::span<int8_t>) const {
  return internal_error(name + ": this matrix has no codes");
}

Status SourceMatrix::read_scales(uint64_t, uint64_t, std::span<float>) const {
  return internal_error(name + ": this matrix has no scales");
}

Status SourceMatrix::read_indices(uint64_t, uint64_t, std::span<uint32_t>) const {
  return internal_error(name + ": this matrix has no indices");
}

const SourceLinear* SourceModel::find_linear(std::string_view name) const {
  for (const SourceLinear& composed : linears) {
    if (composed.linear.name == name) return &composed;
  }
  return nullptr;
}

const SourceMatrix* SourceModel::find(std::string_view name) const {
  for (const auto& matrix : matrices) {
    if (matrix->name == name) return matrix.get();
  }
  return nullptr;
}

Result<SourceModel> import_checkpoint(const std::string& path, const ImportOptions& options) {
  try {
    return import_checked(path, options);
  } catch (const std::bad_alloc&) {
    return out_of_memory(path + ": not enough memory to read the checkpoint");
  } catch (const std::exception& e) {
    return internal_error(fmt::format("{}: import failed: {}", path, e.what()));
  }
}

}  // namespace tern
