// The forward pass of a decoder in double precision, position by position.
#include <algorithm>
#include <cmath>
#include <complex>
#include <cstring>
#include <map>

#include "formats/encoding/values.h"
#include "tests/runtime/tiny_model.h"

namespace tern::test {
namespace {

using Vector = std::vector<double>;

class Reference {
 public:
  Reference(const TernFile& file, bool rounded)
      : file_(file), d_(file.description()), c_(d_.config), rounded_(rounded), keys_(c_.layers), values_(c_.layers) {}

  // Sums of squares of what each linear layer read, before rounding.
  std::map<std::string, Vector> input_squares;

  Vector next(int32_t token) {
    Vector x = row("embed.tokens", static_cast<uint64_t>(token));
    for (uint32_t i = 0; i < c_.layers; ++i) block(i, x);
    ++position_;
    return linear("head", norm(x, "output.norm", c_.final_norm_eps));
  }

 private:
  Vector row(const std::string& tensor, uint64_t r) const { return row(file_.find_tensor(tensor), r); }
  Vector row(uint32_t tensor, uint64_t r) const {
    const TensorRecord& t = d_.tensors[tensor];
    const Layout layout = layout_of(t.encoding, t.rows, t.cols).value();
    std::vector<float> values(t.cols);
    decode_row(t.encoding, layout, t.cols, file_.codes(tensor).data(), file_.scales(tensor).data(), r, values.data(),
               file_.codebook(tensor));
    return Vector(values.begin(), values.end());
  }

  Vector norm(const Vector& x, const std::string& weight, double eps) const { return norm(x, row(weight, 0), eps); }

  static Vector norm(const Vector& x, const Vector& w, double eps) {
    double squares = 0;
    for (double v : x) squares += v * v;
    Vector y(x.size());
    for (size_t i = 0; i < x.size(); ++i) y[i] = x[i] / std::sqrt(squares / x.size() + eps) * w[i];
    return y;
  }

  // Codes of int8 rounding, put back on the scale.
  static void round(const InputOp& op, Vector& x) {
    const size_t group = op.scope == ScaleScope::row ? x.size() : op.group;
    for (size_t begin = 0; begin < x.size(); begin += group) {
      const size_t end = std::min(x.size(), begin + group);
      double m = 1e-5;
      for (size_t i = begin; i < end; ++i) m = std::max(m, std::fabs(x[i]));
      for (size_t i = begin; i < end; ++i) x[i] = std::nearbyint(x[i] * 127 / m) * m / 127;
    }
  }

  // Layers of these names, or the parts of the one that they are fused in.
  std::vector<Vector> layers(const std::string& at, const std::string& fused, const std::vector<std::string>& names,
                             const std::vector<size_t>& sizes, const Vector& x) {
    std::vector<Vector> parts;
    const bool whole =
        std::any_of(d_.linears.begin(), d_.linears.end(), [&](const auto& r) { return r.name == at + fused; });
    const Vector all = whole ? linear(at + fused, x) : Vector();
    for (size_t i = 0, begin = 0; i < names.size(); begin += sizes[i++]) {
      const auto first = all.begin() + static_cast<std::ptrdiff_t>(begin);
      parts.push_back(whole ? Vector(first, first + static_cast<std::ptrdiff_t>(sizes[i])) : linear(at + names[i], x));
    }
    return parts;
  }

  Vector linear(const std::string& name, const Vector& raw) {
    const auto& l = *std::find_if(d_.linears.begin(), d_.linears.end(), [&](const auto& r) { return r.name == name; });
    Vector x = raw;
    for (const InputOp& op : d_.inputs[l.input].ops) {
      if (op.kind != InputOpKind::quantize) x = transform(op, x);
    }
    see(name, x);
    Vector rounded = x;
    for (const InputOp& op : d_.inputs[l.input].ops) {
      if (op.kind == InputOpKind::quantize && rounded_) round(op, rounded);
    }
    Vector y(l.rows);
    for (const Term& term : l.terms) {
      add_term(term, term.tap == Tap::raw ? raw : term.tap == Tap::transformed ? x : rounded, y);
    }
    for (const OutputOp& op : l.post) {
      y = op.kind == OutputOpKind::scale ? times(y, row(op.tensor, 0)) : hadamard(op.tensor, op.matrix, op.block, y);
    }
    for (uint64_t r = 0; r < l.rows && l.bias != kNoTensor; ++r) y[r] += row(l.bias, 0)[r];
    return y;
  }

  Vector transform(const InputOp& op, const Vector& x) const {
    Vector y(x.size());
    const size_t block = op.block != 0 ? op.block : x.size();
    switch (op.kind) {
      case InputOpKind::scale:
        return times(x, row(op.tensor, 0));
      case InputOpKind::normalize:
        return norm(x, row(op.tensor, 0), c_.norm_eps);
      case InputOpKind::hadamard:
        return hadamard(op.tensor, op.matrix, op.block, x);
      case InputOpKind::permute:
        for (size_t k = 0; k < x.size(); ++k) y[k] = x[indices(op.tensor)[k]];
        return y;
      case InputOpKind::rotate:
        for (size_t i = 0; i < x.size(); ++i) y[i] = dot(row(op.tensor, i), x, i / block * block);
        return y;
      case InputOpKind::quantize:
        break;
    }
    return x;
  }

  static Vector times(Vector x, const Vector& factors) {
    for (size_t i = 0; i < x.size(); ++i) x[i] *= factors[i];
    return x;
  }

  static double dot(const Vector& w, const Vector& x, size_t begin) {
    double sum = 0;
    for (size_t i = 0; i < w.size(); ++i) sum += w[i] * x[begin + i];
    return sum;
  }

  // Element (i, j) of Sylvester's matrix is -1 to the number of common bits; the stored one stands before it in a
  // Kronecker product.
  Vector hadamard(uint32_t signs, uint32_t matrix, uint32_t block, const Vector& raw) const {
    const Vector x = signs != kNoTensor ? times(raw, row(signs, 0)) : raw;
    const size_t n = block != 0 ? block : x.size(), order = matrix != kNoTensor ? d_.tensors[matrix].rows : 1;
    const size_t length = n / order;
    std::vector<float> stored(order * order, 1.f);
    for (size_t i = 0; i < stored.size() && matrix != kNoTensor; ++i) {
      stored[i] = load_float(d_.tensors[matrix].encoding.value_type, file_.codes(matrix).data(), i);
    }
    Vector y(x.size());
    for (size_t i = 0; i < x.size(); ++i) {
      for (size_t j = 0; j < n; ++j) {
        const size_t r = i % n;
        const double sylvester = __builtin_popcountll(r % length & j % length) % 2 != 0 ? -1 : 1;
        y[i] += stored[r / length * order + j / length] * sylvester * x[i / n * n + j] / std::sqrt(double(n));
      }
    }
    return y;
  }

  std::vector<uint32_t> indices(uint32_t tensor) const {
    std::vector<uint32_t> values(d_.tensors[tensor].cols);
    std::memcpy(values.data(), file_.codes(tensor).data(), 4 * values.size());
    return values;
  }

  void add_term(const Term& term, const Vector& x, Vector& y) const {
    Vector product(term.rows);
    if (term.kind == TermKind::sparse) {
      const Vector values = row(term.tensor, 0);
      const auto columns = indices(term.second), starts = indices(term.third);
      for (size_t r = 0; r < term.rows; ++r) {
        for (size_t i = starts[r]; i < starts[r + 1]; ++i) product[r] += values[i] * x[term.col_begin + columns[i]];
      }
    } else if (term.kind == TermKind::low_rank) {
      Vector ax(d_.tensors[term.tensor].rows);
      for (size_t i = 0; i < ax.size(); ++i) ax[i] = dot(row(term.tensor, i), x, term.col_begin);
      for (size_t r = 0; r < term.rows; ++r) product[r] = dot(row(term.second, r), ax, 0);
    } else {
      for (size_t r = 0; r < term.rows; ++r) product[r] = dot(row(term.tensor, r), x, term.col_begin);
    }
    for (size_t r = 0; r < term.rows; ++r) y[term.row_begin + r] += double(term.scale) * product[r];
  }

  void see(const std::string& linear, const Vector& x) {
    Vector& squares = input_squares[linear];
    squares.resize(x.size());
    for (size_t i = 0; i < x.size(); ++i) squares[i] += x[i] * x[i];
  }

  // By wavelengths, as transformers writes it.
  double frequency(size_t i) const {
    const double plain = std::pow(double(c_.rope_base), -2.0 * i / c_.head_dim);
    if (c_.rope_scaling == RopeScaling::none) return plain;
    if (c_.rope_scaling == RopeScaling::linear) return plain / c_.rope_factor;
    const double trained = c_.rope_trained_context, low = c_.rope_low_frequency, high = c_.rope_high_frequency;
    const double wavelength = 2 * std::acos(-1.0) / plain;
    if (wavelength < trained / high) return plain;
    if (wavelength > trained / low) return plain / c_.rope_factor;
    const double smooth = (trained / wavelength - low) / (high - low);
    return (1 - smooth) * plain / c_.rope_factor + smooth * plain;
  }

  // The norm of each head, if the model has it.
  Vector head_norm(Vector x, const std::string& weight) const {
    if (file_.find_tensor(weight) == kNoTensor) return x;
    for (size_t head = 0; head < x.size(); head += c_.head_dim) {
      const auto begin = x.begin() + static_cast<std::ptrdiff_t>(head);
      const Vector y = norm(Vector(begin, begin + c_.head_dim), weight, c_.norm_eps);
      std::copy(y.begin(), y.end(), begin);
    }
    return x;
  }

  bool complex() const { return c_.numbers == Numbers::complex; }

  // Of complex numbers, from [all real parts | all imaginary parts] to that for every head, and back.
  Vector by_heads(const Vector& x) const { return complex() ? reordered(x, true) : x; }
  Vector by_parts(const Vector& x) const { return complex() ? reordered(x, false) : x; }
  Vector reordered(const Vector& x, bool heads) const {
    Vector y(x.size());
    const size_t half = c_.head_dim / 2;
    for (size_t number = 0; number < x.size() / 2; ++number) {
      for (size_t part = 0; part < 2; ++part) {
        const size_t in_head = number / half * c_.head_dim + part * half + number % half;
        const size_t in_parts = part * x.size() / 2 + number;
        y[heads ? in_head : in_parts] = x[heads ? in_parts : in_head];
      }
    }
    return y;
  }

  void rotate(Vector& x) const {
    const size_t d = c_.head_dim;
    for (size_t head = 0; head < x.size(); head += d) {
      for (size_t i = 0; i < d / 2; ++i) {
        const bool halves = c_.rope_pairing == RopePairing::halves;
        double &a = x[head + (halves ? i : 2 * i)], &b = x[head + (halves ? i + d / 2 : 2 * i + 1)];
        const double angle = position_ * frequency(i);
        const double re = a * std::cos(angle) - b * std::sin(angle);
        b = a * std::sin(angle) + b * std::cos(angle);
        a = re;
      }
    }
  }

  Vector attend(uint32_t layer, const Vector& q) const {
    const size_t d = c_.head_dim;
    Vector out(q.size());
    for (size_t h = 0; h < c_.heads; ++h) {
      const size_t kv = h * c_.kv_heads / c_.heads * d;
      Vector p;
      for (size_t j = 0; j < keys_[layer].size(); ++j) {
        double dot = 0;
        for (size_t i = 0; i < d; ++i) dot += q[h * d + i] * keys_[layer][j][kv + i];
        const bool seen = c_.window == 0 || position_ - j < c_.window;
        p.push_back(seen ? std::exp(dot / std::sqrt(complex() ? d / 2.0 : double(d))) : 0);
      }
      double sum = 0;
      for (double v : p) sum += v;
      for (size_t j = 0; j < p.size(); ++j) {
        for (size_t i = 0; i < d; ++i) out[h * d + i] += p[j] / sum * values_[layer][j][kv + i];
      }
    }
    return out;
  }

  void block(uint32_t i, Vector& x) {
    const std::string at = "blocks." + std::to_string(i) + ".";
    const bool sub_norms = file_.find_tensor(at + "attn.sub_norm") != kNoTensor;
    const Vector a = norm(x, at + "attn.norm", c_.norm_eps);
    const size_t heads = c_.heads * size_t{c_.head_dim}, kv = c_.kv_heads * size_t{c_.head_dim};
    const std::vector<Vector> qkv = layers(at, "attn.qkv", {"attn.q", "attn.k", "attn.v"}, {heads, kv, kv}, a);
    Vector q = head_norm(by_heads(qkv[0]), at + "attn.q_norm");
    Vector k = head_norm(by_heads(qkv[1]), at + "attn.k_norm");
    rotate(q);
    rotate(k);
    keys_[i].push_back(k);
    values_[i].push_back(by_heads(qkv[2]));
    Vector o = by_parts(attend(i, q));
    if (sub_norms) o = norm(o, at + "attn.sub_norm", c_.norm_eps);
    o = linear(at + "attn.o", o);
    for (size_t j = 0; j < x.size(); ++j) x[j] += o[j];

    const Vector b = norm(x, at + "ffn.norm", c_.norm_eps);
    const std::vector<Vector> up_gate =
        layers(at, "ffn.up_gate", {"ffn.up", "ffn.gate"}, {c_.ffn_size, c_.ffn_size}, b);
    const Vector& up = up_gate[0];
    Vector gate = up_gate[1];
    for (size_t j = 0; j < gate.size() && !complex(); ++j) {
      const double g = gate[j], r = std::max(0.0, g);
      gate[j] = (c_.activation == Activation::silu ? g / (1 + std::exp(-g)) : r * r) * up[j];
    }
    for (size_t j = 0, half = gate.size() / 2; j < half && complex(); ++j) {
      const double re = gate[j], im = gate[half + j];
      const std::complex<double> u(up[j], up[half + j]);
      const std::complex<double> activated = re < 0 && im < 0 ? 0 : std::complex<double>(re * re, im * im);
      const std::complex<double> product = std::conj(activated) * u;
      gate[j] = product.real(), gate[half + j] = product.imag();
    }
    if (sub_norms) gate = norm(gate, at + "ffn.sub_norm", c_.norm_eps);
    const Vector down = linear(at + "ffn.down", gate);
    for (size_t j = 0; j < x.size(); ++j) x[j] += down[j];
  }

  const TernFile& file_;
  const ModelDescription& d_;
  const ModelConfig& c_;
  bool rounded_;
  uint32_t position_ = 0;
  std::vector<std::vector<Vector>> keys_, values_;
};

}  // namespace

std::vector<std::vector<double>> reference_logits(const TernFile& file, const std::vector<int32_t>& tokens,
                                                  bool rounded) {
  Reference reference(file, rounded);
  std::vector<std::vector<double>> logits;
  for (int32_t token : tokens) logits.push_back(reference.next(token));
  return logits;
}

std::map<std::string, std::vector<double>> reference_input_squares(const TernFile& file,
                                                                   const std::vector<int32_t>& tokens) {
  Reference reference(file, false);
  for (int32_t token : tokens) reference.next(token);
  return reference.input_squares;
}

}  // namespace tern::test
