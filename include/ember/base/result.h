// SPDX-License-Identifier: Apache-2.0
// The outcome of an operation whose failure is the caller's fault or "not now".
#pragma once

#include <string>
#include <utility>
#include <variant>

namespace ember {

enum class ErrorKind {
  kInvalid,       // the request is wrong: HTTP 400
  kUnauthorized,  // no key, or a wrong one: 401
  kForbidden,     // not allowed to whoever asks: 403
  kNotFound,      // names something that does not exist: 404
  kTooLarge,      // over a size limit: 413
  kBusy,          // too much at the moment: 429
  kInternal,      // our fault: 500
  kUnavailable,   // not able now (loading, draining, engine failed): 503
  kTimeout,       // not finished before its deadline: 504
};

struct Error {
  ErrorKind kind = ErrorKind::kInvalid;
  std::string message;  // for people: names the field, the value and the limit
  std::string param;    // the request field at fault, e.g. "messages[0].role"; may be empty
  std::string code;     // for programs, e.g. "invalid_value"; may be empty
};

// Builds the most common error: a value the caller must change.
inline Error invalid(std::string param, std::string message, std::string code = "invalid_value") {
  return Error{ErrorKind::kInvalid, std::move(message), std::move(param), std::move(code)};
}

template <class T>
class [[nodiscard]] Result {
 public:
  Result(T value)
      : v_(std::in_place_index<0>, std::move(value)) {}  // NOLINT(google-explicit-constructor)
  Result(Error error)
      : v_(std::in_place_index<1>, std::move(error)) {}  // NOLINT(google-explicit-constructor)

  bool ok() const { return v_.index() == 0; }
  explicit operator bool() const { return ok(); }
  T& value() & { return std::get<0>(v_); }
  const T& value() const& { return std::get<0>(v_); }
  T&& value() && { return std::get<0>(std::move(v_)); }
  const Error& error() const { return std::get<1>(v_); }

 private:
  std::variant<T, Error> v_;
};

template <>
class [[nodiscard]] Result<void> {
 public:
  Result() = default;
  Result(Error error)
      : error_(std::move(error)), ok_(false) {}  // NOLINT(google-explicit-constructor)

  bool ok() const { return ok_; }
  explicit operator bool() const { return ok_; }
  const Error& error() const { return error_; }

 private:
  Error error_;
  bool ok_ = true;
};

}  // namespace ember
