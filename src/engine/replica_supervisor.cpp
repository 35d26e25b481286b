// SPDX-License-Identifier: Apache-2.0
#include "ember/engine/replica_supervisor.h"

#include <exception>
#include <utility>

#include "ember/base/check.h"
#include "ember/base/log.h"

namespace ember {

namespace {

constexpr Duration kLook = std::chrono::milliseconds(20);
constexpr Duration kRetry = std::chrono::seconds(1);  // after a life that could not be made

}  // namespace

// Names the life from which a report comes.
struct ReplicaSupervisor::Sink final : OutputSink {
  Sink(ReplicaSet& to, ReplicaId of, uint64_t its_life) : set(to), replica(of), life(its_life) {}
  void on_step(std::vector<TokenOutput> events, const StepReport& report) override {
    set.on_step(replica, life, std::move(events), report);
  }
  ReplicaSet& set;
  const ReplicaId replica;
  const uint64_t life;
};

ReplicaSupervisor::ReplicaSupervisor(ReplicaSet& set, int num_replicas, Duration stall_timeout,
                                     Make make)
    : set_(set),
      stall_timeout_(stall_timeout),
      make_(std::move(make)),
      members_(static_cast<size_t>(num_replicas)) {}

ReplicaSupervisor::~ReplicaSupervisor() { CHECK(stop(), "a replica is destroyed that hangs"); }

void ReplicaSupervisor::start(const WhileLoading& while_loading) {
  for (ReplicaId replica = 0; replica < static_cast<ReplicaId>(members_.size()); ++replica) {
    begin_life(replica);
    Member& member = members_[static_cast<size_t>(replica)];
    while (!member.thread->wait_made(kLook)) while_loading(*member.thread);
    member.loading = false;
    const std::shared_ptr<Engine> engine = member.thread->engine();
    set_.ready(replica, member.life, engine, engine->capacity());
  }
  thread_ = std::thread([this] { watch(); });
}

void ReplicaSupervisor::begin_life(ReplicaId replica) {
  Member& member = members_[static_cast<size_t>(replica)];
  member.thread.reset();
  member.life = set_.begin_life(replica);
  member.sink = std::make_unique<Sink>(set_, replica, member.life);
  member.loading = true;
  member.thread = std::make_unique<EngineThread>(
      [this, replica, sink = member.sink.get()](const LoadProgress& progress) {
        return make_(replica, *sink, progress);
      },
      Patience{.serving = stall_timeout_});
}

void ReplicaSupervisor::watch() {
  for (;;) {
    {
      MutexLock lock(mu_);
      if (!stopping_) wake_.wait_for(mu_, kLook);
      if (stopping_) return;
    }
    set_.tick();
    for (ReplicaId i = 0; i < static_cast<ReplicaId>(members_.size()); ++i) look_after(i);
  }
}

void ReplicaSupervisor::look_after(ReplicaId replica) {
  Member& member = members_[static_cast<size_t>(replica)];
  if (member.loading) {
    if (member.thread->wait_made(Duration::zero())) take_loaded(replica);
    return;
  }
  if (!set_.wants_life(replica) || Clock::now() < member.retry_at) return;
  if (!member.thread->stop()) return set_.give_up(replica);
  spdlog::info("replica {} is made again", replica);
  begin_life(replica);
}

void ReplicaSupervisor::take_loaded(ReplicaId replica) {
  Member& member = members_[static_cast<size_t>(replica)];
  member.loading = false;
  std::string why;
  try {
    const std::shared_ptr<Engine> engine = member.thread->engine();
    return set_.ready(replica, member.life, engine, engine->capacity());
  } catch (const std::exception& e) {
    why = e.what();
  } catch (...) {
    why = "an unknown exception";
  }
  spdlog::error("replica {} cannot be made: {}", replica, why);
  member.retry_at = Clock::now() + kRetry;
  set_.failed(replica, member.life);
}

bool ReplicaSupervisor::stop() {
  {
    MutexLock lock(mu_);
    stopping_ = true;
    wake_.notify_all();
  }
  if (thread_.joinable()) thread_.join();
  bool ended = true;
  for (Member& member : members_)
    if (member.thread) ended = member.thread->stop() && ended;
  return ended;
}

}  // namespace ember
