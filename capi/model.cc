#include <fmt/format.h>

#include "capi/handles.h"
#include "capi/outcome.h"

namespace tern::capi {
namespace {

Result<LoadOptions> load_options(const tern_load_options& given) {
  LoadOptions options;
  if (given.isa != nullptr) options.isa = given.isa;
  switch (given.kernels) {
    case TERN_KERNELS_BEST:
      break;
    case TERN_KERNELS_REFERENCE:
      options.family = KernelFamily::reference;
      break;
    case TERN_KERNELS_DOT:
      options.family = KernelFamily::dot;
      break;
    case TERN_KERNELS_MULTIPLICATION_FREE:
      options.family = KernelFamily::multiplication_free;
      break;
    default:
      return invalid_argument(fmt::format("options: kernels is {}, expected one of TERN_KERNELS_*", given.kernels));
  }
  if (given.activations == TERN_ACTIVATIONS_F32) {
    options.activations = ActivationRounding::f32;
  } else if (given.activations != TERN_ACTIVATIONS_FROM_FILE) {
    return invalid_argument(
        fmt::format("options: activations is {}, expected one of TERN_ACTIVATIONS_*", given.activations));
  }
  if (given.stages < 0) return invalid_argument(fmt::format("options: stages is {}, expected 0 or more", given.stages));
  options.stages = static_cast<unsigned>(given.stages);
  return options;
}

Result<std::shared_ptr<const Model>> load(const char* path, const tern_load_options* given) {
  tern_load_options own;
  TERN_TRY(read_options("options", given, own));
  TERN_ASSIGN(const LoadOptions options, load_options(own));
  TERN_ASSIGN(auto file, TernFile::open(path));
  if (own.check_tensors != 0) TERN_TRY(file->verify_payload(progress_of(own.progress, own.progress_user)));
  return Model::create(std::move(file), options);
}

tern_model_info info_of(const Model& model) {
  const ModelConfig& c = model.config();
  tern_model_info info = {};
  info.vocab_size = c.vocab_size, info.hidden_size = c.hidden_size, info.ffn_size = c.ffn_size;
  info.layers = c.layers, info.heads = c.heads, info.kv_heads = c.kv_heads, info.head_dim = c.head_dim;
  info.context = c.context;
  info.file_bytes = model.file().file_bytes();
  info.bytes_per_token = model.bytes_per_token();
  const auto& tokenizer = model.file().description().tokenizer;
  info.has_tokenizer = tokenizer.has_value();
  info.pieces = tokenizer ? static_cast<uint32_t>(tokenizer->pieces.size()) : 0;
  info.bos = tokenizer ? tokenizer->bos : -1;
  info.eos = tokenizer ? tokenizer->eos : -1;
  return info;
}

}  // namespace

ProgressCallback progress_of(tern_progress progress, void* user) {
  if (progress == nullptr) return {};
  return [progress, user](const Progress& p) {
    try {
      return progress(user, std::string(p.what).c_str(), p.done, p.total) == 0;
    } catch (...) {
      return false;
    }
  };
}

}  // namespace tern::capi

using tern::capi::guarded;
using tern::capi::not_null;
using tern::capi::Outcome;

tern_status tern_model_load(const char* path, const tern_load_options* options, tern_model** model, tern_error* error) {
  return guarded(error, [&]() -> Outcome {
    TERN_TRY(not_null(model, "model"));
    *model = nullptr;
    TERN_TRY(not_null(path, "path"));
    auto handle = std::make_unique<tern_model>();
    TERN_ASSIGN(handle->model, tern::capi::load(path, options));
    *model = handle.release();
    return {};
  });
}

void tern_model_free(tern_model* model) { delete model; }

tern_status tern_model_get_info(const tern_model* model, tern_model_info* info, tern_error* error) {
  return guarded(error, [&]() -> Outcome {
    TERN_TRY(not_null(model, "model"));
    return tern::capi::write_info("info", tern::capi::info_of(*model->model), info);
  });
}

tern_status tern_model_warnings(const tern_model* model, char* text, size_t capacity, size_t* size, tern_error* error) {
  return guarded(error, [&]() -> Outcome {
    TERN_TRY(not_null(size, "size"));
    *size = 0;
    TERN_TRY(not_null(model, "model"));
    TERN_TRY(not_null(text, capacity, "text"));
    std::string sentences;
    for (const std::string& sentence : model->model->warnings()) sentences += sentence + "\n";
    return tern::capi::fill_text(sentences, text, capacity, size);
  });
}

tern_status tern_model_kernels(const tern_model* model, char* names, size_t capacity, size_t* size, tern_error* error) {
  return guarded(error, [&]() -> Outcome {
    TERN_TRY(not_null(size, "size"));
    *size = 0;
    TERN_TRY(not_null(model, "model"));
    TERN_TRY(not_null(names, capacity, "names"));
    std::string text;
    for (const std::string& name : model->model->kernels()) text += (text.empty() ? "" : ", ") + name;
    return tern::capi::fill_text(text, names, capacity, size);
  });
}
