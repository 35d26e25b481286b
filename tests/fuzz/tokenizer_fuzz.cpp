// SPDX-License-Identifier: Apache-2.0
// libFuzzer: a SentencePiece model or a tiktoken file. It is refused, or a tokenizer that gives ids
// of its vocabulary for any text. A corpus: tests/data/sentencepiece.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>

#include "ember/base/check.h"
#include "ember/text/sentencepiece_model.h"
#include "ember/text/tiktoken_file.h"
#include "ember/text/tokenizer.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, size_t size) {
  const std::string_view file(reinterpret_cast<const char*>(bytes), size);
  const ember::Result<ember::TokenizerParts> parts =
      file.starts_with('\x0A') ? ember::parse_sentencepiece(file) : ember::parse_tiktoken(file);
  if (!parts.ok()) return 0;
  const auto tokenizer = ember::Tokenizer::build(parts.value());
  if (!tokenizer.ok()) return 0;
  const std::string texts[] = {"The fox, 12\n  \xE2\x96\x81\xC3\xA4\xEF\xBC\xA1",
                               std::string(file.substr(0, 4096))};
  for (const std::string& text : texts) {
    const auto ids = tokenizer.value()->encode(text, {});
    CHECK(ids.ok());
    for (const int32_t id : ids.value()) CHECK(id >= 0 && id < tokenizer.value()->vocab_size());
    CHECK(tokenizer.value()->decode(ids.value(), false).ok());
  }
  return 0;
}
