// SPDX-License-Identifier: Apache-2.0
// How several engines of one model share the host, and what they are together.
#pragma once

#include "config.h"
#include "ember/engine/replica_set.h"

namespace ember {

// Throws StartError(kConfig) for replicas on a GPU.
void check_replica_device(const ReplicaSettings& replicas, const DeviceSettings& device);

ReplicaSetOptions replica_options(const Settings& settings);

// Of one replica that is made while `num_others` have their memory: its part of the threads and of
// the memory. It takes all requests that may be inside.
EngineSettings replica_settings(const EngineSettings& whole, int num_replicas, int num_others);

// Of all replicas together, for Admission.
SchedulerSettings joint_settings(const SchedulerSettings& one, int num_replicas);

}  // namespace ember
