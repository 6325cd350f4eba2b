#include "formats/import/convert.h"

#include <fmt/format.h>
#include <omp.h>

#include <algorithm>
#include <exception>
#include <new>

#include "formats/import/convert_plan.h"
#include "formats/import/index_packer.h"
#include "formats/import/matrix_packer.h"
#include "formats/import/vector_packer.h"
#include "formats/tern/block_tensors.h"
#include "formats/tern/writer.h"

namespace tern {
namespace {

class Conversion {
 public:
  Conversion(const ConvertPlan& plan, const ProgressCallback& progress) : plan_(plan), progress_(progress) {
    for (const MatrixPlan& m : plan.matrices) total_ += m.source->rows * m.source->cols;
  }

  Result<ConvertReport> run(const std::string& path) {
    TERN_ASSIGN(writer_, TernWriter::create(path, plan_.description));
    for (uint32_t i = 0; i < plan_.matrices.size(); ++i)
      TERN_TRY(plan_.matrices[i].vq ? write_vectors(i) : write_matrix(i));
    for (uint32_t i = 0; i < codebooks_.size(); ++i) {
      const auto index = static_cast<uint32_t>(plan_.matrices.size()) + i;
      TERN_TRY(writer_->append_codes(index, codebooks_[i]));
      TERN_TRY(writer_->append_scales(index, VectorPacker::codebook_scale()));
    }
    TERN_TRY(tell(plan_.matrices.back().source->name));
    TERN_TRY(writer_->finish());
    report_.file_bytes = writer_->file_bytes();
    report_.bits_per_weight = bits_per_weight();
    return std::move(report_);
  }

 private:
  Status tell(const std::string& what) const {
    if (progress_ && !progress_({what, done_, total_})) return aborted("conversion stopped on request");
    return {};
  }

  Status write_vectors(uint32_t index) {
    const MatrixPlan& m = plan_.matrices[index];
    const Interruption interruption = [&] { return tell(m.source->name); };
    TERN_TRY(interruption());
    TERN_TRY(make_factor(m, interruption));
    TERN_ASSIGN(VectorPacker packer, VectorPacker::create(m, {factor_, settled_}, interruption));
    codebooks_.push_back(packer.codebook());
    TERN_TRY(write_blocks(index, packer));
    settled_ = packer.take_errors();
    return add_report(m, false, packer.relative_error(), codebooks_.back().size() + sizeof(float));
  }

  // Layers that share an input share the factor of its Hessian.
  Status make_factor(const MatrixPlan& m, const Interruption& interruption) {
    const ColumnsMatrix::Order order = m.columns ? m.columns->order() : ColumnsMatrix::Order();
    if (m.hessian.data() == factored_ && order == order_) return {};
    factor_ = nullptr, factored_ = nullptr;
    if (m.hessian.empty()) return {};
    TERN_ASSIGN(HessianFactor factor, HessianFactor::create(m.hessian, order, interruption));
    factor_ = std::make_shared<HessianFactor>(std::move(factor)), factored_ = m.hessian.data(), order_ = order;
    return {};
  }

  Status write_matrix(uint32_t index) {
    const MatrixPlan& m = plan_.matrices[index];
    if (m.encoding.kind == EncodingKind::index || m.encoding.kind == EncodingKind::vector) return write_indices(index);
    TERN_ASSIGN(MatrixPacker packer, MatrixPacker::create(m));
    TERN_TRY(write_blocks(index, packer));
    return add_report(m, packer.exact(), packer.relative_error(), 0);
  }

  template <class Packer>
  Status write_blocks(uint32_t index, Packer& packer) {
    const MatrixPlan& m = plan_.matrices[index];
    const uint64_t block = packer.block_rows();
    for (uint64_t begin = 0; begin < packer.rows(); begin += block) {
      TERN_TRY(tell(m.source->name));
      const uint64_t count = std::min(block, packer.rows() - begin);
      TERN_TRY(packer.pack(begin, count));
      TERN_TRY(writer_->append_codes(index, packer.codes()));
      TERN_TRY(writer_->append_scales(index, packer.scales()));
      done_ += count * m.source->rows / packer.rows() * m.source->cols;
    }
    return {};
  }

  Status write_indices(uint32_t index) {
    const MatrixPlan& m = plan_.matrices[index];
    TERN_ASSIGN(IndexPacker packer, IndexPacker::create(m));
    for (uint64_t part = 0; part < packer.parts(); ++part) {
      TERN_TRY(tell(m.source->name));
      TERN_TRY(packer.pack(part));
      TERN_TRY(writer_->append_codes(index, packer.codes()));
      TERN_TRY(writer_->append_scales(index, packer.scales()));
    }
    done_ += m.source->rows * m.source->cols;
    const double error = m.source->relative_error();
    return add_report(m, error == 0, error, 0);
  }

  // more: bytes of other tensors that belong to this one.
  Status add_report(const MatrixPlan& m, bool exact, double relative_error, uint64_t more) {
    TERN_ASSIGN(const Layout layout, layout_of(m.encoding, m.source->rows, m.source->cols));
    TensorReport r;
    r.name = m.source->name;
    r.encoding = describe(m.encoding);
    r.rows = m.source->rows;
    r.cols = m.source->cols;
    r.bytes = layout.code_bytes + layout.scale_bytes + more;
    r.exact = exact;
    r.relative_error = relative_error;
    if (m.phase) r.doubtful_scales = m.phase->doubtful_scales(), r.doubtful_codes = m.phase->doubtful_codes();
    report_.tensors.push_back(std::move(r));
    return {};
  }

  double bits_per_weight() const {
    double bytes = 0;
    for (const uint32_t tensor : block_tensors(plan_.description)) {  // codebooks made here count with their matrices
      if (tensor < report_.tensors.size()) bytes += static_cast<double>(report_.tensors[tensor].bytes);
    }
    const uint64_t weights = block_weights(plan_.description);
    return weights == 0 ? 0 : 8 * bytes / static_cast<double>(weights);
  }

  const ConvertPlan& plan_;
  const ProgressCallback& progress_;
  std::vector<std::vector<std::byte>> codebooks_;
  std::shared_ptr<const HessianFactor> factor_;  // of the triangle at factored_, in this order
  const double* factored_ = nullptr;
  ColumnsMatrix::Order order_;
  std::vector<float> settled_;  // errors of the outlier columns that were written last
  std::unique_ptr<TernWriter> writer_;
  ConvertReport report_;
  uint64_t done_ = 0, total_ = 0;
};

Result<ConvertReport> convert_checked(const SourceModel& source, const ConvertOptions& options, const std::string& path,
                                      const ProgressCallback& progress) {
  if (source.matrices.empty()) return invalid_argument("the model has no tensors");
  TERN_ASSIGN(const uint64_t memory, estimate_convert_memory(source, options));
  TERN_ASSIGN(const ConvertPlan plan, plan_conversion(source, options, progress));
  TERN_ASSIGN(ConvertReport report, Conversion(plan, progress).run(path));
  report.peak_estimate = memory;
  return report;
}

}  // namespace

Result<uint64_t> estimate_convert_memory(const SourceModel& source, const ConvertOptions& options) {
  const bool vectors =
      options.weights == WeightChoice::vq || options.head == WeightChoice::vq || options.embed == WeightChoice::vq;
  TERN_TRY(check_vq(options.vq));
  const auto threads = static_cast<unsigned>(omp_get_max_threads());
  // The program, its libraries, parsed headers, the vocabulary, and pages of the checkpoint not yet given back.
  uint64_t bytes = uint64_t{64} << 20;
  uint64_t widest = 0;
  for (const auto& m : source.matrices) {
    widest = std::max(widest, MatrixPacker::working_bytes(m->cols, threads));
    if (vectors && m->rows > 1)
      widest = std::max(widest, VectorPacker::working_bytes(options.vq, m->rows, m->cols, threads));
    bytes += 4 * m->rows;  // scales per row, if the matrix turns out to be ternary
  }
  return bytes + widest;
}

Result<ConvertReport> convert(const SourceModel& source, const ConvertOptions& options, const std::string& output_path,
                              const ProgressCallback& progress) {
  try {
    return convert_checked(source, options, output_path, progress);
  } catch (const std::bad_alloc&) {
    return out_of_memory("not enough memory to convert the model");
  } catch (const std::exception& e) {
    return internal_error(fmt::format("conversion failed: {}", e.what()));
  }
}

}  // namespace tern
