// SPDX-License-Identifier: Apache-2.0
// The results of simulated fleets beside each other.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "simulation.h"

namespace ember {

class FleetReport {
 public:
  // duration: of the config, for rates.
  explicit FleetReport(double duration) : duration_(duration) {}

  void add(std::string_view policy, const FleetResult& result);
  nlohmann::ordered_json json() const { return rows_; }
  std::string table() const;  // a line per policy; milliseconds

 private:
  const double duration_;
  nlohmann::ordered_json rows_ = nlohmann::ordered_json::array();
};

}  // namespace ember
