// SPDX-License-Identifier: Apache-2.0
#include "ember/server/key_ring.h"

namespace ember {

namespace {

bool equal(std::string_view a, std::string_view b) {
  unsigned different = a.size() == b.size() ? 0 : 1;
  for (size_t i = 0; i < a.size(); ++i)
    different |=
        static_cast<unsigned char>(a[i]) ^ static_cast<unsigned char>(i < b.size() ? b[i] : '\0');
  return different == 0;
}

}  // namespace

void KeyRing::replace(std::vector<std::string> keys) {
  MutexLock lock(mu_);
  keys_ = std::move(keys);
}

size_t KeyRing::size() const {
  MutexLock lock(mu_);
  return keys_.size();
}

bool KeyRing::holds(std::string_view key) const {
  MutexLock lock(mu_);
  bool found = false;
  for (const std::string& one : keys_) found |= equal(key, one);
  return found;
}

}  // namespace ember
