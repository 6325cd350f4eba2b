#include "formats/tern/validate.h"

#include <catch2/catch.hpp>
#include <cmath>
#include <functional>
#include <limits>

#include "tests/tools/golden_files.h"

namespace tern::test {
namespace {

using Change = std::function<void(ModelDescription&)>;

std::string model_error(const Change& change) {
  ModelDescription d = whole_model();
  change(d);
  Status status = validate_description(d);
  if (status.ok()) status = validate_model(d);
  return status.message();
}

std::string composition_error(const Change& change) {
  for (GoldenModel& model : golden_models()) {
    if (model.name != "compositions") continue;
    change(model.description);
    return validate_description(model.description).message();
  }
  return "no such golden model";
}

size_t index_of(const ModelDescription& d, const std::string& name) {
  for (size_t i = 0; i < d.tensors.size(); ++i) {
    if (d.tensors[i].name == name) return i;
  }
  return d.tensors.size();
}

LinearRecord& linear(ModelDescription& d, const std::string& name) {
  for (LinearRecord& l : d.linears) {
    if (l.name == name) return l;
  }
  throw std::runtime_error(name);
}

}  // namespace

TEST_CASE("config fields keep their ranges") {
  const auto error = [](auto change) { return model_error([&](ModelDescription& d) { change(d.config); }); };
  const float nan = std::numeric_limits<float>::quiet_NaN();
  CHECK(error([](ModelConfig& c) { c.vocab_size = 0; }) == "section CONF: vocab_size is 0, expected 1 to 16777216");
  CHECK(error([](ModelConfig& c) { c.hidden_size = 0; }).find("hidden_size is 0") != std::string::npos);
  CHECK(error([](ModelConfig& c) { c.ffn_size = 0xffffffff; }).find("ffn_size is 4294967295") != std::string::npos);
  CHECK(error([](ModelConfig& c) { c.layers = 4097; }).find("layers is 4097, expected 1 to 4096") != std::string::npos);
  CHECK(error([](ModelConfig& c) { c.heads = 0; }).find("heads is 0") != std::string::npos);
  CHECK(error([](ModelConfig& c) { c.heads = 3, c.kv_heads = 2; }).find("kv_heads is 2, expected a divisor of the 3") !=
        std::string::npos);
  CHECK(error([](ModelConfig& c) { c.head_dim = 3; }).find("head_dim is 3, expected an even") != std::string::npos);
  CHECK(error([](ModelConfig& c) { c.head_dim = 1026; }).find("head_dim is 1026") != std::string::npos);
  CHECK(error([](ModelConfig& c) { c.context = 0; }).find("context is 0") != std::string::npos);
  CHECK(error([&](ModelConfig& c) { c.norm_eps = nan; }).find("norm_eps is nan") != std::string::npos);
  CHECK(error([](ModelConfig& c) { c.final_norm_eps = -1e-9f; }).find("final_norm_eps is -1e-09") != std::string::npos);
  CHECK(error([](ModelConfig& c) { c.norm_eps = 0; }) == "");
  CHECK(error([](ModelConfig& c) { c.rope_base = 0; }).find("rope_base is 0") != std::string::npos);
  CHECK(error([](ModelConfig& c) { c.rope_pairing = RopePairing(3); }).find("rope_pairing is 3") != std::string::npos);
  CHECK(error([](ModelConfig& c) { c.activation = Activation(0); }).find("activation is 0") != std::string::npos);
  CHECK(error([](ModelConfig& c) { c.activation = Activation(4); }).find("activation is 4") != std::string::npos);
  CHECK(error([](ModelConfig& c) { c.numbers = Numbers(2); }).find("numbers is 2") != std::string::npos);
  CHECK(error([](ModelConfig& c) { c.numbers = Numbers::complex; }).find("numbers 1 contradicts") != std::string::npos);
  const auto complex_error = [&](auto change) {
    return error([&](ModelConfig& c) {
      c.numbers = Numbers::complex, c.activation = Activation::complex_relu2;
      change(c);
    });
  };
  CHECK(complex_error([](ModelConfig& c) { c.ffn_size = 7; }).find("ffn_size are") != std::string::npos);
  CHECK(complex_error([](ModelConfig& c) { c.rope_pairing = RopePairing::interleaved; }).find("rope_pairing") !=
        std::string::npos);
  CHECK(error([](ModelConfig& c) { c.window = 4096; }) == "");
  CHECK(error([](ModelConfig& c) { c.window = (1u << 30) + 1; }).find("window is 1073741825") != std::string::npos);
}

TEST_CASE("the fields of rope scaling fit its kind") {
  const auto error = [](auto change) {
    ModelConfig c = whole_model().config;
    c.rope_scaling = RopeScaling::llama3, c.rope_factor = 8, c.rope_trained_context = 8192;
    c.rope_low_frequency = 1, c.rope_high_frequency = 4;
    change(c);
    return validate_config(c).message();
  };
  const auto names = [](const std::string& message, const char* what) {
    INFO(message);
    return message.find(what) != std::string::npos;
  };
  CHECK(error([](ModelConfig&) {}) == "");
  CHECK(names(error([](ModelConfig& c) { c.rope_scaling = RopeScaling(3); }), "rope_scaling is 3"));
  CHECK(names(error([](ModelConfig& c) { c.rope_scaling = RopeScaling::none; }), "rope_factor is 8"));
  CHECK(names(error([](ModelConfig& c) { c.rope_scaling = RopeScaling::linear; }), "rope_low_frequency is 1"));
  CHECK(names(error([](ModelConfig& c) { c.rope_factor = 0.5f; }), "rope_factor is 0.5"));
  CHECK(names(error([](ModelConfig& c) { c.rope_low_frequency = 4; }), "rope_high_frequency are 4 and 4"));
  CHECK(names(error([](ModelConfig& c) { c.rope_high_frequency = INFINITY; }), "rope_high_frequency are 1 and inf"));
  CHECK(names(error([](ModelConfig& c) { c.rope_trained_context = 0; }), "rope_trained_context is 0"));
}

TEST_CASE("a whole model is complete, rightly shaped and holds nothing else") {
  CHECK(model_error([](ModelDescription&) {}) == "");
  CHECK(model_error([](ModelDescription& d) { d.linears.pop_back(); }) == "linear 'head' is missing");
  CHECK(model_error([](ModelDescription& d) { d.tensors[index_of(d, "output.norm")].name = "other"; }) ==
        "tensor 'output.norm' is missing");
  CHECK(model_error([](ModelDescription& d) { d.tensors[index_of(d, "output.norm")].cols = 9; }) ==
        "tensor 'output.norm' is 1 x 9, expected 1 x 8");
  CHECK(model_error([](ModelDescription& d) {
          d.tensors.push_back(d.tensors[index_of(d, "output.norm")]);
          d.tensors.back().name = "blocks.0.attn.rotation";
        }) == "tensor 'blocks.0.attn.rotation' is not part of this architecture");
  CHECK(model_error([](ModelDescription& d) {
          d.linears.push_back(linear(d, "head"));
          d.linears.back().name = "head.2";
        }) == "linear 'head.2' is not part of this architecture");
  CHECK(model_error([](ModelDescription& d) {
          d.inputs.push_back({"blocks.1.attn.in", 8, {}});
        }) == "input 'blocks.1.attn.in' is not read by any linear");
  CHECK(model_error([](ModelDescription& d) { d.config.layers = 2; }) == "tensor 'blocks.1.attn.norm' is missing");
  CHECK(model_error([](ModelDescription& d) { d.config.ffn_size = 16; }) ==
        "linear 'blocks.0.ffn.gate' is 12 x 8, expected 16 x 8");
  CHECK(model_error([](ModelDescription& d) {
          d.tensors.push_back(d.tensors[index_of(d, "output.norm")]);
          d.tensors.back().name = "head.bias", d.tensors.back().cols = d.config.vocab_size;
          linear(d, "head").bias = static_cast<uint32_t>(d.tensors.size() - 1);
        }) == "linear 'head' has a bias, which this architecture does not");
  CHECK(model_error([](ModelDescription& d) {
          d.inputs.push_back({"blocks.0.attn.q.in", 8, {}});  // k and v still read the shared input
          linear(d, "blocks.0.attn.q").input = static_cast<uint32_t>(d.inputs.size() - 1);
          linear(d, "blocks.0.attn.q").terms[0].tap = Tap::raw;
        }) == "linear 'blocks.0.attn.k' reads input 'blocks.0.attn.in', expected 'blocks.0.attn.k.in'");
  CHECK(model_error([](ModelDescription& d) {
          linear(d, "blocks.0.attn.q").input = linear(d, "head").input;
          linear(d, "blocks.0.attn.q").terms[0].tap = Tap::raw;
        }) == "linear 'blocks.0.attn.q' reads input 'head.in', expected 'blocks.0.attn.in'");
  CHECK(model_error([](ModelDescription& d) { d.tokenizer->pieces.resize(19, d.tokenizer->pieces[5]); }) ==
        "the tokenizer has 19 pieces, expected at most vocab_size, 18");
  // A missing sub_norm and a bias that is absent are fine.
  CHECK(model_error([](ModelDescription& d) {
          linear(d, "blocks.0.attn.q").bias = kNoTensor;
          d.tensors.pop_back();  // output.norm, the last: put it where the bias was
          d.tensors[index_of(d, "blocks.0.attn.q.bias")].name = "output.norm";
        }) == "");
}

TEST_CASE("names are canonical and unique") {
  const auto renamed = [](const std::string& name) {
    return model_error([&](ModelDescription& d) { d.tensors[1].name = name; });
  };
  CHECK(renamed("").find("a name has 0 bytes") != std::string::npos);
  CHECK(renamed(std::string(256, 'a')).find("a name has 256 bytes, expected 1 to 255") != std::string::npos);
  CHECK(renamed("embed.tokens") == "section TENS: tensor 'embed.tokens' stands twice");
  for (const char* name : {"A", "a b", "a/b", "\xc3\xa9", "a\n"})
    CHECK(renamed(name).find("a name holds a character") != std::string::npos);
  CHECK(model_error([](ModelDescription& d) { d.linears[1].name = d.linears[0].name; }).find("stands twice") !=
        std::string::npos);
  CHECK(model_error([](ModelDescription& d) { d.inputs[1].name = d.inputs[0].name; }).find("stands twice") !=
        std::string::npos);
}

TEST_CASE("tensors and tokenizers keep their rules") {
  CHECK(model_error([](ModelDescription& d) { d.tensors[0].experts = 2; }).find("experts is 2; this version reads 1") !=
        std::string::npos);
  CHECK(model_error([](ModelDescription& d) { d.tensors[0].experts = 0; }).find("experts is 0") != std::string::npos);
  CHECK(model_error([](ModelDescription& d) {
          d.tensors[0].source_name = std::string("\xff");
        }).find("the source name is not valid UTF-8") != std::string::npos);
  const auto piece = [](Piece p) { return model_error([&](ModelDescription& d) { d.tokenizer->pieces[4] = p; }); };
  CHECK(piece({"", 0, PieceType::normal}) == "section TOKN: piece 4: the text is empty");
  CHECK(piece({"a", std::numeric_limits<float>::infinity(), PieceType::normal}).find("score is not finite") !=
        std::string::npos);
  CHECK(piece({"a", 0, PieceType(7)}).find("type 7 is unknown") != std::string::npos);
  for (const char* text : {"<0x-1>", "<0x0a>", "<0x0AA>", "0x0A", "<0x0A "}) {
    CHECK(piece({text, 0, PieceType::byte}).find("a byte piece is not of the form <0xHH>") != std::string::npos);
  }
  CHECK(piece({std::string(70000, 'a'), 0, PieceType::normal}).find("70000 bytes, expected at most 65535") !=
        std::string::npos);
  CHECK(model_error([](ModelDescription& d) { d.tokenizer->eos = -2; }).find("eos is -2") != std::string::npos);
  CHECK(model_error([](ModelDescription& d) { d.tokenizer->stop_ids = {-1}; }).find("a stop id is -1") !=
        std::string::npos);
  CHECK(model_error([](ModelDescription& d) { d.tokenizer->pieces.clear(); }).find("the count of pieces is 0") !=
        std::string::npos);
  CHECK(model_error([](ModelDescription& d) { d.chat = ChatTemplate(0); }) ==
        "section CHAT: template is 0, expected at least 1");
  CHECK(model_error([](ModelDescription& d) { d.chat = ChatTemplate(999); }) == "");  // of a later version
  CHECK(model_error([](ModelDescription& d) {
          d.chat = ChatTemplate::llama3;
          d.tokenizer.reset();
        }) == "section CHAT: there is a chat template, but no tokenizer");
  CHECK(model_error([](ModelDescription& d) { d.metadata[0].first.clear(); }).find("a key has 0 bytes") !=
        std::string::npos);
}

TEST_CASE("compositions keep their rules") {
  const auto input_op = [](size_t i, auto change) {
    return composition_error([&](ModelDescription& d) { change(d.inputs[0].ops[i], d); });
  };
  const auto term = [](size_t i, auto change) {
    return composition_error([&](ModelDescription& d) { change(d.linears[0].terms[i], d); });
  };
  const auto has = [](const std::string& text, const char* part) {
    INFO(text);
    CHECK(text.find(part) != std::string::npos);
  };
  CHECK(composition_error([](ModelDescription&) {}) == "");
  has(input_op(0, [](InputOp& op, auto&) { op.tensor = 99; }),
      "operation 0: tensor is tensor 99, expected one below 14");
  has(input_op(0, [](InputOp& op, auto&) { op.bits = 1; }), "bits is 1, expected 0 because it is not used");
  has(input_op(0, [](InputOp& op, auto&) { op.kind = InputOpKind(9); }), "input operation kind 9 is unknown");
  has(input_op(0, [](InputOp& op, auto&) { op.tensor = 1; }), "expected a plain vector");
  has(input_op(1, [](InputOp& op, auto&) { op.tensor = 0; }), "expected an index vector");
  has(input_op(2, [](InputOp& op, auto&) { op.block = 7; }), "block is 7, expected 0 or a divisor of 24");
  has(input_op(2, [](InputOp& op, auto&) { op.matrix = kNoTensor; }),
      "a Hadamard block of 24 is not 1 times a power of two");
  has(input_op(3, [](InputOp& op, auto&) { op.block = 12; }), "'x.rotation' is 24 x 8, expected 24 x 12");
  has(input_op(4, [](InputOp& op, auto&) { op.bits = 9; }), "bits is 9, expected 2 to 8");
  has(input_op(4, [](InputOp& op, auto&) { op.group = 25; }), "group is 25, expected 1 to 24");
  has(input_op(4, [](InputOp& op, auto&) { op.scope = ScaleScope::tensor; }),
      "scope is 1, expected 2 (row) or 3 (group)");
  has(composition_error([](ModelDescription& d) { std::swap(d.inputs[0].ops[3], d.inputs[0].ops[4]); }),
      "quantize is not the last operation");
  has(input_op(4, [](InputOp& op, auto&) { op.group = 4; }),
      "has groups of 8 columns, expected the 4 of the quantized input");
  has(term(0, [](Term& t, auto&) { t.tensor = 0; }), "expected a tiled matrix");
  has(term(0, [](Term& t, auto&) { t.second = 1; }), "second is 1, expected 4294967295");
  has(term(0, [](Term& t, auto&) { t.kind = TermKind(5); }), "term kind 5 is unknown");
  has(term(0, [](Term& t, auto&) { t.tap = Tap(0); }), "tap is 0, expected 1 (raw)");
  has(term(0, [](Term& t, auto&) { t.scale = std::numeric_limits<float>::infinity(); }), "scale is not finite");
  has(term(0, [](Term& t, auto&) { t.row_begin = ~0ull; }), "lie outside the 20 of the linear");
  has(term(1, [](Term& t, auto&) { t.cols = ~0ull; }), "lie outside the 24 of the linear");
  has(term(1, [](Term& t, auto&) { t.col_begin = 12; }), "col_begin is 12, expected a multiple of the group 8");
  has(term(1,
           [](Term& t, ModelDescription& d) {
             d.tensors[t.tensor].encoding = {EncodingKind::int_, FloatType::f32, 8, 1,
                                             ScaleScope::group,  FloatType::f32, 8};
           }),
      "pads its groups to 8 columns, expected 16");
  has(term(2, [](Term& t, auto&) { t.rows = 9; }), "'w.sparse.starts' is 1 x 11, expected 1 x 10");
  has(term(2, [](Term& t, auto&) { t.second = kNoTensor; }), "second is tensor 4294967295");
  has(term(3, [](Term& t, auto&) { t.second = t.tensor; }), "'w.low.a' is 2 x 24, expected 20 x 2");
  has(term(0, [](Term& t, auto&) { t.kind = TermKind(4); }), "term kind 4 (widely_linear) is retired");
  has(composition_error([](ModelDescription& d) { d.linears[0].input = 1; }), "input is 1, expected an input below 1");
  has(composition_error([](ModelDescription& d) { d.linears[0].cols = 23; }),
      "cols is 23, expected the 24 of input 'x'");
  has(composition_error([](ModelDescription& d) { d.linears[0].rows = 0; }), "rows is 0");
  has(composition_error([](ModelDescription& d) { d.linears[0].terms.clear(); }), "the count of terms is 0");
  has(composition_error([](ModelDescription& d) { d.linears[0].bias = 0; }),
      "bias 'x.scale' is 1 x 24, expected 1 x 20");
  has(composition_error([](ModelDescription& d) { d.linears[0].post[0].block = 5; }), "a Hadamard block of 5");
  has(composition_error([](ModelDescription& d) { d.linears[0].post[1].kind = OutputOpKind(7); }),
      "output operation kind 7 is unknown");
  has(composition_error([](ModelDescription& d) { d.inputs[0].ops.pop_back(); }),
      "tap is quantized, but input 'x' quantizes nothing");
}

}  // namespace tern::test
