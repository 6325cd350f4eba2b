#include <fmt/format.h>

#include <bit>
#include <cmath>

#include "base/checked.h"
#include "formats/tern/limits.h"
#include "formats/tern/validate.h"

namespace tern {
namespace {

class CompositionChecker {
 public:
  explicit CompositionChecker(const ModelDescription& d) : d_(d), quantized_(d.inputs.size()) {}

  Status check_input(const InputRecord& input) const {
    if (input.cols == 0 || input.cols > kMaxMatrixCols) {
      return corrupt(fmt::format("cols is {}, expected 1 to 2^31", input.cols));
    }
    if (input.ops.size() > kMaxInputOps) {
      return corrupt(fmt::format("the count of operations is {}, expected at most {}", input.ops.size(), kMaxInputOps));
    }
    for (size_t i = 0; i < input.ops.size(); ++i) {
      const bool last = i + 1 == input.ops.size();
      TERN_TRY(check_input_op(input.ops[i], input.cols, last).within(fmt::format("operation {}", i)));
    }
    return {};
  }

  Status check_linear(const LinearRecord& linear) {
    if (linear.input >= d_.inputs.size()) {
      return corrupt(fmt::format("input is {}, expected an input below {}", linear.input, d_.inputs.size()));
    }
    const InputRecord& input = d_.inputs[linear.input];
    if (linear.cols != input.cols) {
      return corrupt(fmt::format("cols is {}, expected the {} of input '{}'", linear.cols, input.cols, input.name));
    }
    if (linear.rows == 0 || linear.rows > kMaxRows)
      return corrupt(fmt::format("rows is {}, expected 1 to 2^31", linear.rows));
    if (linear.terms.empty() || linear.terms.size() > kMaxTerms) {
      return corrupt(fmt::format("the count of terms is {}, expected 1 to {}", linear.terms.size(), kMaxTerms));
    }
    if (linear.post.size() > kMaxOutputOps) {
      return corrupt(
          fmt::format("the count of output operations is {}, expected at most {}", linear.post.size(), kMaxOutputOps));
    }
    for (size_t i = 0; i < linear.terms.size(); ++i) {
      TERN_TRY(check_term(linear.terms[i], linear).within(fmt::format("term {}", i)));
    }
    for (size_t i = 0; i < linear.post.size(); ++i) {
      TERN_TRY(check_output_op(linear.post[i], linear.rows).within(fmt::format("output operation {}", i)));
    }
    if (linear.bias != kNoTensor) TERN_TRY(check_plain("bias", linear.bias, linear.rows));
    return {};
  }

 private:
  Status check_tensor(const char* field, uint32_t tensor) const {
    if (tensor < d_.tensors.size()) return {};
    return corrupt(fmt::format("{} is tensor {}, expected one below {}", field, tensor, d_.tensors.size()));
  }

  static Status check_unused(const char* field, uint64_t found, uint64_t expected) {
    if (found == expected) return {};
    return corrupt(fmt::format("{} is {}, expected {} because it is not used", field, found, expected));
  }
  static Status check_no_tensor(const char* field, uint32_t found) { return check_unused(field, found, kNoTensor); }

  Status check_shape(const char* field, uint32_t tensor, uint64_t rows, uint64_t cols) const {
    const TensorRecord& t = d_.tensors[tensor];
    if (t.rows == rows && t.cols == cols) return {};
    return corrupt(fmt::format("{} '{}' is {} x {}, expected {} x {}", field, t.name, t.rows, t.cols, rows, cols));
  }

  Status check_kind(const char* field, uint32_t tensor, EncodingKind kind, const char* expected) const {
    const TensorRecord& t = d_.tensors[tensor];
    if (t.encoding.kind == kind) return {};
    return corrupt(fmt::format("{} '{}' is {}, expected {}", field, t.name, describe(t.encoding), expected));
  }

  // An untiled vector of floats.
  Status check_plain(const char* field, uint32_t tensor, uint64_t cols) const {
    TERN_TRY(check_tensor(field, tensor));
    TERN_TRY(check_kind(field, tensor, EncodingKind::plain, "a plain vector"));
    return check_shape(field, tensor, 1, cols);
  }

  Status check_index(const char* field, uint32_t tensor, uint64_t cols) const {
    TERN_TRY(check_tensor(field, tensor));
    TERN_TRY(check_kind(field, tensor, EncodingKind::index, "an index vector"));
    return check_shape(field, tensor, 1, cols);
  }

  Status check_matrix(const char* field, uint32_t tensor, uint64_t rows, uint64_t cols) const {
    TERN_TRY(check_tensor(field, tensor));
    const TensorRecord& t = d_.tensors[tensor];
    if (t.encoding.kind == EncodingKind::plain || t.encoding.kind == EncodingKind::index) {
      return corrupt(fmt::format("{} '{}' is {}, expected a tiled matrix", field, t.name, describe(t.encoding)));
    }
    return check_shape(field, tensor, rows, cols);
  }

  static Result<uint64_t> block_of(uint32_t block, uint64_t width) {
    if (block == 0) return width;
    if (width % block != 0) return corrupt(fmt::format("block is {}, expected 0 or a divisor of {}", block, width));
    return uint64_t{block};
  }

  // Blocks of K' * 2^p values: signs, then the transform; K' is the order of the stored sign matrix.
  Status check_hadamard(uint32_t signs, uint32_t matrix, uint32_t block, uint64_t width) const {
    if (signs != kNoTensor) TERN_TRY(check_plain("tensor", signs, width));
    TERN_ASSIGN(const uint64_t size, block_of(block, width));
    uint64_t order = 1;
    if (matrix != kNoTensor) {
      TERN_TRY(check_tensor("matrix", matrix));
      TERN_TRY(check_kind("matrix", matrix, EncodingKind::plain, "plain"));
      order = d_.tensors[matrix].rows;
      TERN_TRY(check_shape("matrix", matrix, order, order));
    }
    if (size % order == 0 && std::has_single_bit(size / order)) return {};
    return corrupt(fmt::format("a Hadamard block of {} is not {} times a power of two", size, order));
  }

  Status check_quantize(const InputOp& op, uint64_t cols, bool last) const {
    if (!last) return corrupt("quantize is not the last operation");
    TERN_TRY(check_no_tensor("tensor", op.tensor));
    TERN_TRY(check_no_tensor("matrix", op.matrix));
    TERN_TRY(check_unused("block", op.block, 0));
    if (op.bits < 2 || op.bits > 8) return corrupt(fmt::format("bits is {}, expected 2 to 8", op.bits));
    if (op.scope == ScaleScope::row) return check_unused("group", op.group, 0);
    if (op.scope != ScaleScope::group) {
      return corrupt(fmt::format("scope is {}, expected 2 (row) or 3 (group)", static_cast<int>(op.scope)));
    }
    if (op.group == 0 || op.group > cols) return corrupt(fmt::format("group is {}, expected 1 to {}", op.group, cols));
    return {};
  }

  Status check_input_op(const InputOp& op, uint64_t cols, bool last) const {
    if (op.kind == InputOpKind::quantize) return check_quantize(op, cols, last);
    TERN_TRY(check_unused("bits", op.bits, 0));
    TERN_TRY(check_unused("scope", static_cast<uint64_t>(op.scope), 0));
    TERN_TRY(check_unused("group", op.group, 0));
    if (op.kind == InputOpKind::hadamard) return check_hadamard(op.tensor, op.matrix, op.block, cols);
    TERN_TRY(check_no_tensor("matrix", op.matrix));
    if (op.kind == InputOpKind::rotate) {
      TERN_ASSIGN(const uint64_t block, block_of(op.block, cols));
      return check_matrix("tensor", op.tensor, cols, block);
    }
    TERN_TRY(check_unused("block", op.block, 0));
    if (op.kind == InputOpKind::scale || op.kind == InputOpKind::normalize)
      return check_plain("tensor", op.tensor, cols);
    if (op.kind == InputOpKind::permute) return check_index("tensor", op.tensor, cols);
    return unsupported(fmt::format("input operation kind {} is unknown to this version", static_cast<int>(op.kind)));
  }

  Status check_output_op(const OutputOp& op, uint64_t rows) const {
    if (op.kind == OutputOpKind::hadamard) return check_hadamard(op.tensor, op.matrix, op.block, rows);
    if (op.kind != OutputOpKind::scale) {
      return unsupported(fmt::format("output operation kind {} is unknown to this version", static_cast<int>(op.kind)));
    }
    TERN_TRY(check_no_tensor("matrix", op.matrix));
    TERN_TRY(check_unused("block", op.block, 0));
    return check_plain("tensor", op.tensor, rows);
  }

  static bool has_quantize(const InputRecord& input) {
    return !input.ops.empty() && input.ops.back().kind == InputOpKind::quantize;
  }

  Status check_tap(Tap tap, const InputRecord& input) const {
    const bool quantizes = has_quantize(input), transforms = input.ops.size() > (quantizes ? 1 : 0);
    switch (tap) {
      case Tap::raw:
        return {};
      case Tap::transformed:
        if (transforms) return {};
        return corrupt(fmt::format("tap is transformed, but input '{}' transforms nothing", input.name));
      case Tap::quantized:
        if (quantizes) return {};
        return corrupt(fmt::format("tap is quantized, but input '{}' quantizes nothing", input.name));
    }
    return corrupt(fmt::format("tap is {}, expected 1 (raw), 2 (transformed) or 3 (quantized)", static_cast<int>(tap)));
  }

  Status check_term(const Term& term, const LinearRecord& linear) {
    TERN_TRY(check_tap(term.tap, d_.inputs[linear.input]));
    if (!std::isfinite(term.scale)) return corrupt("scale is not finite");
    if (term.rows == 0 || !in_range(term.row_begin, term.rows, linear.rows)) {
      return corrupt(
          fmt::format("rows {} + {} lie outside the {} of the linear", term.row_begin, term.rows, linear.rows));
    }
    if (term.cols == 0 || !in_range(term.col_begin, term.cols, linear.cols)) {
      return corrupt(
          fmt::format("cols {} + {} lie outside the {} of the linear", term.col_begin, term.cols, linear.cols));
    }
    switch (term.kind) {
      case TermKind::encoded:
        return check_encoded(term, linear.input);
      case TermKind::sparse:
        return check_sparse(term);
      case TermKind::low_rank:
        return check_low_rank(term);
    }
    if (static_cast<int>(term.kind) == 4) {
      return unsupported("term kind 4 (widely_linear) is retired: a phase matrix is an encoded term (kind 1)");
    }
    return unsupported(fmt::format("term kind {} is unknown to this version", static_cast<int>(term.kind)));
  }

  Status check_encoded(const Term& term, uint32_t input) {
    TERN_TRY(check_matrix("tensor", term.tensor, term.rows, term.cols));
    TERN_TRY(check_no_tensor("second", term.second));
    TERN_TRY(check_no_tensor("third", term.third));
    return term.tap == Tap::quantized ? check_groups(term, input) : Status();
  }

  // Activations rounded per group are stored once, in the groups of the weights that read them.
  Status check_groups(const Term& term, uint32_t input) {
    const InputOp& op = d_.inputs[input].ops.back();
    if (op.scope != ScaleScope::group) return check_halves(term);
    const TensorRecord& t = d_.tensors[term.tensor];
    TERN_ASSIGN(const Layout layout, layout_of(t.encoding, t.rows, t.cols));
    // A phase matrix without group scales still has groups: the halves of its columns.
    const uint64_t group = t.encoding.kind == EncodingKind::phase ? layout.group_cols : t.encoding.group;
    if (group != op.group) {
      return corrupt(fmt::format("tensor '{}' has groups of {} columns, expected the {} of the quantized input", t.name,
                                 group, op.group));
    }
    if (term.col_begin % op.group != 0) {
      return corrupt(fmt::format("col_begin is {}, expected a multiple of the group {}", term.col_begin, op.group));
    }
    uint64_t& padded = quantized_[input];
    if (padded == 0) padded = layout.padded_group_cols();
    if (padded == layout.padded_group_cols()) return {};
    return corrupt(fmt::format("tensor '{}' pads its groups to {} columns, expected {} as the other terms of the input",
                               t.name, layout.padded_group_cols(), padded));
  }

  // The halves of a phase matrix' columns are padded apart, so they are rounded apart.
  Status check_halves(const Term& term) const {
    const TensorRecord& t = d_.tensors[term.tensor];
    if (t.encoding.kind != EncodingKind::phase) return {};
    return corrupt(fmt::format("tensor '{}' is {}, expected an input that is quantized in groups of columns", t.name,
                               describe(t.encoding)));
  }

  Status check_sparse(const Term& term) const {
    TERN_TRY(check_tensor("tensor", term.tensor));
    TERN_TRY(check_plain("tensor", term.tensor, d_.tensors[term.tensor].cols));
    TERN_TRY(check_index("second", term.second, d_.tensors[term.tensor].cols));
    return check_index("third", term.third, term.rows + 1);
  }

  Status check_low_rank(const Term& term) const {
    TERN_TRY(check_tensor("tensor", term.tensor));
    const uint64_t rank = d_.tensors[term.tensor].rows;
    TERN_TRY(check_matrix("tensor", term.tensor, rank, term.cols));
    TERN_TRY(check_no_tensor("third", term.third));
    return check_matrix("second", term.second, term.rows, rank);
  }

  const ModelDescription& d_;
  std::vector<uint64_t> quantized_;  // by input: padded columns of a group, once a term has said so
};

}  // namespace

Status validate_linears(const ModelDescription& d) {
  CompositionChecker checker(d);
  for (const InputRecord& input : d.inputs) {
    TERN_TRY(checker.check_input(input).within("section INPT: input '" + input.name + "'"));
  }
  for (const LinearRecord& linear : d.linears) {
    TERN_TRY(checker.check_linear(linear).within("section LINR: linear '" + linear.name + "'"));
  }
  return {};
}

}  // namespace tern
