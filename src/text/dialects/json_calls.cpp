// SPDX-License-Identifier: Apache-2.0
#include "dialects/json_calls.h"

#include <algorithm>
#include <initializer_list>
#include <nlohmann/json.hpp>
#include <optional>
#include <utility>

namespace ember {

namespace {

using Json = nlohmann::ordered_json;
using scan::Found;

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

}  // namespace

bool JsonCallReader::advance(bool at_end) {
  switch (state_) {
    case State::kBefore:
      return before_call(at_end);
    case State::kCall:
      return call(at_end);
    case State::kArguments:
      return arguments();
    case State::kClosing:
      return closing(at_end);
    case State::kRest:
      sink_.add_content(std::exchange(held_, {}));
      return false;
  }
  return false;
}

bool JsonCallReader::find_marker(std::string_view marker, bool at_end) {
  if (const size_t found = held_.find(marker); found != std::string::npos) {
    const size_t end = scan::trim_end(held_, found);
    sink_.add_content(std::string_view(held_).substr(0, end));
    held_.erase(0, end);
    opening_ = found - end + marker.size();
    state_ = State::kCall;
    return true;
  }
  size_t sure =
      at_end ? held_.size() : scan::trim_end(held_, held_.size() - scan::overlap(held_, marker));
  if (at_end && sink_.num_calls() > 0) sure = scan::trim_end(held_, sure);
  sink_.add_content(std::string_view(held_).substr(0, sure));
  held_.erase(0, sure);
  return false;
}

Found JsonCallReader::find_object(size_t& at) {
  at = scan::skip_space(held_, opening_);
  return at < held_.size() ? Found::kYes : Found::kMore;
}

bool JsonCallReader::call(bool at_end) {
  size_t at = 0;
  const Found found = find_object(at);
  if (found == Found::kMore) return at_end ? malformed() : false;
  if (found == Found::kNo || held_[at] != '{' || (!name_.empty() && !sink_.is_function(name_)))
    return malformed();
  return sink_.constrained() ? streamed_call(at, at_end) : whole_call(at, at_end);
}

bool JsonCallReader::whole_call(size_t object, bool at_end) {
  if (extent_.scanned == 0) extent_.scanned = object;
  const size_t end = extent_.find_end(held_);
  if (end == std::string::npos) return at_end ? malformed() : false;
  const std::string_view body = std::string_view(held_).substr(object, end - object);
  std::optional<std::pair<std::string, std::string>> read;
  if (name_.empty())
    read = read_call(body);
  else if (Json::accept(body))
    read.emplace(name_, body);
  if (!read || !sink_.is_function(read->first)) return malformed();
  sink_.begin_call(read->first);
  sink_.add_arguments(read->second);
  held_.erase(0, end);
  state_ = State::kClosing;
  return true;
}

bool JsonCallReader::streamed_call(size_t object, bool at_end) {
  std::string name = name_;
  size_t at = object;
  const Found found = name_.empty() ? head(held_, at, name) : Found::kYes;
  if (found == Found::kMore && !at_end) return false;
  if (found != Found::kYes || !sink_.is_function(name)) return malformed();
  sink_.begin_call(name);
  brace_ = name_.empty();
  held_.erase(0, at);
  extent_ = {};
  state_ = State::kArguments;
  return true;
}

bool JsonCallReader::arguments() {
  extent_.scanned = 0;
  const size_t end = extent_.find_end(held_);
  const size_t size = std::min(end, held_.size());
  sink_.add_arguments(std::string_view(held_).substr(0, size));
  held_.erase(0, size);
  if (end != std::string::npos) state_ = State::kClosing;
  return end != std::string::npos;
}

bool JsonCallReader::closing(bool at_end) {
  extent_ = {};
  name_.clear();
  const size_t at = scan::skip_space(held_, 0);
  if (at == held_.size()) return false;
  if (brace_ && held_[at] == '}') {
    brace_ = false;
    held_.erase(0, at + 1);
    return true;
  }
  brace_ = false;
  return after_call(at, at_end);
}

bool JsonCallReader::malformed() {
  const size_t size = place_ == Place::kWholeAnswer ? held_.size() : opening_;
  sink_.add_content(std::string_view(held_).substr(0, size));
  held_.erase(0, size);
  state_ = place_ == Place::kWholeAnswer ? State::kRest : State::kBefore;
  extent_ = {};
  name_.clear();
  return true;
}

}  // namespace ember
