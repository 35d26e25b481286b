// SPDX-License-Identifier: Apache-2.0
#include "api/finish_error.h"

#include <gtest/gtest.h>

namespace ember {
namespace {

TEST(FinishError, EachEndHasItsKindAndCode) {
  struct Case {
    FinishReason reason;
    ErrorKind kind;
    const char* code;
  };
  for (const Case& c : {Case{FinishReason::kQueueTimeout, ErrorKind::kUnavailable, "queue_timeout"},
                        {FinishReason::kDeadline, ErrorKind::kTimeout, "deadline_exceeded"},
                        {FinishReason::kNumericalError, ErrorKind::kInternal, "numerical_error"},
                        {FinishReason::kConstraintFailed, ErrorKind::kInvalid, "grammar_error"},
                        {FinishReason::kCancelled, ErrorKind::kUnavailable, "aborted"},
                        {FinishReason::kEngineFailed, ErrorKind::kUnavailable, "engine_failed"}}) {
    const Error error = error_of(c.reason);
    EXPECT_EQ(error.kind, c.kind) << c.code;
    EXPECT_EQ(error.code, c.code);
    EXPECT_FALSE(error.message.empty()) << c.code;
  }
}

}  // namespace
}  // namespace ember
