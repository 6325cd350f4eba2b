// The shapes that the runtime's tests run through: one for each part of a decoder and way to store it.
#include "tests/runtime/tiny_model.h"

namespace tern::test {
namespace {

ModelConfig config(uint32_t hidden, uint32_t ffn, uint32_t layers, uint32_t heads, uint32_t kv_heads, uint32_t head_dim,
                   uint32_t vocab) {
  ModelConfig c;
  c.hidden_size = hidden, c.ffn_size = ffn, c.layers = layers, c.vocab_size = vocab;
  c.heads = heads, c.kv_heads = kv_heads, c.head_dim = head_dim, c.context = 256;
  return c;
}

}  // namespace

std::vector<TinyShape> tiny_shapes() {
  std::vector<TinyShape> shapes;
  TinyShape s;
  s.name = "llama, dense f32, halves";
  s.config = config(24, 40, 2, 4, 2, 6, 37);
  s.linear = dense(FloatType::f32), s.head = dense(FloatType::f32);
  shapes.push_back(s);

  s = {};
  s.name = "bitnet, trit per tensor, sub-norms, relu2, int8 head tied";
  s.config = config(64, 96, 3, 4, 2, 16, 50);
  s.config.activation = Activation::relu2, s.config.rope_base = 500000.f, s.config.final_norm_eps = 1e-6f;
  s.linear = trit(1, ScaleScope::tensor, 0, FloatType::f32), s.head = ints(8, ScaleScope::group, 32, FloatType::f16);
  s.rounding = per_token(), s.head_rounding = per_group(32);
  s.sub_norms = true, s.tied = true;
  shapes.push_back(s);

  s = {};
  s.name = "interleaved, int8 groups of 8, bf16 head, biases";
  s.config = config(40, 72, 2, 5, 1, 8, 65);
  s.config.rope_pairing = RopePairing::interleaved;
  s.linear = ints(8, ScaleScope::group, 8, FloatType::f32), s.head = dense(FloatType::bf16);
  s.rounding = per_group(8), s.biases = true;
  shapes.push_back(s);

  s = {};
  s.name = "two trit planes, groups of 48 with a short tail, head_dim 64";
  s.config = config(112, 144, 2, 2, 2, 64, 33);
  s.linear = trit(2, ScaleScope::group, 48, FloatType::f16), s.head = dense(FloatType::f16);
  s.rounding = per_group(48), s.tied = true, s.sub_norms = true;
  shapes.push_back(s);

  s = {};
  s.name = "trit per row, per-token rounding of odd widths";
  s.config = config(54, 50, 2, 6, 3, 10, 41);
  s.linear = trit(1, ScaleScope::row, 0, FloatType::bf16), s.head = ints(8, ScaleScope::row, 0, FloatType::f32);
  s.rounding = per_token(), s.head_rounding = per_token();
  shapes.push_back(s);

  s = {};
  s.name = "int8 groups of 16 under per-token rounding";
  s.config = config(48, 64, 2, 3, 3, 16, 29);
  s.linear = ints(8, ScaleScope::group, 16, FloatType::f16), s.head = dense(FloatType::f32);
  s.rounding = per_token();
  shapes.push_back(s);

  s = {};
  s.name = "int4 groups of 24, the last one short, int6 head tied";
  s.config = config(64, 88, 2, 4, 2, 16, 43);
  s.linear = ints(4, ScaleScope::group, 24, FloatType::f16), s.head = ints(6, ScaleScope::row, 0, FloatType::f32);
  s.rounding = per_group(24), s.head_rounding = per_token(), s.tied = true;
  shapes.push_back(s);

  s = {};
  s.name = "int6 groups of 32 under per-token rounding, int4 head";
  s.config = config(64, 80, 2, 4, 1, 16, 39);
  s.linear = ints(6, ScaleScope::group, 32, FloatType::bf16), s.head = ints(4, ScaleScope::group, 20, FloatType::f16);
  s.rounding = per_token(), s.head_rounding = per_group(20);
  shapes.push_back(s);

  s = {};
  s.name = "window of 5, norms of q and k, all biases, linear rope scaling";
  s.config = config(32, 40, 2, 4, 2, 6, 31);
  s.config.window = 5, s.config.rope_scaling = RopeScaling::linear, s.config.rope_factor = 2.5f;
  s.linear = dense(FloatType::f32), s.head = dense(FloatType::f32);
  s.biases = true, s.head_norms = true;
  shapes.push_back(s);

  s = {};
  s.name = "window of 37, a norm per projection, trit, llama3 rope scaling";
  s.config = config(48, 64, 2, 3, 1, 32, 45);
  s.config.window = 37, s.config.rope_scaling = RopeScaling::llama3, s.config.rope_factor = 8;
  s.config.rope_low_frequency = 1, s.config.rope_high_frequency = 4, s.config.rope_trained_context = 64;
  s.linear = trit(1, ScaleScope::tensor, 0, FloatType::f32), s.head = dense(FloatType::bf16);
  s.rounding = per_token(), s.sub_norms = true, s.head_norms = true, s.input_norms = true;
  shapes.push_back(s);

  s = {};
  s.name = "a norm per projection, dense f16 on f32 inputs";
  s.config = config(40, 56, 2, 2, 1, 20, 27);
  s.linear = dense(FloatType::f16), s.head = dense(FloatType::f32);
  s.tied = true, s.input_norms = true;
  shapes.push_back(s);

  s = {};
  s.name = "two trit planes, five in a byte, groups of 24 that fill no block";
  s.config = config(56, 72, 2, 2, 1, 28, 33);
  s.linear = trit(2, ScaleScope::group, 24, FloatType::f16), s.head = ints(8, ScaleScope::row, 0, FloatType::f16);
  s.linear.bits = 1;
  s.rounding = per_group(24), s.head_rounding = per_token();
  shapes.push_back(s);
  s = {};
  s.name = "vectors of 6 rows, 5-bit indices, two planes, codebooks per 20 columns";
  s.config = config(40, 72, 2, 4, 2, 10, 61);
  s.linear = vectors(VectorAxis::output, 6, 5, 2, ScaleScope::tensor, 20), s.head = dense(FloatType::f32);
  shapes.push_back(s);

  s = {};
  s.name = "vectors of 4 columns, 8-bit indices, int8 codebooks, per-token rounding";
  s.config = config(48, 70, 2, 4, 2, 12, 47);
  s.linear = vectors(VectorAxis::input, 4, 8, 1, ScaleScope::row, 0),
  s.head = ints(8, ScaleScope::row, 0, FloatType::f32);
  s.rounding = per_token(), s.head_rounding = per_token();
  shapes.push_back(s);

  s = {};
  s.name = "vectors of 8 columns, 10-bit indices, f32 activations";
  s.config = config(40, 64, 2, 2, 1, 16, 35);
  s.linear = vectors(VectorAxis::input, 8, 10, 1, ScaleScope::row, 0), s.head = dense(FloatType::f16);
  shapes.push_back(s);

  s = {};
  s.name = "compositions of dense matrices";
  s.config = config(48, 80, 2, 4, 2, 16, 48);
  s.linear = dense(FloatType::f16), s.head = dense(FloatType::f32);
  s.biases = true, s.composed = true;
  shapes.push_back(s);

  s.name = "compositions of trits, activations rounded per token";
  s.linear = trit(1, ScaleScope::row, 0, FloatType::f16), s.head = ints(8, ScaleScope::row, 0, FloatType::f16);
  s.rounding = per_token(), s.head_rounding = per_token();
  shapes.push_back(s);

  s.name = "compositions of int8 groups, activations rounded per group";
  s.linear = ints(8, ScaleScope::group, 16, FloatType::f32), s.head = ints(4, ScaleScope::group, 24, FloatType::f16);
  s.rounding = per_group(16), s.head_rounding = per_group(24), s.biases = false;
  shapes.push_back(s);

  s.name = "compositions of vectors along the output axis, head along the input axis";
  s.linear = vectors(VectorAxis::output, 3, 6, 2, ScaleScope::tensor, 0);
  s.head = vectors(VectorAxis::input, 5, 4, 1, ScaleScope::row, 0);
  s.rounding = s.head_rounding = {}, s.rounding.bits = s.head_rounding.bits = 0;
  shapes.push_back(s);

  s.name = "compositions of vectors along the input axis, wide indices";
  s.linear = vectors(VectorAxis::input, 8, 11, 1, ScaleScope::row, 0);
  s.head = vectors(VectorAxis::output, 4, 8, 1, ScaleScope::row, 0);
  shapes.push_back(s);

  s = {};
  s.name = "q, k, v and up, gate fused, trits";
  s.config = config(54, 50, 2, 6, 3, 10, 41);
  s.linear = trit(1, ScaleScope::row, 0, FloatType::bf16), s.head = ints(8, ScaleScope::row, 0, FloatType::f32);
  s.rounding = per_token(), s.fused = s.biases = true;
  shapes.push_back(s);

  s.name = "q, k, v and up, gate fused under output transforms";
  s.config = config(48, 64, 2, 4, 2, 16, 48);
  s.linear = dense(FloatType::f16), s.head = dense(FloatType::f16);
  s.rounding = {}, s.rounding.bits = 0, s.composed = true;
  shapes.push_back(s);

  s = {};
  s.name = "complex numbers, dense f32, sub-norms";
  s.config = config(44, 72, 2, 4, 2, 14, 35);
  s.config.numbers = Numbers::complex, s.config.activation = Activation::complex_relu2;
  s.linear = dense(FloatType::f32), s.head = dense(FloatType::f32);
  s.sub_norms = true;
  shapes.push_back(s);

  s = {};
  s.name = "complex numbers, phases of W alone, rounded by halves, sub-norms";
  s.config = config(40, 72, 2, 4, 1, 14, 35);
  s.config.numbers = Numbers::complex, s.config.activation = Activation::complex_relu2;
  s.linear = phase(1, 1, ScaleScope::tensor, 0, FloatType::f32), s.head = dense(FloatType::f32);
  s.rounding = per_half(), s.sub_norms = true;
  shapes.push_back(s);

  s = {};
  s.name = "phases of U and W in two stages, rounded by halves, biases";
  s.config = config(88, 136, 2, 4, 2, 14, 35);
  s.linear = phase(2, 2, ScaleScope::row, 0, FloatType::f16), s.head = ints(8, ScaleScope::row, 0, FloatType::f32);
  s.rounding = per_half(), s.head_rounding = per_token(), s.biases = true;
  shapes.push_back(s);

  s = {};
  s.name = "phases of W alone in three stages, groups of 12 in each half, the head's for 64 rows";
  s.config = config(48, 72, 2, 3, 3, 16, 38);
  s.linear = phase(1, 3, ScaleScope::group, 12, FloatType::f32);
  s.head = phase(1, 3, ScaleScope::tile, 12, FloatType::f32);
  s.rounding = s.head_rounding = per_group(12), s.tied = true, s.sub_norms = true;
  shapes.push_back(s);
  for (size_t i = 0; i < shapes.size(); ++i) shapes[i].seed = 100 + i;
  return shapes;
}

}  // namespace tern::test
