// SPDX-License-Identifier: Apache-2.0
#include "admin/admin.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "ember/base/log.h"
#include "server/api_parts.h"

namespace ember {
namespace {

using std::chrono::milliseconds;

// One that waited for a slot, ran and has ended after a second and a half.
RequestRecord ended_record(const std::string& id) {
  const TimePoint arrival{std::chrono::seconds(1000)};
  SequenceTrace trace{.id = 7,
                      .phase = SequencePhase::kEnded,
                      .num_prompt_tokens = 100,
                      .num_cached_tokens = 64,
                      .num_output_tokens = 11,
                      .num_chunks = 2};
  trace.num_steps_waited[static_cast<int>(WaitReason::kSlot)] = 3;
  trace.arrival = arrival;
  trace.scheduled = arrival + milliseconds(250);
  trace.first_decode = arrival + milliseconds(500);
  RequestRecord record;
  record.first_sequence = 7;
  record.request_id = id;
  record.answer_id = "chatcmpl-" + id;
  record.path = "/v1/chat/completions";
  record.arrival = arrival;
  record.ended = arrival + milliseconds(1500);
  record.status = 200;
  record.traces = {trace};
  return record;
}

TEST(ExplainRequest, SaysWhereTheTimeWent) {
  ApiParts parts;
  parts.requests.begin(ended_record("a"));
  for (const char* id : {"a", "chatcmpl-a"}) {
    const Json json = explain_request(parts.models, parts.requests, id).value();
    EXPECT_EQ(json["state"], "ended");
    EXPECT_EQ(json["status"], 200);
    EXPECT_EQ(json["age_s"], 1.5);
    EXPECT_EQ(json["prompt_tokens"], 100);
    const Json& sequence = json["sequences"][0];
    EXPECT_EQ(sequence["queued_s"], 0.25);
    EXPECT_EQ(sequence["prefill_s"], 0.25);
    EXPECT_EQ(sequence["decode_s"], 1.0);
    EXPECT_EQ(sequence["steps_waited_for"]["slot"], 3);
    const std::string why = sequence["why"].dump();
    EXPECT_NE(why.find("queued for 0.250 s"), std::string::npos) << why;
    EXPECT_NE(why.find("waited 3 steps because --max-num-seqs"), std::string::npos) << why;
    EXPECT_NE(why.find("64 of its 100 prompt tokens came from the prefix cache"),
              std::string::npos);
    EXPECT_NE(why.find("11 output tokens: 10.0 tokens/s"), std::string::npos) << why;
    EXPECT_EQ(why.find("KV cache had too few"), std::string::npos) << why;
  }
}

TEST(ListRequests, NamesThoseInsideOnly) {
  ApiParts parts;
  parts.requests.begin(ended_record("gone"));
  RequestRecord inside = ended_record("here");
  inside.first_sequence = 8;
  inside.ended = {};
  inside.arrival = Clock::now();
  inside.traces.clear();
  parts.requests.begin(inside);
  const Json json = list_requests(parts.models, parts.requests).value();
  ASSERT_EQ(json["data"].size(), 1u);
  EXPECT_EQ(json["data"][0]["id"], "here");
  EXPECT_EQ(json["data"][0]["state"], "queued");
}

TEST(Admin, UnknownRequestsAreNotFound) {
  ApiParts parts;
  parts.requests.begin(ended_record("a"));
  EXPECT_EQ(explain_request(parts.models, parts.requests, "b").error().kind, ErrorKind::kNotFound);
  EXPECT_EQ(abort_request(parts.hub, parts.requests, "b").error().code, "request_not_found");
  EXPECT_EQ(abort_request(parts.hub, parts.requests, "a").error().code, "request_not_found")
      << "it has ended";
}

TEST(Drain, OnlyAReadyServerCan) {
  ApiParts parts;
  EXPECT_EQ(drain(parts.status, parts.hub).error().code, "loading");
  parts.status.state = ServerState::kFailed;
  EXPECT_EQ(drain(parts.status, parts.hub).error().code, "engine_failed");
  parts.status.state = ServerState::kReady;
  for (int i = 0; i < 2; ++i) {
    EXPECT_EQ(drain(parts.status, parts.hub).value()["unfinished"], 0);
    EXPECT_EQ(parts.status.state.load(), ServerState::kDraining);
  }
}

TEST(Reload, AFaultChangesNothing) {
  const auto level = spdlog::get_level();
  ApiParts parts;
  int num_loads = 0;
  const auto reload_keys = [&]() -> Result<void> {
    if (++num_loads == 2) return invalid("", "no such file", "bad_key_file");
    parts.keys.replace({"a", "b"});
    return {};
  };
  EXPECT_EQ(reload(parts.keys, reload_keys, Json{{"log_level", "loud"}}).error().param,
            "log_level");
  EXPECT_EQ(num_loads, 0);
  EXPECT_EQ(reload(parts.keys, reload_keys, Json::object()).value()["num_api_keys"], 2);
  EXPECT_EQ(spdlog::get_level(), level);
  EXPECT_EQ(reload(parts.keys, reload_keys, Json{{"log_level", "off"}}).error().code,
            "bad_key_file");
  EXPECT_EQ(spdlog::get_level(), level);
  EXPECT_TRUE(reload(parts.keys, reload_keys, Json{{"log_level", "warn"}}).ok());
  EXPECT_EQ(spdlog::get_level(), spdlog::level::warn);
  spdlog::set_level(level);
}

}  // namespace
}  // namespace ember
