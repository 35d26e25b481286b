// SPDX-License-Identifier: Apache-2.0
// libFuzzer: the first byte is a kind of grammar, the rest its source. It is refused, or what it
// allows is an answer of its kind. Runs in the repository's root, where the demo model is.
#include <cstddef>
#include <cstdint>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <random>
#include <string>

#include "ember/base/check.h"
#include "ember/text/tokenizer.h"
#include "ember/text/utf8.h"
#include "text/grammar_walk.h"

namespace {

using namespace ember;

constexpr int kMaxTokens = 60;

const Tokenizer& demo() {
  static const std::unique_ptr<Tokenizer> tokenizer = Tokenizer::load("configs/demo-model").value();
  return *tokenizer;
}

int32_t eos() { return *demo().token_to_id(demo().eos_token()); }

GrammarCompiler& compiler() {
  static const std::unique_ptr<GrammarCompiler> made =
      GrammarCompiler::create(demo(), {eos()}).value();
  return *made;
}

bool holds_special_token(const std::string& text) {
  const std::vector<int32_t> ids = demo().encode(text, {.add_special_tokens = false}).value();
  return std::any_of(ids.begin(), ids.end(), [](int32_t id) { return demo().is_special(id); });
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < 2) return 0;
  const auto kind = static_cast<GrammarKind>(data[0] % 3);
  const std::string source =
      to_valid_utf8(std::string(reinterpret_cast<const char*>(data) + 1, size - 1));
  const Result<std::shared_ptr<const Grammar>> grammar =
      compiler().compile({kind, source}, "field");
  if (!grammar.ok()) {
    CHECK(grammar.error().kind != ErrorKind::kInternal &&
          grammar.error().message.starts_with("field") && grammar.error().message.size() < 1000);
    return 0;
  }
  std::mt19937_64 rng(size);
  const std::optional<std::string> text =
      test::random_walk(*grammar.value(), demo(), eos(), kMaxTokens, rng);
  if (!text || !is_valid_utf8(*text)) return 0;
  if (kind == GrammarKind::kJsonSchema) CHECK(nlohmann::json::accept(*text));
  // The same text in the tokenizer's own tokens, which need not be those that it was made of.
  CHECK(holds_special_token(*text) || test::accepts(*grammar.value(), demo(), *text, eos()));
  return 0;
}
