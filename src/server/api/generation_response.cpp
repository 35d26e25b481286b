// SPDX-License-Identifier: Apache-2.0
#include "api/generation_response.h"

namespace ember {

void GenerationResponse::start(std::string& out) {
  sink_->write_into(out);
  answer_->start();
}

void GenerationResponse::on_event(const TokenOutput& event, std::string& out,
                                  std::vector<RequestId>& cancels) {
  sink_->write_into(out);
  answer_->take(event, cancels);
}

void GenerationResponse::fail(const Error& error, std::string& out) {
  sink_->write_into(out);
  answer_->fail(error);
}

void GenerationResponse::keep_alive(std::string& out) {
  sink_->write_into(out);
  answer_->keep_alive();
}

}  // namespace ember
