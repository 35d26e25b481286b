// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <charconv>
#include <istream>
#include <iterator>
#include <ostream>

#include "commands.h"
#include "model_source.h"
#include "start_log.h"

namespace ember {

namespace {

// Numbers between anything that is none.
std::vector<int32_t> ids_in(const std::string& text) {
  constexpr const char* kDigits = "0123456789";
  std::vector<int32_t> ids;
  for (size_t at = text.find_first_of(kDigits); at != std::string::npos;
       at = text.find_first_of(kDigits, at)) {
    const size_t end = std::min(text.find_first_not_of(kDigits, at), text.size());
    int32_t id = 0;
    if (std::from_chars(text.data() + at, text.data() + end, id).ec != std::errc{})
      throw StartError(ExitCode::kUsage,
                       fmt::format("{} is no token id", text.substr(at, end - at)));
    ids.push_back(id);
    at = end;
  }
  return ids;
}

// As many tokens as the model takes; all, where its config cannot be read.
int32_t vocab_size_of(const ModelSource& source) {
  try {
    return source.config_alone().vocab_size;
  } catch (const StartError&) {
    return Tokenizer::kMaxVocabSize;
  }
}

// A tokenizer needs no model; with one it has the tokens that the server has.
std::unique_ptr<Tokenizer> tokenizer_of(const ModelSettings& settings) {
  if (settings.path.empty() && !settings.tokenizer.empty())
    return open_tokenizer(settings.tokenizer, Tokenizer::kMaxVocabSize);
  const std::unique_ptr<const ModelSource> source = open_model(settings.path);
  return read_tokenizer(*source, settings, vocab_size_of(*source));
}

}  // namespace

ExitCode tokenize(const Settings& settings, std::istream& in, std::ostream& out) {
  start_log(settings.log);
  const std::unique_ptr<Tokenizer> tokenizer = tokenizer_of(settings.model());
  const std::string text = settings.tokenize.text.empty()
                               ? std::string{std::istreambuf_iterator<char>(in), {}}
                               : settings.tokenize.text;
  if (settings.tokenize.decode) {
    const Result<std::string> decoded = tokenizer->decode(ids_in(text), false);
    if (!decoded.ok()) throw StartError(ExitCode::kUsage, decoded.error().message);
    out << decoded.value() << "\n";
    return ExitCode::kOk;
  }
  const Result<std::vector<int32_t>> ids =
      tokenizer->encode(text, {.add_special_tokens = settings.tokenize.special_tokens});
  if (!ids.ok()) throw StartError(ExitCode::kUsage, ids.error().message);
  out << fmt::format("[{}]\n", fmt::join(ids.value(), ", "));
  return ExitCode::kOk;
}

}  // namespace ember
