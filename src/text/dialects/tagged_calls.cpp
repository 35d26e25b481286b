// SPDX-License-Identifier: Apache-2.0
#include "dialects/tagged_calls.h"

#include <algorithm>

#include "dialects/parameters.h"

namespace ember {

using scan::Found;

namespace {

// Whether `text` may go on to be, or is, the beginning of a function's name and what ends it.
bool may_be_name(const std::vector<std::string>& functions, std::string_view text) {
  return std::any_of(functions.begin(), functions.end(),
                     [&](const std::string& name) { return name.starts_with(text); });
}

}  // namespace

bool TaggedCallReader::advance(bool at_end) {
  switch (state_) {
    case State::kBefore:
      return before(at_end);
    case State::kName:
      return name(at_end);
    case State::kNext:
      return next(at_end);
    case State::kValue:
      return value(at_end);
    case State::kAfter:
      return after(at_end);
  }
  return false;
}

// Some models leave the outer tag out, where nothing makes them write it.
bool TaggedCallReader::before(bool at_end) {
  const bool whole = tags_.name_begin.empty() || sink_.constrained();
  const std::string_view outer = tags_.open, inner = whole ? tags_.open : tags_.name_begin;
  const size_t found = std::min(held_.find(outer), held_.find(inner));
  if (found != std::string::npos) {
    const size_t end = scan::trim_end(held_, found);
    sink_.add_content(std::string_view(held_).substr(0, end));
    held_.erase(0, end);
    const bool is_outer = std::string_view(held_).substr(found - end).starts_with(outer);
    opening_ = found - end + (is_outer ? outer.size() : inner.size());
    at_ = is_outer ? opening_ : found - end;
    state_ = State::kName;
    return true;
  }
  size_t sure = held_.size();
  if (!at_end) {
    sure -= std::max(scan::overlap(held_, outer), scan::overlap(held_, inner));
    sure = scan::trim_end(held_, sure);
  } else if (sink_.num_calls() > 0) {
    sure = scan::trim_end(held_, sure);
  }
  sink_.add_content(std::string_view(held_).substr(0, sure));
  held_.erase(0, at_end ? held_.size() : sure);
  return false;
}

bool TaggedCallReader::name(bool at_end) {
  size_t begin = scan::skip_space(held_, at_);
  const std::string_view rest = std::string_view(held_).substr(begin);
  const Found tag = scan::literal(rest, tags_.name_begin);
  if (tag == Found::kMore) return at_end ? malformed() : false;
  if (tag == Found::kNo) return malformed();
  begin += tags_.name_begin.size();
  const size_t end = tags_.name_end.empty() ? held_.find_first_of("<\n\r\t ", begin)
                                            : held_.find(tags_.name_end, begin);
  name_ = held_.substr(begin, std::min(end, held_.size()) - begin);
  if (end == std::string::npos)
    return may_be_name(sink_.functions(), name_) && !at_end ? false : malformed();
  if (!sink_.is_function(name_)) return malformed();
  if (sink_.constrained()) sink_.begin_call(name_);
  first_ = true;
  arguments_.clear();
  pass(end + tags_.name_end.size());
  state_ = State::kNext;
  return true;
}

bool TaggedCallReader::next(bool at_end) {
  const size_t begin = scan::skip_space(held_, at_);
  const std::string_view rest = std::string_view(held_).substr(begin);
  const std::string_view end_tag = tags_.call_end.empty() ? tags_.close : tags_.call_end;
  const Found end = scan::literal(rest, end_tag), key_tag = scan::literal(rest, tags_.key_begin);
  if (end == Found::kYes) {
    end_call(begin + end_tag.size());
    return true;
  }
  if (key_tag == Found::kYes) return key(begin + tags_.key_begin.size(), at_end);
  return end == Found::kMore || key_tag == Found::kMore ? wait(at_end) : malformed();
}

bool TaggedCallReader::key(size_t begin, bool at_end) {
  const size_t end = held_.find(tags_.key_end, begin);
  if (end == std::string::npos) return wait(at_end);
  size_t value = end + tags_.key_end.size();
  if (!tags_.value_begin.empty()) {
    value = scan::skip_space(held_, value);
    const Found tag = scan::literal(std::string_view(held_).substr(value), tags_.value_begin);
    if (tag == Found::kMore) return wait(at_end);
    if (tag == Found::kNo) return malformed();
    value += tags_.value_begin.size();
  }
  const size_t name = std::min(end, scan::skip_space(held_, begin));
  begin_value(held_.substr(name, std::max(name, scan::trim_end(held_, end)) - name));
  pass(value);
  return true;
}

void TaggedCallReader::begin_value(std::string name) {
  key_ = std::move(name);
  const nlohmann::ordered_json& root = sink_.parameters_of(name_);
  types_ = value_types(parameter_schema(root, key_), root);
  extent_ = {};
  scanned_ = 0;
  value_begun_ = false;
  if (sink_.constrained())
    sink_.add_arguments((first_ ? "{\"" : ", \"") + json_escaped(key_) + "\": ");
  first_ = false;
  state_ = State::kValue;
}

bool TaggedCallReader::value(bool at_end) {
  if (sink_.constrained() && types_.only_string()) return string_piece(at_end);
  const size_t end = find_value_end();
  if (end == std::string::npos) return wait(at_end);
  std::string_view text = std::string_view(held_).substr(at_, end - at_);
  if (tags_.value_lines && text.starts_with('\n')) text.remove_prefix(1);
  if (tags_.value_lines && text.ends_with('\n')) text.remove_suffix(1);
  std::string value = value_of_text(types_, text);
  if (sink_.constrained()) {
    sink_.add_arguments(value);
  } else {
    const auto same = std::find_if(arguments_.begin(), arguments_.end(),
                                   [&](const auto& argument) { return argument.first == key_; });
    if (same != arguments_.end())
      same->second = std::move(value);
    else
      arguments_.emplace_back(key_, std::move(value));
  }
  pass(end + tags_.value_end.size());
  state_ = State::kNext;
  return true;
}

// The tag that ends the value. It may stand in a string within an object or a list, where no text
// is expected.
size_t TaggedCallReader::find_value_end() {
  const std::string_view value = std::string_view(held_).substr(at_);
  const size_t first = scan::skip_space(value, 0);
  const bool structure =
      !types_.string && first < value.size() && (value[first] == '{' || value[first] == '[');
  for (size_t at = value.find(tags_.value_end, scanned_); at != std::string::npos;
       at = value.find(tags_.value_end, at + 1)) {
    if (!structure || !extent_.is_in_string(value, at)) return at_ + at;
    scanned_ = at + 1;
  }
  scanned_ = std::max(scanned_, value.size() - std::min(value.size(), tags_.value_end.size()));
  return std::string::npos;
}

// Constrained: a string is given on as it comes.
bool TaggedCallReader::string_piece(bool at_end) {
  if (!value_begun_) {
    sink_.add_arguments("\"");
    if (tags_.value_lines && held_.starts_with('\n')) held_.erase(0, 1);
    value_begun_ = true;
  }
  const size_t end = held_.find(tags_.value_end);
  size_t sure = std::min(end, held_.size());
  if (end == std::string::npos) sure -= scan::overlap(held_, tags_.value_end);
  if (tags_.value_lines && sure > 0 && held_[sure - 1] == '\n') --sure;
  sink_.add_arguments(json_escaped(std::string_view(held_).substr(0, sure)));
  if (end == std::string::npos) {
    held_.erase(0, at_end ? held_.size() : sure);
    return false;
  }
  sink_.add_arguments("\"");
  pass(end + tags_.value_end.size());
  state_ = State::kNext;
  return true;
}

void TaggedCallReader::end_call(size_t end) {
  if (sink_.constrained()) {
    sink_.add_arguments(first_ ? "{}" : "}");
  } else {
    std::string object;
    for (const auto& [key, value] : arguments_)
      object += (object.empty() ? "{\"" : ", \"") + json_escaped(key) + "\": " + value;
    sink_.begin_call(name_);
    sink_.add_arguments(object.empty() ? "{}" : object + "}");
  }
  held_.erase(0, end);
  at_ = 0;
  state_ = tags_.call_end.empty() ? State::kBefore : State::kAfter;
}

// The end of the answer may have cut off the outer tag.
bool TaggedCallReader::after(bool at_end) {
  const size_t begin = scan::skip_space(held_, 0);
  const Found close = scan::literal(std::string_view(held_).substr(begin), tags_.close);
  if (close == Found::kMore && !at_end) return false;
  if (close == Found::kYes) held_.erase(0, begin + tags_.close.size());
  if (close == Found::kMore) held_.clear();
  state_ = State::kBefore;
  return true;
}

// A call never ends.
bool TaggedCallReader::cut_off() {
  if (!sink_.constrained()) return malformed();
  held_.clear();
  return false;
}

bool TaggedCallReader::malformed() {
  if (!sink_.constrained() || state_ == State::kName) {
    sink_.add_content(std::string_view(held_).substr(0, opening_));
    held_.erase(0, opening_);
  }
  at_ = 0;
  state_ = State::kBefore;
  return true;
}

void TaggedCallReader::pass(size_t end) {
  at_ = end;
  if (!sink_.constrained()) return;
  held_.erase(0, at_);
  at_ = 0;
}

}  // namespace ember
