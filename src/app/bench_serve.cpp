// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <ostream>
#include <thread>

#include "api_client.h"
#include "commands.h"
#include "ember/base/clock.h"
#include "ember/base/start_error.h"
#include "load_report.h"

namespace ember {

namespace {

using Json = nlohmann::ordered_json;

Json extra_fields(const std::string& text) {
  if (text.empty()) return Json::object();
  Json fields = Json::parse(text, nullptr, false);
  if (!fields.is_object())
    throw StartError(ExitCode::kUsage, fmt::format("--extra-body {}: no JSON object", text));
  return fields;
}

// One streamed completion; time begins when it is sent.
RequestTiming send(ApiClient& client, const std::string& model, const BenchServeSettings& s,
                   const Json& extra, int index) {
  Json body = {{"model", model},
               {"prompt", random_prompt(s.input_len, s.vocab_size, s.seed, index)},
               {"max_tokens", s.output_len},
               {"temperature", 0},
               {"ignore_eos", true},
               {"stream", true},
               {"stream_options", {{"include_usage", true}}}};
  body.update(extra);
  RequestTiming timing;
  const TimePoint begin = Clock::now();
  TimePoint last{};
  const ApiClient::Failure failure = client.stream("/v1/completions", body, [&](const Json& event) {
    if (const auto usage = event.find("usage"); usage != event.end() && usage->is_object()) {
      timing.input_tokens = usage->value("prompt_tokens", 0);
      timing.output_tokens = usage->value("completion_tokens", 0);
    }
    const auto choices = event.find("choices");
    if (choices == event.end() || choices->empty()) return;
    const TimePoint now = Clock::now();
    if (last == TimePoint{})
      timing.first_token = seconds(now - begin);
    else
      timing.gaps.push_back(seconds(now - last));
    last = now;
  });
  timing.total = seconds((last == TimePoint{} ? Clock::now() : last) - begin);
  if (!failure.message.empty())
    timing.error = failure.status == 200 || failure.status == 0
                       ? failure.message
                       : fmt::format("{}: {}", failure.status, failure.message);
  else if (timing.output_tokens == 0)
    timing.error = "the answer tells no usage";
  return timing;
}

}  // namespace

ExitCode bench_serve(const Settings& settings, std::ostream& out) {
  const BenchServeSettings& load = settings.bench_serve;
  const ClientSettings& server = settings.client;
  const Json extra = extra_fields(load.extra_body);
  const std::string first = ApiClient(server.url, server.api_keys).first_model();
  const std::string model = server.model.empty() ? first : server.model;
  const std::vector<double> arrivals =
      arrival_times(load.num_prompts, load.request_rate, load.seed);
  std::vector<RequestTiming> timings(arrivals.size());
  std::atomic<int> next{0};
  const TimePoint begin = Clock::now();
  std::vector<std::thread> clients;
  for (int i = 0; i < std::min(load.max_concurrency, load.num_prompts); ++i)
    clients.emplace_back([&] {
      ApiClient client(server.url, server.api_keys);
      for (int index = next++; index < load.num_prompts; index = next++) {
        const auto at = static_cast<size_t>(index);
        std::this_thread::sleep_until(begin + std::chrono::duration_cast<Duration>(
                                                  std::chrono::duration<double>(arrivals[at])));
        timings[at] = send(client, model, load, extra, index);
      }
    });
  for (std::thread& client : clients) client.join();
  const LoadReport report(timings, seconds(Clock::now() - begin));
  out << (load.json ? report.json().dump() + "\n" : report.table());
  return report.completed() > 0 ? ExitCode::kOk : ExitCode::kNoDevice;
}

}  // namespace ember
