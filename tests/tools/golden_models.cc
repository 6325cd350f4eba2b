// The descriptions of the golden files.
#include "formats/encoding/vector.h"
#include "tests/tools/golden_files.h"

namespace tern::test {
namespace {

ModelConfig small_config() {
  ModelConfig c;
  c.vocab_size = 18, c.hidden_size = 8, c.ffn_size = 12, c.layers = 1;
  c.heads = 2, c.kv_heads = 1, c.head_dim = 4, c.context = 64;
  return c;
}

Encoding plain(FloatType type) { return {EncodingKind::plain, type, 0, 1, ScaleScope::none, FloatType::f32, 0}; }
Encoding dense(FloatType type) { return {EncodingKind::dense, type, 0, 1, ScaleScope::none, FloatType::f32, 0}; }
Encoding index() { return {EncodingKind::index, FloatType::f32, 0, 1, ScaleScope::none, FloatType::f32, 0}; }
Encoding ints(uint8_t bits, ScaleScope scope, FloatType type, uint32_t group = 0) {
  return {EncodingKind::int_, FloatType::f32, bits, 1, scope, type, group};
}
Encoding trit(uint8_t planes, ScaleScope scope, FloatType type, uint32_t group = 0) {
  return {EncodingKind::trit, FloatType::f32, 2, planes, scope, type, group};
}
Encoding trit5(uint8_t planes, ScaleScope scope, FloatType type, uint32_t group = 0) {
  return {EncodingKind::trit, FloatType::f32, 1, planes, scope, type, group};
}
Encoding phase(uint8_t bits, uint8_t stages, ScaleScope scope, FloatType type, uint32_t group = 0) {
  return {EncodingKind::phase, FloatType::f32, bits, stages, scope, type, group};
}

Encoding vectors(VectorAxis axis, uint8_t length, uint8_t bits, uint8_t planes, ScaleScope scope, uint32_t group = 0) {
  return {EncodingKind::vector, FloatType::f32, bits, planes, scope, FloatType::f16, group, length, axis};
}

uint32_t add_tensor(ModelDescription& d, std::string name, Encoding encoding, uint64_t rows, uint64_t cols) {
  TensorRecord t;
  t.name = std::move(name);
  t.encoding = encoding;
  t.rows = rows;
  t.cols = cols;
  d.tensors.push_back(t);
  return static_cast<uint32_t>(d.tensors.size() - 1);
}

Term whole_term(uint32_t tensor, uint64_t rows, uint64_t cols, Tap tap) {
  Term term;
  term.tensor = tensor;
  term.tap = tap;
  term.rows = rows;
  term.cols = cols;
  return term;
}

uint32_t add_input(ModelDescription& d, std::string name, uint64_t cols, std::vector<InputOp> ops) {
  d.inputs.push_back({std::move(name), cols, std::move(ops)});
  return static_cast<uint32_t>(d.inputs.size() - 1);
}

void add_linear(ModelDescription& d, std::string name, uint32_t input, uint64_t rows, std::vector<Term> terms) {
  LinearRecord linear;
  linear.name = std::move(name);
  linear.rows = rows;
  linear.cols = d.inputs[input].cols;
  linear.input = input;
  linear.terms = std::move(terms);
  d.linears.push_back(std::move(linear));
}

InputOp quantize(ScaleScope scope, uint32_t group = 0) {
  InputOp op;
  op.bits = 8;
  op.scope = scope;
  op.group = group;
  return op;
}

// One matrix read by one linear.
ModelDescription one_matrix(Encoding encoding, uint64_t rows, uint64_t cols) {
  ModelDescription d;
  d.config = small_config();
  const uint32_t tensor = add_tensor(d, "w", encoding, rows, cols);
  d.tensors[tensor].source_name = "model.layers.0.self_attn.q_proj.weight";
  const bool rounds = encoding.kind != EncodingKind::dense;
  std::vector<InputOp> ops;
  const bool phase = encoding.kind == EncodingKind::phase;
  const bool grouped = phase || has_group_scales(encoding);
  const auto group = static_cast<uint32_t>(phase && encoding.group == 0 ? cols / 2 : encoding.group);
  if (rounds) ops.push_back(quantize(grouped ? ScaleScope::group : ScaleScope::row, group));
  const uint32_t input = add_input(d, "x", cols, ops);
  add_linear(d, "y", input, rows, {whole_term(tensor, rows, cols, rounds ? Tap::quantized : Tap::raw)});
  return d;
}

// The same of vectors, with their codebook; along the input axis int codebooks are read by rounded activations.
ModelDescription vector_matrix(Encoding encoding, Encoding book, uint64_t rows, uint64_t cols) {
  const bool integer = book.kind == EncodingKind::int_, rounds = integer && encoding.axis == VectorAxis::input;
  ModelDescription d;
  d.config = small_config();
  const uint32_t tensor = add_tensor(d, "w", encoding, rows, cols);
  d.tensors[tensor].codebook =
      add_tensor(d, "w.codebook", book, codebook_entries(encoding, cols) * codebook_rows_each(encoding, integer),
                 codebook_cols(encoding, integer));
  std::vector<InputOp> ops;
  if (rounds) ops.push_back(quantize(ScaleScope::row));
  const uint32_t input = add_input(d, "x", cols, ops);
  add_linear(d, "y", input, rows, {whole_term(tensor, rows, cols, rounds ? Tap::quantized : Tap::raw)});
  return d;
}

// Every kind of operation and term that 1.0 can hold.
ModelDescription compositions() {
  ModelDescription d;
  d.config = small_config();
  d.config.rope_pairing = RopePairing::interleaved;
  d.config.activation = Activation::relu2;
  const uint32_t scale = add_tensor(d, "x.scale", plain(FloatType::f32), 1, 24);
  const uint32_t order = add_tensor(d, "x.order", index(), 1, 24);
  const uint32_t signs = add_tensor(d, "x.signs", plain(FloatType::f16), 1, 24);
  const uint32_t hadamard = add_tensor(d, "x.hadamard", plain(FloatType::bf16), 12, 12);
  const uint32_t rotation = add_tensor(d, "x.rotation", dense(FloatType::f32), 24, 8);
  const uint32_t main = add_tensor(d, "w.main", trit(1, ScaleScope::group, FloatType::f16, 8), 20, 16);
  const uint32_t salient = add_tensor(d, "w.salient", trit(1, ScaleScope::group, FloatType::f16, 8), 20, 8);
  const uint32_t values = add_tensor(d, "w.sparse", plain(FloatType::f16), 1, 5);
  const uint32_t columns = add_tensor(d, "w.sparse.columns", index(), 1, 5);
  const uint32_t starts = add_tensor(d, "w.sparse.starts", index(), 1, 11);
  const uint32_t low_a = add_tensor(d, "w.low.a", dense(FloatType::f16), 2, 24);
  const uint32_t low_b = add_tensor(d, "w.low.b", dense(FloatType::f16), 20, 2);
  const uint32_t out_signs = add_tensor(d, "y.signs", plain(FloatType::f32), 1, 20);
  const uint32_t bias = add_tensor(d, "y.bias", plain(FloatType::f32), 1, 20);

  std::vector<InputOp> ops(4);
  ops[0].kind = InputOpKind::scale, ops[0].tensor = scale;
  ops[1].kind = InputOpKind::permute, ops[1].tensor = order;
  ops[2].kind = InputOpKind::hadamard, ops[2].tensor = signs, ops[2].matrix = hadamard;
  ops[3].kind = InputOpKind::rotate, ops[3].tensor = rotation, ops[3].block = 8;
  ops.push_back(quantize(ScaleScope::group, 8));
  const uint32_t input = add_input(d, "x", 24, ops);

  std::vector<Term> terms(4);
  terms[0] = whole_term(main, 20, 16, Tap::quantized);
  terms[1] = whole_term(salient, 20, 8, Tap::quantized);
  terms[1].col_begin = 16;
  terms[2] = whole_term(values, 10, 24, Tap::transformed);
  terms[2].kind = TermKind::sparse, terms[2].second = columns, terms[2].third = starts, terms[2].row_begin = 10;
  terms[3] = whole_term(low_a, 20, 24, Tap::raw);
  terms[3].kind = TermKind::low_rank, terms[3].second = low_b, terms[3].scale = 0.5f;
  add_linear(d, "y", input, 20, terms);
  d.linears[0].post.push_back({OutputOpKind::hadamard, kNoTensor, kNoTensor, 4});
  d.linears[0].post.push_back({OutputOpKind::scale, out_signs, kNoTensor, 0});
  d.linears[0].bias = bias;
  return d;
}

// The optional fields of the configuration, and an input that is normalized.
ModelDescription optional_parts() {
  ModelDescription d;
  d.config = small_config();
  d.config.window = 37;
  d.config.rope_scaling = RopeScaling::llama3, d.config.rope_factor = 8, d.config.rope_trained_context = 8192;
  d.config.rope_low_frequency = 1, d.config.rope_high_frequency = 4;
  const uint32_t norm = add_tensor(d, "y.in.norm", plain(FloatType::f32), 1, 5);
  const uint32_t tensor = add_tensor(d, "y", dense(FloatType::f16), 3, 5);
  std::vector<InputOp> ops(1);
  ops[0].kind = InputOpKind::normalize, ops[0].tensor = norm;
  const uint32_t input = add_input(d, "y.in", 5, ops);
  add_linear(d, "y", input, 3, {whole_term(tensor, 3, 5, Tap::transformed)});
  return d;
}

// Vectors of complex numbers.
ModelDescription complex_numbers() {
  ModelDescription d;
  d.config = small_config();
  d.config.numbers = Numbers::complex, d.config.activation = Activation::complex_relu2;
  const uint32_t tensor = add_tensor(d, "y", dense(FloatType::f32), 4, 6);
  add_linear(d, "y", add_input(d, "x", 6, {}), 4, {whole_term(tensor, 4, 6, Tap::raw)});
  return d;
}

ModelDescription with_tokenizer() {
  ModelDescription d;
  d.config = small_config();
  TokenizerData t;
  t.pieces = {{"<unk>", 0, PieceType::unknown},
              {"<s>", 0, PieceType::control},
              {"</s>", 0, PieceType::control},
              {"<0x0A>", 0, PieceType::byte},
              {"\xe2\x96\x81"
               "a",
               -1, PieceType::normal},
              {"\xc3\xa9", -2.5f, PieceType::normal},
              {"<|im_end|>", 0, PieceType::user_defined},
              {"gone", -9, PieceType::unused}};
  t.bos = 1, t.eos = 2, t.unknown = 0;
  t.stop_ids = {2, 6};
  t.add_eos = true;
  t.add_dummy_prefix = false;
  d.tokenizer = t;
  d.metadata = {{"source", "made by tests/tools/make_golden"}, {"licence", "none \xe2\x80\x93 a test"}};
  return d;
}

// Parts of a byte-level vocabulary: every type of piece that it has, bytes that are no UTF-8, two patterns.
ModelDescription with_byte_tokenizer() {
  ModelDescription d;
  d.config = small_config();
  TokenizerData t;
  t.kind = TokenizerKind::byte_bpe;
  t.pieces = {{"a", 0, PieceType::normal},
              {"\xc3", 0, PieceType::normal},
              {"\xa9", 0, PieceType::normal},
              {"\xc3\xa9", 0, PieceType::normal},
              {"", 0, PieceType::unused},
              {"<|end|>", 0, PieceType::control},
              {"<tool>", 0, PieceType::user_defined},
              {std::string(1, '\0'), 0, PieceType::normal}};
  t.bos = t.eos = 5;
  t.stop_ids = {5};
  t.add_bos = t.add_dummy_prefix = t.escape_whitespaces = t.byte_fallback = false;
  t.nfc = t.whole_piece_first = true;
  t.patterns = {{"(?i:'s|'t)|[^\\r\\n\\p{L}]?\\p{L}+|\\s+(?!\\S)|\\s+", false}, {"\\p{N}{1,3}", true}};
  t.merges = {{1, 2}, {0, 0}};
  d.tokenizer = t;
  return d;
}

ModelDescription with_chat_template() {
  ModelDescription d = with_byte_tokenizer();
  d.chat = ChatTemplate::chatml;
  return d;
}

}  // namespace

std::vector<GoldenModel> golden_models() {
  using enum FloatType;
  return {{"example", one_matrix(trit(1, ScaleScope::row, f16), 3, 5)},
          {"dense_f32", one_matrix(dense(f32), 18, 5)},
          {"dense_f16", one_matrix(dense(f16), 18, 5)},
          {"dense_bf16", one_matrix(dense(bf16), 16, 6)},
          {"int8_tensor", one_matrix(ints(8, ScaleScope::tensor, f32), 17, 9)},
          {"int8_row", one_matrix(ints(8, ScaleScope::row, f16), 33, 8)},
          {"int8_group", one_matrix(ints(8, ScaleScope::group, bf16, 6), 17, 14)},
          {"trit2_tensor", one_matrix(trit(1, ScaleScope::tensor, f32), 17, 33)},
          {"trit2_planes_tensor", one_matrix(trit(3, ScaleScope::tensor, bf16), 5, 16)},
          {"trit2_row", one_matrix(trit(2, ScaleScope::row, f32), 16, 48)},
          {"trit2_group", one_matrix(trit(2, ScaleScope::group, f16, 20), 18, 50)},
          {"trit5_row", one_matrix(trit5(1, ScaleScope::row, f16), 3, 47)},
          {"trit5_group", one_matrix(trit5(2, ScaleScope::group, f16, 24), 18, 50)},
          {"tokenizer", with_tokenizer()},
          {"byte_tokenizer", with_byte_tokenizer()},
          {"int4_row", one_matrix(ints(4, ScaleScope::row, bf16), 17, 21)},
          {"int4_group", one_matrix(ints(4, ScaleScope::group, f16, 12), 19, 30)},
          {"int6_tensor", one_matrix(ints(6, ScaleScope::tensor, f32), 17, 33)},
          {"int6_group", one_matrix(ints(6, ScaleScope::group, f16, 20), 18, 50)},
          {"phase_tensor", one_matrix(phase(2, 2, ScaleScope::tensor, bf16), 6, 10)},
          {"phase_row", one_matrix(phase(1, 1, ScaleScope::row, f32), 34, 66)},
          {"phase_tile", one_matrix(phase(2, 2, ScaleScope::tile, f16, 20), 140, 80)},
          {"phase_group", one_matrix(phase(2, 3, ScaleScope::group, f16, 20), 36, 80)},
          {"chat_template", with_chat_template()},
          {"vector_output", vector_matrix(vectors(VectorAxis::output, 8, 5, 1, ScaleScope::none), plain(f16), 139, 9)},
          {"vector_output_groups",
           vector_matrix(vectors(VectorAxis::output, 6, 4, 2, ScaleScope::tensor, 4), plain(bf16), 33, 10)},
          {"vector_output_int8", vector_matrix(vectors(VectorAxis::output, 6, 4, 2, ScaleScope::tensor, 4),
                                               ints(8, ScaleScope::tensor, f32), 33, 10)},
          {"vector_input", vector_matrix(vectors(VectorAxis::input, 4, 8, 1, ScaleScope::row),
                                         ints(8, ScaleScope::tensor, f32), 67, 14)},
          {"vector_input_planes",
           vector_matrix(vectors(VectorAxis::input, 8, 11, 2, ScaleScope::row, 16), plain(f16), 21, 29)},
          {"compositions", compositions()},
          {"optional_parts", optional_parts()},
          {"complex_numbers", complex_numbers()}};
}

ModelDescription whole_model() {
  ModelDescription d = with_tokenizer();
  const Encoding norm = plain(FloatType::f32), weight = trit(1, ScaleScope::tensor, FloatType::f32);
  const ModelConfig& c = d.config;
  const auto linear = [&](const std::string& name, uint64_t rows, uint32_t input) {
    const uint32_t tensor = add_tensor(d, name, weight, rows, d.inputs[input].cols);
    add_linear(d, name, input, rows, {whole_term(tensor, rows, d.inputs[input].cols, Tap::quantized)});
  };
  const uint32_t embed =
      add_tensor(d, "embed.tokens", ints(8, ScaleScope::row, FloatType::f32), c.vocab_size, c.hidden_size);
  add_tensor(d, "blocks.0.attn.norm", norm, 1, 8);
  const uint32_t attn_in = add_input(d, "blocks.0.attn.in", 8, {quantize(ScaleScope::row)});
  linear("blocks.0.attn.q", 8, attn_in);
  d.linears.back().bias = add_tensor(d, "blocks.0.attn.q.bias", norm, 1, 8);
  linear("blocks.0.attn.k", 4, attn_in);
  linear("blocks.0.attn.v", 4, attn_in);
  add_tensor(d, "blocks.0.attn.sub_norm", norm, 1, 8);
  linear("blocks.0.attn.o", 8, add_input(d, "blocks.0.attn.out", 8, {quantize(ScaleScope::row)}));
  add_tensor(d, "blocks.0.ffn.norm", norm, 1, 8);
  const uint32_t ffn_in = add_input(d, "blocks.0.ffn.in", 8, {quantize(ScaleScope::row)});
  linear("blocks.0.ffn.gate", 12, ffn_in);
  linear("blocks.0.ffn.up", 12, ffn_in);
  linear("blocks.0.ffn.down", 8, add_input(d, "blocks.0.ffn.mid", 12, {quantize(ScaleScope::row)}));
  add_tensor(d, "output.norm", norm, 1, 8);
  add_linear(d, "head", add_input(d, "head.in", 8, {}), c.vocab_size, {whole_term(embed, c.vocab_size, 8, Tap::raw)});
  return d;
}

}  // namespace tern::test
