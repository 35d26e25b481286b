// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <utility>

#include "ember/base/result.h"
#include "ember/base/start_error.h"

namespace ember {

// A value that was read from a model's files. Throws StartError(kBadModel) with the error's
// message.
template <class T>
T value_or_refuse(Result<T> result) {
  if (!result.ok()) throw StartError(ExitCode::kBadModel, result.error().message);
  return std::move(result).value();
}

}  // namespace ember
