// SPDX-License-Identifier: Apache-2.0
#include "ember/server/model_registry.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "ember/base/check.h"
#include "http/access_log.h"

namespace ember {

namespace {

bool has_name(const ServedModel& model, std::string_view name) {
  return std::find(model.info.names.begin(), model.info.names.end(), name) !=
         model.info.names.end();
}

}  // namespace

void ModelRegistry::add(ModelRef model) {
  MutexLock lock(mu_);
  for (const ModelRef& other : models_)
    for (const std::string& name : model->info.names)
      CHECK(!has_name(*other, name), "two models are named {}", name);
  models_.push_back(std::move(model));
}

void ModelRegistry::remove(const ModelRef& model) {
  MutexLock lock(mu_);
  std::erase(models_, model);
}

Result<ModelRef> ModelRegistry::find(std::string_view name, const Principal&) const {
  MutexLock lock(mu_);
  for (const ModelRef& model : models_)
    if (name.empty() || has_name(*model, name)) return model;
  return Error{ErrorKind::kNotFound,
               fmt::format("The model \"{}\" does not exist.",
                           escape_for_log(std::string(name.substr(0, 128)))),
               "model", "model_not_found"};
}

std::vector<ModelRef> ModelRegistry::all() const {
  MutexLock lock(mu_);
  return models_;
}

}  // namespace ember
