// SPDX-License-Identifier: Apache-2.0
#include "rope_config.h"

#include <fmt/format.h>

#include <algorithm>

namespace ember {

namespace {

constexpr int64_t kMaxPosition = DecoderConfig::kMaxPosition;

RopeScaling scaling_type(const JsonObject& scaling) {
  const std::string type = scaling.text("rope_type", scaling.text("type", "default"));
  static const std::pair<const char*, RopeScaling> kTypes[] = {
      {"default", RopeScaling::kNone},    {"linear", RopeScaling::kLinear},
      {"dynamic", RopeScaling::kDynamic}, {"llama3", RopeScaling::kLlama3},
      {"yarn", RopeScaling::kYarn},       {"longrope", RopeScaling::kLongRope},
      {"su", RopeScaling::kLongRope}};
  const auto* found = std::find_if(std::begin(kTypes), std::end(kTypes),
                                   [&](const auto& t) { return type == t.first; });
  if (found == std::end(kTypes))
    scaling.refuse(scaling.has("rope_type") ? "rope_type" : "type",
                   "default, linear, dynamic, llama3, yarn or longrope");
  // Older files of Phi-3 call it yarn, too.
  const bool long_factors = scaling.has("long_factor") && scaling.has("short_factor");
  return found->second == RopeScaling::kYarn && long_factors ? RopeScaling::kLongRope
                                                             : found->second;
}

std::vector<float> read_divisors(const JsonObject& scaling, const char* field, int rotary_dim) {
  const std::vector<double> numbers = scaling.numbers(field, 1e-6, 1e6);
  if (std::ssize(numbers) != rotary_dim / 2)
    scaling.refuse(field, fmt::format("{} numbers", rotary_dim / 2));
  return {numbers.begin(), numbers.end()};
}

// Settings of a scaling. `config` has what Phi-3's files write beside it.
void read_scaling(const JsonObject& scaling, const JsonObject& config, int max_position,
                  RopeConfig& rope) {
  rope.scaling = scaling_type(scaling);
  if (rope.scaling == RopeScaling::kNone) return;
  const char* const kOriginal = "original_max_position_embeddings";
  const bool beside = rope.scaling == RopeScaling::kLongRope && config.has(kOriginal);
  const JsonObject& source = beside ? config : scaling;
  const int64_t original = source.integer(kOriginal, 1, kMaxPosition, max_position);
  rope.original_max_position = static_cast<int>(original);
  const bool derived =
      (rope.scaling == RopeScaling::kYarn || rope.scaling == RopeScaling::kLongRope) &&
      !scaling.has("factor");
  rope.factor =
      derived ? std::max(1.0, static_cast<double>(max_position) / static_cast<double>(original))
              : scaling.number("factor", 1, 1e6);
  if (rope.scaling == RopeScaling::kLlama3) {
    rope.low_freq_factor = scaling.number("low_freq_factor", 1e-6, 1e6);
    rope.high_freq_factor = scaling.number("high_freq_factor", 1e-6, 1e6);
    if (rope.high_freq_factor <= rope.low_freq_factor)
      scaling.refuse("high_freq_factor", "more than low_freq_factor");
  }
  if (rope.scaling == RopeScaling::kYarn) {
    rope.beta_fast = scaling.number("beta_fast", 1e-6, 1e6, 32);
    rope.beta_slow = scaling.number("beta_slow", 1e-6, 1e6, 1);
    rope.mscale = scaling.number("mscale", 0, 1e3, 0);
    rope.mscale_all_dim = scaling.number("mscale_all_dim", 0, 1e3, 0);
    rope.truncate = scaling.boolean("truncate", true);
  }
  if (rope.scaling == RopeScaling::kLongRope) {
    if (original < 2) source.refuse(kOriginal, "more than 1");
    rope.divisors = read_divisors(scaling, "short_factor", rope.rotary_dim);
    rope.long_divisors = read_divisors(scaling, "long_factor", rope.rotary_dim);
  }
  if ((rope.scaling == RopeScaling::kYarn || rope.scaling == RopeScaling::kLongRope) &&
      scaling.has("attention_factor"))
    rope.attention_factor = scaling.number("attention_factor", 1e-6, 1e3);
}

// How far the scaling carries, as vLLM derives it: llama3's and longrope's max_position_embeddings
// is the long one already, the others' is not, unless the file says so by giving the original one
// besides.
int extended_context(const RopeConfig& rope, int max_position, bool has_original) {
  const double factor = std::min(rope.factor, static_cast<double>(kMaxPosition));
  int64_t extended = max_position;
  if (rope.scaling == RopeScaling::kYarn)
    extended =
        std::max<int64_t>(extended, static_cast<int64_t>(rope.original_max_position * factor));
  if (rope.scaling == RopeScaling::kLinear || rope.scaling == RopeScaling::kDynamic)
    extended =
        has_original
            ? std::max<int64_t>(extended, static_cast<int64_t>(rope.original_max_position * factor))
            : static_cast<int64_t>(max_position * factor);
  return static_cast<int>(std::min(extended, kMaxPosition));
}

// `parameters`: transformers 5's, of this rope; `scaling`: these, or transformers 4's. theta_field
// is its name in `config`.
RopeConfig read(const JsonObject& config, const std::optional<JsonObject>& parameters,
                const std::optional<JsonObject>& scaling, const char* theta_field,
                const DecoderConfig& decoder) {
  RopeConfig rope{.interleaved = decoder.ropes.front().interleaved};
  rope.theta = parameters && parameters->has("rope_theta")
                   ? parameters->number("rope_theta", 1.0001, 1e15)
                   : config.number(theta_field, 1.0001, 1e15, 10000);
  const JsonObject& partial =
      parameters && parameters->has("partial_rotary_factor") ? *parameters : config;
  const double share = partial.number("partial_rotary_factor", 0.01, 1, 1);
  rope.rotary_dim = static_cast<int>(decoder.head_dim * share);
  if (rope.rotary_dim < 2 || rope.rotary_dim % 2 != 0)
    bad_model(config.file(), fmt::format("{} rotated dimensions of a head: expected an even number",
                                         rope.rotary_dim));
  if (scaling) read_scaling(*scaling, config, decoder.max_position, rope);
  return rope;
}

}  // namespace

void read_rope(const JsonObject& config, DecoderConfig& decoder) {
  const std::optional<JsonObject> parameters = config.object("rope_parameters");
  const std::optional<JsonObject> scaling = parameters ? parameters : config.object("rope_scaling");
  const RopeConfig rope = read(config, parameters, scaling, "rope_theta", decoder);
  if (scaling)
    decoder.max_position = extended_context(rope, decoder.max_position,
                                            scaling->has("original_max_position_embeddings"));
  decoder.ropes = {rope};
}

void read_global_and_local_rope(const JsonObject& config, DecoderConfig& decoder) {
  const std::optional<JsonObject> both = config.object("rope_parameters");
  const auto part = [&](const char* name) { return both ? both->object(name) : std::nullopt; };
  const std::optional<JsonObject> global = part("full_attention"),
                                  local = part("sliding_attention");
  if (both && !global && !local && !both->json().empty())
    config.refuse("rope_parameters", "an object with \"full_attention\" and \"sliding_attention\"");
  const std::optional<JsonObject> scaling = global ? global : config.object("rope_scaling");
  decoder.ropes = {read(config, global, scaling, "rope_theta", decoder),
                   read(config, local, local, "rope_local_base_freq", decoder)};
}

}  // namespace ember
