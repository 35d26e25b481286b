// SPDX-License-Identifier: Apache-2.0
#include "ember/text/tool_parser.h"

#include "dialects/call_reader.h"

namespace ember {

ToolParser::ToolParser(const Options& options)
    : sink_(std::make_unique<CallSink>(options)), reader_(options.dialect->make_reader(*sink_)) {}
ToolParser::ToolParser(ToolParser&&) noexcept = default;
ToolParser::~ToolParser() = default;

ToolParser::Output ToolParser::push(std::string_view text) {
  reader_->read(text);
  return sink_->take();
}

ToolParser::Output ToolParser::finish() {
  reader_->finish();
  return sink_->take();
}

int ToolParser::num_calls() const { return sink_->num_calls(); }
bool ToolParser::reasoning() const { return reader_->reasoning(); }

}  // namespace ember
