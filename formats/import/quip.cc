#include "formats/import/quip.h"

#include <fmt/format.h>

#include <bit>
#include <cstring>
#include <numeric>

#include "formats/import/composition.h"
#include "formats/import/quip_codebook.h"

namespace tern {
namespace {

using Entry = HuggingFaceTensors::Entry;

// One code's part of Qidxs: 64-bit words [rows][all words of a row], of which `words` from `first` on.
struct QuipWords {
  ByteView bytes;
  uint64_t row_words = 0, first = 0, words = 0;

  uint64_t at(uint64_t i) const {  // word i of the part, row after row
    uint64_t word;
    std::memcpy(&word, bytes.data() + 8 * (i / words * row_words + first + i % words), 8);
    return word;
  }
};

class QuipMatrix final : public SourceMatrix {
 public:
  QuipMatrix(QuipWords words, float scale) : words_(std::move(words)), scale_(scale) {}

  Status read_indices(uint64_t begin, uint64_t count, std::span<uint32_t> out) const override {
    const uint64_t codes = cols / kQuipLength;
    for (uint64_t i = 0; i < count * codes; ++i) {
      const uint64_t row = begin + i / codes, column = i % codes;
      out[i] = form.encoding.bits == 16 ? e8p_code(row, column) : byte_code(row, column);
    }
    return {};
  }
  Status read_scales(uint64_t, uint64_t, std::span<float> out) const override {
    out[0] = scale_;
    return {};
  }
  Status read_rows(uint64_t, uint64_t, std::span<float>) const override {
    return internal_error(name + ": indices alone have no values");
  }

 private:
  // A word has the codes of two rows and two columns: first their absolute values, a byte each, then their signs, those
  // of one coordinate side by side. Words of 8 pairs of rows and 4 pairs of columns stand together.
  uint32_t e8p_code(uint64_t row, uint64_t column) const {
    const uint64_t a = row / 2, b = column / 2, wide = cols / 64;
    const uint64_t word = words_.at(((a / 8 * wide + b / 4) * 8 + a % 8) * 4 + b % 4);
    const uint64_t place = column % 2 * 2 + row % 2;
    auto code = static_cast<uint32_t>(word >> 8 * place & 255) << 8;
    for (unsigned i = 0; i < 8; ++i) code |= static_cast<uint32_t>(word >> (32 + 4 * i + place) & 1) << i;
    return code;
  }
  uint32_t byte_code(uint64_t row, uint64_t column) const {
    return static_cast<uint32_t>(words_.at(row * words_.words + column / 8) >> 8 * (column % 8) & 255);
  }

  QuipWords words_;
  float scale_;
};

// K' of n = K' * 2^p; 0: none that QuIP# knows.
uint64_t hadamard_order(uint64_t n) {
  for (const uint64_t order : {172, 156, 140, 124, 116, 108, 60, 52, 36, 28, 20, 12}) {
    if (n % order == 0 && std::has_single_bit(n / order)) return order;
  }
  return std::has_single_bit(n) ? 1 : 0;
}

class QuipLayer {
 public:
  QuipLayer(const HfQuip& config, std::string name, std::string module, std::vector<uint64_t> parts, uint64_t cols,
            HuggingFaceTensors& tensors, SourceModel& model)
      : c_(config),
        name_(std::move(name)),
        module_(std::move(module)),
        parts_(std::move(parts)),
        rows_(std::accumulate(parts_.begin(), parts_.end(), uint64_t{0})),
        cols_(cols),
        t_(tensors),
        model_(model),
        builder_(model, name_, rows_, cols) {}

  Status add() {
    if (rows_ % 16 != 0 || cols_ % 64 != 0) {
      return corrupt(fmt::format("layer '{}' is {} x {}, expected multiples of 16 x 64", module_, rows_, cols_));
    }
    TERN_TRY(check_codebook_id());
    TERN_ASSIGN(auto su, t_.dense(name_ + ".su", module_ + ".SU", 1, cols_));
    builder_.scale_input(builder_.add_vector(std::move(su)));
    TERN_ASSIGN(const uint32_t before, sign_matrix(cols_, true));
    builder_.hadamard_input(before);
    TERN_TRY(add_codes());
    TERN_ASSIGN(const uint32_t after, sign_matrix(rows_, false));
    builder_.hadamard_output(after);
    TERN_ASSIGN(auto sv, t_.dense(name_ + ".sv", module_ + ".SV", 1, rows_));
    builder_.scale_output(builder_.add_vector(std::move(sv)));
    TERN_TRY(add_fuse_scales());
    builder_.finish();
    return {};
  }

 private:
  Status check_codebook_id() {
    const std::string source = module_ + ".codebook_id";
    const Entry* entry = t_.find(source);
    if (entry == nullptr) return not_found(fmt::format("the checkpoint lacks the tensor '{}'", source));
    if (entry->tensor.type != ForeignType::i64 || entry->tensor.bytes != 8) {
      return corrupt(
          fmt::format("{}: tensor '{}' is {}, expected one I64", entry->file->path(), source, describe(entry->tensor)));
    }
    TERN_TRY(t_.require(source, entry->tensor.shape).status());
    int64_t id;
    std::memcpy(&id, entry->bytes().data(), 8);
    const int64_t expected = c_.codebook == QuipCodebook::e8p12 ? 7 : c_.codebook == QuipCodebook::e8p12_rvq4 ? 17 : 18;
    if (id == expected) return {};
    return corrupt(
        fmt::format("{}: tensor '{}' is {}, the config's codebook is {}", entry->file->path(), source, id, expected));
  }

  // Words of a row: E8P has a word for 32 columns, twice with RVQ4; RVQ3 has one more for 64.
  Status add_codes() {
    const uint64_t main = cols_ / 32;
    const uint64_t more = c_.codebook == QuipCodebook::e8p12        ? 0
                          : c_.codebook == QuipCodebook::e8p12_rvq4 ? main
                                                                    : cols_ / 64;
    const std::string source = module_ + ".Qidxs";
    TERN_ASSIGN(const Entry* entry, t_.require(source, {rows_, main + more}));
    if (entry->tensor.type != ForeignType::i64) {
      return unsupported(
          fmt::format("{}: tensor '{}' is {}, expected I64", entry->file->path(), source, describe(entry->tensor)));
    }
    TERN_ASSIGN(const float scale, t_.scalar(module_ + ".Wscale"));
    add_code({t_.view(*entry), main + more, 0, main}, "", 16, scale);
    if (more == 0) return {};
    const auto residual = static_cast<float>(static_cast<double>(scale) / c_.residual_scale);
    add_code({t_.view(*entry), main + more, main, more}, ".residual", c_.codebook == QuipCodebook::e8p12_rvq4 ? 16 : 8,
             residual);
    return {};
  }

  void add_code(QuipWords words, const std::string& suffix, uint8_t bits, float scale) {
    auto matrix = std::make_unique<QuipMatrix>(std::move(words), scale);
    matrix->name = name_ + suffix, matrix->source_name = module_ + ".Qidxs";
    matrix->rows = rows_, matrix->cols = cols_;
    matrix->form.kind = SourceForm::Kind::fixed;
    matrix->form.codebook = bits == 16 ? "quip.e8p" : "quip.e8";
    Encoding& e = matrix->form.encoding;
    e.kind = EncodingKind::vector, e.axis = VectorAxis::input, e.length = kQuipLength, e.bits = bits;
    e.scope = ScaleScope::tensor, e.scale_type = FloatType::f32;
    if (model_.find(matrix->form.codebook) == nullptr) {
      builder_.add(std::make_unique<ValueMatrix>(matrix->form.codebook,
                                                 bits == 16 ? e8p_codebook() : e8_residual_codebook(), kQuipLength,
                                                 plain_encoding(FloatType::f16)));
    }
    builder_.add_term(builder_.add(std::move(matrix)), 0, cols_);
  }

  // The matrix that the transform of n values needs, or none (kNoTensor); shared by all layers.
  Result<uint32_t> sign_matrix(uint64_t n, bool transposed) {
    const uint64_t order = hadamard_order(n);
    if (order == 0) return unsupported(fmt::format("layer '{}': no Hadamard transform of {} values", module_, n));
    if (order == 1) return kNoTensor;
    const std::string name = fmt::format("hadamard.{}{}", order, transposed ? ".transposed" : "");
    for (size_t i = 0; i < model_.matrices.size(); ++i) {
      if (model_.matrices[i]->name == name) return static_cast<uint32_t>(i);
    }
    TERN_ASSIGN(std::vector<float> signs, read_signs(order));
    if (transposed) {
      for (uint64_t r = 0; r < order; ++r)
        for (uint64_t c = 0; c < r; ++c) std::swap(signs[r * order + c], signs[c * order + r]);
    }
    return builder_.add(std::make_unique<ValueMatrix>(name, std::move(signs), order, plain_encoding(FloatType::f16)));
  }

  Result<std::vector<float>> read_signs(uint64_t order) {
    const std::string source = fmt::format("hadamard.{}", order);
    if (t_.find(source) == nullptr) {
      return not_found(
          fmt::format("layer '{}' needs a Hadamard matrix of order {}, and there are several: the checkpoint lacks the "
                      "tensor '{}', "
                      "[{}, {}] of 1 and -1, as the code that quantized it has it",
                      module_, order, source, order, order));
    }
    TERN_ASSIGN(const auto stored, t_.floats(source, source, {order, order}, order, order));
    std::vector<float> signs(order * order);
    TERN_TRY(stored->read_rows(0, order, signs));
    for (uint64_t r = 0; r < order; ++r) {
      for (uint64_t c = 0; c < order; ++c) {
        const float dot = std::inner_product(&signs[r * order], &signs[r * order] + order, &signs[c * order], 0.f);
        const float sign = signs[r * order + c];
        if ((sign == 1 || sign == -1) && dot == (r == c ? static_cast<float>(order) : 0.f)) continue;
        return corrupt(fmt::format("tensor '{}' is no Hadamard matrix: rows {} and {}", source, r, c));
      }
    }
    return signs;
  }

  Status add_fuse_scales() {
    const std::string source = module_ + ".fuse_scales";
    if (parts_.size() == 1 && t_.find(source) == nullptr) return {};
    TERN_ASSIGN(const auto scales, t_.dense(source, source, 1, parts_.size()));
    std::vector<float> each(parts_.size()), factors;
    TERN_TRY(scales->read_rows(0, 1, each));
    for (size_t i = 0; i < parts_.size(); ++i) factors.insert(factors.end(), parts_[i], each[i]);
    builder_.scale_output(builder_.add(
        std::make_unique<ValueMatrix>(name_ + ".fuse", std::move(factors), rows_, plain_encoding(FloatType::f32))));
    return {};
  }

  const HfQuip& c_;
  std::string name_, module_;
  std::vector<uint64_t> parts_;
  uint64_t rows_, cols_;
  HuggingFaceTensors& t_;
  SourceModel& model_;
  CompositionBuilder builder_;
};

}  // namespace

Status add_quip_layer(const HfQuip& config, const std::string& name, const std::string& module,
                      const std::vector<uint64_t>& parts, uint64_t cols, HuggingFaceTensors& tensors,
                      SourceModel& model) {
  return QuipLayer(config, name, module, parts, cols, tensors, model).add();
}

}  // namespace tern
