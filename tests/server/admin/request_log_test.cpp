// SPDX-License-Identifier: Apache-2.0
#include "ember/server/request_log.h"

#include <gtest/gtest.h>

#include <thread>

namespace ember {
namespace {

const TimePoint kNow{std::chrono::seconds(1000)};

RequestRecord record(RequestId first, int num_sequences, const std::string& id) {
  RequestRecord r;
  r.first_sequence = first;
  r.num_sequences = num_sequences;
  r.request_id = id;
  r.answer_id = "chatcmpl-" + id;
  r.arrival = kNow;
  return r;
}

TEST(RequestLog, FindsByBothIdsNewestFirst) {
  RequestLog log;
  log.begin(record(1, 1, "a"));
  log.begin(record(2, 1, "b"));
  log.begin(record(3, 1, "a"));
  ASSERT_EQ(log.find("a").size(), 2u);
  EXPECT_EQ(log.find("a")[0].first_sequence, 3u);
  EXPECT_EQ(log.find("chatcmpl-b").at(0).first_sequence, 2u);
  EXPECT_TRUE(log.find("").empty());
  EXPECT_EQ(log.inside().size(), 3u);
}

TEST(RequestLog, TracesFindTheirRequestBeforeAndAfterItsEnd) {
  RequestLog log;
  log.begin(record(10, 3, "a"));
  log.begin(record(13, 1, "b"));
  log.add_trace({.id = 12, .num_steps = 5});
  log.end(10, 200, kNow);
  log.add_trace({.id = 10});
  log.add_trace({.id = 13});
  log.add_trace({.id = 14});  // of nobody
  log.add_trace({.id = 9});
  const RequestRecord a = log.find("a").at(0);
  ASSERT_EQ(a.traces.size(), 2u);
  EXPECT_EQ(a.traces[0].num_steps, 5);
  EXPECT_EQ(a.status, 200);
  EXPECT_EQ(a.ended, kNow);
  EXPECT_EQ(log.find("b").at(0).traces.size(), 1u);
}

TEST(RequestLog, ManyThreadsUseIt) {
  constexpr int kThreads = 4, kRequests = 500;
  RequestLog log(kThreads * kRequests);
  std::vector<std::thread> threads;
  for (RequestId t = 0; t < kThreads; ++t)
    threads.emplace_back([&log, t] {
      for (RequestId i = 0; i < kRequests; ++i) {
        const RequestId id = i * kThreads + t;
        log.begin(record(id, 1, std::to_string(id)));
        log.add_trace({.id = id});
        if (i % 50 == 0) (void)log.inside();
        log.end(id, 200, kNow);
      }
    });
  for (std::thread& thread : threads) thread.join();
  EXPECT_TRUE(log.inside().empty());
  for (RequestId id = 0; id < kThreads * kRequests; ++id) {
    const std::vector<RequestRecord> found = log.find(std::to_string(id));
    ASSERT_EQ(found.size(), 1u);
    EXPECT_EQ(found[0].traces.size(), 1u);
  }
}

TEST(RequestLog, ForgetsTheOldestEnded) {
  RequestLog log(2);
  log.begin(record(1, 1, "stays"));
  for (RequestId id = 2; id <= 5; ++id) {
    log.begin(record(id, 1, std::to_string(id)));
    log.end(id, 200, kNow);
    log.end(id, 500, kNow);  // a second end changes nothing
  }
  EXPECT_TRUE(log.find("2").empty());
  EXPECT_TRUE(log.find("3").empty());
  EXPECT_EQ(log.find("4").at(0).status, 200);
  EXPECT_EQ(log.find("5").size(), 1u);
  EXPECT_EQ(log.inside().size(), 1u);
  EXPECT_TRUE(log.find("stays").at(0).inside());
}

}  // namespace
}  // namespace ember
