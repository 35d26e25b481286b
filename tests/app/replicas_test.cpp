// SPDX-License-Identifier: Apache-2.0
#include "replicas.h"

#include <gtest/gtest.h>

#include "ember/base/start_error.h"

namespace ember {
namespace {

TEST(Replicas, ShareTheHost) {
  EngineSettings whole;
  whole.device.cpu_threads = 9;
  whole.device.memory_utilization = 0.6;
  whole.scheduler.max_num_seqs = 10;
  whole.scheduler.max_num_queued_reqs = 7;
  double left = 1;
  for (int i = 0; i < 4; ++i) {
    const EngineSettings one = replica_settings(whole, 4, i);
    EXPECT_EQ(one.device.cpu_threads, 2);
    EXPECT_EQ(one.scheduler.max_num_queued_reqs + one.scheduler.max_num_seqs, 47)
        << "one replica may have to take all requests";
    const double part = *one.device.memory_utilization * left;
    EXPECT_NEAR(part, 0.6 / 4, 1e-9);
    left -= part;
  }
  whole.device.cpu_threads = 2;
  EXPECT_EQ(replica_settings(whole, 4, 0).device.cpu_threads, 1);
  EXPECT_EQ(joint_settings(whole.scheduler, 4).max_num_seqs, 40);
}

TEST(Replicas, OptionsAreThoseOfTheSettings) {
  Settings settings;
  settings.replicas.routing_policy = "power-of-two";
  settings.replicas.replica_stall_timeout = 2;
  settings.replicas.max_replays = 5;
  ReplicaSetOptions options = replica_options(settings);
  EXPECT_EQ(options.router.policy, RoutingPolicy::kPowerOfTwo);
  EXPECT_EQ(options.router.stall_timeout, std::chrono::seconds(2));
  EXPECT_EQ(options.max_replays, 5);
  settings.replicas.replica_stall_timeout = 0;
  EXPECT_EQ(replica_options(settings).router.stall_timeout, Duration::max());
}

TEST(Replicas, AreNotForAGpu) {
  DeviceSettings device;
  device.kind = DeviceKind::kCuda;
  ReplicaSettings replicas;
  EXPECT_NO_THROW(check_replica_device(replicas, device));
  replicas.data_parallel_size = 2;
  EXPECT_THROW(check_replica_device(replicas, device), StartError);
  device.kind = DeviceKind::kCpu;
  EXPECT_NO_THROW(check_replica_device(replicas, device));
}

}  // namespace
}  // namespace ember
