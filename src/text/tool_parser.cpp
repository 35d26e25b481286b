// SPDX-License-Identifier: Apache-2.0
#include "ember/text/tool_parser.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "scan.h"

namespace ember {

namespace {

using Json = nlohmann::ordered_json;
using scan::Found;

constexpr std::string_view kPythonTag = "<|python_tag|>", kCallEnd = "</tool_call>",
                           kArgs = "[ARGS]", kCallId = "[CALL_ID]";

// The parts in their order, white space between them skipped; moves `at` behind them.
Found sequence(std::string_view text, size_t& at, std::initializer_list<std::string_view> parts) {
  for (const std::string_view part : parts) {
    at = scan::skip_space(text, at);
    if (const Found found = scan::literal(text.substr(at), part); found != Found::kYes)
      return found;
    at += part.size();
  }
  at = scan::skip_space(text, at);
  return at < text.size() ? Found::kYes : Found::kMore;
}

// {"name": "f", "arguments": and what follows; moves `at` to the first byte of the arguments.
Found head(std::string_view text, size_t& at, std::string& name) {
  if (const Found begun = sequence(text, at, {"{", "\"name\"", ":", "\""}); begun != Found::kYes)
    return begun;
  const size_t end = text.find('"', at);
  if (end == std::string_view::npos) return Found::kMore;
  name = text.substr(at, end - at);
  const size_t after = end + 1;
  Found found = Found::kNo;
  for (const std::string_view key : {"\"parameters\"", "\"arguments\""}) {
    at = after;
    found = sequence(text, at, {",", key, ":"});
    if (found != Found::kNo) break;
  }
  if (found == Found::kYes && text[at] != '{') return Found::kNo;
  return found;
}

// The name and the arguments of a whole call; nullopt: it is none.
std::optional<std::pair<std::string, std::string>> read_call(std::string_view object) {
  const Json call = Json::parse(object.begin(), object.end(), nullptr, false);
  if (!call.is_object() || !call.contains("name") || !call["name"].is_string()) return std::nullopt;
  const char* key = call.contains("arguments") ? "arguments" : "parameters";
  if (!call.contains(key)) return std::nullopt;
  Json arguments = call[key];
  if (arguments.is_string())
    arguments =
        Json::parse(arguments.get<std::string>(), nullptr, false);  // some models write it twice
  if (!arguments.is_object()) return std::nullopt;
  return std::pair(call["name"].get<std::string>(),
                   arguments.dump(-1, ' ', false, Json::error_handler_t::replace));
}

// splitmix64.
uint64_t mix(uint64_t x) {
  x += 0x9e3779b97f4a7c15u;
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
  x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
  return x ^ (x >> 31);
}

}  // namespace

bool ToolParser::is_function(std::string_view name) const {
  return std::find(options_.functions.begin(), options_.functions.end(), name) !=
         options_.functions.end();
}

ToolParser::Output ToolParser::push(std::string_view text) {
  Output out;
  held_.append(text);
  while (advance(out, false)) continue;
  return out;
}

ToolParser::Output ToolParser::finish() {
  Output out;
  while (advance(out, true)) continue;
  return out;
}

bool ToolParser::advance(Output& out, bool at_end) {
  if (held_.empty()) return false;
  switch (state_) {
    case State::kStart:
      return options_.dialect == ToolDialect::kGlm4 ? start_glm(at_end) : start(at_end);
    case State::kText:
      return text(out, at_end);
    case State::kCall:
      return call(out, at_end);
    case State::kArguments:
      return arguments(out);
    case State::kClosing:
      return closing(at_end);
    case State::kRest:
      out.content += std::exchange(held_, {});
      return false;
  }
  return false;
}

// Llama 3: an object, or the tag before one.
bool ToolParser::start(bool at_end) {
  const size_t first = scan::skip_space(held_, 0);
  const std::string_view rest = std::string_view(held_).substr(first);
  const Found tag = scan::literal(rest, kPythonTag);
  if ((rest.empty() || tag == Found::kMore) && !at_end) return false;
  const bool begins = tag == Found::kYes || rest.starts_with('{');
  state_ = begins ? State::kCall : State::kRest;
  opening_ = first + (tag == Found::kYes ? kPythonTag.size() : 0);
  return true;
}

// GLM-4: a line that is a function's name.
bool ToolParser::start_glm(bool at_end) {
  const size_t end = held_.find('\n');
  const std::string_view line =
      std::string_view(held_).substr(0, scan::trim_end(held_, std::min(end, held_.size())));
  const bool may_become =
      std::any_of(options_.functions.begin(), options_.functions.end(),
                  [&](const std::string& name) { return name.starts_with(line); });
  if (end == std::string::npos && may_become && !at_end) return false;
  if (end == 0 && num_calls_ == 0)
    held_.erase(0, 1);  // an answer in words begins with an empty line
  const bool begins = end != std::string::npos && is_function(line);
  state_ = begins ? State::kCall : State::kRest;
  if (!begins) return true;
  name_ = line;
  opening_ = end + 1;
  return true;
}

bool ToolParser::text(Output& out, bool at_end) {
  if (const size_t found = held_.find(trigger()); found != std::string::npos) {
    const size_t end = scan::trim_end(held_, found);
    out.content.append(held_, 0, end);
    held_.erase(0, end);
    opening_ = found - end + trigger().size();
    state_ = State::kCall;
    return true;
  }
  size_t sure =
      at_end ? held_.size() : scan::trim_end(held_, held_.size() - scan::overlap(held_, trigger()));
  if (at_end && num_calls_ > 0) sure = scan::trim_end(held_, sure);
  out.content.append(held_, 0, sure);
  held_.erase(0, sure);
  return false;
}

// Finds where the object begins.
bool ToolParser::call(Output& out, bool at_end) {
  size_t at = scan::skip_space(held_, opening_);
  if (options_.dialect == ToolDialect::kMistral && !in_list_ && at < held_.size()) {
    if (held_[at] == '[') {
      in_list_ = true;
      opening_ = at + 1;
      return true;
    }
    const size_t object = held_.find('{', at);
    if (object == std::string::npos) return at_end ? malformed(out) : false;
    name_ =
        held_.substr(at, std::min({object, held_.find(kCallId, at), held_.find(kArgs, at)}) - at);
    name_.resize(scan::trim_end(name_, name_.size()));
    at = object;
  }
  if (at == held_.size()) return at_end ? malformed(out) : false;
  if (held_[at] != '{' || (!name_.empty() && !is_function(name_))) return malformed(out);
  return options_.constrained ? streamed_call(out, at, at_end) : whole_call(out, at, at_end);
}

namespace {

// Reads on from extent.scanned; the position behind the object, or npos.
size_t object_end(std::string_view text, auto& extent) {
  while (extent.scanned < text.size()) {
    const char c = text[extent.scanned++];
    if (extent.in_string) {
      if (!extent.escaped && c == '"') extent.in_string = false;
      extent.escaped = !extent.escaped && c == '\\';
    } else if (c == '"') {
      extent.in_string = true;
    } else if (c == '{' || c == '[') {
      ++extent.depth;
    } else if ((c == '}' || c == ']') && --extent.depth == 0) {
      return extent.scanned;
    }
  }
  return std::string_view::npos;
}

}  // namespace

bool ToolParser::whole_call(Output& out, size_t object, bool at_end) {
  if (extent_.scanned == 0) extent_.scanned = object;
  const size_t end = object_end(held_, extent_);
  if (end == std::string::npos) return at_end ? malformed(out) : false;
  const std::string_view body = std::string_view(held_).substr(object, end - object);
  std::optional<std::pair<std::string, std::string>> read;
  if (name_.empty())
    read = read_call(body);
  else if (Json::accept(body))
    read.emplace(name_, body);
  if (!read || !is_function(read->first)) return malformed(out);
  begin_call(out, read->first);
  add_arguments(out, read->second);
  held_.erase(0, end);
  state_ = State::kClosing;
  return true;
}

bool ToolParser::streamed_call(Output& out, size_t object, bool at_end) {
  std::string name = name_;
  size_t at = object;
  const Found found = name_.empty() ? head(held_, at, name) : Found::kYes;
  if (found == Found::kMore && !at_end) return false;
  if (found != Found::kYes || !is_function(name)) return malformed(out);
  begin_call(out, name);
  brace_ = name_.empty();
  held_.erase(0, at);
  extent_ = {};
  state_ = State::kArguments;
  return true;
}

bool ToolParser::arguments(Output& out) {
  extent_.scanned = 0;
  const size_t end = object_end(held_, extent_);
  const size_t size = std::min(end, held_.size());
  add_arguments(out, std::string_view(held_).substr(0, size));
  held_.erase(0, size);
  if (end != std::string::npos) state_ = State::kClosing;
  return end != std::string::npos;
}

bool ToolParser::closing(bool at_end) {
  extent_ = {};
  name_.clear();
  size_t at = scan::skip_space(held_, 0);
  if (at == held_.size()) return false;
  if (brace_ && held_[at] == '}') {
    brace_ = false;
    held_.erase(0, at + 1);
    return true;
  }
  brace_ = false;
  if (in_list_) return closing_list(at);
  const std::string_view rest = std::string_view(held_).substr(at);
  switch (options_.dialect) {
    case ToolDialect::kHermes: {
      const Found end = scan::literal(rest, kCallEnd);
      if (end == Found::kMore && !at_end) return false;
      if (end == Found::kYes) held_.erase(0, at + kCallEnd.size());
      state_ = State::kText;
      return true;
    }
    case ToolDialect::kMistral:
      state_ = State::kText;
      return true;
    case ToolDialect::kGlm4:
      held_.erase(0, at);
      state_ = State::kStart;
      return true;
    case ToolDialect::kLlama3:
      break;
  }
  if (rest[0] == ';' || rest[0] == ',') at = scan::skip_space(held_, at + 1);
  if (at == held_.size()) return false;
  state_ = held_[at] == '{' ? State::kCall : State::kRest;
  opening_ = at;
  return true;
}

bool ToolParser::closing_list(size_t at) {
  const char c = held_[at];
  in_list_ = c == ',';
  if (c == ',' || c == ']') held_.erase(0, at + 1);
  state_ = in_list_ ? State::kCall : State::kText;
  opening_ = 0;
  return true;
}

// What was held back is content; up to the trigger only where another one may follow.
bool ToolParser::malformed(Output& out) {
  const size_t size = starts_with_calls() ? held_.size() : opening_;
  out.content.append(held_, 0, size);
  held_.erase(0, size);
  state_ = starts_with_calls() ? State::kRest : State::kText;
  in_list_ = false;
  extent_ = {};
  name_.clear();
  return true;
}

void ToolParser::begin_call(Output& out, const std::string& name) {
  ++num_calls_;
  if (options_.parallel || num_calls_ == 1)
    out.calls.push_back({num_calls_ - 1, make_id(num_calls_ - 1), name, {}});
}

void ToolParser::add_arguments(Output& out, std::string_view piece) {
  if (piece.empty() || (!options_.parallel && num_calls_ > 1)) return;
  if (out.calls.empty() || out.calls.back().index != num_calls_ - 1)
    out.calls.push_back({num_calls_ - 1, {}, {}, {}});
  out.calls.back().arguments += piece;
}

// Mistral's templates take ids of nine letters and digits only.
std::string ToolParser::make_id(int index) const {
  const uint64_t a = mix(options_.id_seed + static_cast<uint64_t>(index));
  if (options_.dialect != ToolDialect::kMistral)
    return fmt::format("call_{:016x}{:08x}", a, mix(a) & 0xffffffff);
  constexpr std::string_view kCharacters =
      "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
  std::string id;
  for (uint64_t rest = a; id.size() < 9; rest /= kCharacters.size())
    id.push_back(kCharacters[rest % kCharacters.size()]);
  return id;
}

}  // namespace ember
