// SPDX-License-Identifier: Apache-2.0
// What a generating request asks for besides its prompt, whichever API it came by.
#pragma once

#include <initializer_list>
#include <optional>
#include <string>
#include <vector>

#include "api/openai_details.h"
#include "api/output_format.h"
#include "ember/base/sampling.h"
#include "ember/engine/model_info.h"
#include "ember/server/json_reader.h"
#include "ember/server/param_limits.h"

namespace ember {

struct GenerationParams : OpenAiDetails {
  std::string model;  // empty: not given
  bool stream = false;
  int n = 1;
  SamplingParams sampling;  // without the seed
  std::optional<int64_t> seed;
  std::optional<int32_t> max_tokens;            // not given: the endpoint's default
  std::string max_tokens_field = "max_tokens";  // the name by which it came
  int32_t min_tokens = 0;
  std::vector<std::string> stop;
  std::vector<int32_t> stop_token_ids;
  std::vector<std::string> bad_words;
  bool include_stop_str_in_output = false;
  bool ignore_eos = false;
  std::optional<OutputFormat> format;  // not given: free text
  bool skip_special_tokens = true;
  int32_t priority = 0;
  std::string cache_salt;
  double timeout = 0;  // seconds; 0: the server's
  int num_unknown_fields = 0;
  std::vector<std::string> ignored;  // hints that were not acted upon
};

// The most tokens, from a field that has another name in each API. The one read last wins.
void read_max_tokens(FieldReader& fields, const std::string& name, int64_t least,
                     GenerationParams& params);
// Stop strings: one, or a list.
void read_stop(FieldReader& fields, const std::string& name, GenerationParams& params);
// The fields that all APIs have by the same name: OpenAI's, and Ember's own. After
// read_max_tokens.
void read_params(FieldReader& fields, const ModelInfo& model, const ParamLimits& limits,
                 GenerationParams& params);
// "user" and "metadata": taken as OpenAI has them, and not used.
void check_annotations(FieldReader& fields);
// OpenAI's hints of who asks and how to serve: ignored.
void ignore_service_hints(FieldReader& fields);
// What no field has been asked for, and what was ignored. Last of all.
void count_fields(const FieldReader& fields, GenerationParams& params);
// Fails for each of these that is there.
void refuse_fields(FieldReader& fields, std::initializer_list<const char*> names);

}  // namespace ember
