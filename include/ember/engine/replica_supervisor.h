// SPDX-License-Identifier: Apache-2.0
// Makes the engines of a ReplicaSet, in threads of this process, and makes them again when they
// have failed.
#pragma once

#include <functional>
#include <memory>
#include <thread>
#include <vector>

#include "ember/base/mutex.h"
#include "ember/engine/engine_thread.h"
#include "ember/engine/replica_set.h"

namespace ember {

// The functions are for one thread, the owner's.
class ReplicaSupervisor {
 public:
  // Makes the engine of a replica, on the thread that runs it. `sink` outlives the engine.
  using Make = std::function<std::unique_ptr<Engine>(ReplicaId replica, OutputSink& sink,
                                                     const LoadProgress& progress)>;
  // Called while one is loaded, many times a second. May throw to end it.
  using WhileLoading = std::function<void(EngineThread& loading)>;

  // The set outlives this; so many replicas have been added to it. An engine without a sign of life
  // for `stall_timeout` is not waited for.
  ReplicaSupervisor(ReplicaSet& set, int num_replicas, Duration stall_timeout, Make make);
  ~ReplicaSupervisor();  // stop(), which must not be false

  // Makes the first life of each replica, one after the other, then watches them. Rethrows what
  // `make` throws.
  void start(const WhileLoading& while_loading);
  // Ends all of them. False: one hangs and was not waited for; nothing that it uses may be
  // destroyed.
  bool stop();

 private:
  struct Sink;
  struct Member {
    uint64_t life = 0;
    bool loading = false;
    TimePoint retry_at{};  // after a life that could not be made
    std::unique_ptr<Sink> sink;
    std::unique_ptr<EngineThread> thread;  // destroyed before its sink
  };

  void begin_life(ReplicaId replica);
  void watch();
  void look_after(ReplicaId replica);
  void take_loaded(ReplicaId replica);

  ReplicaSet& set_;
  const Duration stall_timeout_;
  const Make make_;
  std::vector<Member> members_;  // of the thread below while it runs
  Mutex mu_;
  CondVar wake_;
  bool stopping_ GUARDED_BY(mu_) = false;
  std::thread thread_;
};

}  // namespace ember
