// SPDX-License-Identifier: Apache-2.0
// The models that are served at the moment, by name.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "ember/base/mutex.h"
#include "ember/base/result.h"
#include "ember/server/principal.h"
#include "ember/server/served_model.h"

namespace ember {

// Any thread.
class ModelRegistry {
 public:
  // From now on requests find it by each of its names. None of them may be taken.
  void add(ModelRef model) EXCLUDES(mu_);
  // No request finds it any more; those that have found it go on. Ignored when it is not there.
  void remove(const ModelRef& model) EXCLUDES(mu_);

  // For a request of `principal` that names its model so; an empty name means the model that was
  // added first. kNotFound ("model_not_found"). Every principal may use every model.
  Result<ModelRef> find(std::string_view name, const Principal& principal) const EXCLUDES(mu_);
  // As they were added.
  std::vector<ModelRef> all() const EXCLUDES(mu_);

 private:
  mutable Mutex mu_;
  std::vector<ModelRef> models_ GUARDED_BY(mu_);
};

}  // namespace ember
