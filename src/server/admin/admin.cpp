// SPDX-License-Identifier: Apache-2.0
#include "admin/admin.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <nlohmann/json.hpp>
#include <numeric>
#include <optional>

#include "ember/base/log.h"

namespace ember {

namespace {

constexpr Duration kPatience = std::chrono::seconds(2);  // for the step that runs at the moment
constexpr size_t kMaxBehind = 16;

Error stalled() {
  return {ErrorKind::kUnavailable, "The engine does not answer: a step takes too long.", "",
          "engine_stalled"};
}
Error unknown(const std::string& id) {
  return {ErrorKind::kNotFound,
          fmt::format("No request \"{}\" is inside, or has ended lately.", id.substr(0, 128)), "",
          "request_not_found"};
}

// Of all models; those of one model in the order in which they go.
Result<std::vector<SequenceTrace>> live_traces(const ModelRegistry& models) {
  std::vector<SequenceTrace> all;
  for (const ModelRef& model : models.all()) {
    std::future<std::vector<SequenceTrace>> traces = model->generator->traces();
    if (traces.wait_for(kPatience) != std::future_status::ready) return stalled();
    const std::vector<SequenceTrace> of_model = traces.get();
    all.insert(all.end(), of_model.begin(), of_model.end());
  }
  return all;
}

double round_to_ms(Duration d) { return std::round(seconds(d) * 1000) / 1000; }

const char* name_of(SequencePhase phase) {
  switch (phase) {
    case SequencePhase::kQueued:
      return "queued";
    case SequencePhase::kPrefill:
      return "prefill";
    case SequencePhase::kDecode:
      return "decode";
    case SequencePhase::kEnded:
      break;
  }
  return "ended";
}

bool belongs(const RequestRecord& record, RequestId sequence) {
  return sequence >= record.first_sequence &&
         sequence - record.first_sequence < static_cast<RequestId>(record.num_sequences);
}

// One per sequence that the engine has seen, by id.
std::vector<SequenceTrace> traces_of(const RequestRecord& record,
                                     const std::vector<SequenceTrace>& live) {
  std::vector<SequenceTrace> own = record.traces;
  for (const SequenceTrace& trace : live)
    if (belongs(record, trace.id)) own.push_back(trace);
  std::sort(own.begin(), own.end(),
            [](const SequenceTrace& a, const SequenceTrace& b) { return a.id < b.id; });
  return own;
}

// That of its most advanced sequence which has not ended.
const char* state_of(const RequestRecord& record, const std::vector<SequenceTrace>& own) {
  if (!record.inside()) return "ended";
  SequencePhase furthest = SequencePhase::kQueued;
  for (const SequenceTrace& trace : own)
    if (trace.phase != SequencePhase::kEnded) furthest = std::max(furthest, trace.phase);
  return name_of(furthest);
}

Json summary(const RequestRecord& record, const std::vector<SequenceTrace>& own, TimePoint now) {
  int prompt = 0, cached = 0, output = 0;
  for (const SequenceTrace& trace : own) {
    prompt += trace.num_prompt_tokens;
    cached += trace.num_cached_tokens;
    output += trace.num_output_tokens;
  }
  return {{"id", record.request_id},
          {"answer_id", record.answer_id},
          {"state", state_of(record, own)},
          {"path", record.path},
          {"stream", record.stream},
          {"client", record.client},
          {"age_s", round_to_ms((record.inside() ? now : record.ended) - record.arrival)},
          {"num_sequences", record.num_sequences},
          {"prompt_tokens", prompt},
          {"cached_tokens", cached},
          {"output_tokens", output}};
}

// The requests that go before a queued sequence, the next ones first; each is named once.
Json behind(const RequestLog& requests, const std::vector<SequenceTrace>& live,
            const SequenceTrace& trace) {
  Json ids = Json::array();
  const std::vector<RequestRecord> inside = requests.inside();
  for (auto other = live.begin();
       other != live.end() && other->id != trace.id && ids.size() < kMaxBehind; ++other)
    for (const RequestRecord& record : inside)
      if (belongs(record, other->id) && !belongs(record, trace.id) &&
          std::find(ids.begin(), ids.end(), record.request_id) == ids.end())
        ids.push_back(record.request_id);
  return ids;
}

struct Times {
  Duration queued{}, prefill{}, decode{};
};

Times times_of(const SequenceTrace& t, TimePoint end) {
  Times times;
  const bool ran = t.scheduled != TimePoint{}, decoded = t.first_decode != TimePoint{};
  times.queued = (ran ? t.scheduled : end) - t.arrival;
  if (ran) times.prefill = (decoded ? t.first_decode : end) - t.scheduled;
  if (decoded) times.decode = end - t.first_decode;
  return times;
}

int waited(const SequenceTrace& t, WaitReason reason) {
  return t.num_steps_waited[static_cast<int>(reason)];
}

// The same in words.
Json why(const SequenceTrace& t, const Times& times) {
  Json lines = Json::array();
  const auto say = [&]<class... T>(fmt::format_string<T...> format, T&&... args) {
    lines.push_back(fmt::format(format, std::forward<T>(args)...));
  };
  say("When it came, {} sequences were running and {} waiting.", t.num_running_before,
      t.num_waiting_before);
  say("It was queued for {:.3f} s.", seconds(times.queued));
  if (const int n = waited(t, WaitReason::kSlot))
    say("First in the queue, it waited {} steps because --max-num-seqs sequences were running.", n);
  if (const int n = waited(t, WaitReason::kBlocks))
    say("First in the queue, it waited {} steps because the KV cache had too few free blocks.", n);
  if (const int n = waited(t, WaitReason::kStepTokens))
    say("First in the queue, it waited {} steps because they were full (--max-num-batched-tokens).",
        n);
  if (t.num_chunks > 0)
    say("{} of its {} prompt tokens came from the prefix cache; the others took {} steps, {:.3f} "
        "s.",
        t.num_cached_tokens, t.num_prompt_tokens, t.num_chunks, seconds(times.prefill));
  if (t.num_preemptions > 0)
    say("It was preempted {} times for lack of KV blocks, and computed again.", t.num_preemptions);
  if (t.num_output_tokens > 1)
    say("{} output tokens: {:.1f} tokens/s after the first.", t.num_output_tokens,
        (t.num_output_tokens - 1) / std::max(seconds(times.decode), 1e-6));
  return lines;
}

Json explain_sequence(const SequenceTrace& t, TimePoint end) {
  const Times times = times_of(t, end);
  return {{"state", name_of(t.phase)},
          {"prompt_tokens", t.num_prompt_tokens},
          {"cached_tokens", t.num_cached_tokens},
          {"computed_tokens", t.num_computed_tokens},
          {"output_tokens", t.num_output_tokens},
          {"max_tokens", t.max_tokens},
          {"kv_blocks", t.num_blocks},
          {"steps", t.num_steps},
          {"prefill_chunks", t.num_chunks},
          {"preemptions", t.num_preemptions},
          {"running_on_arrival", t.num_running_before},
          {"waiting_on_arrival", t.num_waiting_before},
          {"steps_waited_for",
           {{"slot", waited(t, WaitReason::kSlot)},
            {"kv_blocks", waited(t, WaitReason::kBlocks)},
            {"step_tokens", waited(t, WaitReason::kStepTokens)}}},
          {"queued_s", round_to_ms(times.queued)},
          {"prefill_s", round_to_ms(times.prefill)},
          {"decode_s", round_to_ms(times.decode)},
          {"why", why(t, times)}};
}

}  // namespace

Result<Json> list_requests(const ModelRegistry& models, const RequestLog& requests) {
  const Result<std::vector<SequenceTrace>> live = live_traces(models);
  if (!live.ok()) return live.error();
  Json data = Json::array();
  for (const RequestRecord& record : requests.inside())
    data.push_back(summary(record, traces_of(record, live.value()), Clock::now()));
  return Json{{"object", "list"}, {"data", data}};
}

Result<Json> explain_request(const ModelRegistry& models, const RequestLog& requests,
                             const std::string& id) {
  const std::vector<RequestRecord> found = requests.find(id);
  if (found.empty()) return unknown(id);
  const Result<std::vector<SequenceTrace>> live = live_traces(models);
  if (!live.ok()) return live.error();
  const RequestRecord& record = found.front();
  const std::vector<SequenceTrace> own = traces_of(record, live.value());
  const TimePoint end = record.inside() ? Clock::now() : record.ended;
  Json json = summary(record, own, end);
  if (!record.inside()) json["status"] = record.status;
  Json& sequences = json["sequences"] = Json::array();
  for (const SequenceTrace& trace : own) {
    sequences.push_back(explain_sequence(trace, end));
    if (trace.phase == SequencePhase::kQueued)
      sequences.back()["behind"] = behind(requests, live.value(), trace);
  }
  return json;
}

Result<Json> abort_request(ResponseHub& hub, const RequestLog& requests, const std::string& id) {
  Json aborted = Json::array();
  for (const RequestRecord& record : requests.find(id)) {
    if (!record.inside()) continue;
    std::vector<RequestId> ids(static_cast<size_t>(record.num_sequences));
    std::iota(ids.begin(), ids.end(), record.first_sequence);
    hub.abort(std::move(ids));
    aborted.push_back(record.answer_id);
  }
  if (aborted.empty()) return unknown(id);
  return Json{{"id", id}, {"aborted", aborted}};
}

Result<Json> drain(ServerStatus& status, const ResponseHub& hub) {
  ServerState expected = ServerState::kReady;
  if (status.state.compare_exchange_strong(expected, ServerState::kDraining,
                                           std::memory_order_acq_rel))
    spdlog::info("draining, as the operator asked");
  else if (expected == ServerState::kLoading)
    return Error{ErrorKind::kUnavailable, "The model is being loaded.", "", "loading"};
  else if (expected == ServerState::kFailed)
    return Error{ErrorKind::kUnavailable, "The engine failed.", "", "engine_failed"};
  return Json{{"status", "draining"}, {"unfinished", hub.num_open()}};
}

Result<Json> reload(const KeyRing& keys, const std::function<Result<void>()>& reload_keys,
                    const Json& body) {
  static constexpr std::string_view kLevels[] = {"trace", "debug", "info", "warn", "error", "off"};
  FieldReader fields(body);
  const std::string level = fields.text("log_level", 16, "");
  if (fields.has("log_level") &&
      std::find(std::begin(kLevels), std::end(kLevels), level) == std::end(kLevels))
    fields.fail("log_level", "must be trace, debug, info, warn, error or off.");
  if (!fields.ok()) return fields.error();
  if (const Result<void> loaded = reload_keys(); !loaded.ok()) return loaded.error();
  if (!level.empty()) spdlog::set_level(spdlog::level::from_str(level));
  return Json{{"status", "reloaded"}, {"num_api_keys", keys.size()}};
}

}  // namespace ember
