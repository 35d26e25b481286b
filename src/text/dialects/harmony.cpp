// SPDX-License-Identifier: Apache-2.0
// gpt-oss: an answer is a row of messages, each with a header that names its channel, and perhaps
// whom it is for: <|channel|>analysis<|message|>...<|end|><|start|>assistant<|channel|>final...
// Analysis is reasoning; commentary to=functions.f is a call, whose message is its arguments;
// everything else is content.
#include "dialects/harmony.h"

#include <fmt/format.h>

#include <algorithm>

#include "dialects/call_reader.h"
#include "dialects/grammar_rules.h"
#include "dialects/json_extent.h"
#include "dialects/table.h"
#include "ember/text/tool_grammar.h"
#include "scan.h"

namespace ember {

namespace {

constexpr std::string_view kStart = "<|start|>", kChannel = "<|channel|>", kMessage = "<|message|>",
                           kConstrain = "<|constrain|>", kEnd = "<|end|>", kCall = "<|call|>",
                           kReturn = "<|return|>";
constexpr std::string_view kMarkers[] = {kStart, kChannel, kMessage, kConstrain,
                                         kEnd,   kCall,    kReturn};
constexpr std::string_view kStops[] = {kCall, kReturn};
// What ends a message; the header of the next one stays.
constexpr std::string_view kEnds[] = {kEnd, kCall, kReturn, kStart, kChannel};
// How a header begins, where the prompt ends with the beginning of the first one.
constexpr std::string_view kHeaders[] = {kStart,     kChannel,    kMessage,
                                         kConstrain, "assistant", "to="};

// The word that follows `mark` in a header; empty: there is none.
std::string_view word_after(std::string_view header, std::string_view mark) {
  const size_t found = header.find(mark);
  if (found == std::string_view::npos) return {};
  const std::string_view rest = header.substr(found + mark.size());
  return rest.substr(0, rest.find_first_of(" <\n\r\t"));
}

// A message as it is when it comes first: the prompt has ended with its role then.
std::string_view without_role(std::string_view message) {
  const size_t begin = message.starts_with(kStart) ? kStart.size() : 0;
  const bool has_role = begin > 0 && message.substr(begin).starts_with("assistant");
  return message.substr(begin + (has_role ? std::string_view("assistant").size() : 0));
}

class Reader final : public CallReader {
 public:
  using CallReader::CallReader;

  bool reasoning() const override { return state_ == State::kReasoning; }

 private:
  enum class State : uint8_t { kHeader, kReasoning, kContent, kWholeCall, kArguments, kSkip };
  struct End {
    size_t at;    // of the mark, or of the end of held_
    size_t size;  // of the mark, where it does not belong to the next header
    bool found;
  };

  bool advance(bool at_end) override {
    switch (state_) {
      case State::kHeader:
        return header(at_end);
      case State::kReasoning:
      case State::kContent:
      case State::kSkip:
        return text(at_end);
      case State::kWholeCall:
        return call(at_end);
      case State::kArguments:
        return arguments();
    }
    return false;
  }

  bool header(bool at_end) {
    const size_t first = scan::skip_space(held_, 0);
    const std::string_view rest = std::string_view(held_).substr(first);
    bool begins = false, may_begin = false;
    for (const std::string_view beginning : kHeaders) {
      const scan::Found found = scan::literal(rest, beginning);
      begins = begins || found == scan::Found::kYes;
      may_begin = may_begin || found == scan::Found::kMore;
    }
    const size_t end = held_.find(kMessage);
    if (begins && end != std::string::npos) {
      begin_message(end + kMessage.size());
      return true;
    }
    if ((begins || may_begin) && !at_end) return false;
    if (begins || may_begin || rest.empty()) {  // a header that is cut off, or white space
      if (!rest.empty() || num_messages_ == 0) sink_.add_content(held_);
      held_.clear();
      return false;
    }
    state_ = State::kContent;
    return true;
  }

  void begin_message(size_t size) {
    const std::string_view head = std::string_view(held_).substr(0, size);
    const std::string_view channel = word_after(head, kChannel), to = word_after(head, "to=");
    const bool to_function = to.starts_with("functions.");
    name_ = to.substr(to_function ? std::string_view("functions.").size() : 0);
    ++num_messages_;
    if (!to.empty() && sink_.is_function(name_)) {
      opening_ = size;
      extent_ = {};
      state_ = State::kWholeCall;
      return;
    }
    const bool raw = !to.empty() && to != "user";
    const bool analysis = !raw && channel == "analysis";
    bool& before = analysis ? has_reasoning_ : has_content_;
    if (before) add(analysis, "\n");
    before = true;
    if (raw) sink_.add_content(without_role(head));  // a call of no function that is known
    held_.erase(0, size);
    state_ = analysis ? State::kReasoning : State::kContent;
  }

  void add(bool reasoning, std::string_view text) {
    if (reasoning)
      sink_.add_reasoning(text);
    else
      sink_.add_content(text);
  }

  End find_end(bool at_end, size_t from = 0) const {
    End end{held_.size(), 0, at_end};
    for (const std::string_view mark : kEnds) {
      const size_t at = held_.find(mark, from);
      if (at >= end.at) continue;
      end = {at, mark == kStart || mark == kChannel ? 0 : mark.size(), true};
    }
    return end;
  }

  // Reasoning, content, or what follows a call's arguments, which means nothing.
  bool text(bool at_end) {
    const End end = find_end(at_end);
    size_t sure = end.at;
    if (!end.found)
      for (const std::string_view mark : kEnds)
        sure = std::min(sure, held_.size() - scan::overlap(held_, mark));
    if (state_ != State::kSkip)
      add(state_ == State::kReasoning, std::string_view(held_).substr(0, sure));
    held_.erase(0, sure + end.size);
    if (end.found) state_ = State::kHeader;
    return end.found;
  }

  bool call(bool at_end) {
    const size_t object = scan::skip_space(held_, opening_);
    const bool begins = object < held_.size() && held_[object] == '{';
    if (sink_.constrained() && begins) {
      sink_.begin_call(name_);
      held_.erase(0, object);
      state_ = State::kArguments;
      return true;
    }
    const End end = find_end(at_end, opening_);
    if (!end.found) return false;
    const std::string_view message =
        std::string_view(held_).substr(object, std::max(object, end.at) - object);
    const std::string_view given = message.substr(0, scan::trim_end(message, message.size()));
    if (given.empty() || (begins && nlohmann::ordered_json::accept(given))) {
      sink_.begin_call(name_);
      sink_.add_arguments(given.empty() ? "{}" : given);
    } else {
      sink_.add_content(without_role(std::string_view(held_).substr(0, end.at)));
    }
    held_.erase(0, end.at + end.size);
    state_ = State::kHeader;
    return true;
  }

  bool arguments() {
    extent_.scanned = 0;
    const size_t end = extent_.find_end(held_);
    const size_t size = std::min(end, held_.size());
    sink_.add_arguments(std::string_view(held_).substr(0, size));
    held_.erase(0, size);
    if (end != std::string::npos) state_ = State::kSkip;
    return end != std::string::npos;
  }

  State state_ = State::kHeader;
  size_t opening_ = 0;  // kWholeCall: bytes of the header
  int num_messages_ = 0;
  bool has_reasoning_ = false, has_content_ = false;
  std::string name_;
  JsonExtent extent_;
};

std::string mark(const Tokenizer& tokenizer, std::string_view text) {
  return lark::special(tokenizer, text).value_or(lark::literal(text));
}

// Perhaps an analysis, then the end of its message and the beginning of the next one.
std::string define_analysis(const Tokenizer& tokenizer, std::string& rules) {
  const std::string text = lark::text_until(rules, tokenizer, std::string(kEnd));
  rules +=
      fmt::format("analysis: {} \"analysis\" {} {} {} \"assistant\"\n", mark(tokenizer, kChannel),
                  mark(tokenizer, kMessage), text, mark(tokenizer, kStart));
  return "analysis?";
}

// One call: its end is the end of the answer.
std::string grammar(const ToolGrammarSpec& spec, const Tokenizer& tokenizer,
                    GrammarSource& source) {
  std::string& rules = source.text;
  rules += fmt::format("kind: \" \" {} \"json\"\n", mark(tokenizer, kConstrain));
  std::string calls;
  for (size_t i = 0; i < spec.functions.size(); ++i)
    calls += fmt::format("{}{} kind? {} args_{}", i == 0 ? "" : " | ",
                         lark::literal(spec.functions[i].name), mark(tokenizer, kMessage), i);
  rules += fmt::format("calls: {} \"commentary to=functions.\" ({})\n", mark(tokenizer, kChannel),
                       calls);
  const std::string analysis = define_analysis(tokenizer, rules);
  if (spec.required) return analysis + " calls";
  lark::define_text_without(rules, tokenizer, std::string(kChannel));
  return fmt::format("{} (calls | {} \"final\" {} TEXT)", analysis, mark(tokenizer, kChannel),
                     mark(tokenizer, kMessage));
}

}  // namespace

std::string harmony_final(const Tokenizer& tokenizer, std::string& rules, bool open) {
  std::string analysis;
  if (open)
    analysis =
        fmt::format("{} {} \"assistant\"", lark::text_until(rules, tokenizer, std::string(kEnd)),
                    mark(tokenizer, kStart));
  else
    analysis = define_analysis(tokenizer, rules);
  return fmt::format("{} {} \"final\" {}", analysis, mark(tokenizer, kChannel),
                     mark(tokenizer, kMessage));
}

constinit const ToolDialect kHarmony = {
    .name = "harmony",
    .markers = kMarkers,
    .is_taught_by =
        [](std::string_view source) {
          return source.find(kChannel) != std::string_view::npos &&
                 source.find("functions.") != std::string_view::npos;
        },
    .grammar = grammar,
    .make_reader = [](CallSink& sink) -> std::unique_ptr<CallReader> {
      return std::make_unique<Reader>(sink);
    },
    .make_id = default_call_id,
    .stops = kStops,
    .has_channels = true,
};

}  // namespace ember
