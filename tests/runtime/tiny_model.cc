#include "tests/runtime/tiny_model.h"

#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <catch2/catch.hpp>
#include <filesystem>
#include <numeric>
#include <span>

#include "base/checked.h"
#include "base/random.h"
#include "formats/encoding/dense.h"
#include "formats/encoding/int.h"
#include "formats/encoding/phase.h"
#include "formats/encoding/values.h"
#include "formats/encoding/vector.h"
#include "formats/tern/writer.h"

namespace tern::test {

Encoding dense(FloatType type) { return {EncodingKind::dense, type, 0, 1, ScaleScope::none, FloatType::f32, 0}; }
Encoding trit(uint8_t planes, ScaleScope scope, uint32_t group, FloatType scale_type) {
  return {EncodingKind::trit, FloatType::f32, 2, planes, scope, scale_type, group};
}
Encoding ints(uint8_t bits, ScaleScope scope, uint32_t group, FloatType scale_type) {
  return {EncodingKind::int_, FloatType::f32, bits, 1, scope, scale_type, group};
}
Encoding vectors(VectorAxis axis, uint8_t length, uint8_t bits, uint8_t planes, ScaleScope scope, uint32_t group) {
  return {EncodingKind::vector, FloatType::f32, bits, planes, scope, FloatType::f16, group, length, axis};
}
Encoding phase(uint8_t bits, uint8_t stages, ScaleScope scope, uint32_t group, FloatType scale_type) {
  return {EncodingKind::phase, FloatType::f32, bits, stages, scope, scale_type, group};
}
InputOp per_token() {
  InputOp op;
  op.bits = 8, op.scope = ScaleScope::row;
  return op;
}
InputOp per_group(uint32_t group) {
  InputOp op;
  op.bits = 8, op.scope = ScaleScope::group, op.group = group;
  return op;
}
InputOp per_half() { return per_group(0); }

namespace {

Encoding plain() { return {EncodingKind::plain, FloatType::f32, 0, 1, ScaleScope::none, FloatType::f32, 0}; }

Encoding plain_f16() { return {EncodingKind::plain, FloatType::f16, 0, 1, ScaleScope::none, FloatType::f32, 0}; }

// A codebook for every matrix of vectors: int8 along the input axis and where vectors are of 4 rows, else f16.
void add_codebooks(ModelDescription& d) {
  for (size_t i = 0, n = d.tensors.size(); i < n; ++i) {
    const TensorRecord t = d.tensors[i];
    if (t.encoding.kind != EncodingKind::vector) continue;
    const bool integer = t.encoding.axis == VectorAxis::input || t.encoding.length == 4;
    TensorRecord book;
    book.name = t.name + ".codebook";
    book.encoding = integer ? ints(8, ScaleScope::tensor, 0, FloatType::f32) : plain_f16();
    book.rows = codebook_entries(t.encoding, t.cols) * codebook_rows_each(t.encoding, integer);
    book.cols = codebook_cols(t.encoding, integer);
    d.tensors[i].codebook = static_cast<uint32_t>(d.tensors.size());
    d.tensors.push_back(book);
  }
}

// Adds tensors, inputs and linears to a description by name.
struct Builder {
  ModelDescription d;

  uint32_t tensor(const std::string& name, const Encoding& encoding, uint64_t rows, uint64_t cols) {
    TensorRecord t;
    t.name = name, t.encoding = encoding, t.rows = rows, t.cols = cols;
    d.tensors.push_back(t);
    return static_cast<uint32_t>(d.tensors.size() - 1);
  }
  uint32_t input(const std::string& name, uint64_t cols, InputOp rounding, bool norm = false) {
    InputRecord r;
    r.name = name, r.cols = cols;
    if (norm) {
      r.ops.emplace_back();
      r.ops[0].kind = InputOpKind::normalize, r.ops[0].tensor = tensor(name + ".norm", plain(), 1, cols);
    }
    const bool halves = rounding.scope == ScaleScope::group && rounding.group == 0;
    rounding.group = static_cast<uint32_t>(halves ? cols / 2 : std::min<uint64_t>(rounding.group, cols));
    if (rounding.bits != 0) r.ops.push_back(rounding);
    d.inputs.push_back(r);
    return static_cast<uint32_t>(d.inputs.size() - 1);
  }
  void linear(const std::string& name, uint32_t input, uint64_t rows, uint32_t tensor, bool bias) {
    LinearRecord l;
    l.name = name, l.rows = rows, l.cols = d.inputs[input].cols, l.input = input;
    Term term;
    const std::vector<InputOp>& ops = d.inputs[input].ops;
    term.tap = ops.empty() ? Tap::raw : ops.back().kind == InputOpKind::quantize ? Tap::quantized : Tap::transformed;
    term.tensor = tensor, term.rows = rows, term.cols = l.cols;
    l.terms.push_back(term);
    if (bias) l.bias = this->tensor(name + ".bias", plain(), 1, rows);
    d.linears.push_back(l);
  }
  void linear(const std::string& name, uint32_t input, uint64_t rows, Encoding encoding, bool bias = false) {
    const uint64_t cols = d.inputs[input].cols;
    encoding.group = std::min<uint32_t>(encoding.group, static_cast<uint32_t>(cols));
    linear(name, input, rows, tensor(name, encoding, rows, cols), bias);
  }
};

}  // namespace

ModelDescription describe_tiny(const TinyShape& s) {
  Builder b;
  const ModelConfig& c = b.d.config = s.config;
  const uint32_t embedding = b.tensor("embed.tokens", s.head, c.vocab_size, c.hidden_size);
  const uint64_t q = uint64_t{c.heads} * c.head_dim, kv = uint64_t{c.kv_heads} * c.head_dim;
  for (uint32_t i = 0; i < c.layers; ++i) {
    const std::string at = "blocks." + std::to_string(i) + ".";
    // Inputs by layer: one for the group, or one each.
    const auto group = [&](const char* shared, std::vector<const char*> layers) {
      std::vector<uint32_t> inputs(layers.size());
      if (!s.input_norms) inputs.assign(layers.size(), b.input(at + shared, c.hidden_size, s.rounding));
      for (size_t k = 0; k < layers.size() && s.input_norms; ++k) {
        inputs[k] = b.input(at + layers[k] + ".in", c.hidden_size, s.rounding, true);
      }
      return inputs;
    };
    const auto attn_in = group("attn.in", {"attn.q", "attn.k", "attn.v"});
    const auto ffn_in = group("ffn.in", {"ffn.gate", "ffn.up"});
    const uint32_t attn_out = b.input(at + "attn.out", q, s.rounding);
    const uint32_t ffn_mid = b.input(at + "ffn.mid", c.ffn_size, s.rounding);
    b.tensor(at + "attn.norm", plain(), 1, c.hidden_size);
    if (s.fused) {
      b.linear(at + "attn.qkv", attn_in[0], q + 2 * kv, s.linear, s.biases);
    } else {
      b.linear(at + "attn.q", attn_in[0], q, s.linear, s.biases);
      b.linear(at + "attn.k", attn_in[1], kv, s.linear, s.biases);
      b.linear(at + "attn.v", attn_in[2], kv, s.linear, s.biases);
    }
    for (const char* name : {"attn.q_norm", "attn.k_norm"}) {
      if (s.head_norms) b.tensor(at + name, plain(), 1, c.head_dim);
    }
    if (s.sub_norms) b.tensor(at + "attn.sub_norm", plain(), 1, q);
    b.linear(at + "attn.o", attn_out, c.hidden_size, s.linear, s.biases);
    b.tensor(at + "ffn.norm", plain(), 1, c.hidden_size);
    if (s.fused) {
      b.linear(at + "ffn.up_gate", ffn_in[0], uint64_t{2} * c.ffn_size, s.linear, s.biases);
    } else {
      b.linear(at + "ffn.gate", ffn_in[0], c.ffn_size, s.linear, s.biases);
      b.linear(at + "ffn.up", ffn_in[1], c.ffn_size, s.linear, s.biases);
    }
    if (s.sub_norms) b.tensor(at + "ffn.sub_norm", plain(), 1, c.ffn_size);
    b.linear(at + "ffn.down", ffn_mid, c.hidden_size, s.linear, s.biases);
  }
  b.tensor("output.norm", plain(), 1, c.hidden_size);
  const uint32_t head_in = b.input("head.in", c.hidden_size, s.head_rounding);
  if (s.tied) {
    b.linear("head", head_in, c.vocab_size, embedding, false);
  } else {
    b.linear("head", head_in, c.vocab_size, s.head);
  }
  if (s.composed) compose(b.d);
  add_codebooks(b.d);
  return b.d;
}

namespace {

void must(const Status& status) {
  INFO(status.message());
  REQUIRE(status.ok());
}

std::vector<std::byte> random_floats(Random& random, FloatType type, uint64_t count, float mean, float deviation) {
  std::vector<std::byte> bytes(count * float_bytes(type));
  for (uint64_t i = 0; i < count; ++i) store_float(type, bytes.data(), i, mean + deviation * random.normal());
  return bytes;
}

void write_plain(TernWriter& writer, uint32_t index, const TensorRecord& t, Random& random) {
  const bool around_zero = t.name.ends_with(".bias") || t.name.ends_with(".values") || t.name.ends_with(".codebook");
  const uint64_t count = t.rows * t.cols;
  std::vector<std::byte> values = random_floats(random, t.encoding.value_type, count, around_zero ? 0 : 1, 0.3f);
  for (uint64_t i = 0; i < count && t.name.ends_with(".signs"); ++i) {
    store_float(t.encoding.value_type, values.data(), i, random.below(2) == 0 ? 1.f : -1.f);
  }
  must(writer.append_codes(index, values));
}

// A permutation, or the columns or row starts of the sparse term that refers to the tensor.
void write_index(TernWriter& writer, uint32_t index, const ModelDescription& d, Random& random) {
  std::vector<uint32_t> values(d.tensors[index].cols);
  std::iota(values.begin(), values.end(), 0u);
  for (size_t i = values.size(); i > 1; --i) std::swap(values[i - 1], values[random.below(i)]);
  for (const LinearRecord& l : d.linears) {
    for (const Term& term : l.terms) {
      const bool starts = term.third == index;
      if (term.kind != TermKind::sparse || (term.second != index && !starts)) continue;
      const uint64_t count = d.tensors[term.tensor].cols;
      for (uint32_t& v : values) v = static_cast<uint32_t>(random.below(starts ? count : term.cols));
      if (!starts) continue;
      std::sort(values.begin(), values.end());
      values.front() = 0, values.back() = static_cast<uint32_t>(count);
    }
  }
  must(writer.append_codes(index, std::as_bytes(std::span(values))));
}

// Random indices; the scales bring codebook values of about 0.3 (f16) or 1 (int8) to the size of weights.
void write_vectors(TernWriter& writer, uint32_t index, const TensorRecord& t, const Layout& layout, Random& random) {
  const Encoding& e = t.encoding;
  const uint64_t positions = vector_positions(e, t.cols), full = vector_tile_lanes(e);
  const uint64_t lanes = e.axis == VectorAxis::output ? ceil_div(t.rows, e.length) : t.rows;
  for (uint64_t tile = 0; tile < layout.tiles; ++tile) {
    const uint64_t count = std::min(full, lanes - tile * full);
    std::vector<uint16_t> indices(e.planes * count * positions);
    for (uint16_t& i : indices) i = static_cast<uint16_t>(random.below(uint64_t{1} << e.bits));
    std::vector<std::byte> bytes(vector_tile_bytes(e, layout, t.cols, tile));
    pack_vector_tile(e, layout, t.cols, tile, count, indices.data(), positions, count * positions, bytes.data());
    must(writer.append_codes(index, bytes));
  }
  const float size = (e.axis == VectorAxis::output ? 2.f : 1.f) / std::sqrt(static_cast<float>(t.cols));
  if (layout.scale_count != 0)
    must(writer.append_scales(index, random_floats(random, e.scale_type, layout.scale_count, size, 0.2f * size)));
}

// One tile of random weights whose products keep the size of what they read.
void write_tile(TernWriter& writer, uint32_t index, const TensorRecord& t, const Layout& layout, uint64_t rows,
                Random& random) {
  const Encoding& e = t.encoding;
  const float size = 1.f / std::sqrt(static_cast<float>(t.cols));
  std::vector<std::byte> tile(layout.tile_bytes);
  if (e.kind == EncodingKind::phase) {
    const uint64_t cols = t.cols / 2;
    std::vector<uint8_t> codes(e.planes * e.bits * rows * cols);
    for (uint8_t& v : codes) v = static_cast<uint8_t>(random.below(4));
    pack_phase_tile(e, layout, rows, codes.data(), cols, rows * cols, tile.data());
  } else if (e.kind == EncodingKind::dense) {
    std::vector<float> values(rows * t.cols);
    for (float& v : values) v = size * random.normal();
    pack_dense_tile(e.value_type, rows, t.cols, values.data(), t.cols, tile.data());
  } else {
    std::vector<int8_t> codes(e.planes * rows * t.cols);
    const bool trits = e.kind == EncodingKind::trit;
    const int count = trits ? 3 : 1 << e.bits;
    for (int8_t& v : codes) v = static_cast<int8_t>(int(random.below(uint64_t(count))) - count / 2);
    if (trits) {
      pack_trit_tile(e, layout, rows, t.cols, codes.data(), t.cols, rows * t.cols, tile.data());
    } else {
      pack_int_tile(e.bits, layout, rows, t.cols, codes.data(), t.cols, tile.data());
    }
  }
  must(writer.append_codes(index, tile));
  if (e.scope != ScaleScope::row && e.scope != ScaleScope::group) return;
  std::vector<float> scales(rows * layout.groups * scale_planes(e));
  for (float& v : scales)
    v = size * (0.5f + random.uniform()) / (e.kind == EncodingKind::int_ ? 0.58f * int_zero(e.bits) : 1);
  std::vector<std::byte> bytes(tile_scale_bytes(e, layout));
  pack_tile_scales(e, layout, rows, scales.data(), bytes.data());
  must(writer.append_scales(index, bytes));
}

}  // namespace

void write_tiny(const std::string& path, const ModelDescription& d, uint64_t seed) {
  Random random(seed);
  auto created = TernWriter::create(path, d);
  must(created.status());
  TernWriter& writer = **created;
  for (uint32_t i = 0; i < d.tensors.size(); ++i) {
    const TensorRecord& t = d.tensors[i];
    if (t.encoding.kind == EncodingKind::plain) {
      write_plain(writer, i, t, random);
      continue;
    }
    if (t.encoding.kind == EncodingKind::index) {
      write_index(writer, i, d, random);
      continue;
    }
    const Layout layout = layout_of(t.encoding, t.rows, t.cols).value();
    if (t.encoding.kind == EncodingKind::vector) {
      write_vectors(writer, i, t, layout, random);
      continue;
    }
    for (uint64_t row = 0; row < layout.tiled_rows; row += kTileRows) {
      write_tile(writer, i, t, layout, std::min<uint64_t>(kTileRows, layout.tiled_rows - row), random);
    }
    if (t.encoding.scope == ScaleScope::tensor || t.encoding.scope == ScaleScope::tile) {
      const bool book = t.name.ends_with(".codebook");
      const float size = book ? 1.f / 74 : 1.2f / std::sqrt(static_cast<float>(t.cols));
      must(
          writer.append_scales(i, random_floats(random, t.encoding.scale_type, layout.scale_count, size, 0.1f * size)));
    }
  }
  must(writer.finish());
}

TinyFile::TinyFile(const TinyShape& shape) {
  static std::atomic<int> count{0};
  path_ = (std::filesystem::temp_directory_path() /
           ("tern-tiny-" + std::to_string(getpid()) + "-" + std::to_string(count++) + ".tern"))
              .string();
  write_tiny(path_, describe_tiny(shape), shape.seed);
}

TinyFile::~TinyFile() { std::filesystem::remove(path_); }

std::shared_ptr<const Model> TinyFile::load(const LoadOptions& options) const {
  auto model = Model::load(path_, options);
  must(model.status());
  return *model;
}

}  // namespace tern::test
