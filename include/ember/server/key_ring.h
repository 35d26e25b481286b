// SPDX-License-Identifier: Apache-2.0
// The API keys that open the server, and whose they are. They can be changed while it runs.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "ember/base/mutex.h"
#include "ember/server/principal.h"

namespace ember {

// Any thread.
class KeyRing {
 public:
  // Each key is a tenant: the same key names the same one whenever and wherever it is read.
  void replace(const std::vector<std::string>& keys) EXCLUDES(mu_);
  size_t size() const EXCLUDES(mu_);  // 0: everybody may ask
  // nullopt: no such key. Takes the same time whichever key the given one equals, and wherever they
  // differ.
  std::optional<Principal> find(std::string_view key) const EXCLUDES(mu_);

 private:
  struct Entry {
    std::string key;
    Principal principal;
  };

  mutable Mutex mu_;
  std::vector<Entry> entries_ GUARDED_BY(mu_);
};

}  // namespace ember
