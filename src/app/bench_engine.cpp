// SPDX-License-Identifier: Apache-2.0
#include "bench_engine.h"

#include "ember/base/mutex.h"
#include "ember/base/start_error.h"
#include "ember/engine/decoder_runner.h"

namespace ember {

// Collects the outputs of one run.
class BenchEngine::Log final : public OutputSink {
 public:
  void begin(RequestId first_id, size_t num_requests) {
    MutexLock lock(mu_);
    run_ = {.begin = Clock::now(), .answers = std::vector<Answer>(num_requests)};
    first_id_ = first_id;
    num_unfinished_ = num_requests;
    failed_ = false;
  }

  void on_step(std::vector<TokenOutput> events, const StepReport& report) override {
    MutexLock lock(mu_);
    const TimePoint now = Clock::now();
    if (report.num_tokens > 0) run_.steps.push_back({now, report.num_tokens});
    for (TokenOutput& event : events) {
      if (event.finish != FinishReason::kNone) {
        --num_unfinished_;
        failed_ = failed_ || event.finish != FinishReason::kLength;
      }
      if (event.token < 0) continue;
      Answer& answer = run_.answers[event.request_id - first_id_];
      if (answer.events.empty()) answer.first = now;
      answer.events.push_back(std::move(event));
    }
    if (num_unfinished_ == 0) cv_.notify_all();
  }

  Run wait() {
    MutexLock lock(mu_);
    while (num_unfinished_ > 0) cv_.wait(mu_);
    if (failed_)
      throw StartError(ExitCode::kEngineFailed,
                       "the engine failed: a request did not come to its end");
    return std::move(run_);
  }

 private:
  Mutex mu_;
  CondVar cv_;
  Run run_ GUARDED_BY(mu_);
  RequestId first_id_ GUARDED_BY(mu_) = 0;
  size_t num_unfinished_ GUARDED_BY(mu_) = 0;
  bool failed_ GUARDED_BY(mu_) = false;
};

BenchEngine::BenchEngine(const std::function<Loaded()>& load, bool enable_prefix_caching)
    : log_(std::make_unique<Log>()) {
  thread_ = std::make_unique<EngineThread>([&](const LoadProgress&) {
    Loaded loaded = load();
    layout_ = loaded.layout;
    device_ = loaded.ranks->at(0).backend->describe();
    const DecoderLimits& limits = layout_.limits;
    const int max_num_seqs = layout_.plan().max_num_seqs;
    return std::make_unique<Engine>(
        SchedulerConfig{.max_num_batched_tokens = limits.max_tokens,
                        .max_num_seqs = max_num_seqs,
                        .max_num_logit_rows = limits.max_logit_rows,
                        .max_model_len = limits.max_model_len},
        BlockPoolConfig{.num_blocks = limits.num_blocks,
                        .block_size = limits.block_size,
                        .enable_prefix_caching = enable_prefix_caching},
        std::make_unique<DecoderRunner>(std::move(loaded.ranks), limits, max_num_seqs,
                                        1),  // its requests have no constraints
        *log_);
  });
  thread_->engine();  // waits: the thread uses references to this constructor's arguments
}

BenchEngine::~BenchEngine() = default;

BenchEngine::Run BenchEngine::run(std::vector<Request> requests) {
  const std::shared_ptr<Engine> engine = thread_->engine();
  log_->begin(next_id_, requests.size());
  for (Request& request : requests) {
    request.id = next_id_++;
    engine->submit(share(std::move(request)));
  }
  return log_->wait();
}

}  // namespace ember
