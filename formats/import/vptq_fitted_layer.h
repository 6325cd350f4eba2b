// A dense layer as the tensors that VPTQ's quantizer (formats/quantize/vptq.h) makes of it. The fit is made when the
// first of them is read and forgotten when another layer's is: at most one is in memory.
#pragma once

#include <memory>
#include <span>
#include <string>

#include "formats/import/source_model.h"
#include "formats/quantize/vptq.h"

namespace tern {

class FittedLayer {
 public:
  // The layer that was fitted last, shared by all of a model.
  struct LastFit {
    const FittedLayer* layer = nullptr;
    VptqFit fit;
  };

  FittedLayer(std::unique_ptr<SourceMatrix> dense, const VptqOptions& options, std::span<const double> hessian,
              std::shared_ptr<LastFit> last, Interruption interruption);

  const SourceMatrix& dense() const { return *dense_; }
  Result<const VptqFit*> fit() const;

 private:
  std::unique_ptr<SourceMatrix> dense_;
  VptqOptions options_;
  std::span<const double> hessian_;
  std::shared_ptr<LastFit> last_;
  Interruption interruption_;
};

using FittedLayerPtr = std::shared_ptr<const FittedLayer>;

// The tensors, named as the layer with a suffix. part: factors or offsets. shape: of vptq_stages, at position `stage`.
std::unique_ptr<SourceMatrix> vptq_vector(FittedLayerPtr layer, const std::string& suffix,
                                          std::vector<float> VptqFit::*part);
std::unique_ptr<SourceMatrix> vptq_order(FittedLayerPtr layer);
std::unique_ptr<SourceMatrix> vptq_codebook(FittedLayerPtr layer, const std::string& suffix, const VptqStage& shape,
                                            size_t stage, bool int8);
// absorbed: columns in the order of the input, not of the fit.
std::unique_ptr<SourceMatrix> vptq_indices(FittedLayerPtr layer, const std::string& suffix, const VptqStage& shape,
                                           size_t stage, bool absorbed);

}  // namespace tern
