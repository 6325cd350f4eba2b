#include "formats/foreign/hf_vector_quantization.h"

#include <fmt/format.h>

#include "formats/foreign/hf_setters.h"

namespace tern {
namespace {

using nlohmann::json;
using Setters = std::map<std::string, Setter>;

// A count, or 0 where the file says -1 or 0: not used.
Setter optional_count_into(uint32_t* out) {
  return [out](const json& value, const std::string& where) -> Status {
    if (value == -1 || value == 0) {
      *out = 0;
      return {};
    }
    return count_into(out)(value, where);
  };
}

// [of outliers, of all other columns]
Setter pair_into(uint32_t* outliers, uint32_t* main) {
  return [=](const json& value, const std::string& where) -> Status {
    if (!value.is_array() || value.size() != 2) return wrong_value(where, value, "a list of two numbers");
    TERN_TRY(optional_count_into(outliers)(value[0], where + "[0]"));
    return optional_count_into(main)(value[1], where + "[1]");
  };
}

Setter only(const json& expected) {
  return [expected](const json& value, const std::string& where) -> Status {
    if (value == expected) return {};
    return unsupported(fmt::format("{} is {}, only {} is supported", where, value.dump(), expected.dump()));
  };
}

Setter ignored() {
  return [](const json&, const std::string&) { return Status(); };
}

Status read_object(const json& value, const std::string& where, const Setters& setters) {
  if (!value.is_object()) return wrong_value(where, value, "an object");
  for (const auto& [key, entry] : value.items()) {
    const auto setter = setters.find(key);
    const std::string field = fmt::format("{}.{}", where, key);
    if (setter == setters.end()) return unsupported(fmt::format("unknown field {} = {}", field, entry.dump()));
    TERN_TRY(setter->second(entry, field));
  }
  return {};
}

Status check_layer(const HfVptqLayer& l, uint32_t residual_of_outliers, const std::string& where) {
  if (l.vector_length == 0 || l.centroids == 0) {
    return corrupt(where + ": vector_lens[1] and num_centroids[1] must be positive");
  }
  if (residual_of_outliers != 0) return unsupported(where + ": num_res_centroids[0]: outliers with a residual");
  const bool active = l.outlier_length > 1 && l.outlier_centroids > 0;
  if ((l.outliers > 0) != active) {
    return corrupt(fmt::format("{}: outlier_size is {}, but vector_lens[0] is {} and num_centroids[0] is {}", where,
                               l.outliers, l.outlier_length, l.outlier_centroids));
  }
  const uint64_t columns = uint64_t{l.groups} * l.group_size + l.outliers;
  if (columns == l.in_features) return {};
  return corrupt(fmt::format("{}: group_num {} times group_size {} plus outlier_size {} is {}, expected in_features {}",
                             where, l.groups, l.group_size, l.outliers, columns, l.in_features));
}

Result<HfVptqLayer> read_layer(const json& value, const std::string& where) {
  HfVptqLayer l;
  uint32_t residual_of_outliers = 0;
  bool as_float = false, proxy = false;
  TERN_TRY(read_object(value, where,
                       {{"in_features", count_into(&l.in_features)},
                        {"out_features", count_into(&l.out_features)},
                        {"vector_lens", pair_into(&l.outlier_length, &l.vector_length)},
                        {"num_centroids", pair_into(&l.outlier_centroids, &l.centroids)},
                        {"num_res_centroids", pair_into(&residual_of_outliers, &l.residual_centroids)},
                        {"group_num", count_into(&l.groups)},
                        {"group_size", optional_count_into(&l.group_size)},
                        {"outlier_size", optional_count_into(&l.outliers)},
                        {"enable_norm", flag_into(&l.norm)},
                        {"enable_perm", flag_into(&l.permutation)},
                        {"is_indice_packed", flag_into(&l.packed)},
                        {"bias", flag_into(&l.bias)},
                        {"indices_as_float", flag_into(&as_float)},  // another name for the type of the same bits
                        {"enable_proxy_error", flag_into(&proxy)},
                        {"norm_dim", only(0)},
                        {"vector_quant_dim", only("out")}}));
  if (l.group_size == 0 && l.in_features > l.outliers) l.group_size = (l.in_features - l.outliers) / l.groups;
  TERN_TRY(check_layer(l, residual_of_outliers, where));
  return l;
}

Setter layers_into(std::map<std::string, HfVptqLayer>* out) {
  return [out](const json& value, const std::string& where) -> Status {
    if (value.is_null()) return {};
    if (!value.is_object()) return wrong_value(where, value, "an object");
    for (const auto& [name, entry] : value.items()) {
      TERN_ASSIGN(const HfVptqLayer layer, read_layer(entry, fmt::format("{}.{}", where, name)));
      out->emplace(name, layer);
    }
    return {};
  };
}

}  // namespace

const HfVptqLayer* HfVptq::find(const std::string& module) const {
  if (const auto own = layers.find(module); own != layers.end()) return &own->second;
  const auto last = shared.find(module.substr(module.rfind('.') + 1));
  return last != shared.end() ? &last->second : nullptr;
}

Result<HfVptq> read_vptq(const json& value, const std::string& where) {
  HfVptq out;
  TERN_TRY(read_object(value, where,
                       {{"quant_method", only("vptq")},
                        {"config_for_layers", layers_into(&out.layers)},
                        {"shared_layer_config", layers_into(&out.shared)},
                        {"modules_to_not_convert", ignored()}}));  // those are in neither of the two
  return out;
}

Result<HfAqlm> read_aqlm(const json& value, const std::string& where) {
  HfAqlm out;
  const auto dense_into = [&](const json& list, const std::string& field) -> Status {
    if (!list.is_array()) return list.is_null() ? Status() : wrong_value(field, list, "a list of names");
    for (const json& name : list) {
      if (!name.is_string()) return wrong_value(field, name, "a name");
      out.dense[name.get<std::string>()] = true;
    }
    return {};
  };
  TERN_TRY(read_object(value, where,
                       {{"quant_method", only("aqlm")},
                        {"num_codebooks", count_into(&out.codebooks)},
                        {"nbits_per_codebook", count_into(&out.bits)},
                        {"in_group_size", count_into(&out.in_group)},
                        {"out_group_size", count_into(&out.out_group)},
                        {"linear_weights_not_to_quantize", dense_into}}));
  if (out.out_group != 1)
    return unsupported(fmt::format("{}.out_group_size is {}, only 1 is supported", where, out.out_group));
  if (out.codebooks == 0 || out.codebooks > 8 || out.bits == 0 || out.bits > 16) {
    return unsupported(
        fmt::format("{}: {} codebooks of {} bits, expected 1 to 8 of 1 to 16 bits", where, out.codebooks, out.bits));
  }
  if (out.in_group >= 2 && out.in_group <= 32) return out;
  return unsupported(fmt::format("{}.in_group_size is {}, expected 2 to 32", where, out.in_group));
}

Result<HfQuip> read_quip(const json& value, const std::string& where) {
  HfQuip out;
  std::string codebook;
  double override_scale = -1;
  const auto scale_into = [&](const json& number, const std::string& field) -> Status {
    if (!number.is_number()) return wrong_value(field, number, "a number");
    override_scale = number.get<double>();
    return {};
  };
  TERN_TRY(read_object(value, where,
                       {{"codebook", text_into(&codebook)},
                        {"codebook_version", only(1)},
                        {"codesz", only(8)},
                        {"packsz", ignored()},  // follows from the codebook
                        {"idx_dtype", only("torch.int64")},
                        {"lora_rank", only(0)},
                        {"rescale_WH", only(false)},
                        {"resid_scale_override", scale_into}}));
  const std::map<std::string, std::pair<QuipCodebook, double>> known = {
      {"E8P12", {QuipCodebook::e8p12, 0}},
      {"E8P12RVQ3B", {QuipCodebook::e8p12_rvq3, 2.04}},
      {"E8P12RVQ4B", {QuipCodebook::e8p12_rvq4, 3.45}}};
  const auto found = known.find(codebook);
  if (found == known.end()) {
    return unsupported(fmt::format("{}.codebook is '{}', expected E8P12, E8P12RVQ3B or E8P12RVQ4B", where, codebook));
  }
  out.codebook = found->second.first;
  out.residual_scale = override_scale > 0 ? override_scale : found->second.second;
  return out;
}

}  // namespace tern
