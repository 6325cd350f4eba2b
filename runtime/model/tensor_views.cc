#include "runtime/model/tensor_views.h"

#include <fmt/format.h>

#include "formats/encoding/values.h"

namespace tern {

Result<WeightView> TensorViews::matrix(uint32_t tensor) const {
  const TensorRecord& t = record(tensor);
  if (t.experts != 1) return unsupported(fmt::format("{}: this version does not run stacked experts", t.name));
  WeightView view{t.encoding, {}, t.rows, t.cols, file_.codes(tensor).data(), nullptr, file_.codebook(tensor)};
  TERN_ASSIGN(view.layout, layout_of(t.encoding, t.rows, t.cols));
  if (view.layout.scale_bytes != 0) view.scales = file_.scales(tensor).data();
  return view;
}

Result<std::vector<float>> TensorViews::values(uint32_t tensor) const {
  TERN_ASSIGN(const WeightView view, matrix(tensor));
  std::vector<float> values(view.rows * view.cols);
  for (uint64_t i = 0; i < values.size(); ++i) values[i] = load_float(view.encoding.value_type, view.codes, i);
  return values;
}

Result<std::vector<float>> TensorViews::values(const std::string& name) const {
  const uint32_t tensor = file_.find_tensor(name);
  return tensor != kNoTensor ? values(tensor) : std::vector<float>();
}

Result<std::vector<float>> TensorViews::signs(uint32_t tensor) const {
  if (tensor == kNoTensor) return std::vector<float>();
  TERN_ASSIGN(std::vector<float> signs, values(tensor));
  for (size_t i = 0; i < signs.size(); ++i) {
    if (signs[i] == 1 || signs[i] == -1) continue;
    return corrupt(
        fmt::format("tensor '{}': value {} is {}, expected a sign, 1 or -1", record(tensor).name, i, signs[i]));
  }
  return signs;
}

std::span<const uint32_t> TensorViews::indices(uint32_t tensor) const {
  return {reinterpret_cast<const uint32_t*>(file_.codes(tensor).data()), record(tensor).cols};
}

Result<const uint32_t*> TensorViews::permutation(uint32_t tensor) const {
  const std::span<const uint32_t> order = indices(tensor);
  std::vector<bool> seen(order.size());
  for (size_t k = 0; k < order.size(); ++k) {
    if (order[k] < order.size() && !seen[order[k]]) {
      seen[order[k]] = true;
      continue;
    }
    return corrupt(fmt::format("tensor '{}': index {} is {}, expected a permutation of 0 to {}, each once",
                               record(tensor).name, k, order[k], order.size() - 1));
  }
  return order.data();
}

Result<SparseView> TensorViews::sparse(const Term& term) const {
  const std::span<const uint32_t> columns = indices(term.second), starts = indices(term.third);
  for (size_t r = 0; r < starts.size(); ++r) {
    const uint64_t least = r == 0 ? 0 : starts[r - 1], most = r == 0 ? 0 : columns.size();
    if (starts[r] >= least && starts[r] <= most && (r + 1 < starts.size() || starts[r] == columns.size())) continue;
    return corrupt(fmt::format("tensor '{}': row start {} is {}, expected starts that ascend from 0 to the {} values",
                               record(term.third).name, r, starts[r], columns.size()));
  }
  for (size_t i = 0; i < columns.size(); ++i) {
    if (columns[i] < term.cols) continue;
    return corrupt(fmt::format("tensor '{}': column {} is {}, expected one below {}", record(term.second).name, i,
                               columns[i], term.cols));
  }
  return SparseView{file_.codes(term.tensor).data(), record(term.tensor).encoding.value_type, columns.data(),
                    starts.data()};
}

}  // namespace tern
