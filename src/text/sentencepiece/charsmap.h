// SPDX-License-Identifier: Apache-2.0
// SentencePiece's table of how characters are rewritten.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "ember/base/result.h"

namespace ember {

// A double array of what is rewritten (Darts-clone's form), and the texts that it becomes.
class Charsmap {
 public:
  Charsmap() = default;  // rewrites nothing
  // `blob`: the array's bytes as a 32-bit number, the array, the texts, each with a zero behind.
  static Result<Charsmap> parse(std::string_view blob);

  // The longest rule for what `text` begins with. Of length 0: there is none.
  struct Rule {
    size_t length = 0;
    std::string_view becomes = {};
  };
  Rule find(std::string_view text) const;

 private:
  std::vector<uint32_t> units_;
  std::string texts_;  // ends with a zero
};

}  // namespace ember
