#include "formats/import/llama2c_model.h"

#include <fmt/format.h>

#include <cmath>
#include <cstring>
#include <numeric>

#include "formats/foreign/llama2c.h"
#include "formats/import/byte_view.h"
#include "formats/import/dense_matrix.h"

namespace tern {
namespace {

// int8 codes and f32 scales. The file's groups run over the whole matrix; where they straddle rows, a divisor
// of the group size makes groups that do not, each with the scale of the group it lies in.
class Int8Matrix final : public SourceMatrix {
 public:
  Int8Matrix(ByteView codes, ByteView scales, uint32_t group, uint64_t rows_, uint64_t cols_)
      : codes_(std::move(codes)), scales_(std::move(scales)), source_group_(group) {
    rows = rows_;
    cols = cols_;
    const auto aligned = static_cast<uint32_t>(std::gcd(cols, uint64_t{group}));
    // Below one block of four columns there is nothing to gain from codes.
    if (aligned >= 4) {
      form = {SourceForm::Kind::int8, FloatType::f32, ScaleScope::group, aligned};
    } else {
      form = {SourceForm::Kind::dense, FloatType::f32, ScaleScope::none, 0};
    }
  }

  Status read_rows(uint64_t begin, uint64_t count, std::span<float> out) const override {
    for (uint64_t i = 0; i < count * cols; ++i) {
      const uint64_t at = begin * cols + i;
      TERN_ASSIGN(const float scale, scale_of(at / source_group_));
      out[i] = scale * static_cast<float>(std::to_integer<int8_t>(codes_.data()[at]));
    }
    release(begin, count);
    return {};
  }

  Status read_codes(uint64_t begin, uint64_t count, std::span<int8_t> out) const override {
    std::memcpy(out.data(), codes_.data() + begin * cols, count * cols);
    release(begin, count);
    return {};
  }

  Status read_scales(uint64_t begin, uint64_t count, std::span<float> out) const override {
    const uint64_t groups = cols / form.group;
    for (uint64_t i = 0; i < count * groups; ++i) {
      TERN_ASSIGN(out[i], scale_of((begin * groups + i) * form.group / source_group_));
    }
    return {};
  }

 private:
  Result<float> scale_of(uint64_t index) const {
    float scale;
    std::memcpy(&scale, scales_.data() + 4 * index, 4);
    if (!std::isfinite(scale)) {
      return corrupt(
          fmt::format("{}: tensor '{}': the scale of group {} is not finite", scales_.path(), source_name, index));
    }
    return scale;
  }

  void release(uint64_t begin, uint64_t count) const {
    codes_.release(begin * cols, count * cols);
    scales_.release(begin * cols / source_group_ * 4, count * cols / source_group_ * 4);
  }

  ByteView codes_, scales_;
  uint64_t source_group_;
};

class Llama2cImporter {
 public:
  Llama2cImporter(std::shared_ptr<const MappedFile> file, Llama2cFile header)
      : file_(std::move(file)), header_(std::move(header)) {}

  SourceModel run() {
    using T = Llama2cTensor;
    fill_config();
    add("embed.tokens", "token_embedding", T::embedding, 0);
    for (uint32_t i = 0; i < header_.layers; ++i) {
      const std::string block = fmt::format("blocks.{}.", i);
      const auto named = [&](const char* theirs) { return fmt::format("{}[{}]", theirs, i); };
      add(block + "attn.norm", named("rms_att_weight"), T::attention_norm, i);
      add(block + "attn.q", named("wq"), T::wq, i);
      add(block + "attn.k", named("wk"), T::wk, i);
      add(block + "attn.v", named("wv"), T::wv, i);
      add(block + "attn.o", named("wo"), T::wo, i);
      add(block + "ffn.norm", named("rms_ffn_weight"), T::ffn_norm, i);
      add(block + "ffn.gate", named("w1"), T::w1, i);
      add(block + "ffn.up", named("w3"), T::w3, i);
      add(block + "ffn.down", named("w2"), T::w2, i);
    }
    add("output.norm", "rms_final_weight", T::final_norm, 0);
    if (!header_.tied) add("head", "wcls", T::head, 0);
    return std::move(model_);
  }

 private:
  void fill_config() {
    ModelConfig& c = model_.config;
    c.vocab_size = header_.vocab;
    c.hidden_size = header_.dim;
    c.ffn_size = header_.hidden;
    c.layers = header_.layers;
    c.heads = header_.heads;
    c.kv_heads = header_.kv_heads;
    c.head_dim = header_.dim / header_.heads;
    c.context = header_.context;
    c.norm_eps = c.final_norm_eps = 1e-5f;
    c.rope_base = 10000.f;
    c.rope_pairing = RopePairing::interleaved;
    c.activation = Activation::silu;
    model_.tied_head = header_.tied;
    model_.convention = fmt::format("llama2.c v{}", header_.version);
  }

  ByteView view(uint64_t offset, uint64_t bytes) const { return {file_, file_.get(), offset, bytes}; }

  void add(const std::string& name, const std::string& source, Llama2cTensor tensor, uint32_t layer) {
    const Llama2cPart& part = header_.part(tensor, layer);
    const uint64_t count = part.rows * part.cols;
    std::unique_ptr<SourceMatrix> matrix;
    if (part.int8) {
      matrix = std::make_unique<Int8Matrix>(view(part.values, count), view(part.scales, count / header_.group * 4),
                                            header_.group, part.rows, part.cols);
    } else {
      matrix = std::make_unique<DenseMatrix>(view(part.values, count * 4), FloatType::f32, part.rows, part.cols);
    }
    matrix->name = name;
    matrix->source_name = source;
    model_.matrices.push_back(std::move(matrix));
  }

  std::shared_ptr<const MappedFile> file_;
  Llama2cFile header_;
  SourceModel model_;
};

}  // namespace

Result<SourceModel> import_llama2c(const std::string& path) {
  TERN_ASSIGN(MappedFile mapped, MappedFile::open(path));
  auto file = std::make_shared<const MappedFile>(std::move(mapped));
  TERN_ASSIGN(Llama2cFile header, parse_llama2c(file->bytes(), path));
  return Llama2cImporter(std::move(file), std::move(header)).run();
}

}  // namespace tern
