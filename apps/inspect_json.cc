#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "apps/facts.h"
#include "apps/inspect.h"
#include "formats/tern/chat_template.h"

namespace tern::app {
namespace {

using Json = nlohmann::ordered_json;

Json config_json(const ModelConfig& c) {
  return {{"vocab_size", c.vocab_size},
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
          {"rope_pairing", name_of(c.rope_pairing)},
          {"activation", name_of(c.activation)},
          {"numbers", c.numbers == Numbers::complex ? "complex" : "real"},
          {"window", c.window},
          {"rope_scaling", name_of(c.rope_scaling)},
          {"rope_factor", c.rope_factor},
          {"rope_low_frequency", c.rope_low_frequency},
          {"rope_high_frequency", c.rope_high_frequency},
          {"rope_trained_context", c.rope_trained_context}};
}

Json tensor_json(const TensorRecord& t) {
  return {
      {"name", t.name},
      {"source_name", t.source_name},
      {"rows", t.rows},
      {"cols", t.cols},
      {"experts", t.experts},
      {"encoding", describe(t.encoding)},
      {"codebook", t.codebook == kNoTensor ? Json() : Json(t.codebook)},
      {"bits_per_weight", bits_of(t)},
      {"bytes", t.codes.bytes + t.scales.bytes},
      {"codes", {{"offset", t.codes.offset}, {"bytes", t.codes.bytes}, {"xxh3", fmt::format("{:016x}", t.codes.hash)}}},
      {"scales",
       {{"offset", t.scales.offset}, {"bytes", t.scales.bytes}, {"xxh3", fmt::format("{:016x}", t.scales.hash)}}}};
}

Json linear_json(const ModelDescription& d, const LinearRecord& l) {
  Json terms = Json::array();
  for (const Term& term : l.terms) {
    terms.push_back({{"kind", name_of(term.kind)},
                     {"tap", name_of(term.tap)},
                     {"tensor", d.tensors[term.tensor].name},
                     {"row_begin", term.row_begin},
                     {"rows", term.rows},
                     {"col_begin", term.col_begin},
                     {"cols", term.cols},
                     {"scale", term.scale}});
  }
  return {{"name", l.name},
          {"rows", l.rows},
          {"cols", l.cols},
          {"input", d.inputs[l.input].name},
          {"terms", terms},
          {"post_operations", l.post.size()},
          {"bias", l.bias == kNoTensor ? Json() : Json(d.tensors[l.bias].name)}};
}

Json input_json(const InputRecord& input) {
  Json ops = Json::array();
  for (const InputOp& op : input.ops) {
    ops.push_back({{"kind", name_of(op.kind)},
                   {"bits", op.bits},
                   {"scope", name_of(op.scope)},
                   {"group", op.group},
                   {"block", op.block}});
  }
  return {{"name", input.name}, {"cols", input.cols}, {"operations", ops}};
}

Json tokenizer_json(const TokenizerData& t) {
  const bool bytes = t.kind == TokenizerKind::byte_bpe;
  Json patterns = Json::array();
  for (const SplitPattern& p : t.patterns)
    patterns.push_back({{"pattern", p.pattern}, {"byte_alphabet", p.byte_alphabet}});
  return {{"kind", bytes ? "byte_bpe" : "sentencepiece_bpe"},
          {"pieces", t.pieces.size()},
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
          {"merges", t.merges.size()},
          {"patterns", patterns}};
}

}  // namespace

std::string inspect_json(const TernFile& file) {
  const ModelDescription& d = file.description();
  Json json = {{"path", file.path()},
               {"file_bytes", file.file_bytes()},
               {"weights", weight_count(d)},
               {"bits_per_weight_blocks", block_bits(d)},
               {"bits_per_weight_all", all_bits(d)},
               {"config", config_json(d.config)}};
  json["tensors"] = json["inputs"] = json["linears"] = Json::array();
  for (const TensorRecord& tensor : d.tensors) json["tensors"].push_back(tensor_json(tensor));
  for (const InputRecord& input : d.inputs) json["inputs"].push_back(input_json(input));
  for (const LinearRecord& linear : d.linears) json["linears"].push_back(linear_json(d, linear));
  json["tokenizer"] = d.tokenizer ? tokenizer_json(*d.tokenizer) : Json();
  json["chat_template"] = d.chat ? Json(name_of(*d.chat)) : Json();
  json["metadata"] = Json::object();
  for (const auto& [key, value] : d.metadata) json["metadata"][key] = value;
  return json.dump(2, ' ', false, Json::error_handler_t::replace);
}

}  // namespace tern::app
