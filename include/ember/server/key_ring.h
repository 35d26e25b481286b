// SPDX-License-Identifier: Apache-2.0
// The API keys that open the server. They can be changed while it runs.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "ember/base/mutex.h"

namespace ember {

// Any thread.
class KeyRing {
 public:
  void replace(std::vector<std::string> keys) EXCLUDES(mu_);
  size_t size() const EXCLUDES(mu_);  // 0: everybody may ask
  // Takes the same time wherever a key and the given one differ.
  bool holds(std::string_view key) const EXCLUDES(mu_);

 private:
  mutable Mutex mu_;
  std::vector<std::string> keys_ GUARDED_BY(mu_);
};

}  // namespace ember
