// SPDX-License-Identifier: Apache-2.0
// The answer to a generating request: from the outputs of its sequences to the payloads of a sink.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "api/answer_writer.h"
#include "api/choice.h"
#include "ember/engine/admission.h"
#include "ember/scheduler/request.h"
#include "ember/server/answer_sink.h"
#include "ember/server/metrics.h"

namespace ember {

// Made by one thread, then used by another one alone.
class GenerationAnswer {
 public:
  struct Options {
    bool stream = false;
    RequestId first_request = 0;            // choice i is the sequence of request first_request + i
    size_t choices_per_prompt = 1;          // neighbours; they share a prompt
    bool reasoning_counted = false;         // the usage tells reasoning tokens
    std::vector<std::string> ignored = {};  // fields of the request that were not acted upon
    // Called once, when the answer is known to be over. status: as HTTP has them, 499: its reader
    // was gone.
    std::function<void(int status)> on_finished = [](int) {};
    // Seconds after which it makes sense to come back.
    std::function<int()> retry_after = [] { return 1; };
  };
  // `metrics` and `sink` must outlive it. ticket: the place in the queue, held as long as this.
  GenerationAnswer(Options options, std::vector<Choice> choices,
                   std::unique_ptr<AnswerWriter> writer, AnswerSink& sink, ModelMetrics& metrics,
                   Ticket ticket);

  void start();  // first: a stream begins
  // May add requests to `cancels` whose further tokens are not wanted.
  void take(const TokenOutput& output, std::vector<RequestId>& cancels);
  void fail(const Error& error);  // ends it before its time
  void abandon();                 // its reader is gone
  void keep_alive();              // shows the reader of a stream that it goes on

  bool finished() const { return finished_; }
  int status() const { return status_; }  // 0 before it is known

 private:
  void add(AnswerEvent event);
  void finish();
  void give_up(const std::string& reason);
  Usage usage() const;
  AnswerSink::Start answer_start() const;  // of an answer that is no error
  void send(const std::string& payload);

  const Options options_;
  std::vector<Choice> choices_;
  const std::unique_ptr<AnswerWriter> writer_;
  AnswerSink& sink_;
  ModelMetrics& metrics_;
  const Ticket ticket_;
  std::vector<AnswerEvent> whole_;  // of an answer that is no stream: each choice so far
  bool begun_ = false, finished_ = false;
  int status_ = 0;
};

}  // namespace ember
