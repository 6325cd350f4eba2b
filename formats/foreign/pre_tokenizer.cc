#include "formats/foreign/pre_tokenizer.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>

#include "formats/foreign/gpt2_bpe.h"
#include "formats/tern/split_pattern.h"

namespace tern {
namespace {

using nlohmann::json;

constexpr size_t kMaxComponents = 64;

std::string text_field(const json& component, const char* field) {
  const auto found = component.find(field);
  return found != component.end() && found->is_string() ? found->get<std::string>() : std::string();
}

// The members of a Sequence; empty for another type, which is then a sequence of itself.
Result<json> members_of(const json& component, const char* field, const std::string& where) {
  TERN_ASSIGN(const std::string type, type_of_component(component, where));
  if (type != "Sequence") return json::array({component});
  TERN_TRY(check_fields(component, {"type", field}, where));
  const auto members = component.find(field);
  if (members == component.end() || !members->is_array() || members->size() > kMaxComponents) {
    return corrupt(fmt::format("{}: {} of a Sequence is not a list of at most {}", where, field, kMaxComponents));
  }
  return *members;
}

// A literal as a pattern: every ASCII punctuation mark escaped.
std::string quoted(const std::string& literal) {
  std::string pattern;
  for (const char c : literal) {
    if (static_cast<uint8_t>(c) < 0x80 && std::ispunct(static_cast<unsigned char>(c))) pattern += '\\';
    pattern += c;
  }
  return pattern;
}

class PreTokenizerReader {
 public:
  explicit PreTokenizerReader(TokenizerData* data) : data_(data) {}

  Status read(const json& component, const std::string& where) {
    TERN_ASSIGN(const std::string type, type_of_component(component, where));
    const std::string here = where + " " + type;
    if (type == "ByteLevel") return read_byte_level(component, here);
    if (type == "Split") return read_split(component, here);
    if (type == "Digits") return read_digits(component, here);
    if (type == "Punctuation") return read_punctuation(component, here);
    return unsupported(fmt::format("{}: the type '{}' is not supported", where, type.substr(0, 40)));
  }
  bool byte_level() const { return byte_level_; }

 private:
  void add(std::string pattern) { data_->patterns.push_back({std::move(pattern), byte_level_}); }

  Status read_byte_level(const json& component, const std::string& where) {
    TERN_TRY(check_fields(component, {"type", "add_prefix_space", "trim_offsets", "use_regex"}, where));
    TERN_ASSIGN(const bool prefix, flag_of_component(component, "add_prefix_space", true, where));
    TERN_ASSIGN(const bool regex, flag_of_component(component, "use_regex", true, where));
    if (prefix) return unsupported(where + ": add_prefix_space is not supported");
    if (byte_level_) return unsupported(where + " stands twice");
    if (regex) add(kGpt2Pattern);
    byte_level_ = true;
    return {};
  }

  Status read_split(const json& component, const std::string& where) {
    TERN_TRY(check_fields(component, {"type", "pattern", "behavior", "invert"}, where));
    const json pattern = component.value("pattern", json());
    const bool known = pattern.is_object() && pattern.size() == 1 && pattern.begin()->is_string() &&
                       (pattern.contains("Regex") || pattern.contains("String"));
    if (!known) return corrupt(where + ": pattern is not an object with Regex or String");
    TERN_TRY(flag_of_component(component, "invert", false, where).status());  // makes no difference when isolated
    TERN_TRY(expect_behavior(component, {"Isolated"}, where));
    const std::string text = pattern.begin()->get<std::string>();
    add(pattern.contains("Regex") ? text : quoted(text));
    return validate_split_pattern(data_->patterns.back().pattern).within(where + ": pattern");
  }

  Status read_digits(const json& component, const std::string& where) {
    TERN_TRY(check_fields(component, {"type", "individual_digits"}, where));
    TERN_ASSIGN(const bool individual, flag_of_component(component, "individual_digits", false, where));
    add(individual ? "\\p{N}" : "\\p{N}+");
    return {};
  }

  Status read_punctuation(const json& component, const std::string& where) {
    TERN_TRY(check_fields(component, {"type", "behavior"}, where));
    TERN_TRY(expect_behavior(component, {"Isolated", "Contiguous"}, where));
    const std::string mark = R"([\!-\/\:-\@\[-\`\{-\~\p{P}])";
    add(text_field(component, "behavior") == "Contiguous" ? mark + "+" : mark);
    return {};
  }

  Status expect_behavior(const json& component, std::initializer_list<std::string_view> known,
                         const std::string& where) {
    const auto found = component.find("behavior");
    const std::string behavior = found == component.end() ? "Isolated" : text_field(component, "behavior");
    if (std::find(known.begin(), known.end(), behavior) != known.end()) return {};
    return unsupported(fmt::format("{}: behavior is '{}', which is not supported", where, behavior.substr(0, 40)));
  }

  TokenizerData* data_;
  bool byte_level_ = false;
};

// The id of a special token of a template; one token each.
Result<int32_t> template_id(const json& processor, const std::string& token, const std::string& where) {
  const json tokens = processor.value("special_tokens", json());
  const json entry = tokens.is_object() ? tokens.value(token, json()) : json();
  const json ids = entry.is_object() ? entry.value("ids", json()) : json();
  if (!ids.is_array() || ids.size() != 1 || !ids[0].is_number_unsigned() || ids[0].get<uint64_t>() > INT32_MAX) {
    return corrupt(fmt::format("{}: special token '{}' has not one id", where, token.substr(0, 80)));
  }
  return ids[0].get<int32_t>();
}

Status read_template(const json& processor, const std::string& where, TokenizerData* data) {
  TERN_TRY(check_fields(processor, {"type", "single", "pair", "special_tokens"}, where));
  const json single = processor.value("single", json());
  if (!single.is_array() || single.size() > 3) return unsupported(where + ": single is not a list of at most 3");
  bool text = false;
  for (const json& part : single) {
    if (part.is_object() && part.contains("Sequence") && !text) {
      text = true;
      continue;
    }
    const json special = part.is_object() ? part.value("SpecialToken", json()) : json();
    int32_t& id = text ? data->eos : data->bos;
    bool& add = text ? data->add_eos : data->add_bos;
    if (!special.is_object() || add) return unsupported(where + ": single is not [BOS] text [EOS]");
    TERN_ASSIGN(id, template_id(processor, text_field(special, "id"), where));
    add = true;
  }
  return text ? Status() : unsupported(where + ": single has no place for the text");
}

}  // namespace

Status check_fields(const json& object, std::initializer_list<std::string_view> known, const std::string& where) {
  for (const auto& [field, value] : object.items()) {
    if (std::find(known.begin(), known.end(), field) == known.end()) {
      return unsupported(fmt::format("{}: the field '{}' is not known", where, field.substr(0, 80)));
    }
  }
  return {};
}

Result<std::string> type_of_component(const json& component, const std::string& where) {
  const std::string type = component.is_object() ? text_field(component, "type") : "";
  return type.empty() ? Result<std::string>(corrupt(where + ": expected an object with a type")) : type;
}

Result<bool> flag_of_component(const json& component, const char* field, bool otherwise, const std::string& where) {
  const auto found = component.find(field);
  if (found == component.end() || found->is_null()) return otherwise;
  if (found->is_boolean()) return found->get<bool>();
  return corrupt(fmt::format("{}: {} is neither true nor false", where, field));
}

Status read_byte_normalizer(const json& normalizer, const std::string& where, TokenizerData* data) {
  if (normalizer.is_null()) return {};
  TERN_ASSIGN(const json members, members_of(normalizer, "normalizers", where));
  for (const json& member : members) {
    TERN_ASSIGN(const std::string type, type_of_component(member, where));
    if (type != "NFC") return unsupported(fmt::format("{}: the type '{}' is not supported", where, type.substr(0, 40)));
    data->nfc = true;
  }
  return {};
}

Status read_pre_tokenizer(const json& pre_tokenizer, const std::string& where, TokenizerData* data) {
  TERN_ASSIGN(const json members, members_of(pre_tokenizer, "pretokenizers", where));
  PreTokenizerReader reader(data);
  for (const json& member : members) TERN_TRY(reader.read(member, where));
  return reader.byte_level() ? Status() : unsupported(where + " has no ByteLevel");
}

Status read_post_processor(const json& post_processor, const std::string& where, TokenizerData* data) {
  data->add_bos = data->add_eos = false;
  if (post_processor.is_null()) return {};
  TERN_ASSIGN(const json members, members_of(post_processor, "processors", where));
  for (const json& member : members) {
    TERN_ASSIGN(const std::string type, type_of_component(member, where));
    if (type == "ByteLevel") continue;  // moves offsets only
    if (type != "TemplateProcessing" || data->add_bos || data->add_eos) {
      return unsupported(fmt::format("{}: the type '{}' is not supported here", where, type.substr(0, 40)));
    }
    TERN_TRY(read_template(member, where + " TemplateProcessing", data));
  }
  return {};
}

}  // namespace tern
