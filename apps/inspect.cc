// tern inspect: what a .tern file says about itself.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <memory>

#include "apps/command.h"
#include "apps/facts.h"
#include "apps/inspect.h"
#include "apps/model_options.h"
#include "apps/table.h"
#include "apps/terminal.h"
#include "formats/tern/chat_template.h"

namespace tern::app {
namespace {

std::string shape_of(const TensorRecord& tensor) {
  const std::string matrix =
      tensor.rows == 1 ? fmt::format("{}", tensor.cols) : fmt::format("{} x {}", tensor.rows, tensor.cols);
  return tensor.experts == 1 ? matrix : fmt::format("{} experts of {}", tensor.experts, matrix);
}

void show_config(const ModelConfig& c) {
  fmt::print("model: {} layers, hidden {}, ffn {}, {} heads of {}, {} kv heads, vocabulary {}, context {}\n", c.layers,
             c.hidden_size, c.ffn_size, c.heads, c.head_dim, c.kv_heads, c.vocab_size, c.context);
  fmt::print("       {}, rope base {} ({} pairs), norm eps {}, final norm eps {}\n", name_of(c.activation), c.rope_base,
             name_of(c.rope_pairing), c.norm_eps, c.final_norm_eps);
  if (c.numbers == Numbers::complex) fmt::print("       complex numbers: widths count real and imaginary parts\n");
  if (c.window != 0) fmt::print("       attention sees a window of {} positions\n", c.window);
  if (c.rope_scaling == RopeScaling::linear) fmt::print("       rope scaling linear, factor {}\n", c.rope_factor);
  if (c.rope_scaling == RopeScaling::llama3) {
    fmt::print("       rope scaling llama3, factor {}, low {}, high {}, trained context {}\n", c.rope_factor,
               c.rope_low_frequency, c.rope_high_frequency, c.rope_trained_context);
  }
}

void show_tensors(const ModelDescription& d) {
  Table table{{{"tensor"}, {"shape", true}, {"encoding"}, {"bytes", true}, {"bits/weight", true}, {"hash"}}, {}};
  for (const TensorRecord& t : d.tensors) {
    table.rows.push_back({t.name, shape_of(t), describe(t.encoding), std::to_string(t.codes.bytes + t.scales.bytes),
                          fmt::format("{:.3f}", bits_of(t)), fmt::format("{:016x}", t.codes.hash)});
  }
  fmt::print("\n{}", table.plain());
}

void show_linears(const ModelDescription& d) {
  Table table{{{"linear"}, {"shape", true}, {"input"}, {"input operations"}, {"terms"}}, {}};
  for (const LinearRecord& l : d.linears) {
    std::vector<std::string> terms, ops;
    for (const Term& term : l.terms) terms.push_back(describe(d, term));
    for (const InputOp& op : d.inputs[l.input].ops) ops.push_back(describe(op));
    table.rows.push_back({l.name, fmt::format("{} x {}", l.rows, l.cols), d.inputs[l.input].name,
                          ops.empty() ? "none (f32)" : join(ops), fmt::format("{}", fmt::join(terms, " + "))});
  }
  fmt::print("\n{}", table.plain());
}

void show_tokenizer(const std::optional<TokenizerData>& tokenizer) {
  if (!tokenizer) {
    fmt::print("\ntokenizer: none\n");
    return;
  }
  const TokenizerData& t = *tokenizer;
  const bool bytes = t.kind == TokenizerKind::byte_bpe;
  const auto word = [](bool on) { return on ? "yes" : "no"; };
  fmt::print("\ntokenizer: {} BPE, {} pieces; bos {}, eos {}, unknown {}, pad {}, stops at {}\n",
             bytes ? "byte-level" : "SentencePiece", t.pieces.size(), t.bos, t.eos, t.unknown, t.pad,
             fmt::join(t.stop_ids, ", "));
  fmt::print("           add bos {}, add eos {}, ", word(t.add_bos), word(t.add_eos));
  if (bytes) {
    fmt::print("{} merges{}, whole pieces first {}, NFC {}\n", t.merges.size(), t.rank_by_id ? " (by id)" : "",
               word(t.whole_piece_first), word(t.nfc));
    for (const SplitPattern& p : t.patterns)
      fmt::print("           cut by {}{}\n", p.pattern, p.byte_alphabet ? " (over the byte alphabet)" : "");
    return;
  }
  fmt::print("dummy prefix {}, remove extra spaces {}, escape spaces {}, byte fallback {}\n", word(t.add_dummy_prefix),
             word(t.remove_extra_whitespaces), word(t.escape_whitespaces), word(t.byte_fallback));
}

Status inspect(const std::string& path, bool json) {
  TERN_ASSIGN(const auto file, TernFile::open(path));
  if (json) {
    fmt::print("{}\n", inspect_json(*file));
    return {};
  }
  const ModelDescription& d = file->description();
  fmt::print("{}: {} ({} bytes), {} weights, {} tensors\n", path, human_bytes(file->file_bytes()), file->file_bytes(),
             human_count(weight_count(d)), d.tensors.size());
  show_config(d.config);
  fmt::print("       {:.3f} bits per weight in the blocks, {:.3f} in all\n", block_bits(d), all_bits(d));
  show_tensors(d);
  show_linears(d);
  show_tokenizer(d.tokenizer);
  if (d.chat) fmt::print("chat template: {}\n", name_of(*d.chat));
  if (!d.metadata.empty()) fmt::print("\nmetadata:\n");
  for (const auto& [key, value] : d.metadata) fmt::print("  {}: {}\n", key, value);
  return {};
}

}  // namespace

void add_inspect(CLI::App& root, Action& chosen) {
  struct Flags {
    std::string path;
    bool json = false;
  };
  const auto o = std::make_shared<Flags>();
  CLI::App* verb = root.add_subcommand("inspect", "show configuration, tensors, layers and tokenizer of a .tern file");
  verb->add_option("FILE", o->path, "the file")->required();
  verb->add_flag("--json", o->json, "as JSON");
  verb->callback([o, &chosen] { chosen = [o] { return inspect(o->path, o->json); }; });
}

}  // namespace tern::app
