// SPDX-License-Identifier: Apache-2.0
#include "ember/server/key_ring.h"

#include <fmt/format.h>
#include <openssl/sha.h>

#include <iterator>
#include <utility>

namespace ember {

namespace {

bool equal(std::string_view a, std::string_view b) {
  unsigned different = a.size() == b.size() ? 0 : 1;
  for (size_t i = 0; i < a.size(); ++i)
    different |=
        static_cast<unsigned char>(a[i]) ^ static_cast<unsigned char>(i < b.size() ? b[i] : '\0');
  return different == 0;
}

// The beginning of the key's SHA-256: it cannot be turned back into the key.
std::string tenant_of(const std::string& key) {
  constexpr size_t kBytes = 8;
  unsigned char digest[SHA256_DIGEST_LENGTH];
  ::SHA256(reinterpret_cast<const unsigned char*>(key.data()), key.size(), digest);
  std::string name = "key-";
  for (size_t i = 0; i < kBytes; ++i) fmt::format_to(std::back_inserter(name), "{:02x}", digest[i]);
  return name;
}

}  // namespace

void KeyRing::replace(const std::vector<std::string>& keys) {
  std::vector<Entry> entries;
  for (const std::string& key : keys) entries.push_back({key, {.tenant = tenant_of(key)}});
  MutexLock lock(mu_);
  entries_ = std::move(entries);
}

size_t KeyRing::size() const {
  MutexLock lock(mu_);
  return entries_.size();
}

std::optional<Principal> KeyRing::find(std::string_view key) const {
  MutexLock lock(mu_);
  const Entry* found = nullptr;
  for (const Entry& entry : entries_)
    if (equal(key, entry.key)) found = &entry;
  return found != nullptr ? std::optional(found->principal) : std::nullopt;
}

}  // namespace ember
