// SPDX-License-Identifier: Apache-2.0
#include "api/sequences.h"

#include <algorithm>
#include <chrono>
#include <memory>
#include <utility>

#include "ember/base/splitmix64.h"
#include "ember/text/banned_words.h"

namespace ember {

namespace {

std::vector<int32_t> stop_token_ids(const ServedModel& model, const Generation& generation) {
  std::vector<int32_t> ids = generation.params.stop_token_ids;
  // A complete answer ends, whatever was asked for: nothing else may follow.
  if (!generation.params.ignore_eos || generation.form.grammar)
    ids.insert(ids.end(), model.info.eos_token_ids.begin(), model.info.eos_token_ids.end());
  std::sort(ids.begin(), ids.end());
  return ids;
}

Request make_request(const ServedModel& model, const Generation& generation, size_t prompt,
                     const std::string& tenant, const RequestTimes& times) {
  const GenerationParams& params = generation.params;
  Request request;
  request.prompt = generation.prompts[prompt];
  request.sampling = params.sampling;
  request.max_tokens = generation.max_tokens[prompt];
  request.min_tokens = params.min_tokens;
  // Before a complete answer an ignored end is one held back.
  if (generation.form.grammar && params.ignore_eos) request.min_tokens = request.max_tokens;
  if (generation.form.grammar) request.constraint = generation.form.grammar;
  request.stop_token_ids = stop_token_ids(model, generation);
  request.num_logprobs = std::max(params.num_logprobs, params.prompt_logprobs.value_or(-1));
  request.prompt_logprobs =
      params.prompt_logprobs || (!generation.echo.empty() && params.num_logprobs >= 0);
  request.cache_scope = {.tenant = tenant, .salt = params.cache_salt};
  request.priority = params.priority;
  request.arrival = times.arrival;
  request.start_deadline = times.arrival + times.queue_timeout;
  const Duration limit =
      params.timeout > 0
          ? std::chrono::duration_cast<Duration>(std::chrono::duration<double>(params.timeout))
          : times.max_time;
  request.deadline = times.arrival + std::min(limit, times.max_time);
  return request;
}

// A number that looks random, from two that do not.
uint64_t mix(uint64_t a, uint64_t b) { return splitmix64(a + kSplitMix64Step * b); }

}  // namespace

Result<std::vector<RequestRef>> make_requests(const ServedModel& model,
                                              const Generation& generation, RequestId first,
                                              const std::string& tenant,
                                              const RequestTimes& times) {
  const GenerationParams& params = generation.params;
  const Result<std::vector<std::vector<int32_t>>> banned =
      banned_sequences(*model.tokenizer, params.bad_words);
  if (!banned.ok()) return banned.error();
  std::vector<RequestRef> requests;
  for (size_t i = 0; i < generation.num_choices(); ++i) {
    Request request =
        make_request(model, generation, i / static_cast<size_t>(params.n), tenant, times);
    request.id = first + i;
    // Requests without a seed of their own, and the choices of one request, draw differently.
    const uint64_t base =
        params.seed ? static_cast<uint64_t>(*params.seed) : mix(model.info.seed, request.id);
    request.sampling.seed = mix(base, i);
    if (!banned.value().empty())
      request.constraint = std::make_shared<BannedWordsSource>(
          banned.value(), model.tokenizer->vocab_size(), std::move(request.constraint));
    requests.push_back(share(std::move(request)));
  }
  return requests;
}

std::vector<Choice> make_choices(const ServedModel& model, const Generation& generation,
                                 RequestId first, TimePoint arrival) {
  const GenerationParams& params = generation.params;
  Choice::Options options{
      .skip_special_tokens = params.skip_special_tokens,
      .include_stop = params.include_stop_str_in_output,
      .stop = params.stop,
      .silent_stop = params.ignore_eos ? std::vector<std::string>() : model.info.stop_strings,
      .stop_token_ids = params.stop_token_ids,
      .text = generation.form.text};
  const uint64_t id_seed = mix(static_cast<uint64_t>(arrival.time_since_epoch().count()), first);
  std::vector<Choice> choices;
  for (size_t i = 0; i < generation.num_choices(); ++i) {
    options.index = i;
    if (options.text.tools) options.text.tools->id_seed = id_seed + (i << 32);
    choices.emplace_back(*model.tokenizer, generation.prompts[i / static_cast<size_t>(params.n)],
                         options, arrival);
  }
  return choices;
}

}  // namespace ember
