#include "formats/tern/validate.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "formats/encoding/vector.h"
#include "formats/tern/limits.h"
#include "formats/tern/utf8.h"

namespace tern {
namespace {

Status check_range(const char* field, uint64_t found, uint64_t most) {
  if (found >= 1 && found <= most) return {};
  return corrupt(fmt::format("{} is {}, expected 1 to {}", field, found, most));
}

Status check_name(std::string_view name) {
  const auto allowed = [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_' || c == '.'; };
  if (name.empty() || name.size() > kMaxNameBytes) {
    return corrupt(fmt::format("a name has {} bytes, expected 1 to {}", name.size(), kMaxNameBytes));
  }
  if (!std::all_of(name.begin(), name.end(), allowed)) {
    return corrupt("a name holds a character other than a-z, 0-9, '_' and '.'");
  }
  return {};
}

template <class Record>
Status check_names(const std::vector<Record>& records, const char* what) {
  std::vector<std::string_view> names;
  for (size_t i = 0; i < records.size(); ++i) {
    TERN_TRY(check_name(records[i].name).within(fmt::format("{} {}", what, i)));
    names.push_back(records[i].name);
  }
  std::sort(names.begin(), names.end());
  const auto twice = std::adjacent_find(names.begin(), names.end());
  if (twice != names.end()) return corrupt(fmt::format("{} '{}' stands twice", what, *twice));
  return {};
}

Status check_text(const char* what, std::string_view text) {
  if (text.size() > kMaxStringBytes) {
    return corrupt(fmt::format("{} has {} bytes, expected at most {}", what, text.size(), kMaxStringBytes));
  }
  if (!is_valid_utf8(text)) return corrupt(fmt::format("{} is not valid UTF-8", what));
  return {};
}

Status check_records(const char* what, size_t count, size_t most) {
  if (count <= most) return {};
  return corrupt(fmt::format("the count of {} is {}, expected at most {}", what, count, most));
}

Status validate_tensor(const TensorRecord& t) {
  TERN_TRY(check_text("the source name", t.source_name));
  if (t.experts != 1) {
    if (t.experts == 0) return corrupt("experts is 0, expected at least 1");
    return unsupported(fmt::format("experts is {}; this version reads 1", t.experts));
  }
  const auto layout = layout_of(t.encoding, t.rows, t.cols);
  if (layout.ok()) return {};
  const Status error = layout.status();
  return error.code() == Code::invalid_argument ? corrupt(error.message()) : error;
}

// Plain floats, or int of 8 bits with one scale. REQUIRES both records valid by themselves.
Status validate_codebook(const std::vector<TensorRecord>& tensors, const TensorRecord& t) {
  const Encoding& e = t.encoding;
  if (e.kind != EncodingKind::vector) {
    if (t.codebook == kNoTensor) return {};
    return corrupt(fmt::format("codebook is {}, expected none for {}", t.codebook, describe(e)));
  }
  if (t.codebook >= tensors.size()) {
    return corrupt(fmt::format("codebook is tensor {}, expected one below {}", t.codebook, tensors.size()));
  }
  const TensorRecord& book = tensors[t.codebook];
  const Encoding& values = book.encoding;
  const bool integer = values.kind == EncodingKind::int_ && values.bits == 8 && values.scope == ScaleScope::tensor;
  if (values.kind != EncodingKind::plain && !integer) {
    return corrupt(fmt::format("codebook '{}' is {}, expected plain or 8-bit int with a scale per tensor", book.name,
                               describe(values)));
  }
  const uint64_t rows = codebook_entries(e, t.cols) * codebook_rows_each(e, integer), cols = codebook_cols(e, integer);
  if (book.rows == rows && book.cols == cols) return {};
  return corrupt(
      fmt::format("codebook '{}' is {} x {}, expected {} x {}", book.name, book.rows, book.cols, rows, cols));
}

Status validate_chat(const ModelDescription& d) {
  if (!d.chat) return {};
  if (!d.tokenizer) return corrupt("there is a chat template, but no tokenizer");
  if (static_cast<uint16_t>(*d.chat) == 0) return corrupt("template is 0, expected at least 1");
  return {};
}

Status validate_metadata(const ModelDescription& d) {
  TERN_TRY(check_records("entries", d.metadata.size(), kMaxMetadata));
  for (const auto& [key, value] : d.metadata) {
    if (key.empty() || key.size() > kMaxNameBytes) {
      return corrupt(fmt::format("a key has {} bytes, expected 1 to {}", key.size(), kMaxNameBytes));
    }
    TERN_TRY(check_text("a key", key));
    TERN_TRY(check_text("a value", value));
  }
  return {};
}

// Factors from 1 on keep every angle within what sin64 and cos64 reduce.
Status check_rope_scaling(const ModelConfig& c) {
  const bool linear = c.rope_scaling == RopeScaling::linear, llama3 = c.rope_scaling == RopeScaling::llama3;
  if (c.rope_scaling != RopeScaling::none && !linear && !llama3) {
    return unsupported(
        fmt::format("rope_scaling is {}, expected 1 (linear) or 2 (llama3)", static_cast<int>(c.rope_scaling)));
  }
  const auto unused = [](const char* field, double value) {
    return value == 0 ? Status() : corrupt(fmt::format("{} is {}, but rope_scaling does not use it", field, value));
  };
  if (!linear && !llama3) {
    TERN_TRY(unused("rope_factor", c.rope_factor));
  } else if (!std::isfinite(c.rope_factor) || c.rope_factor < 1) {
    return corrupt(fmt::format("rope_factor is {}, expected a finite number from 1 on", c.rope_factor));
  }
  if (!llama3) {
    TERN_TRY(unused("rope_low_frequency", c.rope_low_frequency));
    TERN_TRY(unused("rope_high_frequency", c.rope_high_frequency));
    return unused("rope_trained_context", c.rope_trained_context);
  }
  if (!(c.rope_low_frequency > 0) || !(c.rope_high_frequency > c.rope_low_frequency) ||
      !std::isfinite(c.rope_high_frequency)) {
    return corrupt(fmt::format("rope_low_frequency and rope_high_frequency are {} and {}, expected 0 < low < high",
                               c.rope_low_frequency, c.rope_high_frequency));
  }
  return check_range("rope_trained_context", c.rope_trained_context, kMaxContext);
}

Status check_numbers(const ModelConfig& c) {
  if (c.activation < Activation::silu || c.activation > Activation::complex_relu2) {
    return unsupported(fmt::format("activation is {}, expected 1 (silu), 2 (relu2) or 3 (complex_relu2)",
                                   static_cast<int>(c.activation)));
  }
  if (c.numbers > Numbers::complex) {
    return unsupported(fmt::format("numbers is {}, expected 1 (complex)", static_cast<int>(c.numbers)));
  }
  const bool complex = c.numbers == Numbers::complex;
  if (complex != (c.activation == Activation::complex_relu2)) {
    return corrupt(
        fmt::format("numbers {} contradicts activation {}: complex numbers and complex_relu2 belong together",
                    static_cast<int>(c.numbers), static_cast<int>(c.activation)));
  }
  if (!complex) return {};
  if (c.hidden_size % 2 != 0 || c.ffn_size % 2 != 0) {
    return corrupt(
        fmt::format("hidden_size and ffn_size are {} and {}, expected even numbers: halves of complex vectors",
                    c.hidden_size, c.ffn_size));
  }
  if (c.rope_pairing == RopePairing::halves) return {};
  return corrupt("rope_pairing is interleaved, but the numbers are complex, whose parts are halves");
}

}  // namespace

Status validate_config(const ModelConfig& c) {
  TERN_TRY(check_range("vocab_size", c.vocab_size, kMaxVocabulary));
  TERN_TRY(check_range("hidden_size", c.hidden_size, kMaxWidth));
  TERN_TRY(check_range("ffn_size", c.ffn_size, kMaxWidth));
  TERN_TRY(check_range("layers", c.layers, kMaxLayers));
  TERN_TRY(check_range("heads", c.heads, kMaxHeads));
  TERN_TRY(check_range("kv_heads", c.kv_heads, c.heads));
  TERN_TRY(check_range("head_dim", c.head_dim, kMaxHeadDim));
  TERN_TRY(check_range("heads * head_dim", uint64_t{c.heads} * c.head_dim, kMaxWidth));
  TERN_TRY(check_range("context", c.context, kMaxContext));
  if (c.heads % c.kv_heads != 0) {
    return corrupt(fmt::format("kv_heads is {}, expected a divisor of the {} heads", c.kv_heads, c.heads));
  }
  if (c.head_dim % 2 != 0) return corrupt(fmt::format("head_dim is {}, expected an even number", c.head_dim));
  for (const auto& [name, eps] : {std::pair{"norm_eps", c.norm_eps}, std::pair{"final_norm_eps", c.final_norm_eps}}) {
    if (!std::isfinite(eps) || eps < 0)
      return corrupt(fmt::format("{} is {}, expected a finite number from 0 on", name, eps));
  }
  if (!std::isfinite(c.rope_base) || c.rope_base <= 0) {
    return corrupt(fmt::format("rope_base is {}, expected a finite positive number", c.rope_base));
  }
  if (c.rope_pairing != RopePairing::halves && c.rope_pairing != RopePairing::interleaved) {
    return unsupported(
        fmt::format("rope_pairing is {}, expected 1 (halves) or 2 (interleaved)", static_cast<int>(c.rope_pairing)));
  }
  TERN_TRY(check_numbers(c));
  if (c.window != 0) TERN_TRY(check_range("window", c.window, kMaxContext));
  return check_rope_scaling(c);
}

Status validate_tensors(const std::vector<TensorRecord>& tensors) {
  TERN_TRY(check_records("tensors", tensors.size(), kMaxTensors));
  TERN_TRY(check_names(tensors, "tensor"));
  for (const TensorRecord& t : tensors) TERN_TRY(validate_tensor(t).within("tensor '" + t.name + "'"));
  for (const TensorRecord& t : tensors) TERN_TRY(validate_codebook(tensors, t).within("tensor '" + t.name + "'"));
  return {};
}

Status validate_description(const ModelDescription& d) {
  TERN_TRY(validate_config(d.config).within("section CONF"));
  TERN_TRY(validate_tensors(d.tensors).within("section TENS"));
  TERN_TRY(check_records("inputs", d.inputs.size(), kMaxInputs).within("section INPT"));
  TERN_TRY(check_records("linears", d.linears.size(), kMaxLinears).within("section LINR"));
  TERN_TRY(check_names(d.inputs, "input").within("section INPT"));
  TERN_TRY(check_names(d.linears, "linear").within("section LINR"));
  TERN_TRY(validate_linears(d));
  if (d.tokenizer) TERN_TRY(validate_tokenizer(*d.tokenizer).within("section TOKN"));
  TERN_TRY(validate_chat(d).within("section CHAT"));
  return validate_metadata(d).within("section META");
}

}  // namespace tern
