#include "formats/import/vptq.h"

#include <fmt/format.h>

#include <bit>
#include <cstring>

#include "base/checked.h"
#include "formats/import/composition.h"
#include "formats/import/index_runs.h"

namespace tern {
namespace {

using Entry = HuggingFaceTensors::Entry;

constexpr uint32_t kMostEntries = 65536;

unsigned bits_of(uint64_t entries) { return static_cast<unsigned>(std::bit_width(entries - 1)); }

// A stage of a layer: a codebook for each group of columns, and the indices into it.
struct Stage {
  std::string suffix;              // of our names
  std::string centroids, indices;  // of theirs
  uint32_t length = 0, entries = 0;
  uint64_t groups = 1, columns = 0;  // columns: of a group
  unsigned element_bits = 0, first_bit = 0;
};

class VptqLayer {
 public:
  VptqLayer(const HfVptqLayer& config, std::string name, std::string module, uint64_t rows, uint64_t cols,
            HuggingFaceTensors& tensors, SourceModel& model)
      : c_(config),
        name_(std::move(name)),
        module_(std::move(module)),
        rows_(rows),
        cols_(cols),
        t_(tensors),
        builder_(model, name_, rows, cols) {}

  Status add() {
    TERN_TRY(check_config());
    TERN_TRY(read_permutation());
    if (c_.norm) {
      TERN_ASSIGN(auto scale, t_.dense(name_ + ".scale", module_ + ".weight_scale", 1, cols_));
      builder_.scale_input(builder_.add_vector(std::move(scale)));
    }
    if (!order_.empty() && !absorbed()) {
      builder_.permute_input(
          builder_.add(std::make_unique<PermutationVector>(name_ + ".permutation", module_ + ".perm", order_)));
    }
    TERN_TRY(add_stages());
    if (c_.norm) {
      TERN_ASSIGN(auto shift, t_.dense(name_ + ".shift", module_ + ".weight_bias", 1, cols_));
      builder_.add_shift(std::move(shift));
    }
    builder_.finish();
    return {};
  }

 private:
  Status wrong(const std::string& what) const { return corrupt(fmt::format("layer '{}': {}", module_, what)); }

  Status check_config() const {
    if (c_.in_features != cols_ || c_.out_features != rows_) {
      return wrong(
          fmt::format("the config says {} x {}, the model has {} x {}", c_.out_features, c_.in_features, rows_, cols_));
    }
    for (const uint32_t entries : {c_.centroids, c_.residual_centroids, c_.outlier_centroids}) {
      if (entries == 1 || entries > kMostEntries) {
        return wrong(fmt::format("a codebook of {} entries, expected 2 to {}", entries, kMostEntries));
      }
      if (c_.packed && entries != 0 && entries != c_.outlier_centroids && !std::has_single_bit(entries)) {
        return wrong(fmt::format("packed indices of a codebook of {} entries, expected a power of two", entries));
      }
    }
    if (c_.packed && c_.residual_centroids > c_.centroids) {
      return unsupported(fmt::format("layer '{}': packed residual indices are wider than the main ones", module_));
    }
    return {};
  }

  bool absorbed() const { return c_.groups == 1 && c_.outliers == 0; }

  Status read_permutation() {
    if (!c_.permutation) return {};
    TERN_ASSIGN(const Entry* entry, t_.require(module_ + ".perm", {cols_}));
    const ForeignType type = entry->tensor.type;
    if (type != ForeignType::i16 && type != ForeignType::u16 && type != ForeignType::i64) {
      return unsupported(fmt::format("{}: tensor '{}.perm' is {}, expected I16 or I64", entry->file->path(), module_,
                                     describe(entry->tensor)));
    }
    const uint64_t width = foreign_type_bytes(type);
    std::vector<bool> seen(cols_);
    for (uint64_t i = 0; i < cols_; ++i) {
      uint64_t column = 0;
      std::memcpy(&column, entry->bytes().data() + i * width, width);
      if (column >= cols_ || seen[column]) {
        return corrupt(fmt::format("{}: tensor '{}.perm': entry {} is {}, expected a permutation of {} columns",
                                   entry->file->path(), module_, i, column, cols_));
      }
      seen[column] = true;
      order_.push_back(static_cast<uint32_t>(column));
    }
    return {};
  }

  Status add_stages() {
    const unsigned main = bits_of(c_.centroids), residual = c_.residual_centroids ? bits_of(c_.residual_centroids) : 0;
    const unsigned element = c_.packed ? main + residual : 16;
    TERN_TRY(
        add_stage({"", "centroids", "indices", c_.vector_length, c_.centroids, c_.groups, c_.group_size, element, 0},
                  c_.outliers));
    if (residual != 0) {
      TERN_TRY(add_stage({".residual", "res_centroids", c_.packed ? "indices" : "res_indices", c_.vector_length,
                          c_.residual_centroids, c_.groups, c_.group_size, element, c_.packed ? main : 0},
                         c_.outliers));
    }
    if (c_.outliers == 0) return {};
    return add_stage({".outliers", "outlier_centroids", "outlier_indices", c_.outlier_length, c_.outlier_centroids, 1,
                      c_.outliers, 16, 0},
                     0);
  }

  Status add_stage(const Stage& stage, uint64_t col_begin) {
    const std::string codebook = name_ + stage.suffix + ".codebook";
    const uint64_t values = uint64_t{stage.entries} * stage.length;
    TERN_ASSIGN(auto stored, t_.floats(codebook, module_ + "." + stage.centroids + ".weight", {stage.groups, values},
                                       stage.groups * stage.entries, stage.length));
    builder_.add(std::make_unique<CodebookMatrix>(std::move(stored), stage.entries, bits_of(stage.entries), codebook));
    TERN_ASSIGN(IndexRuns runs, index_runs(stage));
    const bool reorder = absorbed() && !order_.empty();
    auto matrix = std::make_unique<IndexRunMatrix>(std::move(runs), reorder ? inverse() : std::vector<uint32_t>());
    matrix->name = name_ + stage.suffix;
    matrix->source_name = module_ + "." + stage.indices;
    matrix->rows = rows_, matrix->cols = stage.groups * stage.columns;
    matrix->form.kind = SourceForm::Kind::fixed;
    matrix->form.codebook = codebook;
    Encoding& e = matrix->form.encoding;
    e.kind = EncodingKind::vector, e.axis = VectorAxis::output;
    e.length = static_cast<uint8_t>(stage.length), e.bits = static_cast<uint8_t>(bits_of(stage.entries));
    e.group = stage.groups > 1 ? static_cast<uint32_t>(stage.columns) : 0;
    const uint64_t cols = matrix->cols;
    builder_.add_term(builder_.add(std::move(matrix)), col_begin, cols);
    return {};
  }

  // Where each input column stands among the stored ones.
  std::vector<uint32_t> inverse() const {
    std::vector<uint32_t> place(order_.size());
    for (size_t s = 0; s < order_.size(); ++s) place[order_[s]] = static_cast<uint32_t>(s);
    return place;
  }

  Result<IndexRuns> index_runs(const Stage& stage) {
    IndexRuns runs;
    runs.groups = stage.groups, runs.lanes = ceil_div(rows_, stage.length), runs.run = stage.columns;
    runs.element_bits = stage.element_bits, runs.first_bit = stage.first_bit;
    const bool packed = c_.packed && stage.suffix != ".outliers";
    runs.bits = packed ? bits_of(stage.entries) : 16, runs.entries = stage.entries;
    const uint64_t words = ceil_div(runs.run * runs.element_bits, 32);
    runs.run_bytes = packed ? 4 * words : 2 * runs.run;
    const std::string source = module_ + "." + stage.indices;
    TERN_ASSIGN(const Entry* entry, t_.require(source, {runs.groups, runs.lanes, packed ? words : runs.run}));
    const ForeignType type = entry->tensor.type;
    const bool narrow = type == ForeignType::i16 || type == ForeignType::u16 || type == ForeignType::f16;
    if (packed ? type != ForeignType::i32 : !narrow) {
      return unsupported(fmt::format("{}: tensor '{}' is {}, expected {}", entry->file->path(), source,
                                     describe(entry->tensor), packed ? "I32, packed" : "I16 or F16"));
    }
    runs.bytes = t_.view(*entry);
    runs.path = entry->file->path();
    return runs;
  }

  const HfVptqLayer& c_;
  std::string name_, module_;
  uint64_t rows_, cols_;
  HuggingFaceTensors& t_;
  CompositionBuilder builder_;
  std::vector<uint32_t> order_;  // stored column s is input column order_[s]; or empty
};

}  // namespace

Status add_vptq_layer(const HfVptqLayer& config, const std::string& name, const std::string& module, uint64_t rows,
                      uint64_t cols, HuggingFaceTensors& tensors, SourceModel& model) {
  return VptqLayer(config, name, module, rows, cols, tensors, model).add();
}

}  // namespace tern
