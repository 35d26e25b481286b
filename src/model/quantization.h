// SPDX-License-Identifier: Apache-2.0
// What config.json says of quantised weights.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <regex>
#include <string>
#include <string_view>
#include <vector>

#include "ember/base/weight_format.h"
#include "json_object.h"

namespace ember {

// Which tensors the weight of a module [out, in] is stored as. N = out, K = in, G = groups of
// columns, b = bits; words are 32 bits of 32/b codes, the first one lowest.
enum class QuantizedLayout : uint8_t {
  kAwq,     // qweight [K, N/8], qzeros [G, N/8], scales [G, N]; eight codes of a word are columns
            // 0 2 4 6 1 3 5 7
  kGptq,    // qweight [K b/32, N], qzeros [G, N b/32], scales [G, N], g_idx [K]
  kPacked,  // weight_packed [N, K b/32], weight_scale [N, G], weight_zero_point [N b/32, G],
            // weight_g_idx [K], weight_shape
  kInt8,    // weight I8 [N, K], weight_scale, weight_zero_point
  kFp8,     // weight F8_E4M3 [N, K], weight_scale or weight_scale_inv
};

struct QuantizationScheme {
  QuantizedLayout layout = QuantizedLayout::kAwq;
  int bits = 4;
  // What shares a scale and a zero point; 0: all of them. Columns may also be grouped by g_idx.
  int64_t scale_rows = 1, scale_columns = 0;
  bool symmetric = false;  // the middle code is zero; kPacked and kInt8 store no zero points then
  bool activation_order = false;    // g_idx must be there
  bool zeros_less_one = false;      // zero points are stored less one (GPTQ's first format)
  bool static_activations = false;  // input_scale must be there; Ember does not need it

  // What rows of so many columns are read as (StoredTensor::format): blocks, where every block of
  // 32 columns has one scale and one zero point that such blocks can say. By default, as the scheme
  // has them.
  WeightFormat format_of_rows(int64_t columns) const {
    return format_of_rows(columns, !activation_order, symmetric);
  }
  // whole_groups: 32 neighbouring columns of a group stay together; central_zeros: every zero point
  // is the middle one.
  WeightFormat format_of_rows(int64_t columns, bool whole_groups, bool central_zeros) const;
};

// Modules by name: a name or some whole components of one ("lm_head", "model.layers.0",
// "self_attn"), or behind "re:" a regular expression for its beginning. q_proj, k_proj and v_proj
// are also qkv_proj, and gate_proj and up_proj also gate_up_proj, whichever of them the checkpoint
// has.
class ModulePattern {
 public:
  // Throws std::regex_error.
  explicit ModulePattern(std::string_view pattern);
  bool matches(std::string_view module) const;

 private:
  bool matches_name(std::string_view module) const;

  std::string name_;
  std::optional<std::regex> regex_;
};

// Whether a module is stored quantised is seen in the checkpoint; this says how.
struct Quantization {
  struct Rule {
    ModulePattern modules;
    std::optional<QuantizationScheme> scheme;  // none: they are plain
  };

  // Null: none is given for the module. What should be plain has that of its class, for the case
  // that it is stored quantised.
  const QuantizationScheme* scheme_of(std::string_view module) const;
  // What a module should be, where there is no checkpoint to look at.
  bool expects_quantized(std::string_view module) const;

  std::string method;                                           // for messages
  std::vector<Rule> rules;                                      // the first that matches holds
  std::optional<QuantizationScheme> of_linears, of_embeddings;  // where no rule matches
  std::vector<ModulePattern> excluded;

 private:
  const Rule* rule_of(std::string_view module) const;
};

// Of config.json; nullopt: it names none, or says that nothing is quantised. Throws
// StartError(kBadModel) naming the field, what was found and what is supported.
std::optional<Quantization> read_quantization(const JsonObject& config);

}  // namespace ember
