// SPDX-License-Identifier: Apache-2.0
#include "api/finish_error.h"

namespace ember {

Error error_of(FinishReason reason) {
  switch (reason) {
    case FinishReason::kQueueTimeout:
      return {ErrorKind::kUnavailable, "The request waited too long for its turn.", "",
              "queue_timeout"};
    case FinishReason::kDeadline:
      return {ErrorKind::kTimeout, "The request was not finished in time.", "",
              "deadline_exceeded"};
    case FinishReason::kNumericalError:
      return {ErrorKind::kInternal, "The model's output is not a number.", "", "numerical_error"};
    case FinishReason::kConstraintFailed:
      return {ErrorKind::kInvalid,
              "The answer cannot be continued within the requested format: the format is too "
              "complex at this point.",
              "", "grammar_error"};
    case FinishReason::kCancelled:
      return {ErrorKind::kUnavailable, "The request was aborted by an operator.", "", "aborted"};
    default:
      return {ErrorKind::kUnavailable, "The engine failed.", "", "engine_failed"};
  }
}

}  // namespace ember
