// SPDX-License-Identifier: Apache-2.0
#include "quantization.h"

#include <fmt/format.h>

#include <algorithm>

namespace ember {

namespace {

constexpr int64_t kMaxGroup = 1 << 24;
constexpr size_t kMaxPattern = 1024;

std::string lower(std::string text) {
  std::ranges::transform(text, text.begin(), [](unsigned char c) { return std::tolower(c); });
  return text;
}

// The spelling of a field that the object has; the first if it has none.
const char* spelling(const JsonObject& object, const char* name, const char* other) {
  return !object.has(name) && object.has(other) ? other : name;
}

// Whether `module` holds `name` as whole components.
bool has_components(std::string_view module, std::string_view name) {
  for (size_t at = module.find(name); at != std::string_view::npos;
       at = module.find(name, at + 1)) {
    const size_t end = at + name.size();
    if ((at == 0 || module[at - 1] == '.') && (end == module.size() || module[end] == '.'))
      return true;
  }
  return false;
}

// What a module is called where its neighbours are fused with it, or where it is fused and they
// are not.
std::vector<std::string> other_names(std::string_view module) {
  static constexpr std::pair<std::string_view, std::string_view> kFused[] = {
      {"q_proj", "qkv_proj"},
      {"k_proj", "qkv_proj"},
      {"v_proj", "qkv_proj"},
      {"gate_proj", "gate_up_proj"},
      {"up_proj", "gate_up_proj"}};
  const size_t dot = module.rfind('.');
  const size_t begin = dot == std::string_view::npos ? 0 : dot + 1;
  const std::string parent(module.substr(0, begin));
  std::vector<std::string> names;
  for (const auto& [part, fused] : kFused) {
    if (module.substr(begin) == part) names.push_back(parent + std::string(fused));
    if (module.substr(begin) == fused) names.push_back(parent + std::string(part));
  }
  return names;
}

bool is_embedding(std::string_view module) { return module.ends_with("embed_tokens"); }

ModulePattern read_pattern(const JsonObject& object, const std::string& field,
                           const std::string& pattern) {
  const auto refuse = [&] {
    bad_model(object.file(), fmt::format("\"{}\": \"{}\" is no pattern of modules that Ember reads",
                                         object.path_of(field), pattern.substr(0, 64)));
  };
  if (pattern.size() > kMaxPattern) refuse();
  try {
    return ModulePattern(pattern);
  } catch (const std::regex_error&) {
    refuse();
    throw;
  }
}

void exclude(const JsonObject& object, const char* field, Quantization& quantization) {
  for (const std::string& pattern : object.texts(field))
    quantization.excluded.push_back(read_pattern(object, field, pattern));
}

// -1 and absent, where that is allowed: the row.
int64_t read_group_size(const JsonObject& object, const char* field,
                        std::optional<int64_t> default_value) {
  const int64_t size = object.integer(field, -1, kMaxGroup, default_value);
  if (size == 0) object.refuse(field, fmt::format("-1 or 1 to {}", kMaxGroup));
  return std::max<int64_t>(size, 0);
}

int read_bits(const JsonObject& object, const char* field, std::initializer_list<int> supported) {
  const int64_t bits = object.integer(field, 1, 64);
  if (std::ranges::find(supported, bits) == supported.end())
    object.refuse(field, supported.size() == 1 ? fmt::format("{}", *supported.begin()) : "4 or 8");
  return static_cast<int>(bits);
}

// A word, in any case, that must be one of those supported.
std::string read_word(const JsonObject& object, const char* field, const char* default_value,
                      std::initializer_list<std::string_view> supported) {
  const std::string word = lower(object.text(field, default_value));
  if (std::ranges::find(supported, word) == supported.end()) {
    std::string expected;
    for (const std::string_view one : supported)
      expected += fmt::format("{}\"{}\"", expected.empty() ? "" : " or ", one);
    object.refuse(field, expected);
  }
  return word;
}

void read_awq(const JsonObject& config, Quantization& quantization) {
  read_word(config, spelling(config, "version", "format"), "gemm", {"gemm"});
  if (!config.boolean("zero_point", true)) config.refuse("zero_point", "true");
  QuantizationScheme scheme{.layout = QuantizedLayout::kAwq};
  scheme.bits = read_bits(config, spelling(config, "bits", "w_bit"), {4});
  scheme.scale_columns =
      read_group_size(config, spelling(config, "group_size", "q_group_size"), 128);
  quantization.of_linears = scheme;
  exclude(config, "modules_to_not_convert", quantization);
  quantization.excluded.emplace_back("lm_head");
}

// One entry of GPTQModel's "dynamic": a pattern of modules and what differs for them, or that they
// are plain.
void read_dynamic(const JsonObject& dynamic, const std::string& key, Quantization& quantization) {
  const std::string pattern = key.starts_with("+:") || key.starts_with("-:") ? key.substr(2) : key;
  ModulePattern modules = read_pattern(dynamic, key, "re:" + pattern);
  if (key.starts_with("-:")) {
    quantization.rules.push_back({std::move(modules), std::nullopt});
    return;
  }
  QuantizationScheme scheme = *quantization.of_linears;
  if (const std::optional<JsonObject> changes = dynamic.object(key)) {
    if (changes->has("bits")) scheme.bits = read_bits(*changes, "bits", {4, 8});
    if (changes->has("group_size"))
      scheme.scale_columns = read_group_size(*changes, "group_size", std::nullopt);
    scheme.activation_order = changes->boolean("desc_act", scheme.activation_order);
    scheme.symmetric = changes->boolean("sym", scheme.symmetric);
  }
  quantization.rules.push_back({std::move(modules), scheme});
}

void read_gptq(const JsonObject& config, Quantization& quantization) {
  const std::string format = read_word(config, spelling(config, "checkpoint_format", "format"),
                                       "gptq", {"gptq", "gptq_v2"});
  read_word(config, "pack_dtype", "int32", {"int32"});
  if (config.boolean("is_marlin_format", false)) config.refuse("is_marlin_format", "false");
  QuantizationScheme scheme{.layout = QuantizedLayout::kGptq};
  scheme.bits = read_bits(config, "bits", {4, 8});
  scheme.scale_columns = read_group_size(config, "group_size", 128);
  scheme.activation_order = config.boolean("desc_act", false);
  scheme.symmetric = config.boolean("sym", true);
  scheme.zeros_less_one = format == "gptq";
  quantization.of_linears = scheme;
  if (const std::optional<JsonObject> dynamic = config.object("dynamic"))
    for (const std::string& key : config.ordered_names("dynamic"))
      read_dynamic(*dynamic, key, quantization);
  exclude(config, "modules_to_not_convert", quantization);
  if (!config.boolean("lm_head", false)) quantization.excluded.emplace_back("lm_head");
}

void read_fp8(const JsonObject& config, Quantization& quantization) {
  read_word(config, "fmt", "e4m3", {"e4m3", "float8_e4m3fn"});
  QuantizationScheme scheme{.layout = QuantizedLayout::kFp8, .bits = 8, .symmetric = true};
  scheme.static_activations =
      read_word(config, "activation_scheme", "dynamic", {"dynamic", "static"}) == "static";
  const std::vector<int64_t> block = config.integers("weight_block_size");
  if (!block.empty() && (block.size() != 2 || block[0] < 1 || block[1] < 1))
    config.refuse("weight_block_size", "two positive integers or null");
  scheme.scale_rows = block.empty() ? 0 : block[0];
  scheme.scale_columns = block.empty() ? 0 : block[1];
  quantization.of_linears = scheme;
  for (const char* field : {"modules_to_not_convert", "ignored_layers", "ignore"})
    exclude(config, field, quantization);
  quantization.excluded.emplace_back("lm_head");
}

void read_strategy(const JsonObject& weights, QuantizationScheme& scheme) {
  const int64_t group =
      weights.has("group_size") ? weights.integer("group_size", -1, kMaxGroup) : 0;
  const char* otherwise = group > 0 ? "group" : group == -1 ? "channel" : "tensor";
  const std::string strategy =
      read_word(weights, "strategy", otherwise, {"tensor", "channel", "group", "block"});
  scheme.scale_rows = strategy == "tensor" ? 0 : 1;
  scheme.scale_columns = 0;
  if (strategy == "group") {
    if (group < 1) weights.refuse("group_size", "a positive integer for groups");
    scheme.scale_columns = group;
  }
  if (strategy == "block") {
    const std::vector<int64_t> block = weights.integers("block_structure");
    if (block.size() != 2 || block[0] < 1 || block[1] < 1)
      weights.refuse("block_structure", "two positive integers");
    scheme.scale_rows = block[0];
    scheme.scale_columns = block[1];
  }
}

// config_groups.NAME.weights.
QuantizationScheme read_weights(const JsonObject& weights, const std::string& format) {
  QuantizationScheme scheme;
  const bool floats = read_word(weights, "type", "int", {"int", "float"}) == "float";
  const bool packed = format == "pack-quantized";
  if (floats ? format == "int-quantized" || packed : format == "float-quantized")
    weights.refuse("type", fmt::format("\"{}\" for {}", floats ? "int" : "float", format));
  scheme.layout = floats   ? QuantizedLayout::kFp8
                  : packed ? QuantizedLayout::kPacked
                           : QuantizedLayout::kInt8;
  scheme.bits =
      floats ? read_bits(weights, "num_bits", {8}) : read_bits(weights, "num_bits", {4, 8});
  if (!packed) scheme.bits = 8;  // each code has a byte
  scheme.symmetric = weights.boolean("symmetric", true);
  if (floats && !scheme.symmetric) weights.refuse("symmetric", "true for floats");
  if (weights.has("actorder") && weights.json()["actorder"].is_string()) {
    const std::string order = lower(weights.text("actorder", ""));
    scheme.activation_order = order == "group" || order == "dynamic";
  } else {
    scheme.activation_order = weights.boolean("actorder", false);
  }
  read_strategy(weights, scheme);
  return scheme;
}

// A group's "targets": classes of modules, or names.
void add_targets(const JsonObject& group, const QuantizationScheme& scheme,
                 Quantization& quantization) {
  const std::vector<std::string> targets = group.texts("targets");
  if (targets.empty()) group.refuse("targets", "a list of modules");
  for (const std::string& target : targets) {
    std::optional<QuantizationScheme>* of_class = target == "Linear" ? &quantization.of_linears
                                                  : target == "Embedding"
                                                      ? &quantization.of_embeddings
                                                      : nullptr;
    if (of_class != nullptr && *of_class)
      group.refuse("targets", fmt::format("\"{}\" in one group only", target));
    if (of_class != nullptr)
      *of_class = scheme;
    else
      quantization.rules.push_back({read_pattern(group, "targets", target), scheme});
  }
}

void read_compressed_tensors(const JsonObject& config, Quantization& quantization) {
  static constexpr const char* kFormats = "pack-quantized, int-quantized or float-quantized";
  const std::optional<JsonObject> sparsity = config.object("sparsity_config");
  if (sparsity) read_word(*sparsity, "format", "dense", {"dense"});
  const std::optional<JsonObject> transforms = config.object("transform_config");
  if (transforms && transforms->has("config_groups") &&
      !transforms->json()["config_groups"].empty())
    transforms->refuse("config_groups", "none: weights that are transformed are not supported");
  const std::optional<JsonObject> groups = config.object("config_groups");
  if (!groups || groups->json().empty()) config.refuse("config_groups", "an object of groups");
  for (const auto& [name, value] : groups->json().items()) {
    const std::optional<JsonObject> group = groups->object(name);
    const std::optional<JsonObject> weights = group ? group->object("weights") : std::nullopt;
    if (!weights) continue;  // of activations or the cache, which stay as they are
    const JsonObject& says = group->has("format") ? *group : config;
    const std::string format = lower(says.text("format", ""));
    if (format == "dense") continue;
    if (format != "pack-quantized" && format != "int-quantized" && format != "float-quantized" &&
        format != "naive-quantized")
      says.refuse("format", kFormats);
    QuantizationScheme scheme = read_weights(*weights, format);
    if (const std::optional<JsonObject> activations = group->object("input_activations"))
      scheme.static_activations =
          activations->has("dynamic") && activations->json()["dynamic"] == false;
    add_targets(*group, scheme, quantization);
  }
  exclude(config, "ignore", quantization);
}

}  // namespace

WeightFormat QuantizationScheme::format_of_rows(int64_t columns, bool whole_groups,
                                                bool central_zeros) const {
  if (layout == QuantizedLayout::kFp8) return WeightFormat::kF8E4M3;
  const bool blocks = whole_groups && scale_columns % 32 == 0 && columns % 32 == 0;
  if (bits == 4)
    return !blocks         ? WeightFormat::kInt4
           : central_zeros ? WeightFormat::kQ4_0
                           : WeightFormat::kQ4_1;
  return blocks && central_zeros ? WeightFormat::kQ8_0 : WeightFormat::kInt8;
}

ModulePattern::ModulePattern(std::string_view pattern) : name_(pattern) {
  if (name_.starts_with("re:")) regex_.emplace(name_.substr(3));
}

bool ModulePattern::matches_name(std::string_view module) const {
  if (!regex_) return !name_.empty() && has_components(module, name_);
  return std::regex_search(module.begin(), module.end(), *regex_,
                           std::regex_constants::match_continuous);
}

bool ModulePattern::matches(std::string_view module) const {
  if (matches_name(module)) return true;
  return std::ranges::any_of(other_names(module),
                             [&](const std::string& name) { return matches_name(name); });
}

const Quantization::Rule* Quantization::rule_of(std::string_view module) const {
  const auto rule =
      std::ranges::find_if(rules, [&](const Rule& r) { return r.modules.matches(module); });
  return rule == rules.end() ? nullptr : &*rule;
}

const QuantizationScheme* Quantization::scheme_of(std::string_view module) const {
  const Rule* rule = rule_of(module);
  if (rule != nullptr && rule->scheme) return &*rule->scheme;
  const std::optional<QuantizationScheme>& of_class =
      is_embedding(module) ? of_embeddings : of_linears;
  return of_class ? &*of_class : nullptr;
}

bool Quantization::expects_quantized(std::string_view module) const {
  const Rule* rule = rule_of(module);
  return scheme_of(module) != nullptr && (rule == nullptr || rule->scheme) &&
         std::ranges::none_of(excluded, [&](const ModulePattern& p) { return p.matches(module); });
}

std::optional<Quantization> read_quantization(const JsonObject& config) {
  const char* field = spelling(config, "quantization_config", "compression_config");
  const std::optional<JsonObject> object = config.object(field);
  if (!object) return std::nullopt;
  static constexpr std::pair<const char*, void (*)(const JsonObject&, Quantization&)> kMethods[] = {
      {"awq", read_awq},
      {"gptq", read_gptq},
      {"fp8", read_fp8},
      {"compressed-tensors", read_compressed_tensors}};
  Quantization quantization;
  const bool groups = object->has("config_groups");
  quantization.method = lower(object->text("quant_method", groups ? "compressed-tensors" : ""));
  const auto* method =
      std::ranges::find_if(kMethods, [&](const auto& m) { return quantization.method == m.first; });
  if (method == std::end(kMethods))
    object->refuse("quant_method", "awq, gptq, compressed-tensors or fp8");
  method->second(*object, quantization);
  return quantization;
}

}  // namespace ember
