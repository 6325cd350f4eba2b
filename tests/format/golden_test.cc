#include <catch2/catch.hpp>
#include <cstdio>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <set>

#include "formats/encoding/values.h"
#include "formats/tern/reader.h"
#include "tests/format/aligned_bytes.h"
#include "tests/tools/golden_files.h"

namespace tern::test {
namespace {

const std::string kGolden = std::string(TERN_SOURCE_DIR) + "/tests/golden/";

std::string text_of(const std::string& path) {
  const Bytes bytes = read_bytes(path);
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

std::string output_of(const std::string& command) {
  std::string text;
  FILE* pipe = ::popen(command.c_str(), "r");
  char buffer[4096];
  for (size_t n; pipe && (n = std::fread(buffer, 1, sizeof buffer, pipe)) > 0;) text.append(buffer, n);
  if (pipe) ::pclose(pipe);
  return text;
}

std::vector<float> decode_all(const TernFile& file, uint32_t id) {
  const TensorRecord& t = file.description().tensors[id];
  const Layout layout = layout_of(t.encoding, t.rows, t.cols).value();
  std::vector<float> values(t.rows * t.cols);
  if (t.encoding.kind == EncodingKind::index) {
    for (size_t i = 0; i < values.size(); ++i) {
      uint32_t value;
      std::memcpy(&value, file.codes(id).data() + i * 4, 4);
      values[i] = static_cast<float>(value);
    }
    return values;
  }
  for (uint64_t r = 0; r < t.rows; ++r) {
    decode_row(t.encoding, layout, t.cols, file.codes(id).data(), file.scales(id).data(), r, values.data() + r * t.cols,
               file.codebook(id));
  }
  return values;
}

// phase: the blocks of A = [U + W, (W - U) i; ...] by the sums of real and imaginary parts over the stages.
float expected_phase(const TensorRecord& t, uint64_t row, uint64_t col) {
  const Encoding& e = t.encoding;
  const bool low = row >= t.rows / 2, right = col >= t.cols / 2;
  const uint64_t r = row % (t.rows / 2), c = col % (t.cols / 2);
  float real[2] = {}, imaginary[2] = {};  // of U and W
  for (unsigned p = 0; p < e.planes * e.bits; ++p) {
    const uint64_t group = has_group_scales(e) ? c / e.group : 0;
    const int k = golden_code(t, r, c, p);
    const auto scale = [&](unsigned part) {
      const uint64_t shared = e.scope == ScaleScope::tile ? r / kScaleTileRows * kScaleTileRows : r;
      return golden_scale(e.scope == ScaleScope::tensor ? 0 : shared, group, 2 * p + part);
    };
    const unsigned matrix = e.bits == 1 ? 1 : p % 2;
    if (k % 2 == 0) real[matrix] += static_cast<float>(1 - k) * scale(0);
    if (k % 2 == 1) imaginary[matrix] += static_cast<float>(2 - k) * scale(1);
  }
  if (!low) return right ? imaginary[1] - imaginary[0] : real[0] + real[1];
  return right ? real[0] - real[1] : imaginary[0] + imaginary[1];
}

float expected_value(const ModelDescription& d, const TensorRecord& t, uint64_t row, uint64_t col);

float expected_vector(const ModelDescription& d, const TensorRecord& t, uint64_t row, uint64_t col) {
  const Encoding& e = t.encoding;
  const bool output = e.axis == VectorAxis::output;
  const uint64_t lane = output ? row / e.length : row, position = output ? col : col / e.length;
  const uint64_t group = e.group == 0 ? 0 : col / e.group;
  float sum = 0;
  for (unsigned p = 0; p < e.planes; ++p) {
    const uint64_t entry = ((group * e.planes + p) << e.bits) + golden_vector(t, lane, position, p);
    const float scale = e.scope == ScaleScope::none ? 1 : golden_scale(e.scope == ScaleScope::tensor ? 0 : row, 0, p);
    const TensorRecord& book = d.tensors[t.codebook];
    const uint64_t i = (output ? row : col) % e.length, rows = (e.length + book.cols - 1) / book.cols;
    sum += scale * expected_value(d, book, entry * rows + i / book.cols, i % book.cols);
  }
  return sum;
}

// What a matrix holds by the golden formulas, without looking at any bytes.
float expected_value(const ModelDescription& d, const TensorRecord& t, uint64_t row, uint64_t col) {
  const Encoding& e = t.encoding;
  if (e.kind == EncodingKind::vector) return expected_vector(d, t, row, col);
  if (e.kind == EncodingKind::phase) return expected_phase(t, row, col);
  if (e.kind != EncodingKind::trit && e.kind != EncodingKind::int_) return golden_value(t, row, col);
  float sum = 0;
  for (unsigned p = 0; p < e.planes; ++p) {
    const uint64_t group = e.scope == ScaleScope::group ? col / e.group : 0;
    sum += golden_scale(e.scope == ScaleScope::tensor ? 0 : row, group, p) *
           static_cast<float>(golden_code(t, row, col, p));
  }
  return sum;
}

nlohmann::json to_json(const InputOp& op) {
  return {{"kind", static_cast<int>(op.kind)},
          {"bits", op.bits},
          {"scope", static_cast<int>(op.scope)},
          {"tensor", op.tensor},
          {"matrix", op.matrix},
          {"block", op.block},
          {"group", op.group}};
}
nlohmann::json to_json(const Term& t) {
  return {{"kind", static_cast<int>(t.kind)},
          {"tap", static_cast<int>(t.tap)},
          {"scale", t.scale},
          {"tensor", t.tensor},
          {"second", t.second},
          {"third", t.third},
          {"row_begin", t.row_begin},
          {"rows", t.rows},
          {"col_begin", t.col_begin},
          {"cols", t.cols}};
}
nlohmann::json to_json(const OutputOp& op) {
  return {{"kind", static_cast<int>(op.kind)}, {"tensor", op.tensor}, {"matrix", op.matrix}, {"block", op.block}};
}

nlohmann::json config_json(const ModelConfig& c) {
  return {{"architecture", 1},
          {"vocab_size", c.vocab_size},
          {"hidden_size", c.hidden_size},
          {"ffn_size", c.ffn_size},
          {"layers", c.layers},
          {"heads", c.heads},
          {"kv_heads", c.kv_heads},
          {"head_dim", c.head_dim},
          {"context", c.context},
          {"norm_eps", c.norm_eps},
          {"final_norm_eps", c.final_norm_eps},
          {"rope_base", c.rope_base},
          {"rope_pairing", static_cast<int>(c.rope_pairing)},
          {"activation", static_cast<int>(c.activation)},
          {"window", c.window},
          {"rope_scaling", static_cast<int>(c.rope_scaling)},
          {"rope_factor", c.rope_factor},
          {"rope_low_frequency", c.rope_low_frequency},
          {"rope_high_frequency", c.rope_high_frequency},
          {"rope_trained_context", c.rope_trained_context},
          {"numbers", static_cast<int>(c.numbers)}};
}

std::string hex_of(const std::string& bytes) {
  std::string hex;
  for (const char c : bytes) {
    hex += "0123456789abcdef"[static_cast<uint8_t>(c) >> 4];
    hex += "0123456789abcdef"[c & 15];
  }
  return hex;
}

nlohmann::json tokenizer_json(const TokenizerData& t) {
  nlohmann::json pieces = nlohmann::json::array(), patterns = nlohmann::json::array();
  for (const Piece& p : t.pieces) {
    const std::string text = t.kind == TokenizerKind::byte_bpe ? hex_of(p.text) : p.text;
    pieces.push_back({{"text", text}, {"score", p.score}, {"type", static_cast<int>(p.type)}});
  }
  for (const SplitPattern& p : t.patterns)
    patterns.push_back({{"pattern", p.pattern}, {"byte_alphabet", p.byte_alphabet}});
  return {{"kind", static_cast<int>(t.kind)},
          {"pieces", pieces},
          {"bos", t.bos},
          {"eos", t.eos},
          {"unknown", t.unknown},
          {"pad", t.pad},
          {"stop_ids", t.stop_ids},
          {"add_bos", t.add_bos},
          {"add_eos", t.add_eos},
          {"add_dummy_prefix", t.add_dummy_prefix},
          {"remove_extra_whitespaces", t.remove_extra_whitespaces},
          {"escape_whitespaces", t.escape_whitespaces},
          {"byte_fallback", t.byte_fallback},
          {"nfc", t.nfc},
          {"whole_piece_first", t.whole_piece_first},
          {"rank_by_id", t.rank_by_id},
          {"patterns", patterns},
          {"merges", t.merges}};
}

// The description and every decoded value, in the form that read_tern.py prints.
nlohmann::json summary(const TernFile& file) {
  const ModelDescription& d = file.description();
  nlohmann::json j;
  j["version"] = "1.0";
  j["config"] = config_json(d.config);
  j["tensors"] = j["inputs"] = j["linears"] = nlohmann::json::array();
  for (uint32_t i = 0; i < d.tensors.size(); ++i) {
    const TensorRecord& t = d.tensors[i];
    j["tensors"].push_back({{"name", t.name},
                            {"source_name", t.source_name},
                            {"rows", t.rows},
                            {"cols", t.cols},
                            {"kind", static_cast<int>(t.encoding.kind)},
                            {"group", t.encoding.group},
                            {"length", t.encoding.length},
                            {"axis", static_cast<int>(t.encoding.axis)},
                            {"codebook", t.codebook},
                            {"codes", t.codes.bytes},
                            {"scales", t.scales.bytes},
                            {"values", decode_all(file, i)}});
  }
  for (const InputRecord& input : d.inputs) {
    nlohmann::json ops = nlohmann::json::array();
    for (const InputOp& op : input.ops) ops.push_back(to_json(op));
    j["inputs"].push_back({{"name", input.name}, {"cols", input.cols}, {"ops", ops}});
  }
  for (const LinearRecord& l : d.linears) {
    nlohmann::json terms = nlohmann::json::array(), post = nlohmann::json::array();
    for (const Term& term : l.terms) terms.push_back(to_json(term));
    for (const OutputOp& op : l.post) post.push_back(to_json(op));
    j["linears"].push_back({{"name", l.name},
                            {"rows", l.rows},
                            {"cols", l.cols},
                            {"input", l.input},
                            {"bias", l.bias},
                            {"terms", terms},
                            {"post", post}});
  }
  j["tokenizer"] = d.tokenizer ? tokenizer_json(*d.tokenizer) : nlohmann::json();
  j["chat"] = d.chat ? nlohmann::json(static_cast<unsigned>(*d.chat)) : nlohmann::json();
  j["metadata"] = nlohmann::json::array();
  for (const auto& [key, value] : d.metadata) j["metadata"].push_back({key, value});
  return j;
}

}  // namespace

TEST_CASE("golden files are what the generator makes, byte for byte") {
  std::set<std::string> expected;
  for (const GoldenModel& model : golden_models()) {
    INFO(model.name);
    CHECK(read_bytes(kGolden + model.name + ".tern") == golden_file(model.name));
    expected.insert(model.name + ".tern");
  }
  for (const BrokenFile& file : broken_files()) {
    INFO(file.name);
    CHECK(read_bytes(kGolden + file.name + ".tern") == file.bytes);
    expected.insert({file.name + ".tern", file.name + ".error"});
  }
  for (const auto& entry : std::filesystem::directory_iterator(kGolden))
    CHECK(expected.count(entry.path().filename()) == 1);
}

TEST_CASE("golden files load, verify and hold the values they were made of") {
  for (const GoldenModel& model : golden_models()) {
    INFO(model.name);
    const auto file = TernFile::open(kGolden + model.name + ".tern");
    REQUIRE(file.status().message() == "");
    CHECK((*file)->verify_payload().message() == "");
    const auto& tensors = (*file)->description().tensors;
    REQUIRE(tensors.size() == model.description.tensors.size());
    for (uint32_t i = 0; i < tensors.size(); ++i) {
      const TensorRecord& t = tensors[i];
      CHECK((*file)->find_tensor(t.name) == i);
      CHECK(reinterpret_cast<uintptr_t>((*file)->codes(i).data()) % 64 == 0);
      if (t.encoding.kind == EncodingKind::index) continue;
      const std::vector<float> values = decode_all(**file, i);
      for (uint64_t k = 0; k < values.size(); ++k)
        REQUIRE(values[k] == expected_value((*file)->description(), t, k / t.cols, k % t.cols));
    }
    CHECK((*file)->find_tensor("absent") == kNoTensor);
  }
}

TEST_CASE("broken golden files fail with the sentence beside them") {
  for (const BrokenFile& file : broken_files()) {
    INFO(file.name);
    const std::string expected = text_of(kGolden + file.name + ".error");
    const Status status = load_status(read_bytes(kGolden + file.name + ".tern"), file.name + ".tern");
    CHECK(status.message() + "\n" == expected);
    CHECK((status.code() == Code::corrupt || status.code() == Code::unsupported));
  }
}

TEST_CASE("the reader written from the document alone agrees") {
  if (output_of("python3 -c 'print(1)'") != "1\n") {
    WARN("skipped: python3 is absent");
    return;
  }
  const std::string script = std::string(TERN_SOURCE_DIR) + "/tests/tools/read_tern.py";
  for (const GoldenModel& model : golden_models()) {
    INFO(model.name);
    const std::string path = kGolden + model.name + ".tern";
    const std::string output = output_of("python3 '" + script + "' --values '" + path + "'");
    const auto other = nlohmann::json::parse(output, nullptr, false);
    REQUIRE(!other.is_discarded());
    const auto mine = summary(*TernFile::open(path).value());
    for (const auto& [key, value] : mine.items()) {
      INFO(key);
      REQUIRE(other.contains(key));
      CHECK(other[key] == value);
    }
  }
  // Broken frames and descriptions are refused there too; what only verification finds is not its business.
  for (const BrokenFile& file : broken_files()) {
    if (TernFile::open(kGolden + file.name + ".tern").ok() || file.name == "bad_section_hash") continue;
    INFO(file.name);
    CHECK(output_of("python3 '" + script + "' '" + kGolden + file.name + ".tern' 2>/dev/null").empty());
  }
}

TEST_CASE("the worked dump in docs/format.md is the golden file example.tern") {
  const std::string doc = text_of(std::string(TERN_SOURCE_DIR) + "/docs/format.md");
  const std::string dump = hex_dump(read_bytes(kGolden + "example.tern"));
  CHECK(doc.find("```\n" + dump + "```\n") != std::string::npos);
}

}  // namespace tern::test
