// SPDX-License-Identifier: Apache-2.0
// Readers of dialects in which the arguments of a call are one JSON object.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "dialects/call_reader.h"
#include "dialects/json_extent.h"
#include "scan.h"

namespace ember {

// Reads the objects; what stands around them is what a dialect's own reader, derived from this,
// looks for. The object is {"name": "f", "arguments": {...}} (or "parameters"), or the arguments
// alone where the name stands before them.
class JsonCallReader : public CallReader {
 protected:
  enum class State : uint8_t {
    kBefore,     // no call has begun, or another one may follow: before_call() looks for it
    kCall,       // held_ begins with what precedes a call's object
    kArguments,  // inside an object whose pieces go out as they come
    kClosing,    // behind the object
    kRest,       // content to the end
  };
  // Where a malformed call's text goes.
  enum class Place : uint8_t {
    kInText,       // calls may stand anywhere: the text goes on behind what seemed to begin one
    kWholeAnswer,  // calls are the whole answer: all of it is content
  };
  JsonCallReader(CallSink& sink, Place place) : CallReader(sink), place_(place) {}

  // In kBefore. Moves on to kCall, with opening_ set, or to kRest. Returns as advance() does.
  virtual bool before_call(bool at_end) = 0;
  // In kCall, from opening_ on: moves `at` to where the object should begin, or to the end of held_
  // where that has not come. kNo: nothing that can become a call.
  virtual scan::Found find_object(size_t& at);
  // In kClosing: `at` is the first position behind the object that is no white space. Chooses the
  // next state. Returns as advance() does.
  virtual bool after_call(size_t at, bool at_end) = 0;

  // For before_call(): content up to `marker`, with which a call begins.
  bool find_marker(std::string_view marker, bool at_end);

  State state_ = State::kBefore;
  size_t opening_ = 0;  // kCall: bytes of held_ before the call's object, or its name
  std::string name_;    // kCall: of a call whose name stands before its object

 private:
  bool advance(bool at_end) final;
  bool call(bool at_end);
  bool whole_call(size_t object, bool at_end);
  bool streamed_call(size_t object, bool at_end);
  bool arguments();
  bool closing(bool at_end);
  bool malformed();

  const Place place_;
  bool brace_ = false;  // kClosing: the object around the arguments is still open
  JsonExtent extent_;
};

}  // namespace ember
