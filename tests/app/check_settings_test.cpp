// SPDX-License-Identifier: Apache-2.0
#include "check_settings.h"

#include <gtest/gtest.h>
#include <sys/resource.h>

#include <cmath>
#include <functional>

namespace ember {
namespace {

Settings good() {
  Settings settings;
  settings.model().path = "d";
  return settings;
}

std::string refusal(const std::function<void(Settings&)>& spoil, bool has_keys = false) {
  Settings settings = good();
  spoil(settings);
  try {
    if (has_keys) settings.access.api_keys = {"key"};
    check_serve_settings(settings);
  } catch (const StartError& e) {
    return e.what();
  }
  return "";
}

TEST(CheckSettings, TakesTheDefaults) {
  EXPECT_EQ(refusal([](Settings&) {}), "");
  EXPECT_EQ(refusal([](Settings& s) { s.device.device_timeout = 0; }), "") << "for ever";
}

TEST(CheckSettings, NamesTheFlagAtFault) {
  struct Case {
    std::function<void(Settings&)> spoil;
    const char* says;
  };
  for (const Case& c : std::vector<Case>{
           {[](Settings& s) { s.model().path = ""; }, "--model-path is missing"},
           {[](Settings& s) { s.scheduler.max_num_queued_reqs = 0; },
            "--max-num-queued-reqs 0: must be 1 to"},
           {[](Settings& s) { s.http.header_timeout = 0; }, "--header-timeout 0"},
           {[](Settings& s) { s.device.tensor_parallel_size = 3; },
            "--tensor-parallel-size 3: must be 1, 2, 4 or 8"},
           {[](Settings& s) { s.device.tensor_parallel_size = 16; },
            "--tensor-parallel-size 16: must be 1 to 8"},
           {[](Settings& s) { s.replicas.data_parallel_size = 0; },
            "--data-parallel-size 0: must be 1 to 64"},
           {[](Settings& s) { s.replicas.max_replays = -1; }, "--max-replays -1: must be 0 to"},
           {[](Settings& s) { s.replicas.replica_stall_timeout = NAN; },
            "--replica-stall-timeout nan"},
           {[](Settings& s) { s.device.fake_faults = "step=0:throw"; },
            "--fake-faults step=0:throw"},
           {[](Settings& s) { s.limits.queue_timeout = -1; }, "--queue-timeout -1"},
           {[](Settings& s) { s.device.memory_utilization = 0.0; }, "--gpu-memory-utilization 0"},
           {[](Settings& s) { s.device.memory_utilization = 1.5; }, "--gpu-memory-utilization 1.5"},
           {[](Settings& s) { s.device.memory_utilization = NAN; }, "--gpu-memory-utilization nan"},
           {[](Settings& s) { s.limits.request_timeout = NAN; }, "--request-timeout nan"},
           {[](Settings& s) { s.device.device_timeout = -1; }, "--device-timeout -1: must be 0 to"},
           {[](Settings& s) { s.device.block_size = 24; },
            "--block-size 24: must be a power of two"},
           {[](Settings& s) { s.scheduler.step_time_target = -1; },
            "--step-time-target -1: must be 0 to"},
           {[](Settings& s) { s.scheduler.step_time_target = NAN; }, "--step-time-target nan"},
           {[](Settings& s) { s.scheduler.num_speculative_tokens = 0; },
            "--num-speculative-tokens 0: must be 1 to 32"},
           {[](Settings& s) { s.scheduler.max_num_seqs = 0; }, "--max-num-seqs 0"},
           {[](Settings& s) { s.scheduler.max_num_batched_tokens = 100; },
            "--max-num-seqs 256 is more than --max-num-batched-tokens 100"},
           {[](Settings& s) { s.http.host = "0.0.0.0"; }, "--host 0.0.0.0 lets other machines in"},
           {[](Settings& s) { s.http.host = "::"; }, "--host :: lets other machines in"}})
    EXPECT_NE(refusal(c.spoil).find(c.says), std::string::npos)
        << c.says << " | " << refusal(c.spoil);
}

TEST(CheckSettings, StrangersAreLetInWithKeysOrOnPurpose) {
  EXPECT_EQ(refusal([](Settings& s) { s.http.host = "0.0.0.0"; }, true), "");
  EXPECT_EQ(refusal([](Settings& s) {
              s.http.host = "0.0.0.0";
              s.access.insecure_no_auth = true;
            }),
            "");
  EXPECT_EQ(refusal([](Settings& s) { s.http.host = "::1"; }), "");
}

TEST(CheckSettings, ConnectionsAreBoundedByOpenFiles) {
  rlimit before{};
  ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &before), 0);
  EXPECT_EQ(connections_that_fit(10), 10);
  EXPECT_EQ(connections_that_fit(1 << 30), static_cast<int>(before.rlim_max - 64));
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &before), 0);
}

}  // namespace
}  // namespace ember
