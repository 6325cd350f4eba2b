// Turns the layers of a tiny model into compositions, so that every part of docs/format.md, "Linear layers", that the
// runtime executes occurs somewhere: beside others, over odd ranges, and on every tap.
#include <algorithm>

#include "tests/runtime/tiny_model.h"

namespace tern::test {
namespace {

class Composer {
 public:
  explicit Composer(ModelDescription& d) : d_(d) {}

  void block(const std::string& at) {
    scale_permute_hadamard(at + "attn.in");
    hadamard(at + "attn.out", 16, 0, false);
    rotate(at + "ffn.in", 24);
    permute(at + "ffn.in");
    normalize(at + "ffn.mid");
    rotate(at + "ffn.mid", 0);
    if (std::any_of(d_.linears.begin(), d_.linears.end(), [&](const auto& l) { return l.name == at + "attn.qkv"; })) {
      post_hadamard(at + "attn.qkv", 0, 0);
      post_scale(at + "attn.qkv");
      add_low_rank(at + "ffn.up_gate", 2, Tap::transformed);
      return post_hadamard(at + "ffn.up_gate", 0, 0);
    }

    add_sparse(at + "attn.q");
    add_low_rank(at + "attn.q", 3, Tap::raw);
    split_columns(at + "attn.k", 16);
    overlap_ranges(at + "attn.v");
    post_hadamard(at + "attn.o", 0, 3);
    split_rows(at + "ffn.gate", 33);
    post_scale(at + "ffn.gate");
    post_scale(at + "ffn.up");
    post_hadamard(at + "ffn.up", 16, 0);
    add_low_rank(at + "ffn.down", 5, linear(at + "ffn.down").terms[0].tap);
    post_scale(at + "ffn.down");
  }

  void head() {
    split_rows("head", 32);
    post_hadamard("head", 0, 3);
  }

 private:
  // ---- inputs: operations come before a rounding, and what read the raw row reads their result ----

  uint32_t tensor(const std::string& name, const Encoding& encoding, uint64_t rows, uint64_t cols) {
    TensorRecord t;
    t.name = name, t.encoding = encoding, t.rows = rows, t.cols = cols;
    d_.tensors.push_back(t);
    return static_cast<uint32_t>(d_.tensors.size() - 1);
  }
  uint32_t plain(const std::string& name, uint64_t rows, uint64_t cols, FloatType type = FloatType::f32) {
    return tensor(name, {EncodingKind::plain, type, 0, 1, ScaleScope::none, FloatType::f32, 0}, rows, cols);
  }
  uint32_t index(const std::string& name, uint64_t cols) {
    return tensor(name, {EncodingKind::index, FloatType::f32, 0, 1, ScaleScope::none, FloatType::f32, 0}, 1, cols);
  }

  InputRecord& input(const std::string& name) {
    return *std::find_if(d_.inputs.begin(), d_.inputs.end(), [&](const auto& r) { return r.name == name; });
  }
  LinearRecord& linear(const std::string& name) {
    return *std::find_if(d_.linears.begin(), d_.linears.end(), [&](const auto& r) { return r.name == name; });
  }

  InputOp& add_op(const std::string& name, InputOpKind kind) {
    const auto number = static_cast<uint32_t>(&input(name) - d_.inputs.data());
    for (LinearRecord& l : d_.linears) {
      for (Term& t : l.terms) {
        if (l.input == number && t.tap == Tap::raw) t.tap = Tap::transformed;
      }
    }
    std::vector<InputOp>& ops = input(name).ops;
    const bool rounds = !ops.empty() && ops.back().kind == InputOpKind::quantize;
    InputOp op;
    op.kind = kind;
    return *ops.insert(ops.end() - (rounds ? 1 : 0), op);
  }

  void scale_permute_hadamard(const std::string& name) {
    add_op(name, InputOpKind::scale).tensor = plain(name + ".factors", 1, input(name).cols, FloatType::f16);
    permute(name);
    hadamard(name, 0, 12, true);
  }
  void permute(const std::string& name) {
    add_op(name, InputOpKind::permute).tensor = index(name + ".permutation", input(name).cols);
  }
  void hadamard(const std::string& name, uint32_t block, uint64_t order, bool signs) {
    InputOp& op = add_op(name, InputOpKind::hadamard);
    op.block = block;
    if (signs) op.tensor = plain(name + ".signs", 1, input(name).cols, FloatType::bf16);
    if (order != 0) op.matrix = plain(name + ".matrix.signs", order, order);
  }
  void rotate(const std::string& name, uint32_t block) {
    const uint64_t cols = input(name).cols;
    InputOp& op = add_op(name, InputOpKind::rotate);
    op.block = block;
    op.tensor = tensor(name + ".rotation", dense(FloatType::f32), cols, block != 0 ? block : cols);
  }
  void normalize(const std::string& name) {
    add_op(name, InputOpKind::normalize).tensor = plain(name + ".gains", 1, input(name).cols);
  }

  // ---- terms ----

  // Another matrix like that of `model`, over the range that `term` says.
  void set_matrix(Term& term, const std::string& name, const Encoding& model) {
    Encoding encoding = model;
    encoding.group = std::min<uint32_t>(encoding.group, static_cast<uint32_t>(term.cols));
    term.tensor = tensor(name, encoding, term.rows, term.cols);
  }

  // The term's own tensor shrinks to its range.
  void shrink(const Term& term) { d_.tensors[term.tensor].rows = term.rows, d_.tensors[term.tensor].cols = term.cols; }

  // Columns from `at` on get an encoding of their own.
  void split_columns(const std::string& name, uint64_t at) {
    LinearRecord& l = linear(name);
    Term second = l.terms[0];
    l.terms[0].cols = at;
    second.col_begin = at, second.cols -= at;
    const Encoding first = d_.tensors[second.tensor].encoding;
    shrink(l.terms[0]);
    const bool grouped = first.scope == ScaleScope::group;
    set_matrix(second, name + ".second", grouped ? first : ints(8, ScaleScope::row, 0, FloatType::f32));
    l.terms.push_back(second);
  }

  void split_rows(const std::string& name, uint64_t at) {
    LinearRecord& l = linear(name);
    Term second = l.terms[0];
    l.terms[0].rows = at;
    second.row_begin = at, second.rows -= at;
    shrink(l.terms[0]);
    set_matrix(second, name + ".second", d_.tensors[l.terms[0].tensor].encoding);
    l.terms.push_back(second);
  }

  // The first term has some of the rows, the second rows and columns that begin and end anywhere; some have none.
  void overlap_ranges(const std::string& name) {
    LinearRecord& l = linear(name);
    Term second = l.terms[0];
    const Encoding encoding = d_.tensors[second.tensor].encoding;
    l.terms[0].rows = 16, l.terms[0].scale = 0.75f;
    shrink(l.terms[0]);
    second.row_begin = 5, second.rows = 13, second.scale = -1.25f;
    second.col_begin = encoding.scope == ScaleScope::group ? 16 : 7, second.cols = 30;
    set_matrix(second, name + ".second", encoding);
    l.terms.push_back(second);
  }

  void add_sparse(const std::string& name) {
    LinearRecord& l = linear(name);
    Term term;
    term.kind = TermKind::sparse, term.tap = Tap::transformed, term.scale = 0.5f;
    term.row_begin = 3, term.rows = l.rows - 10, term.col_begin = 2, term.cols = l.cols - 2;
    term.tensor = plain(name + ".values", 1, 50, FloatType::f16);
    term.second = index(name + ".columns", 50);
    term.third = index(name + ".starts", term.rows + 1);
    l.terms.push_back(term);
  }

  void add_low_rank(const std::string& name, uint64_t rank, Tap tap) {
    LinearRecord& l = linear(name);
    Term term;
    term.kind = TermKind::low_rank, term.tap = tap, term.rows = l.rows, term.cols = l.cols, term.scale = 0.3f;
    const Encoding a = tap == Tap::quantized ? d_.tensors[l.terms[0].tensor].encoding : dense(FloatType::bf16);
    term.tensor = tensor(name + ".a", a, rank, l.cols);
    term.second = tensor(name + ".b", dense(FloatType::f16), l.rows, rank);
    l.terms.push_back(term);
  }

  // ---- outputs ----

  void post_scale(const std::string& name) {
    OutputOp op;
    op.tensor = plain(name + ".factors", 1, linear(name).rows);
    linear(name).post.push_back(op);
  }
  void post_hadamard(const std::string& name, uint32_t block, uint64_t order) {
    OutputOp op;
    op.kind = OutputOpKind::hadamard, op.block = block;
    op.tensor = plain(name + ".signs", 1, linear(name).rows);
    if (order != 0) op.matrix = plain(name + ".matrix.signs", order, order);
    linear(name).post.push_back(op);
  }

  ModelDescription& d_;
};

}  // namespace

void compose(ModelDescription& d) {
  Composer composer(d);
  for (uint32_t i = 0; i < d.config.layers; ++i) composer.block("blocks." + std::to_string(i) + ".");
  composer.head();
}

}  // namespace tern::test
